"""Measures the gain from descriptions and examples of labels: accuracy of the topic encoder on the development sets.

Descriptions are a label's further wordings in labels.json. Examples are drawn from the set itself and left out of the
scores. The formulas are those of `src/topics/labels.rs` and `prototypes.rs`.
"""

import argparse
import random
from pathlib import Path

import torch
from torch.nn.functional import normalize
from transformers import BertModel

import base
from pairs import Topics
from topics import ARTICLES, TEMPLATE, development, embed, pieces_of

STRENGTH, RIDGE = 0.8, 1.0
DRAWS = 5


@torch.no_grad()
def texts_of(model: BertModel, topics: Topics, tokenizer) -> torch.Tensor:
    """The mean of each text's windows, weighted towards the beginning: [texts, 384]."""
    total, weight = torch.zeros(len(topics.texts), 384), torch.zeros(len(topics.texts), 1)
    for owners, rows, weights in pieces_of(topics.texts, tokenizer):
        total.index_add_(0, owners, weights * embed(model, rows))
        weight.index_add_(0, owners, weights)
    return total / weight


@torch.no_grad()
def names_of(model: BertModel, topics: Topics, tokenizer, described: bool) -> torch.Tensor:
    """The embedding of each label's name, with that of its description if it is `described`: [labels, 384]."""

    def in_template(texts: list[str]) -> torch.Tensor:
        return embed(model, [encoding.ids for encoding in tokenizer.encode_batch([TEMPLATE.format(t) for t in texts])])

    names = in_template([words[0] for words in topics.wordings])
    if not described:
        return names
    descriptions = in_template([", ".join(words[1:]) or words[0] for words in topics.wordings])
    return normalize(names + descriptions, dim=-1)


def lean(labels: torch.Tensor, examples: torch.Tensor, label_of: torch.Tensor) -> torch.Tensor:
    """`labels` [labels, 384], leaning towards their `examples` [examples, 384]."""
    sums = torch.zeros_like(labels).index_add_(0, label_of, examples)
    ridge = examples.T @ examples + RIDGE * torch.eye(labels.shape[1])
    return labels + STRENGTH * torch.linalg.solve(ridge, sums.T).T


def accuracy(texts: torch.Tensor, labels: torch.Tensor, gold: torch.Tensor) -> float:
    return 100 * ((texts @ labels.T).argmax(dim=1) == gold).float().mean().item()


def with_examples(texts: torch.Tensor, names: torch.Tensor, gold: torch.Tensor, count: int) -> tuple[float, float]:
    """Accuracy of the names alone and with `count` examples per label, on the texts that are none."""
    before, after = [], []
    for draw in range(DRAWS):
        order = list(range(len(gold)))
        random.Random(draw).shuffle(order)
        chosen = [[i for i in order if gold[i] == label][:count] for label in range(len(names))]
        examples = torch.tensor([i for these in chosen for i in these])
        rest = torch.ones(len(gold), dtype=torch.bool)
        rest[examples] = False
        leaning = lean(names, normalize(texts[examples], dim=1), gold[examples])
        before.append(accuracy(texts[rest], names, gold[rest]))
        after.append(accuracy(texts[rest], leaning, gold[rest]))
    return sum(before) / DRAWS, sum(after) / DRAWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its topics/ holds the sets")
    parser.add_argument("--model", type=Path, default=base.BUNDLED / "topics-en-small" / "model")
    args = parser.parse_args()
    tokenizer, model = base.load_tokenizer(), base.load_exported(BertModel, args.model)
    print("| set | names | described | names, without 8 texts per label | 2 examples | 8 examples |\n|---|---|---|---|---|---|")
    for name, topics in development(args.data / "topics").items():
        if name == ARTICLES:
            continue
        texts, gold = texts_of(model, topics, tokenizer), torch.tensor(topics.labels)
        names, described = (names_of(model, topics, tokenizer, with_words) for with_words in (False, True))
        (_, two), (before, eight) = (with_examples(texts, names, gold, count) for count in (2, 8))
        figures = (accuracy(texts, names, gold), accuracy(texts, described, gold), before, two, eight)
        print(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
