"""Trains the topic encoder, scores it zero-shot, fits its temperatures and exports it."""

import argparse
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize, one_hot
from transformers import BertModel

import base
import loop
from pairs import HELD_OUT, LABELLED, Sampler, Topics, group, read, split

#: What a label is put into, chosen on the development sets.
TEMPLATE = "Topic: {}"
#: The set that is made, not found, and so no measure of how likely a label is right.
ARTICLES = "articles of tagmynews held out"
#: Tokens of a window, [CLS] and [SEP] included.
WINDOW = 128
#: Training texts are cut here; most are headlines of 10 to 20 tokens.
MAX_TOKENS = 96
#: Cosines are multiplied by this before the softmax of the loss.
SCALE = 20.0
#: Factor of the loss of each label alone, which is added to that of which label is best.
ALONE = 0.3


def embed(model: BertModel, rows: list[list[int]]) -> torch.Tensor:
    """Mean over all tokens of each row of ids, at length 1: [rows, 384]."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    parts = [embed_padded(model, [rows[i] for i in order[at : at + 32]]) for at in range(0, len(order), 32)]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def embed_padded(model: BertModel, rows: list[list[int]]) -> torch.Tensor:
    """`embed` of rows of similar length, padded to the longest."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask.unsqueeze(-1).float()
    return normalize((hidden.float() * weight).sum(dim=1) / weight.sum(dim=1), dim=-1)


def loss_of(cosines: torch.Tensor, right: list[list[int]], cut_off: torch.Tensor) -> torch.Tensor:
    """Softmax over the labels, and the sigmoid of each label alone; `cosines` [texts, labels].

    The first of `right` is the target; the others are neither right nor wrong.
    """
    targets = torch.tensor([labels[0] for labels in right])
    ignored = torch.zeros_like(cosines, dtype=torch.bool)
    for row, labels in enumerate(right):
        ignored[row, labels[1:]] = True
    logits = SCALE * cosines
    best = cross_entropy(logits.masked_fill(ignored, -1e4), targets)
    positive = one_hot(targets, cosines.shape[1]).float()
    alone = binary_cross_entropy_with_logits(logits - SCALE * cut_off, positive, reduction="none")
    return best + ALONE * (alone * ~ignored).sum(dim=1).mean()


class Scorer(nn.Module):
    """The encoder, and where the score of a label alone is as likely right as wrong."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.cut_off = nn.Parameter(torch.tensor(0.5))

    def forward(self, texts: list[list[int]], labels: list[list[int]]) -> torch.Tensor:
        """Cosines of rows of ids, [texts, labels]."""
        return embed(self.encoder, texts) @ embed(self.encoder, labels).T


def train(scorer: Scorer, sampler: Sampler, tokenizer: Tokenizer, steps: int, rate: float, checkpoint: Path) -> None:
    """Fine-tunes the encoder on the batches 0 to `steps - 1` of `sampler`."""

    def loss_at(number: int) -> torch.Tensor:
        batch = sampler.draw(number)
        cosines = scorer(cut(tokenizer, batch.texts), cut(tokenizer, batch.labels))
        return loss_of(cosines, batch.right, scorer.cut_off)

    groups = [
        {"params": [p for p in scorer.encoder.parameters() if p.requires_grad], "lr": rate},
        {"params": [scorer.cut_off], "lr": 1e-3, "weight_decay": 0.0},
    ]
    loop.train(scorer, groups, steps, loss_at, checkpoint)


def cut(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """The ids of each text, at most MAX_TOKENS."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    return [row if len(row) <= MAX_TOKENS else row[: MAX_TOKENS - 1] + row[-1:] for row in rows]


def windows(ids: list[int]) -> list[list[int]]:
    """Cuts a text's ids, special tokens at both ends, into windows of at most WINDOW tokens with their own."""
    content, step = ids[1:-1], WINDOW - 2
    return [[ids[0], *content[at : at + step], ids[-1]] for at in range(0, max(len(content), 1), step)]


@torch.no_grad()
def cosines_of(model: BertModel, topics: Topics, tokenizer: Tokenizer) -> torch.Tensor:
    """Cosine of each text and each label's first wording: [texts, labels].

    A mean over windows, in which the `n`th counts `1 / n` of its tokens (`WindowPooling::Lead`).
    """
    model.eval()
    labels = [TEMPLATE.format(words[0]) for words in topics.wordings]
    label_rows = embed(model, [encoding.ids for encoding in tokenizer.encode_batch(labels)])
    pieces = [
        (text, row, max(len(row) - 2, 1) / (number + 1))
        for text, encoding in enumerate(tokenizer.encode_batch(topics.texts))
        for number, row in enumerate(windows(encoding.ids))
    ]
    pieces.sort(key=lambda piece: len(piece[1]))
    total, weight = torch.zeros(len(topics.texts), len(labels)), torch.zeros(len(topics.texts), 1)
    for at in range(0, len(pieces), 64):
        owners, rows, weights = zip(*pieces[at : at + 64])
        owners, weights = torch.tensor(owners), torch.tensor(weights).unsqueeze(1)
        total.index_add_(0, owners, weights * (embed(model, list(rows)) @ label_rows.T))
        weight.index_add_(0, owners, weights)
    return total / weight


def development(folder: Path) -> dict[str, Topics]:
    """The development sets by name."""
    sets = {name: read(folder, name) for name in ("20newsgroups.dev", "sib200-en.dev")}
    held_out = {name: split(read(folder, name), count)[1] for name, count in HELD_OUT.items()}
    sets |= {f"{name} held out": topics for name, topics in held_out.items()}
    return sets | {ARTICLES: articles(held_out["tagmynews"], held_out["huffpost"].texts)}


def articles(topics: Topics, others: list[str]) -> Topics:
    """300 long texts: 30 texts of one label, among them 60 `others`, which are about anything."""
    rng, by_label = random.Random(21), group(topics)
    labels = [rng.randrange(len(topics.wordings)) for _ in range(300)]
    texts = []
    for label in labels:
        parts = rng.choices(by_label[label], k=30) + rng.choices(others, k=60)
        rng.shuffle(parts)
        texts.append(". ".join(parts))
    return Topics(texts, labels, topics.wordings)


def score(model: BertModel, sets: dict[str, Topics], tokenizer: Tokenizer, name: str) -> dict[str, torch.Tensor]:
    """Prints the accuracy on each set and gives the cosines."""
    scores = {}
    for key, topics in sets.items():
        scores[key] = cosines_of(model, topics, tokenizer)
        hits = scores[key].argmax(dim=-1) == torch.tensor(topics.labels)
        print(f"{name} {key} accuracy {100 * hits.float().mean():.2f}", flush=True)
    return scores


def minimise(loss, parameters: list[torch.Tensor]) -> None:
    """Newton-like descent on a few scalars."""
    optimiser = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)


def calibrate(scores: dict[str, torch.Tensor], sets: dict[str, Topics]) -> dict[str, float]:
    """Temperature of the softmax over labels; midpoint and temperature of the sigmoid of each label alone."""
    golds = {key: torch.tensor(topics.labels) for key, topics in sets.items()}
    slope = torch.tensor(20.0).log().requires_grad_()
    minimise(
        lambda: torch.cat([cross_entropy(slope.exp() * scores[k], golds[k], reduction="none") for k in sets]).mean(),
        [slope],
    )
    cosines = torch.cat([s.flatten() for s in scores.values()])
    positive = torch.cat([one_hot(golds[k], s.shape[1]).flatten() for k, s in scores.items()]).float()
    multi, midpoint = torch.tensor(20.0).log().requires_grad_(), torch.tensor(0.4).requires_grad_()
    minimise(
        lambda: binary_cross_entropy_with_logits(multi.exp() * (cosines - midpoint), positive),
        [multi, midpoint],
    )
    return {
        "temperature": (-slope).exp().item(),
        "midpoint": midpoint.item(),
        "multi_label_temperature": (-multi).exp().item(),
    }


def judge(scores: dict[str, torch.Tensor], sets: dict[str, Topics]) -> None:
    """Prints how true the probabilities on each set are when the other sets alone calibrate them."""
    for key, topics in sets.items():
        others = [other for other in sets if other != key]
        fit = calibrate({other: scores[other] for other in others}, {other: sets[other] for other in others})
        gold = torch.tensor(topics.labels)
        best, found = (scores[key] / fit["temperature"]).softmax(dim=-1).max(dim=-1)
        alone = ((scores[key] - fit["midpoint"]) / fit["multi_label_temperature"]).sigmoid()
        right = one_hot(gold, alone.shape[1]).bool()
        hits, chosen = (right & (alone >= 0.5)).sum(), (alone >= 0.5).sum()
        print(
            f"{key}: calibration error {100 * calibration_error(best, found == gold):.1f} for the first label, "
            f"{100 * calibration_error(alone.flatten(), right.flatten()):.1f} for each alone; "
            f"of those from 0.5 up {100 * hits / chosen:.0f} % are right, and {100 * hits / len(gold):.0f} % are found",
            flush=True,
        )


def calibration_error(probabilities: torch.Tensor, right: torch.Tensor, bins: int = 10) -> float:
    """Mean distance between probability and share of right ones, over bins of equal width."""
    at = (probabilities * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins).index_add_(0, at, probabilities - right.float())
    return (gaps.abs().sum() / len(probabilities)).item()


def blend(model: BertModel, share: float) -> None:
    """Moves the weights back towards the base: `share` of the fine-tuned, the rest of the base (WiSE-FT)."""
    pretrained = base.load_encoder().state_dict()
    model.load_state_dict({k: torch.lerp(pretrained[k], v, share) for k, v in model.state_dict().items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its topics/ and nli/ hold the corpora")
    parser.add_argument("--work", type=Path, required=True, help="where checkpoint and topics.json go, to go on from")
    parser.add_argument("--out", type=Path, required=True, help="the folder that the model is exported to")
    parser.add_argument("--steps", type=int, default=400, help="0 scores the base")
    parser.add_argument("--without", choices=LABELLED, help="leave this corpus out of training")
    parser.add_argument("--rate", type=float, default=3e-5)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--share", type=float, default=0.75, help="weight of the fine-tuned model against the base")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="multiply in bf16, for CPUs with AVX-512 BF16 or AMX")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = base.load_tokenizer()
    args.work.mkdir(parents=True, exist_ok=True)
    sets = development(args.data / "topics")
    scorer = Scorer(base.load_encoder())
    sampler = Sampler(args.data, args.batch, args.seed, args.without)
    model = scorer.encoder
    with loop.bf16(model, args.bf16):
        train(scorer, sampler, tokenizer, args.steps, args.rate, args.work / "topics.pt")

    blend(model, args.share)
    base.export(model, args.out)
    score(model, sets, tokenizer, "f32")
    scores = score(base.load_exported(BertModel, args.out), sets, tokenizer, "int8")
    del scores[ARTICLES], sets[ARTICLES]
    judge(scores, sets)
    numbers = {"template": TEMPLATE, "window_pooling": "lead"} | calibrate(scores, sets)
    (args.work / "topics.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print(numbers)


if __name__ == "__main__":
    main()
