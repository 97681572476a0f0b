"""The NER corpora, brought to PER, LOC, ORG and MISC, and their sentences as token ids and targets."""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from casing import token_types

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]
#: Target of an `O` in a corpus that does not annotate MISC: O, B-MISC and I-MISC are all right.
O_OR_MISC = len(LABELS)
#: Target of a token whose label has no clear counterpart: no loss.
IGNORED = -100

WNUT = {
    "person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG",
    "creative-work": "MISC", "product": "MISC",
}  # fmt: skip
CROSSNER = {
    "person": "PER", "politician": "PER", "scientist": "PER", "researcher": "PER", "writer": "PER",
    "musicalartist": "PER", "country": "LOC", "location": "LOC", "organisation": "ORG", "university": "ORG",
    "politicalparty": "ORG", "band": "ORG", "misc": "MISC", "event": "MISC", "election": "MISC",
    "conference": "MISC", "award": "MISC", "book": "MISC", "poem": "MISC", "album": "MISC", "song": "MISC",
}  # fmt: skip
DOMAINS = ("politics", "science", "music", "literature", "ai")


@dataclass(frozen=True, eq=False)
class Corpus:
    """A file of tagged sentences and how often training reads it."""

    name: str
    passes: int
    #: Nationalities, events and works are labelled.
    has_misc: bool = True
    #: Sentences follow one another as in their documents.
    has_documents: bool = False
    #: From the corpus's labels to ours; None where they are the same.
    mapping: dict[str, str] | None = None


TRAIN = [
    Corpus("conll2003.train", 4, has_documents=True),
    Corpus("wikigold", 3),
    Corpus("tweebank.train", 2),
    Corpus("broad-twitter.train", 1, has_misc=False),
    Corpus("uner-pud", 3, has_misc=False),
    Corpus("wnut17.train", 1, has_misc=False, mapping=WNUT),
    *(Corpus(f"crossner-{d}.train", 3, mapping=CROSSNER) for d in DOMAINS),
]
#: Beyond CoNLL-2003, people, places and organisations alone are scored.
DEV = [
    Corpus("conll2003.dev", 0),
    Corpus("tweebank.dev", 0, has_misc=False),
    Corpus("broad-twitter.dev", 0, has_misc=False),
    Corpus("uner-ewt.dev", 0, has_misc=False),
    Corpus("wnut17.dev", 0, has_misc=False, mapping=WNUT),
    *(Corpus(f"crossner-{d}.dev", 0, has_misc=False, mapping=CROSSNER) for d in DOMAINS),
]


@dataclass(frozen=True)
class Sentence:
    """Words and their tags, one each; a tag is a label, `O?` (O or MISC) or `?` (no loss)."""

    words: list[str]
    tags: list[str]


def read(folder: Path, corpus: Corpus) -> list[Sentence]:
    """The sentences of `corpus`, its tags mapped."""
    sentences = []
    for block in (folder / f"{corpus.name}.tsv").read_text(encoding="utf-8").split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line]
        if rows:
            sentences.append(Sentence([row[0] for row in rows], [our_tag(corpus, row[1]) for row in rows]))
    return sentences


def our_tag(corpus: Corpus, tag: str) -> str:
    """`tag` of `corpus` in our labels."""
    if tag == "O":
        return "O" if corpus.has_misc else "O?"
    if corpus.mapping is None:
        return tag
    prefix, label = tag.split("-", 1)
    return f"{prefix}-{corpus.mapping[label]}" if label in corpus.mapping else "?"


@dataclass(frozen=True)
class Sample:
    """One encoded text: everything but `firsts` has a number a token."""

    ids: list[int]
    token_types: list[int]
    targets: list[int]
    #: The index of each word's first token, [words]; None for a word without tokens.
    firsts: list[int | None]
    #: The teacher's probabilities, [tokens, 9].
    taught: torch.Tensor | None = None


def encode(sentence: Sentence, tokenizer: Tokenizer, max_tokens: int) -> Sample:
    """Tokenises the words, joined by spaces, as raw text and gives each token its target.

    A word's first token has the word's tag, further tokens `I-X` in an entity and `O` outside.
    """
    text = " ".join(sentence.words)
    encoding = tokenizer.encode(text)
    word_at = [i for i, word in enumerate(sentence.words) for _ in range(len(word) + 1)]
    targets, firsts = [], [None] * len(sentence.words)
    for index, ((start, end), special) in enumerate(zip(encoding.offsets, encoding.special_tokens_mask)):
        if special:
            targets.append(IGNORED)
            continue
        word = word_at[start]
        tag = sentence.tags[word]
        if firsts[word] is None:
            firsts[word] = index
        else:
            tag = tag.replace("B-", "I-")
        targets.append(target(tag))
    firsts = [first if first is not None and first < max_tokens - 1 else None for first in firsts]
    parts = (cut(part, max_tokens) for part in (encoding.ids, token_types(text, encoding), targets))
    return Sample(*parts, firsts)


def cut(tokens: list[int], length: int) -> list[int]:
    """At most `length` of `tokens`, with the special one at the end."""
    return tokens if len(tokens) <= length else tokens[: length - 1] + tokens[-1:]


def target(tag: str) -> int:
    """The class that `tag` stands for."""
    return IGNORED if tag == "?" else O_OR_MISC if tag == "O?" else LABELS.index(tag)
