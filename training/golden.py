"""Writes tests/goldens/bundled.json: transformers' results with the exported, dequantised models."""

import argparse
import json
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import BertForTokenClassification, BertModel

import base
from layout import token_types

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "goldens" / "bundled.json"
NER_TEXTS = [
    "Maria Keller of Nordwind Energie met the mayor of Tromsø on Tuesday.",
    "ORKNEY FERRIES RESUME AFTER STORM DELAYS",
    "İstanbul'da yaşayan Çağla Yıldız, Straße nach Köln: “ça va, Zoë?”",
    "Match day in Turin ⚽🔥 — iPhone pics by @LuciaB soon!",
    "东京 and Αθήνα signed the accord, said Ngozi Adébáyò.",
    "The harbour town of Whitby will host the North Sea Science Week in May, its organisers said on Friday. "
    "Professor Ewa Brandt, who leads the Tidal Research Institute in Gdynia, will open the event with a talk on "
    "storm surges. Delegates from Denmark, Belgium and the Netherlands are expected. \"We have wanted this for "
    "years,\" Brandt told the Whitby Herald. The Danish minister Lars Holm, a former captain of the ferry company "
    "Skagen Line, has promised 2.5 million euros for a new Dutch-Polish measuring station near Texel. Local hotels "
    "say they are fully booked.",
]  # fmt: skip
TOPIC_TEXTS = [
    "The striker scored twice as the visitors won the cup final.",
    "Central bank raises interest rates to 4.5% as inflation slows",
    "ASTRONOMERS FIND WATER ON A DISTANT MOON",
    "Zoë's café in Malmö reopened 🎉🎂 after the flood.",
    "This text is about science and technology.",
    "The parliament voted on Thursday to postpone the pension reform after weeks of strikes. Ministers from three "
    "parties had warned that the plan would divide the country, while unions promised further walkouts at ports, "
    "schools and hospitals. The prime minister said that talks would begin again in the autumn, and that no worker "
    "within five years of retirement would be affected. Economists doubt that the budget can be balanced without "
    "the reform; the finance ministry puts the shortfall at nine billion crowns by the end of the decade. Opposition "
    "leaders called the delay a victory and asked for early elections.",
]  # fmt: skip


@torch.inference_mode()
def ner_goldens(folder: Path) -> list[dict]:
    """Ids, token types [tokens] and logits [tokens, 9] of each text."""
    tokenizer = base.load_tokenizer()
    model = base.load_exported(BertForTokenClassification, folder, attn_implementation="eager")
    goldens = []
    for text in NER_TEXTS:
        encoding = tokenizer.encode(text)
        # Models that do not read places have a row for each class of casing alone.
        types = [kind % model.config.type_vocab_size for kind in token_types(text, encoding)]
        logits = model(input_ids=torch.tensor([encoding.ids]), token_type_ids=torch.tensor([types])).logits[0]
        goldens.append({"text": text, "ids": encoding.ids, "token_types": types, "logits": logits.tolist()})
    return goldens


@torch.inference_mode()
def topic_goldens(folder: Path) -> list[dict]:
    """Ids [tokens] and embedding [384] of each text: the mean over all tokens, not normalised."""
    tokenizer = base.load_tokenizer()
    model = base.load_exported(BertModel, folder, attn_implementation="eager")
    goldens = []
    for text in TOPIC_TEXTS:
        ids = tokenizer.encode(text).ids
        embedding = model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
        goldens.append({"text": text, "ids": ids, "embedding": embedding.tolist()})
    return goldens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundled", type=Path, default=base.BUNDLED)
    parser.add_argument("--out", type=Path, default=GOLDEN)
    args = parser.parse_args()
    goldens = {
        "versions": {package.__name__: package.__version__ for package in (torch, transformers, tokenizers)},
        "ner": ner_goldens(args.bundled / "ner-en-small" / "model"),
        "topics": topic_goldens(args.bundled / "topics-en-small" / "model"),
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(goldens, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
