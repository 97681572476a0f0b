"""Trains the NER model, scores it on the development sets and exports it."""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from seqeval.metrics import classification_report, f1_score
from tokenizers import Tokenizer
from transformers import BertForTokenClassification

import base
from corpora import DEV, IGNORED, LABELS, O_OR_MISC, TRAIN, Corpus, Sample, Sentence, encode, read

#: Longest sample; windows at inference hold fewer tokens.
MAX_TOKENS = 160
#: What the encoder has position embeddings for.
MAX_POSITIONS = 512
#: Which labels are right for each target, [10, 9].
ALLOWED = torch.cat([torch.eye(len(LABELS)), torch.zeros(1, len(LABELS))]).bool()
ALLOWED[O_OR_MISC, [LABELS.index(label) for label in ("O", "B-MISC", "I-MISC")]] = True


def build_model() -> BertForTokenClassification:
    """The base encoder with a new head, and four token types that start out (almost) as the pretrained first."""
    encoder = base.load_encoder()
    config = encoder.config
    config.num_labels = len(LABELS)
    config.type_vocab_size = 4
    model = BertForTokenClassification(config)
    state = encoder.state_dict()
    first = state["embeddings.token_type_embeddings.weight"][:1]
    noise = 0.002 * torch.randn(4, first.shape[1])
    noise[0] = 0
    state["embeddings.token_type_embeddings.weight"] = first + noise
    model.bert.load_state_dict(state)
    base.freeze_words(model.bert)
    return model


def places(sentences: list[Sentence]) -> list[list[str]]:
    """The distinct LOC mentions, as words, in a fixed order."""
    found = {tuple(sentence.words[start:end]) for sentence in sentences for start, end in locations(sentence)}
    return [list(words) for words in sorted(found)]


def locations(sentence: Sentence) -> list[tuple[int, int]]:
    """The word ranges of the LOC mentions."""
    ranges = []
    for at, tag in enumerate(sentence.tags):
        if tag == "B-LOC":
            ranges.append((at, at + 1))
        elif tag == "I-LOC" and ranges and ranges[-1][1] == at:
            ranges[-1] = (ranges[-1][0], at + 1)
    return ranges


def swap_places(sentence: Sentence, names: list[list[str]], rng: random.Random, chance: float) -> Sentence:
    """Puts another place for some; `names` are places of several words, of which the corpora have few."""
    words, tags = list(sentence.words), list(sentence.tags)
    for start, end in reversed(locations(sentence)):
        if chance and rng.random() < chance:
            name = rng.choice(names)
            words[start:end] = name
            tags[start:end] = ["B-LOC"] + ["I-LOC"] * (len(name) - 1)
    return Sentence(words, tags)


def augment(
    sentences: list[Sentence], names: list[list[str]], rng: random.Random, joined: float, swapped: float
) -> list[Sentence]:
    """Varies places, case and quotes, and joins neighbours.

    `joined` is the chance that two to five sentences become one, `swapped` that a place becomes another.
    """
    samples, at = [], 0
    while at < len(sentences):
        count = rng.randint(2, 5) if rng.random() < joined else 1
        group = [swap_places(sentence, names, rng, swapped) for sentence in sentences[at : at + count]]
        at += count
        words = [word for sentence in group for word in sentence.words]
        match rng.random():
            case r if r < 0.03:
                words = [word.upper() for word in words]
            case r if r < 0.06:
                words = [word.lower() for word in words]
        if rng.random() < 0.2:
            words = [typographic(word, rng) for word in words]
        samples.append(Sentence(words, [tag for sentence in group for tag in sentence.tags]))
    return samples


def typographic(word: str, rng: random.Random) -> str:
    """Straight quotes made curly, as in most text from the web."""
    return word.replace('"', rng.choice("“”")).replace("'", "’")


def all_samples(folder: Path, tokenizer: Tokenizer, rng: random.Random, swapped: float) -> list[Sample]:
    """Every sample of the whole training, each corpus as many times as it is to be read, in random order."""
    samples = []
    sentences_of = {corpus: read(folder, corpus) for corpus in TRAIN}
    several = [name for name in places([s for part in sentences_of.values() for s in part]) if len(name) > 1]
    for corpus, sentences in sentences_of.items():
        joined = 0.3 if corpus.name == "conll2003.train" else 0.0
        for _ in range(corpus.passes):
            samples += [encode(s, tokenizer, MAX_TOKENS) for s in augment(sentences, several, rng, joined, swapped)]
    rng.shuffle(samples)
    return samples


def batches(samples: list[Sample], size: int, rng: random.Random) -> list[list[Sample]]:
    """Cuts `samples` into batches of similar length, keeping the order of whole stretches of 64 batches."""
    result = []
    for at in range(0, len(samples), 64 * size):
        stretch = sorted(samples[at : at + 64 * size], key=lambda s: len(s.ids))
        cut = [stretch[i : i + size] for i in range(0, len(stretch), size)]
        rng.shuffle(cut)
        result += cut
    return result


def collate(batch: list[Sample]) -> dict[str, torch.Tensor]:
    """Pads a batch: ids, token types, mask and targets, all [batch, tokens]."""
    longest = max(len(sample.ids) for sample in batch)

    def pad(rows: list[list[int]], value: int) -> torch.Tensor:
        return torch.tensor([row + [value] * (longest - len(row)) for row in rows])

    return {
        "input_ids": pad([s.ids for s in batch], 0),
        "token_type_ids": pad([s.token_types for s in batch], 0),
        "attention_mask": pad([[1] * len(s.ids) for s in batch], 0),
        "targets": pad([s.targets for s in batch], IGNORED),
    }


def loss_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean of -log P(any allowed label); `logits` [batch, tokens, 9], `targets` [batch, tokens]."""
    kept = targets != IGNORED
    logits, allowed = logits[kept], ALLOWED[targets[kept]]
    right = logits.masked_fill(~allowed, float("-inf")).logsumexp(dim=-1)
    return (logits.logsumexp(dim=-1) - right).mean()


def groups(model: BertForTokenClassification, rate: float) -> list[dict]:
    """Parameter groups: new parameters learn five times as fast."""
    fresh, pretrained = [], []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (fresh if name.startswith("classifier") or "token_type" in name else pretrained).append(parameter)
    return [{"params": pretrained, "lr": rate}, {"params": fresh, "lr": 5 * rate}]


def train(model: BertForTokenClassification, steps: list[list[Sample]], rate: float, checkpoint: Path) -> None:
    """One pass over `steps`, with 6 % warm-up and linear decay."""
    optimiser = torch.optim.AdamW(groups(model, rate), weight_decay=0.01)
    warm_up = max(1, int(0.06 * len(steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda n: min((n + 1) / warm_up, (len(steps) - n) / (len(steps) - warm_up))
    )
    model.train()
    running, started = 0.0, time.time()
    for number, batch in enumerate(steps, 1):
        inputs = collate(batch)
        targets = inputs.pop("targets")
        loss = loss_of(model(**inputs).logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        running += loss.item()
        if number % 50 == 0:
            print(f"step {number}/{len(steps)} loss {running / 50:.4f} {time.time() - started:.0f} s", flush=True)
            running = 0.0
        if number % 500 == 0:
            torch.save(model.state_dict(), checkpoint)
    torch.save(model.state_dict(), checkpoint)


@torch.inference_mode()
def predict(model: BertForTokenClassification, samples: list[Sample]) -> Iterator[tuple[int, list[str]]]:
    """Each sample's index and the label of each word's first token, [words]; a word without tokens is `O`."""
    model.eval()
    order = sorted(range(len(samples)), key=lambda i: len(samples[i].ids))
    for at in range(0, len(order), 64):
        batch = [samples[i] for i in order[at : at + 64]]
        inputs = collate(batch)
        inputs.pop("targets")
        best = model(**inputs).logits.argmax(dim=-1)
        for index, sample, row in zip(order[at:], batch, best):
            yield index, ["O" if first is None else LABELS[row[first]] for first in sample.firsts]


def evaluate(model: BertForTokenClassification, folder: Path, corpus: Corpus, tokenizer: Tokenizer, detail: bool) -> float:
    """Micro F1 in percent, as seqeval's default; what the corpus does not annotate counts as O on both sides."""
    sentences = read(folder, corpus)
    gold, found = [], []
    for index, tags in predict(model, [encode(sentence, tokenizer, MAX_POSITIONS) for sentence in sentences]):
        expected = sentences[index].tags
        gold.append([comparable(tag, corpus) for tag in expected])
        found.append(["O" if right == "?" else comparable(tag, corpus) for tag, right in zip(tags, expected)])
    if detail:
        print(classification_report(gold, found, digits=4))
    return 100 * f1_score(gold, found)


def comparable(tag: str, corpus: Corpus) -> str:
    """`tag`, or O where `corpus` says nothing of it."""
    unknown = "?" in tag or (tag.endswith("MISC") and not corpus.has_misc)
    return "O" if unknown else tag


def report(model: BertForTokenClassification, folder: Path, tokenizer: Tokenizer, name: str) -> None:
    """Prints F1 on each development set."""
    for number, corpus in enumerate(DEV):
        print(f"{name} {corpus.name} F1 {evaluate(model, folder, corpus, tokenizer, number == 0):.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its ner/ holds the corpora")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--out", type=Path, default=base.BUNDLED / "ner-en-small" / "model")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="train on the first LIMIT batches only")
    parser.add_argument("--swap", type=float, default=0.0, help="chance that a place in a training text becomes another")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from")
    parser.add_argument("--export-only", action="store_true", help="score and export the checkpoint in WORK")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    tokenizer = base.load_tokenizer()
    args.work.mkdir(parents=True, exist_ok=True)
    checkpoint = args.work / "ner.pt"
    model = build_model()
    if args.export_only:
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    else:
        if args.start:
            model.load_state_dict(torch.load(args.start, weights_only=True))
        steps = batches(all_samples(args.data / "ner", tokenizer, rng, args.swap), args.batch, rng)
        train(model, steps[: args.limit], args.rate, checkpoint)

    export(model, args.out)
    report(model, args.data / "ner", tokenizer, "f32")
    report(base.load_exported(BertForTokenClassification, args.out), args.data / "ner", tokenizer, "int8")


def export(model: BertForTokenClassification, folder: Path) -> None:
    """Writes the model with its labels and the meaning of its token types."""
    labels = {
        "id2label": {str(i): label for i, label in enumerate(LABELS)},
        "label2id": {label: i for i, label in enumerate(LABELS)},
    }
    base.export(model, folder, **labels, token_types="casing")


if __name__ == "__main__":
    main()
