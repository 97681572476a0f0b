"""The NER corpora, brought to PER, LOC, ORG and MISC, and their sentences as token ids and targets."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from tokenizers import Tokenizer

from layout import token_types

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]
#: Target of an `O` in a corpus that does not annotate MISC: O, B-MISC and I-MISC are all right.
O_OR_MISC = len(LABELS)
#: Target of a token whose label has no clear counterpart: no loss.
IGNORED = -100
#: The finer kinds of places, organisations and the rest; people have none.
KINDS = [
    "LOC:country", "LOC:city", "LOC:region", "LOC:nature", "LOC:place",
    "ORG:company", "ORG:club", "ORG:band", "ORG:party", "ORG:agency", "ORG:school", "ORG:media", "ORG:other",
    "MISC:nationality", "MISC:event", "MISC:work", "MISC:product", "MISC:law", "MISC:other",
]  # fmt: skip

WNUT = {
    "person": "PER", "location": "LOC", "corporation": "ORG:company", "group": "ORG",
    "creative-work": "MISC:work", "product": "MISC:product",
}  # fmt: skip
CROSSNER = {
    "person": "PER", "politician": "PER", "scientist": "PER", "researcher": "PER", "writer": "PER",
    "musicalartist": "PER", "country": "LOC:country", "location": "LOC", "organisation": "ORG",
    "university": "ORG:school", "politicalparty": "ORG:party", "band": "ORG:band", "misc": "MISC",
    "event": "MISC:event", "election": "MISC:event", "conference": "MISC:event", "award": "MISC:other",
    "book": "MISC:work", "poem": "MISC:work", "album": "MISC:work", "song": "MISC:work",
}  # fmt: skip
DOMAINS = ("politics", "science", "music", "literature", "ai")


@dataclass(frozen=True, eq=False)
class Corpus:
    """A file of tagged sentences, and the number of times that training reads it."""

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
    """Words and their tags, one each; a tag is a label, with its kind behind a colon if that is known, `O?` (O or MISC)
    or `?` (no loss)."""

    words: list[str]
    tags: list[str]
    #: The white space before words other than the first, where it is no space: by the word's index.
    gaps: dict[int, str] = field(default_factory=dict)
    #: The first word begins a paragraph.
    begins: bool = True


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


def label_of(tag: str) -> str:
    """`tag` without its kind."""
    return tag.partition(":")[0]


@dataclass(frozen=True)
class Sample:
    """One encoded text: everything but `firsts` has one number per token."""

    ids: list[int]
    token_types: list[int]
    targets: list[int]
    #: Index into `KINDS`, or `IGNORED`.
    kinds: list[int]
    #: The index of each word's first token, [words]; None for a word without tokens.
    firsts: list[int | None]
    #: The teacher's probabilities, [tokens, 28].
    taught: torch.Tensor | None = None


def encode(sentence: Sentence, tokenizer: Tokenizer, max_tokens: int) -> Sample:
    """Tokenises the words, joined by white space, as raw text and gives each token its target.

    A word's first token has the word's tag, further tokens `I-X` in an entity and `O` outside.
    """
    text, word_at = "", []
    for index, word in enumerate(sentence.words):
        piece = (sentence.gaps.get(index, " ") if index else "") + word
        text += piece
        word_at += [index] * len(piece)
    encoding = tokenizer.encode(text)
    targets, kinds, firsts = [], [], [None] * len(sentence.words)
    for index, ((start, end), special) in enumerate(zip(encoding.offsets, encoding.special_tokens_mask)):
        if special:
            targets.append(IGNORED)
            kinds.append(IGNORED)
            continue
        word = word_at[start]
        tag = sentence.tags[word]
        if firsts[word] is None:
            firsts[word] = index
        else:
            tag = tag.replace("B-", "I-")
        targets.append(target(tag))
        kinds.append(kind(tag))
    firsts = [first if first is not None and first < max_tokens - 1 else None for first in firsts]
    types = token_types(text, encoding, sentence.begins)
    return Sample(*(cut(part, max_tokens) for part in (encoding.ids, types, targets, kinds)), firsts)


def cut(tokens: list[int], length: int) -> list[int]:
    """At most `length` of `tokens`, with the special one at the end."""
    return tokens if len(tokens) <= length else tokens[: length - 1] + tokens[-1:]


def target(tag: str) -> int:
    """The class that `tag` stands for."""
    return IGNORED if tag == "?" else O_OR_MISC if tag == "O?" else LABELS.index(label_of(tag))


def kind(tag: str) -> int:
    """The kind that `tag` names."""
    name = tag[2:]
    return KINDS.index(name) if name in KINDS else IGNORED
