"""What the topic encoder is trained on: batches of texts, label texts and which label is right for which text."""

import gzip
import json
import math
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

#: What the labels of a batch are put into.
TEMPLATES = [
    "This text is about {}.", "This text is about {}.", "This text is about {}.", "{}", "Topic: {}",
    "This news is about {}.", "This article is about {}.", "a discussion of {}",
]  # fmt: skip
#: Each source's share of the training steps.
SHARES = {
    "tagmynews": 0.16, "huffpost": 0.16, "searchsnippets": 0.12, "dbpedia": 0.06, "clinc150": 0.06,
    "nli": 0.12, "kinds": 0.08, "keywords": 0.24,
}  # fmt: skip
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
    """Texts, label texts, and the labels that are right for each text.

    The first of these is the target; the others are neither right nor wrong.
    """

    texts: list[str]
    labels: list[str]
    right: list[list[int]]


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

    What reads as one of the latter is in neither.
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
    """Words that tell the topic of the texts they are in, as labels of these texts.

    A word tells the topic if the labels of the texts with it are far from the corpus's: the relative entropy is at
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

    def draw(self, number: int) -> Batch:
        """Batch `number`, of a source drawn by its share."""
        self.rng = random.Random(f"{self.seed} {number}")
        name = self.rng.choices(list(self.shares), self.shares.values())[0]
        if name in self.corpora:
            batch = self.labelled(name)
        else:
            batch = {"nli": self.inferences, "kinds": self.described, "keywords": self.worded}[name]()
        batch.texts = [self.disturb(text) for text in batch.texts]
        return batch

    def labelled(self, name: str) -> Batch:
        """Texts of a corpus against some of its labels, in one wording each."""
        wordings = self.corpora[name].wordings
        count = min(len(wordings), self.rng.randint(5, MAX_LABELS))
        chosen = self.rng.sample(range(len(wordings)), count)
        labels = self.fill([self.rng.choice(wordings[label]) for label in chosen])
        targets = [self.rng.randrange(count) for _ in range(self.batch)]
        texts = [self.join(self.by_label[name][chosen[target]]) for target in targets]
        return Batch(texts, labels, [[target] for target in targets])

    def worded(self) -> Batch:
        """Texts against keywords, mostly taken out of the text."""
        words = self.rng.sample(self.keywords.words, self.batch)
        texts, right = [], []
        for at, word in enumerate(words):
            text = self.join(self.keywords.texts[word])
            others = [i for i, other in enumerate(words) if i != at and other in text.lower()]
            texts.append(Keywords.without(text, word) if self.rng.random() < 0.8 else text)
            right.append([at, *others])
        return Batch(texts, self.fill(words), right)

    def described(self) -> Batch:
        """Texts against what their subject is."""
        texts, labels = zip(*self.rng.sample(self.kinds, self.batch))
        nouns = [label.split()[-1] for label in labels]
        right = [[i, *(j for j, other in enumerate(nouns) if j != i and other == noun)] for i, noun in enumerate(nouns)]
        return Batch(list(texts), self.fill(list(labels)), right)

    def inferences(self) -> Batch:
        """Premises against what follows from them and what contradicts one of them."""
        premises = self.rng.sample(list(self.entailed), self.batch)
        labels = [self.rng.choice(self.entailed[premise]) for premise in premises]
        labels += [self.rng.choice(self.contradicted[premise]) for premise in premises if premise in self.contradicted]
        return Batch(premises, labels, [[i] for i in range(self.batch)])

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
