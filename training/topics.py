"""Trains the topic encoder, scores it zero-shot, fits its temperatures and exports it."""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from sklearn.metrics import average_precision_score
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize, one_hot
from transformers import BertModel

import base
import loop
from pairs import HELD_OUT, LABELLED, Batch, Sampler, Topics, Written, group, read, read_written, split

#: The template for labels, chosen on the development sets.
TEMPLATE = "Topic: {}"
#: The set that is made, not found, and so no measure of how likely a label is right.
ARTICLES = "articles of tagmynews held out"
#: Tokens of a window, [CLS] and [SEP] included.
WINDOW = 128
#: Training texts are cut here; most are headlines of 10 to 20 tokens.
MAX_TOKENS = 128
#: Cosines are multiplied by this before the softmax of the loss.
SCALE = 20.0
#: Texts whose mean is taken out of the embeddings.
CENTRE = 600
#: Weight of all wrong labels of a text against the right ones in the loss of each label alone, at most.
WRONG = 1.5
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


def loss_of(cosines: torch.Tensor, batch: Batch, slope: torch.Tensor, cut_off: torch.Tensor) -> torch.Tensor:
    """Each right label against the wrong ones, and the sigmoid of each label alone; `cosines` [texts, labels]."""
    right, wrong = (torch.zeros_like(cosines, dtype=torch.bool) for _ in range(2))
    for row, (these, those) in enumerate(zip(batch.right, batch.wrong)):
        right[row, these], wrong[row, those] = True, True
    logits = SCALE * cosines
    against = logits.masked_fill(~wrong, -1e4).logsumexp(dim=1, keepdim=True)
    missed = torch.where(right, torch.logaddexp(logits, against) - logits, 0.0)
    best = (missed.sum(dim=1) / right.sum(dim=1).clamp_min(1)).mean()
    alone = binary_cross_entropy_with_logits(slope.exp() * (cosines - cut_off), right.float(), reduction="none")
    # However many labels a text is compared with, the wrong ones weigh no more than those of a written text.
    share = (WRONG * right.sum(dim=1) / wrong.sum(dim=1).clamp_min(1)).clamp_max(1)
    share = torch.where(right.any(dim=1), share, 1.0).unsqueeze(1)
    return best + ALONE * (alone * (right + wrong * share)).sum(dim=1).mean()


class Scorer(nn.Module):
    """The encoder, and the midpoint and steepness at which a single label turns from wrong to right."""

    def __init__(self, encoder: BertModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.cut_off = nn.Parameter(torch.tensor(0.4))
        self.slope = nn.Parameter(torch.tensor(20.0).log())

    def forward(self, texts: list[list[int]], labels: list[list[int]]) -> torch.Tensor:
        """Cosines of rows of ids, [texts, labels]."""
        return embed(self.encoder, texts) @ embed(self.encoder, labels).T


def train(scorer: Scorer, sampler: Sampler, tokenizer: Tokenizer, steps: int, rate: float, checkpoint: Path) -> None:
    """Fine-tunes the encoder on the batches 0 to `steps - 1` of `sampler`."""

    def loss_at(number: int) -> torch.Tensor:
        batch = sampler.draw(number)
        cosines = scorer(cut(tokenizer, batch.texts), cut(tokenizer, batch.labels))
        return loss_of(cosines, batch, scorer.slope, scorer.cut_off)

    groups = [
        {"params": [p for p in scorer.encoder.parameters() if p.requires_grad], "lr": rate},
        {"params": [scorer.cut_off, scorer.slope], "lr": 1e-3, "weight_decay": 0.0},
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


def pieces_of(texts: list[str], tokenizer: Tokenizer) -> Iterator[tuple[torch.Tensor, list[list[int]], torch.Tensor]]:
    """The windows of all texts by length, 64 at a time: the index of each one's text, its ids, its weight [64, 1]."""
    pieces = [
        (text, row, max(len(row) - 2, 1) / (number + 1))
        for text, encoding in enumerate(tokenizer.encode_batch(texts))
        for number, row in enumerate(windows(encoding.ids))
    ]
    pieces.sort(key=lambda piece: len(piece[1]))
    for at in range(0, len(pieces), 64):
        owners, rows, weights = zip(*pieces[at : at + 64])
        yield torch.tensor(owners), list(rows), torch.tensor(weights).unsqueeze(1)


@torch.no_grad()
def cosines_of(model: BertModel, topics: Topics, tokenizer: Tokenizer) -> torch.Tensor:
    """Cosine of each text and each label's first wording: [texts, labels].

    A mean over windows, in which the `n`th counts `1 / n` of its tokens (`WindowPooling::Lead`).
    """
    model.eval()
    labels = [TEMPLATE.format(words[0]) for words in topics.wordings]
    label_rows = embed(model, [encoding.ids for encoding in tokenizer.encode_batch(labels)])
    total, weight = torch.zeros(len(topics.texts), len(labels)), torch.zeros(len(topics.texts), 1)
    for owners, rows, weights in pieces_of(topics.texts, tokenizer):
        total.index_add_(0, owners, weights * (embed(model, rows) @ label_rows.T))
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


def fit_softmax(scores: dict[str, torch.Tensor], sets: dict[str, Topics]) -> float:
    """The temperature of the softmax over labels."""
    golds = {key: torch.tensor(topics.labels) for key, topics in sets.items()}
    slope = torch.tensor(20.0).log().requires_grad_()
    minimise(
        lambda: torch.cat([cross_entropy(slope.exp() * scores[k], golds[k], reduction="none") for k in sets]).mean(),
        [slope],
    )
    return (-slope).exp().item()


def fit_sigmoid(cosines: torch.Tensor, right: torch.Tensor) -> tuple[float, float]:
    """Midpoint and temperature of the sigmoid of each label alone, from labels that apply and labels that do not."""
    slope, midpoint = torch.tensor(20.0).log().requires_grad_(), torch.tensor(0.4).requires_grad_()
    minimise(
        lambda: binary_cross_entropy_with_logits(slope.exp() * (cosines - midpoint), right.float()),
        [slope, midpoint],
    )
    return midpoint.item(), (-slope).exp().item()


def judge(scores: dict[str, torch.Tensor], sets: dict[str, Topics]) -> None:
    """Prints how accurate the probabilities of the first label are if only the other sets calibrate them."""
    for key, topics in sets.items():
        others = [other for other in sets if other != key]
        temperature = fit_softmax({other: scores[other] for other in others}, {other: sets[other] for other in others})
        best, found = (scores[key] / temperature).softmax(dim=-1).max(dim=-1)
        error = calibration_error(best, found == torch.tensor(topics.labels))
        print(f"{key}: calibration error {100 * error:.1f} for the first label", flush=True)


@torch.no_grad()
def pairs_of(model: BertModel, items: list[Written], tokenizer: Tokenizer) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """For each text the cosines of its labels, and which of them hold."""
    labels = sorted({label for item in items for label in item.right + item.wrong})
    topics = Topics([item.text for item in items], [0] * len(items), [[label] for label in labels])
    cosines, at = cosines_of(model, topics, tokenizer), {label: i for i, label in enumerate(labels)}
    pairs = []
    for row, item in zip(cosines, items):
        columns = [at[label] for label in item.right + item.wrong]
        pairs.append((row[columns], torch.arange(len(columns)) < len(item.right)))
    return pairs


def judge_written(pairs: list[tuple[torch.Tensor, torch.Tensor]], midpoint: float, temperature: float, name: str) -> None:
    """Prints how well labels are ranked within texts and over all, and how accurate each label's probability is."""
    by_text = [average_precision_score(right, cosines) for cosines, right in pairs]
    cosines, right = (torch.cat(part) for part in zip(*pairs))
    probabilities = ((cosines - midpoint) / temperature).sigmoid()
    chosen = probabilities >= 0.5
    hits = (chosen & right).sum().item()
    precision, recall = hits / max(1, chosen.sum().item()), hits / right.sum().item()
    print(
        f"{name}: average precision {100 * average_precision_score(right, cosines):.1f} over all, "
        f"{100 * sum(by_text) / len(by_text):.1f} within texts; at 0.5 precision {100 * precision:.1f}, recall "
        f"{100 * recall:.1f}, F1 {200 * precision * recall / max(1e-9, precision + recall):.1f}; calibration error "
        f"{100 * calibration_error(probabilities, right):.1f}",
        flush=True,
    )


def calibration_error(probabilities: torch.Tensor, right: torch.Tensor, bins: int = 10) -> float:
    """Mean distance between probability and share of right ones, over bins of equal width."""
    at = (probabilities * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins).index_add_(0, at, probabilities - right.float())
    return (gaps.abs().sum() / len(probabilities)).item()


@torch.no_grad()
def centre(model: BertModel, texts: list[str], tokenizer: Tokenizer, share: float) -> None:
    """Takes `share` of the mean text out of all embeddings, by the bias of the last layer norm.

    The component that all texts share draws them to some labels, whatever they are about.
    """
    model.eval()
    total = torch.zeros(model.config.hidden_size)
    for row in cut(tokenizer, texts):
        total += model(input_ids=torch.tensor([row])).last_hidden_state[0].float().mean(dim=0)
    model.encoder.layer[-1].output.LayerNorm.bias -= share * total / len(texts)


def blend(model: BertModel, share: float) -> None:
    """Moves the weights back towards the base: `share` of the fine-tuned, the rest of the base (WiSE-FT)."""
    pretrained = base.load_encoder().state_dict()
    model.load_state_dict({k: torch.lerp(pretrained[k], v, share) for k, v in model.state_dict().items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its topics/ and nli/ hold the corpora")
    parser.add_argument("--work", type=Path, required=True, help="the folder for the checkpoint and topics.json")
    parser.add_argument("--out", type=Path, required=True, help="the folder that the model is exported to")
    parser.add_argument("--steps", type=int, default=900, help="0 scores the base")
    parser.add_argument("--without", choices=LABELLED, help="leave this corpus out of training")
    parser.add_argument("--rate", type=float, default=3e-5)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--share", type=float, default=0.85, help="weight of the fine-tuned model against the base")
    parser.add_argument("--centred", type=float, default=0.3, help="share of the mean text that is taken out")
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
    centre(model, sampler.sample(CENTRE), tokenizer, args.centred)
    base.export(model.state_dict(), model.config, args.out, "BertModel")
    score(model, sets, tokenizer, "f32")
    exported = base.load_exported(BertModel, args.out)
    scores = score(exported, sets, tokenizer, "int8")
    del scores[ARTICLES], sets[ARTICLES]
    judge(scores, sets)
    written = {name: pairs_of(exported, items, tokenizer) for name, items in read_written(args.data).items()}
    midpoint, temperature = fit_sigmoid(*(torch.cat(part) for part in zip(*written["calibration"])))
    for name, pairs in written.items():
        judge_written(pairs, midpoint, temperature, f"written {name}")
    numbers = {
        "template": TEMPLATE, "window_pooling": "lead", "temperature": fit_softmax(scores, sets), "midpoint": midpoint,
        "multi_label_temperature": temperature,
    }  # fmt: skip
    (args.work / "topics.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print(numbers)


if __name__ == "__main__":
    main()
