"""The training data of the topic encoder: batches of texts, label texts, and the right labels for each text."""

import gzip
import hashlib
import json
import math
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

#: The templates for the labels of a batch.
TEMPLATES = [
    "This text is about {}.", "This text is about {}.", "This text is about {}.", "{}", "Topic: {}",
    "This news is about {}.", "This article is about {}.", "a discussion of {}",
]  # fmt: skip
#: Each source's share of the training steps.
SHARES = {
    "written": 0.3, "tagmynews": 0.13, "huffpost": 0.13, "searchsnippets": 0.1, "dbpedia": 0.05, "clinc150": 0.05,
    "nli": 0.06, "kinds": 0.05, "keywords": 0.13,
}  # fmt: skip
#: Share of texts about nothing that are added to the written ones.
EMPTY_SHARE = 0.06
#: The maximum number of labels of each kind that a written text is compared with.
MAX_RIGHT, MAX_WRONG = 4, 6
#: Corpora with labels, all of them in labels.json or with labels that are words.
LABELLED = ("tagmynews", "huffpost", "searchsnippets", "dbpedia", "clinc150")
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


@dataclass
class Batch:
    """Texts, label texts, and the labels that are right and wrong for each text; others are neither."""

    texts: list[str]
    labels: list[str]
    right: list[list[int]]
    wrong: list[list[int]]


def others(count: int, right: list[list[int]]) -> list[list[int]]:
    """All of `count` labels but the right ones, for each text."""
    return [[label for label in range(count) if label not in these] for these in right]


@dataclass(frozen=True)
class Written:
    """A text of any genre, labels that apply and labels that do not, most of them near."""

    text: str
    right: list[str]
    wrong: list[str]


def read_written(data: Path) -> dict[str, list[Written]]:
    """The written texts in three parts: a tenth each for development and calibration, the rest for training."""
    parts: dict[str, list[Written]] = {"train": [], "calibration": [], "dev": []}
    for row in read_lines(data / "written" / "topics.jsonl.gz"):
        tenth = hashlib.sha256(row["text"].encode()).digest()[0] % 10
        part = {0: "dev", 1: "calibration"}.get(tenth, "train")
        parts[part].append(Written(row["text"], row["labels"], row["not"]))
    return parts


#: Texts that are about nothing.
EMPTY = (
    "The.", "the", "Yes.", "no", "OK", "ok thanks", "Hello", "Hi there!", "Thanks!", "Thank you.", "...", "And then?", "It is.",
    "See below.", "Good morning", "Me too", "Maybe.", "What?", "I don't know.", "This is it.", "a", "Well, well.", "1", "42",
    "1, 2, 3", "lol", "Hmm.", "There you go.", "It was like that.", "So it goes.", "To be continued", "n/a", "test", "asdf",
    "Untitled", "As above.", "See you later.", "He said so.", "They did not.", "Which one?", "Of course.", "the of and", "!!!",
    "One of them was there.", "That is what it was.", "Please find attached.", "Read more", "Click here.", "Next page",
)  # fmt: skip


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
    labels = [index[wordings[row["label"]][0]] for row in rows]
    return Topics([row["text"] for row in rows], labels, list(distinct.values()))


def split(topics: Topics, held_out: int) -> tuple[Topics, Topics]:
    """The items for training and `held_out` items for development, always the same ones.

    Other items with the same letters and digits as a held-out one are in neither.
    """
    order = list(range(len(topics.texts)))
    random.Random(20).shuffle(order)
    kept = {plain(topics.texts[i]) for i in order[:held_out]}
    rest = [i for i in order[held_out:] if plain(topics.texts[i]) not in kept]
    return topics.subset(rest), topics.subset(order[:held_out])


def plain(text: str) -> str:
    """The letters and digits of `text`, in small letters."""
    return "".join(c for c in text.lower() if c.isalnum())


class Keywords:
    """Words that indicate the topic of the texts they are in, as labels of these texts.

    A word indicates the topic if the labels of the texts with it are far from the corpus's: the relative entropy is at
    least `MIN_BITS`.
    """

    WORD = re.compile(r"[a-z]{3,}")
    MIN_TEXTS = 8
    MIN_BITS = 1.5

    def __init__(self, corpora: list[Topics]) -> None:
        self.texts: dict[str, list[str]] = defaultdict(list)
        for topics in corpora:
            self.add(topics)
        self.words = sorted(self.texts)

    def add(self, topics: Topics) -> None:
        """The keywords of one corpus."""
        prior = Counter(topics.labels)
        labels, texts = defaultdict(Counter), defaultdict(list)
        for text, label in zip(topics.texts, topics.labels):
            for word in set(self.WORD.findall(text.lower())):
                labels[word][label] += 1
                texts[word].append(text)
        total = len(topics.texts)
        for word, counts in labels.items():
            n = counts.total()
            bits = sum(c / n * math.log2(c / n / (prior[label] / total)) for label, c in counts.items())
            if n >= self.MIN_TEXTS and bits >= self.MIN_BITS:
                self.texts[word] += texts[word]

    @staticmethod
    def without(text: str, word: str) -> str:
        """`text` without `word` and what it begins: plurals and the like."""
        return re.sub(rf"\b{word}\w*", "", text, flags=re.IGNORECASE)


#: "X is a small village in Y": what X is.
KIND = re.compile(
    r"\b(?:is|was|are|were) (?:an?|the|one of the) "
    r"((?:[a-z][\w-]+ ){0,3}?[a-z][\w-]+)"
    r"(?= (?:in|of|from|on|by|for|at|that|who|which|and|with|to)\b|[.,])"
)


def kinds(texts: list[str]) -> list[tuple[str, str]]:
    """Texts that say what their subject is, without that, and what it is."""
    found = []
    for text in texts:
        match = KIND.search(text[:300])
        if match and len(text) - len(match[0]) > 80:
            found.append((text[: match.start(1)] + text[match.end(1) :], match[1]))
    return found


class Sampler:
    """Draws training batches, each from one source; a batch depends on the seed and its number alone."""

    def __init__(self, data: Path, batch: int, seed: int, without: str | None = None) -> None:
        self.batch, self.seed, self.rng = batch, seed, random.Random(seed)
        self.shares = {name: share for name, share in SHARES.items() if name != without}
        names = [name for name in LABELLED if name != without]
        self.corpora = {name: split(read(data / "topics", name), HELD_OUT.get(name, 0))[0] for name in names}
        self.by_label = {name: group(topics) for name, topics in self.corpora.items()}
        self.keywords = Keywords([self.corpora[name] for name in names if name != "clinc150"])
        self.kinds = kinds([row["text"] for row in read_lines(data / "topics" / "dbpedia.jsonl.gz")])
        self.entailed, self.contradicted, self.sentences = inferences(data / "nli")
        self.written = read_written(data)["train"]
        self.names = sorted({label for item in self.written for label in item.right + item.wrong})
        # Some labels are mostly named where they do not hold (`sports`), which must not make them unlikely everywhere.
        right, wrong = (Counter(label for item in self.written for label in getattr(item, side)) for side in ("right", "wrong"))
        self.kept = {label: min(1.0, (right[label] + 1.5) / count) for label, count in wrong.items()}

    def draw(self, number: int) -> Batch:
        """Batch `number`, of a source drawn by its share."""
        self.rng = random.Random(f"{self.seed} {number}")
        name = self.rng.choices(list(self.shares), self.shares.values())[0]
        if name in self.corpora:
            batch = self.labelled(name)
        else:
            ways = {
                "nli": self.inferences, "kinds": self.described, "keywords": self.worded, "written": self.judged,
            }  # fmt: skip
            batch = ways[name]()
        if name != "written":
            batch.texts = [self.disturb(text) for text in batch.texts]
        return batch

    def judged(self) -> Batch:
        """Written texts against labels that apply and labels that do not, and texts about nothing."""
        items = [
            Written(self.rng.choice(EMPTY), [], self.rng.sample(self.names, MAX_WRONG))
            if self.rng.random() < EMPTY_SHARE
            else self.rng.choice(self.written)
            for _ in range(2 * self.batch // 3)
        ]
        index: dict[str, int] = {}
        right, wrong = [], []
        for item in items:
            others = [label for label in item.wrong if self.rng.random() < self.kept.get(label, 1.0)]
            for labels, most, places in ((item.right, MAX_RIGHT, right), (others, MAX_WRONG, wrong)):
                chosen = self.rng.sample(labels, min(most, len(labels)))
                places.append([index.setdefault(label, len(index)) for label in chosen])
        return Batch([item.text for item in items], self.fill(list(index)), right, wrong)

    def sample(self, count: int) -> list[str]:
        """Texts of all corpora with labels and the written ones, as many of each."""
        rng = random.Random(self.seed)
        sources = [topics.texts for topics in self.corpora.values()] + [[item.text for item in self.written]]
        return [text for texts in sources for text in rng.sample(texts, count // len(sources))]

    def labelled(self, name: str) -> Batch:
        """Texts of a corpus against some of its labels, in one wording each."""
        wordings = self.corpora[name].wordings
        count = min(len(wordings), self.rng.randint(5, MAX_LABELS))
        chosen = self.rng.sample(range(len(wordings)), count)
        labels = self.fill([self.rng.choice(wordings[label]) for label in chosen])
        targets = [self.rng.randrange(count) for _ in range(self.batch)]
        texts = [self.join(self.by_label[name][chosen[target]]) for target in targets]
        right = [[target] for target in targets]
        return Batch(texts, labels, right, others(count, right))

    def worded(self) -> Batch:
        """Texts against keywords, mostly taken out of the text."""
        words = self.rng.sample(self.keywords.words, self.batch)
        texts, wrong = [], []
        for word in words:
            text = self.join(self.keywords.texts[word])
            wrong.append([i for i, other in enumerate(words) if other not in text.lower()])
            texts.append(Keywords.without(text, word) if self.rng.random() < 0.8 else text)
        return Batch(texts, self.fill(words), [[at] for at in range(len(words))], wrong)

    def described(self) -> Batch:
        """Texts against what their subject is."""
        texts, labels = zip(*self.rng.sample(self.kinds, self.batch))
        nouns = [label.split()[-1] for label in labels]
        wrong = [[i for i, other in enumerate(nouns) if other != noun] for noun in nouns]
        return Batch(list(texts), self.fill(list(labels)), [[i] for i in range(self.batch)], wrong)

    def inferences(self) -> Batch:
        """Premises against what follows from them and what contradicts one of them."""
        premises = self.rng.sample(list(self.entailed), self.batch)
        labels = [self.rng.choice(self.entailed[premise]) for premise in premises]
        labels += [self.rng.choice(self.contradicted[premise]) for premise in premises if premise in self.contradicted]
        right = [[i] for i in range(self.batch)]
        return Batch(premises, labels, right, others(len(labels), right))

    def fill(self, labels: list[str]) -> list[str]:
        """The labels in one template."""
        template = self.rng.choice(TEMPLATES)
        return [template.format(label) for label in labels]

    def join(self, texts: list[str]) -> str:
        """One of `texts`, one time in four several, as long documents have."""
        count = self.rng.randint(2, 5) if self.rng.random() < 0.25 else 1
        return ". ".join(self.rng.choices(texts, k=count))

    def disturb(self, text: str) -> str:
        """One time in six a sentence about something else before or after, as posts and articles have."""
        if self.rng.random() < 1 / 6:
            other = self.rng.choice(self.sentences)
            return f"{other} {text}" if self.rng.random() < 0.5 else f"{text} {other}"
        return text


def group(topics: Topics) -> dict[int, list[str]]:
    """The texts of each label."""
    groups = defaultdict(list)
    for text, label in zip(topics.texts, topics.labels):
        groups[label].append(text)
    return groups


def inferences(folder: Path) -> tuple[dict[str, list[str]], dict[str, list[str]], list[str]]:
    """What each premise entails and what contradicts it, and all hypotheses."""
    pairs = {"entailment": defaultdict(list), "contradiction": defaultdict(list)}
    sentences = set()
    for part in ("train-1", "train-2"):
        for row in read_lines(folder / f"{part}.jsonl.gz"):
            premise, hypothesis = row["premise"].strip('"'), row["hypothesis"].strip('"')
            sentences.add(hypothesis)
            if row["label"] in pairs:
                pairs[row["label"]][premise].append(hypothesis)
    return pairs["entailment"], pairs["contradiction"], sorted(sentences)
