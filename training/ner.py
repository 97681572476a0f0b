"""Trains the NER model and its teacher, scores it on the development sets and exports it.

The first stage learns the corpora, the second written documents of all genres. The second alone forgets some of the first:
the mean of both models (mean.py) keeps most of each.
"""

import argparse
import hashlib
import json
import random
from pathlib import Path

import torch
from transformers import BertConfig, BertForTokenClassification

import base
import loop
import tagger
import teacher
from corpora import KINDS, LABELS, TRAIN
from layout import TOKEN_TYPES
from samples import annotated_samples, renamed_samples, unlabelled_samples, written_samples

#: The rate of the second stage, as a share of the first's.
SECOND_RATE = 0.75
#: The library's names for kinds, where they differ; it reports no kind for those without a name.
KIND_NAMES = {"ORG:other": "ORG:other organisation", "MISC:other": "MISC:"}


def build_model() -> BertForTokenClassification:
    """The base encoder with a new head for labels and kinds, and token types that start out (almost) equal to the
    pretrained first one."""
    encoder = base.load_encoder()
    config = encoder.config
    config.num_labels = len(LABELS) + len(KINDS)
    config.type_vocab_size = TOKEN_TYPES
    model = BertForTokenClassification(config)
    state = encoder.state_dict()
    first = state["embeddings.token_type_embeddings.weight"][:1]
    noise = 0.002 * torch.randn(TOKEN_TYPES, first.shape[1])
    noise[0] = 0
    state["embeddings.token_type_embeddings.weight"] = first + noise
    model.bert.load_state_dict(state)
    base.freeze_words(model.bert)
    return model


def extended(folder: Path) -> BertForTokenClassification:
    """An exported model of these scripts as a start; weights for kinds and places that it lacks are new."""
    state = base.exported_state(folder, "bert.")
    model = build_model()
    for part in ("weight", "bias"):
        own = getattr(model.classifier, part).data
        own[: len(LABELS)] = state.pop(f"classifier.{part}")
        if (kinds := state.pop(f"kinds.{part}", None)) is not None:
            own[len(LABELS) :] = kinds
    types = state["bert.embeddings.token_type_embeddings.weight"]
    state["bert.embeddings.token_type_embeddings.weight"] = types.repeat(TOKEN_TYPES // len(types), 1)
    model.load_state_dict(state, strict=False)
    return model


def has_kinds(folder: Path) -> bool:
    """Whether the exported model has a head for kinds."""
    return "kinds" in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def groups_of(model: BertForTokenClassification, rate: float) -> list[dict]:
    """The optimiser's parameter groups: the base had neither the head nor the token types."""
    return tagger.parameter_groups(model, rate, fresh=("classifier", "token_type"))


def export(model: BertForTokenClassification, folder: Path) -> None:
    """Writes the model with its labels, their scheme, the kinds and the meaning of its token types.

    The head's rows of kinds are separate tensors, so that other readers find a plain token classifier.
    """
    labels = {
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "label2id": {label: i for i, label in enumerate(LABELS)},
    }
    state = dict(model.state_dict())
    for part in ("weight", "bias"):
        head = state.pop(f"classifier.{part}")
        state[f"classifier.{part}"], state[f"kinds.{part}"] = head[: len(LABELS)], head[len(LABELS) :]
    base.export(state, model.config, folder, "BertForTokenClassification", **labels, kinds=[KIND_NAMES.get(kind, kind) for kind in KINDS],
                token_types="casing and place", tag_scheme="IOB2")


def load_exported(folder: Path) -> BertForTokenClassification:
    """The exported model, its head whole again, in f32."""
    state = base.exported_state(folder, "bert.")
    for part in ("weight", "bias"):
        state[f"classifier.{part}"] = torch.cat([state[f"classifier.{part}"], state.pop(f"kinds.{part}")])
    config = BertConfig.from_pretrained(folder, num_labels=len(LABELS) + len(KINDS))
    model = BertForTokenClassification(config)
    model.load_state_dict(state)
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its ner/, nli/, topics/ and written/ hold the corpora")
    parser.add_argument("--work", type=Path, required=True, help="the folder for checkpoints, to continue from")
    parser.add_argument("--out", type=Path, required=True, help="the folder that the model is exported to")
    parser.add_argument("--start", type=Path, help="an exported model instead of the first stage")
    parser.add_argument("--first", type=Path, help="also export the model of the first stage, to this folder")
    parser.add_argument("--written", type=int, default=3, help="rounds over the written documents in the second stage")
    parser.add_argument("--renamed", type=int, default=1, help="the same over sentences with other names")
    parser.add_argument("--annotated", type=int, default=15000, help="samples of corpora in the second stage")
    parser.add_argument("--unlabelled", type=int, default=8000, help="unlabelled samples in the second stage")
    parser.add_argument("--alone", action="store_true", help="no teacher: learn from the annotation alone")
    parser.add_argument("--only", choices=[corpus.name for corpus in TRAIN], help="train on this corpus alone")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--passes", type=float, default=1.0, help="a factor for each corpus's number of passes")
    parser.add_argument("--rounds", type=int, default=3, help="passes over all variations")
    parser.add_argument("--soft", type=float, default=0.5, help="the teacher's share in the loss")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="multiply in bf16, for CPUs with AVX-512 BF16 or AMX")
    args = parser.parse_args()
    if args.only and not args.alone:
        parser.error("--only needs --alone: teacher and unlabelled texts are of all corpora")
    if args.only and args.start:
        parser.error("--only is for the first stage, which --start leaves out")

    torch.set_num_threads(args.threads)
    guide = None if args.alone else teacher.train(args.data, args.work / "teacher", args.seed, args.bf16)
    torch.manual_seed(args.seed)
    # Other variations than those the teacher learned from.
    rng = random.Random(args.seed + 1)
    tokenizer = base.load_tokenizer()
    args.work.mkdir(parents=True, exist_ok=True)
    corpora = [corpus for corpus in TRAIN if args.only in (None, corpus.name)]
    # Without the teacher, which is worse on news and posts than their annotation (EXPERIMENTS.md).
    annotated = annotated_samples(args.data, corpora, tokenizer, rng, args.passes)
    written, unlabelled = [], []
    if not args.only:
        written = written_samples(args.data, tokenizer, rng, args.passes)
        if guide:
            unlabelled = unlabelled_samples(args.data, tokenizer, rng)
            others = written + unlabelled
            teacher.teach(others, guide, args.work / "taught", args.bf16)
            written, unlabelled = others[: len(written)], others[len(written) :]
    soft = args.soft if guide else 0.0
    if args.start:
        model = extended(args.start)
    else:
        samples, steps = annotated + unlabelled, []
        for _ in range(args.rounds):
            rng.shuffle(samples)
            steps += tagger.batches(samples, args.batch, rng)
        model = build_model()
        with loop.bf16(model, args.bf16):
            tagger.train(model, groups_of(model, args.rate), steps, args.work / "ner.pt", soft=soft)
    if args.first:
        export(model, args.first)
    if not args.only:
        mixed = args.written * written + rng.sample(annotated, min(args.annotated, len(annotated)))
        if guide:
            # The same whether the first stage ran or not, as the teacher's answers are kept.
            renamed = renamed_samples(args.data, tokenizer, random.Random(args.seed + 2))
            teacher.teach(renamed, guide, args.work / "taught-renamed", args.bf16)
            mixed += args.renamed * renamed + rng.sample(unlabelled, min(args.unlabelled, len(unlabelled)))
        rng.shuffle(mixed)
        steps = tagger.batches(mixed, args.batch, rng)
        # The same dropout whether the first stage ran just now or was loaded.
        torch.manual_seed(args.seed)
        # A run continues only from the same start.
        start = hashlib.sha256(b"".join(t.numpy().tobytes() for t in model.state_dict().values())).hexdigest()[:12]
        with loop.bf16(model, args.bf16):
            groups = groups_of(model, SECOND_RATE * args.rate)
            tagger.train(model, groups, steps, args.work / f"second-{start}.pt", soft=soft)

    export(model, args.out)
    tagger.report(model, args.data, tokenizer, "f32")
    tagger.report(load_exported(args.out), args.data, tokenizer, "int8")


if __name__ == "__main__":
    main()
