"""Code that teacher and student share: batches, the loss, decoding, and the scores on the development sets."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch
from seqeval.metrics import classification_report, f1_score
from tokenizers import Tokenizer
from torch.nn import Module
from torch.nn.functional import cross_entropy

import loop
import pages
from corpora import DEV, IGNORED, KINDS, LABELS, O_OR_MISC, Corpus, Sample, encode, label_of, read

#: The number of position embeddings of the encoders.
MAX_POSITIONS = 512
#: Columns of the logits: labels, then kinds.
TAGS = len(LABELS)
#: Factor of the loss of the kinds.
KIND_SHARE = 0.2
#: 1 for the labels that have kinds, [9].
HAS_KIND = torch.tensor([float(label[2:] not in ("", "PER")) for label in LABELS])
#: The labels that are right for each target, [10, 9].
ALLOWED = torch.cat([torch.eye(len(LABELS)), torch.zeros(1, len(LABELS))]).bool()
ALLOWED[O_OR_MISC, [LABELS.index(label) for label in ("O", "B-MISC", "I-MISC")]] = True
#: 0 where the second label may follow the first, else -inf, [9, 9]; what may follow `O` may begin.
FOLLOWS = torch.tensor(
    [[float("-inf") if to[0] == "I" and at[2:] != to[2:] else 0.0 for to in LABELS] for at in LABELS]
)


def batches(samples: list[Sample], size: int, rng: random.Random) -> list[list[Sample]]:
    """Cuts `samples` into batches of similar length, keeping the order of whole stretches of 64 batches."""
    result = []
    for at in range(0, len(samples), 64 * size):
        stretch = sorted(samples[at : at + 64 * size], key=lambda s: len(s.ids))
        cut = [stretch[i : i + size] for i in range(0, len(stretch), size)]
        rng.shuffle(cut)
        result += cut
    return result


def collate(batch: list[Sample]) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Pads a batch: the model's inputs (ids, token types, mask), the targets and the kinds, all [batch, tokens]."""
    longest = max(len(sample.ids) for sample in batch)

    def pad(rows: list[list[int]], value: int) -> torch.Tensor:
        return torch.tensor([row + [value] * (longest - len(row)) for row in rows])

    inputs = {
        "input_ids": pad([s.ids for s in batch], 0),
        "token_type_ids": pad([s.token_types for s in batch], 0),
        "attention_mask": pad([[1] * len(s.ids) for s in batch], 0),
    }
    return inputs, pad([s.targets for s in batch], IGNORED), pad([s.kinds for s in batch], IGNORED)


def loss_of(logits: torch.Tensor, targets: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
    """Mean of -log P(any allowed label), and a share of that of the kinds; `logits` [batch, tokens, 28], the others
    [batch, tokens]; 0 without targets."""
    loss = logits.new_zeros(())
    kept = targets != IGNORED
    if kept.any():
        tags, allowed = logits[kept][:, :TAGS], ALLOWED[targets[kept]]
        right = tags.masked_fill(~allowed, float("-inf")).logsumexp(dim=-1)
        loss = (tags.logsumexp(dim=-1) - right).mean()
    known = kinds != IGNORED
    if known.any():
        loss = loss + KIND_SHARE * cross_entropy(logits[known][:, TAGS:], kinds[known])
    return loss


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Those of the labels and those of the kinds, [..., 28]."""
    return torch.cat([logits[..., :TAGS].softmax(dim=-1), logits[..., TAGS:].softmax(dim=-1)], dim=-1)


def soft_loss(logits: torch.Tensor, batch: list[Sample]) -> torch.Tensor:
    """Mean cross entropy against the teacher's probabilities, if the samples have them; that of the kinds is
    weighted by the probability of a name with a kind."""
    taught = [i for i, sample in enumerate(batch) if sample.taught is not None]
    if not taught:
        return logits.new_zeros(())
    # Not for the special tokens at both ends, of which the teacher knows nothing.
    own = torch.cat([logits[i, 1 : len(batch[i].taught) - 1] for i in taught])
    teacher = torch.cat([batch[i].taught[1:-1] for i in taught]).float()
    tags = -(teacher[:, :TAGS] * own[:, :TAGS].log_softmax(dim=-1)).sum(dim=-1).mean()
    weight = teacher[:, :TAGS] @ HAS_KIND
    kinds = -(teacher[:, TAGS:] * own[:, TAGS:].log_softmax(dim=-1)).sum(dim=-1)
    return tags + KIND_SHARE * (weight * kinds).sum() / weight.sum().clamp_min(1)


def parameter_groups(model: Module, rate: float, fresh: tuple[str, ...]) -> list[dict]:
    """Parameters whose name holds one of `fresh` are new and learn five times as fast."""
    new, pretrained = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (new if any(part in name for part in fresh) else pretrained).append(parameter)
    return [{"params": pretrained, "lr": rate}, {"params": new, "lr": 5 * rate}]


def train(
    model: Module, groups: list[dict], steps: list[list[Sample]], checkpoint: Path, soft: float = 0.0
) -> bool:
    """One pass over `steps`; returns whether anything was left to do.

    `soft` is the share of the loss against the teacher; the rest is the loss against the annotation.
    """

    def loss_at(number: int) -> torch.Tensor:
        inputs, targets, kinds = collate(steps[number])
        logits = model(**inputs).logits.float()
        loss = (1 - soft) * loss_of(logits, targets, kinds)
        return loss + soft * soft_loss(logits, steps[number]) if soft else loss

    return loop.train(model, groups, len(steps), loss_at, checkpoint)


@torch.inference_mode()
def logits_of(model: Module, samples: list[Sample]) -> Iterator[tuple[int, torch.Tensor]]:
    """Each sample's index and its logits [tokens, 28]."""
    model.eval()
    order = sorted(range(len(samples)), key=lambda i: len(samples[i].ids))
    for at in range(0, len(order), 64):
        batch = [samples[i] for i in order[at : at + 64]]
        for index, sample, row in zip(order[at:], batch, model(**collate(batch)[0]).logits.float()):
            yield index, row[: len(sample.ids)]


def tags_of(sample: Sample, logits: torch.Tensor) -> list[str]:
    """The labels of the words' first tokens, [words]: the likeliest in which every `I-` goes on with an entity.

    A word without tokens is `O`.
    """
    firsts = [first for first in sample.firsts if first is not None]
    path = iter(likeliest(logits[firsts][:, :TAGS].log_softmax(dim=-1)))
    return ["O" if first is None else LABELS[next(path)] for first in sample.firsts]


def likeliest(scores: torch.Tensor) -> list[int]:
    """The path of the greatest sum through `scores` [words, 9] that keeps to IOB2 (Viterbi)."""
    if not len(scores):
        return []
    best, ways = scores[0] + FOLLOWS[0], []
    for row in scores[1:]:
        best, way = (best.unsqueeze(1) + FOLLOWS).max(dim=0)
        best += row
        ways.append(way.tolist())
    path = [int(best.argmax())]
    for way in reversed(ways):
        path.append(way[path[-1]])
    return path[::-1]


def evaluate(model: Module, folder: Path, corpus: Corpus, tokenizer: Tokenizer, detail: bool = False) -> float:
    """Micro F1 in percent, as seqeval's default; what the corpus does not annotate counts as O on both sides."""
    sentences = read(folder, corpus)
    samples = [encode(sentence, tokenizer, MAX_POSITIONS) for sentence in sentences]
    gold, found = [], []
    for index, logits in logits_of(model, samples):
        expected = sentences[index].tags
        gold.append([comparable(tag, corpus) for tag in expected])
        tags = tags_of(samples[index], logits)
        found.append(["O" if right == "?" else comparable(tag, corpus) for tag, right in zip(tags, expected)])
    if detail:
        print(classification_report(gold, found, digits=4))
    return 100 * f1_score(gold, found)


def comparable(tag: str, corpus: Corpus) -> str:
    """`tag`, or O if `corpus` does not annotate it."""
    unknown = "?" in tag or ("MISC" in tag and not corpus.has_misc)
    return "O" if unknown else label_of(tag)


@torch.inference_mode()
def evaluate_pages(model: Module, held_out: list[pages.Page], tokenizer: Tokenizer, name: str) -> None:
    """Prints exact-span F1 on written documents, whole and by part, and the share of right kinds among names found.

    Words are those of the tokenizer; the library knows further rules of layout and finds more.
    """
    samples, owners = [], []
    for number, page in enumerate(held_out):
        encoded = pages.encode(page, tokenizer, MAX_POSITIONS)
        samples += encoded
        owners += [number] * len(encoded)
    hits, found, wanted, right, kinds = Counter(), Counter(), Counter(), 0, 0
    for index, logits in logits_of(model, samples):
        part = held_out[owners[index]].part
        sample = samples[index]
        predicted = spans(likeliest(logits[1:-1, :TAGS].log_softmax(dim=-1)))
        gold = spans([target for target in sample.targets[1:-1]])
        for start, end, label in predicted & gold:
            kind = sample.kinds[start + 1]
            if kind != IGNORED:
                kinds += 1
                right += int(logits[start + 1 : end + 1, TAGS:].mean(dim=0).argmax()) == kind
        for key in (part, 0):
            hits[key] += len(predicted & gold)
            found[key] += len(predicted)
            wanted[key] += len(gold)
    scores = {part: 200 * hits[part] / max(1, found[part] + wanted[part]) for part in sorted(wanted)}
    parts = " ".join(f"{part}:{score:.1f}" for part, score in scores.items() if part)
    print(f"{name} written F1 {scores[0]:.2f} by part {parts} kinds {100 * right / max(1, kinds):.1f}", flush=True)


def spans(path: list[int]) -> set[tuple[int, int, str]]:
    """The names in a path of labels: first token, last token and one, label."""
    found: list[tuple[int, int, str]] = []
    for at, index in enumerate(path):
        prefix, _, label = LABELS[index].partition("-")
        if prefix == "B":
            found.append((at, at + 1, label))
        elif prefix == "I" and found and found[-1][1:] == (at, label):
            found[-1] = (found[-1][0], at + 1, label)
    return set(found)


def report(model: Module, data: Path, tokenizer: Tokenizer, name: str) -> None:
    """Prints F1 on each development set, and the mean over those after the first: people, places, organisations."""
    scores = []
    for number, corpus in enumerate(DEV):
        scores.append(evaluate(model, data / "ner", corpus, tokenizer, detail=number == 0))
        print(f"{name} {corpus.name} F1 {scores[-1]:.2f}", flush=True)
    print(f"{name} mean of the others {sum(scores[1:]) / len(scores[1:]):.2f}", flush=True)
    evaluate_pages(model, pages.split(pages.read(data))[1], tokenizer, name)
