"""Save fixtures again by version 5 of transformers, which writes other configs and tokenizers.

    python resave.py [OUTPUT_FOLDER]

Each NAME of NAMES becomes NAME-v5: the same weights, and files and results by what requirements-v5.txt names.
"""

import json
import shutil
import sys
from pathlib import Path

import tokenizers
import torch
import transformers
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from references import LITERAL, STRATEGIES, fitting_texts, tag

HERE = Path(__file__).resolve().parent
# One of each way to tokenise, and the architecture whose config changed.
NAMES = ["ner-wordpiece-cased", "roberta-ner", "xlm-roberta-ner", "deberta-v2-ner", "mpnet-ner", "modernbert-ner"]


def resave(name, folder):
    """Write the checkpoint as it is loaded; return what was written, loaded again."""
    source = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    AutoModelForTokenClassification.from_pretrained(source).save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return model, tokenizer


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    versions = {module.__name__: module.__version__ for module in (torch, transformers, tokenizers)}
    for name in NAMES:
        folder = output / f"{name}-v5"
        model, tokenizer = resave(name, folder)
        taggers = {
            strategy: pipeline(
                "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=strategy, device="cpu"
            )
            for strategy in STRATEGIES
        }
        # The last text fills the window by the first tokenizer; this one may need another for that.
        known = [row["text"] for row in json.loads((HERE / name / "golden.json").read_text())["texts"][:-1]]
        texts = fitting_texts(tokenizer, [*known, LITERAL])
        rows = [tag(taggers, model, tokenizer, text) for text in dict.fromkeys(texts)]
        labels = [model.config.id2label[at] for at in range(model.config.num_labels)]
        golden = {"versions": versions, "labels": labels, "texts": rows}
        (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
        print(folder.name, len(rows), "texts")


if __name__ == "__main__":
    main()
