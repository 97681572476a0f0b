"""Trains the topic encoder, scores it zero-shot, fits its temperatures and exports it."""

import argparse
import gzip
import json
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize
from transformers import BertModel

import base

#: Tokens of a window, [CLS] and [SEP] included.
WINDOW = 128
#: Training texts are cut here; most are headlines of 10 to 20 tokens.
MAX_TOKENS = 64
TEMPLATE = "This text is about {}."
TEMPLATES = [TEMPLATE, TEMPLATE, "This text is about {}", "{}", "This news is about {}.", "This article is about {}.", "The topic is {}."]
#: Cosines are multiplied by this before the softmax of the loss.
SCALE = 20.0
#: Each corpus's share of the training steps; `nli` stands for entailed pairs, which keep the encoder general.
SHARES = {"tagmynews": 0.27, "huffpost": 0.27, "searchsnippets": 0.16, "dbpedia": 0.1, "clinc150": 0.1, "nli": 0.1}
#: Corpora of which items are held out of training, and how many of each.
HELD_OUT = {"tagmynews": 1000, "huffpost": 1000}
MAX_LABELS = 40


@dataclass
class Topics:
    """Texts with the index of their label, and each label's wordings, the first of which is for evaluation."""

    texts: list[str]
    labels: list[int]
    wordings: list[list[str]]

    def subset(self, kept: list[int]) -> "Topics":
        """The items with the indices `kept`."""
        return Topics([self.texts[i] for i in kept], [self.labels[i] for i in kept], self.wordings)


def read_lines(path: Path) -> list[dict[str, str]]:
    """The objects of a .jsonl.gz file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read(folder: Path, name: str) -> Topics:
    """A corpus with its labels in words; labels that share a first wording are one."""
    wordings = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8")).get(name)
    rows = read_lines(folder / f"{name}.jsonl.gz")
    if wordings is None:
        wordings = {row["label"]: [row["label"]] for row in rows}
    distinct = {words[0]: words for words in wordings.values()}
    index = {first: i for i, first in enumerate(distinct)}
    return Topics([row["text"] for row in rows], [index[wordings[row["label"]][0]] for row in rows], list(distinct.values()))


def split(topics: Topics, held_out: int) -> tuple[Topics, Topics]:
    """The items for training and `held_out` items for development, always the same ones."""
    order = list(range(len(topics.texts)))
    random.Random(20).shuffle(order)
    return topics.subset(order[held_out:]), topics.subset(order[:held_out])


def embed(model: BertModel, rows: list[list[int]]) -> torch.Tensor:
    """Mean over all tokens of each row of ids, at length 1: [rows, 384]."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    parts = [embed_padded(model, [rows[i] for i in order[at : at + 16]]) for at in range(0, len(order), 16)]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def embed_padded(model: BertModel, rows: list[list[int]]) -> torch.Tensor:
    """`embed` of rows of similar length, padded to the longest."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask.unsqueeze(-1).float()
    return normalize((hidden * weight).sum(dim=1) / weight.sum(dim=1), dim=-1)


class Sampler:
    """Draws training batches: texts of one corpus, label texts, and the index of each text's label."""

    def __init__(self, folder: Path, batch: int, rng: random.Random) -> None:
        self.batch, self.rng = batch, rng
        self.corpora = {}
        for name in SHARES:
            if name != "nli":
                self.corpora[name], _ = split(read(folder / "topics", name), HELD_OUT.get(name, 0))
        self.by_label = {name: self.group(topics) for name, topics in self.corpora.items()}
        self.pairs = [
            (row["premise"].strip('"'), row["hypothesis"].strip('"'))
            for part in ("train-1", "train-2")
            for row in read_lines(folder / "nli" / f"{part}.jsonl.gz")
            if row["label"] == "entailment"
        ]

    @staticmethod
    def group(topics: Topics) -> dict[int, list[str]]:
        groups = defaultdict(list)
        for text, label in zip(topics.texts, topics.labels):
            groups[label].append(text)
        return groups

    def draw(self) -> tuple[list[str], list[str], list[int]]:
        """Texts [batch], label texts [labels], targets [batch]."""
        name = self.rng.choices(list(SHARES), SHARES.values())[0]
        if name == "nli":
            premises, hypotheses = zip(*self.rng.sample(self.pairs, self.batch))
            return list(premises), list(hypotheses), list(range(self.batch))
        wordings = self.corpora[name].wordings
        count = min(len(wordings), self.rng.randint(5, MAX_LABELS))
        labels = self.rng.sample(range(len(wordings)), count)
        template = self.rng.choice(TEMPLATES)
        hypotheses = [template.format(self.rng.choice(wordings[label])) for label in labels]
        targets = [self.rng.randrange(count) for _ in range(self.batch)]
        return [self.text(name, labels[target]) for target in targets], hypotheses, targets

    def text(self, name: str, label: int) -> str:
        """A text of `label`, one time in eight several joined, as windows of long documents are."""
        texts = self.by_label[name][label]
        count = self.rng.randint(2, 4) if self.rng.random() < 1 / 8 else 1
        return ". ".join(self.rng.choices(texts, k=count))


def train(model: BertModel, sampler: Sampler, tokenizer: Tokenizer, steps: int, rate: float) -> None:
    """`steps` batches with 10 % warm-up and linear decay."""
    optimiser = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=rate, weight_decay=0.01)
    warm_up = steps // 10 + 1
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / warm_up, (steps - n) / (steps - warm_up))
    )
    model.train()
    running, started = 0.0, time.time()
    for number in range(1, steps + 1):
        texts, hypotheses, targets = sampler.draw()
        cosines = embed(model, cut(tokenizer, texts)) @ embed(model, cut(tokenizer, hypotheses)).T
        loss = cross_entropy(SCALE * cosines, torch.tensor(targets), label_smoothing=0.05)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        running += loss.item()
        if number % 50 == 0:
            print(f"step {number}/{steps} loss {running / 50:.4f} {time.time() - started:.0f} s", flush=True)
            running = 0.0


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
    """Cosine of each text and each label's first wording, averaged over windows: [texts, labels]."""
    model.eval()
    labels = [TEMPLATE.format(words[0]) for words in topics.wordings]
    label_rows = embed(model, [encoding.ids for encoding in tokenizer.encode_batch(labels)])
    pieces = [
        (text, row)
        for text, encoding in enumerate(tokenizer.encode_batch(topics.texts))
        for row in windows(encoding.ids)
    ]
    pieces.sort(key=lambda piece: len(piece[1]))
    total, count = torch.zeros(len(topics.texts), len(labels)), torch.zeros(len(topics.texts), 1)
    for at in range(0, len(pieces), 64):
        owners, rows = zip(*pieces[at : at + 64])
        owners = torch.tensor(owners)
        total.index_add_(0, owners, embed(model, list(rows)) @ label_rows.T)
        count.index_add_(0, owners, torch.ones(len(rows), 1))
    return total / count


def development(folder: Path) -> dict[str, Topics]:
    """The development sets by name."""
    sets = {name: read(folder, name) for name in ("20newsgroups.dev", "sib200-en.dev")}
    return sets | {f"{name} held out": split(read(folder, name), count)[1] for name, count in HELD_OUT.items()}


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
    """Temperature of the softmax over labels; threshold and temperature of the sigmoid of each label alone."""
    golds = {key: torch.tensor(topics.labels) for key, topics in sets.items()}
    slope = torch.tensor(20.0).log().requires_grad_()
    minimise(
        lambda: torch.cat([cross_entropy(slope.exp() * scores[k], golds[k], reduction="none") for k in sets]).mean(),
        [slope],
    )
    cosines = torch.cat([s.flatten() for s in scores.values()])
    positive = torch.cat([torch.nn.functional.one_hot(golds[k], s.shape[1]).flatten() for k, s in scores.items()]).float()
    multi, threshold = torch.tensor(20.0).log().requires_grad_(), torch.tensor(0.4).requires_grad_()
    minimise(
        lambda: binary_cross_entropy_with_logits(multi.exp() * (cosines - threshold), positive),
        [multi, threshold],
    )
    return {
        "temperature": (-slope).exp().item(),
        "threshold": threshold.item(),
        "multi_label_temperature": (-multi).exp().item(),
    }


def blend(model: BertModel, share: float) -> None:
    """Moves the weights back towards the base: `share` of the fine-tuned, the rest of the base (WiSE-FT)."""
    pretrained = base.load_encoder().state_dict()
    model.load_state_dict({k: torch.lerp(pretrained[k], v, share) for k, v in model.state_dict().items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its topics/ and nli/ hold the corpora")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint and topics.json go")
    parser.add_argument("--out", type=Path, default=base.BUNDLED / "topics-en-small" / "model")
    parser.add_argument("--steps", type=int, default=300, help="0 scores the base")
    parser.add_argument("--rate", type=float, default=3e-5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--share", type=float, default=0.75, help="weight of the fine-tuned model against the base")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--export-only", action="store_true", help="blend, score and export the checkpoint in WORK")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    tokenizer = base.load_tokenizer()
    args.work.mkdir(parents=True, exist_ok=True)
    checkpoint = args.work / "topics.pt"
    sets = development(args.data / "topics")
    model = base.load_encoder()
    if args.export_only:
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    else:
        sampler = Sampler(args.data, args.batch, random.Random(args.seed))
        train(model, sampler, tokenizer, args.steps, args.rate)
        torch.save(model.state_dict(), checkpoint)

    blend(model, args.share)
    base.export(model, args.out)
    score(model, sets, tokenizer, "f32")
    scores = score(base.load_exported(BertModel, args.out), sets, tokenizer, "int8")
    numbers = calibrate(scores, sets)
    (args.work / "topics.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print(numbers)


if __name__ == "__main__":
    main()
