"""Variations of training sentences: other names, other case, other quotes, neighbours joined, ends cut off."""

import random
from dataclasses import dataclass, field
from itertools import accumulate

import names
from corpora import Sentence, label_of


@dataclass(frozen=True)
class Chances:
    """The frequencies with which a sentence, or a mention in it, is varied."""

    #: Two to five neighbours become one text.
    joined: float = 0.3
    #: A place becomes another place.
    place: float = 0.1
    #: A person becomes another, of a region drawn first.
    person: float = 0.3
    #: All in capitals, all in small letters, Each Word With a Capital, ends cut off.
    upper: float = 0.03
    lower: float = 0.03
    title: float = 0.02
    cut: float = 0.03
    #: Straight quotes become curly, as in most text from the web.
    quotes: float = 0.2
    #: Neighbours that are joined are on separate lines; a text is wrapped in lines; it begins within a paragraph.
    lines: float = 0.3
    wrapped: float = 0.06
    inside: float = 0.3


@dataclass
class Augmenter:
    """Draws variations. `places` are the places that take another's place, as words."""

    places: list[list[str]]
    chances: Chances
    rng: random.Random
    people: list[list[tuple[list[str], list[str]]]] = field(default_factory=names.people)

    def texts(self, sentences: list[Sentence], joined: bool) -> list[Sentence]:
        """Each sentence once, varied; neighbours are joined only if `joined`, where the corpus keeps documents."""
        texts, at = [], 0
        while at < len(sentences):
            count = self.rng.randint(2, 5) if joined and self.happens(self.chances.joined) else 1
            texts.append(self.vary(sentences[at : at + count]))
            at += count
        return texts

    def happens(self, chance: float) -> bool:
        return self.rng.random() < chance

    def vary(self, group: list[Sentence]) -> Sentence:
        """One text of the sentences of `group`."""
        swapped = [self.swap(sentence) for sentence in group]
        words = [word for sentence in swapped for word in sentence.words]
        tags = [tag for sentence in swapped for tag in sentence.tags]
        gaps = self.gaps([len(sentence.words) for sentence in swapped])
        if len(words) > 6 and self.happens(self.chances.cut):
            start = self.rng.randrange(len(words) // 2)
            end = self.rng.randrange(start + len(words) // 2, len(words)) + 1
            words, tags = words[start:end], [tags[start].replace("I-", "B-"), *tags[start + 1 : end]]
            gaps = {at - start: gap for at, gap in gaps.items() if start < at < end}
        draw, chances = self.rng.random(), self.chances
        if draw < chances.upper:
            words = [word.upper() for word in words]
        elif draw < chances.upper + chances.lower:
            words = [word.lower() for word in words]
        elif draw < chances.upper + chances.lower + chances.title:
            words = [word[:1].upper() + word[1:] for word in words]
        if self.happens(chances.quotes):
            words = [word.replace('"', self.rng.choice("“”")).replace("'", "’") for word in words]
        return Sentence(words, tags, gaps, begins=not self.happens(chances.inside))

    def gaps(self, lengths: list[int]) -> dict[int, str]:
        """Line ends between sentences of `lengths` words, or wherever a line is full."""
        if len(lengths) > 1 and self.happens(self.chances.lines):
            gap = self.rng.choice(("\n", "\n\n"))
            return {at: gap for at in accumulate(lengths[:-1])}
        if self.happens(self.chances.wrapped):
            width = self.rng.randint(5, 14)
            return {at: "\n" for at in range(width, sum(lengths), width)}
        return {}

    def swap(self, sentence: Sentence) -> Sentence:
        """Other people and places for some of those in `sentence`, in capitals for those in capitals."""
        words, tags = list(sentence.words), list(sentence.tags)
        for label, start, end in reversed(mentions(sentence)):
            if label == "LOC" and self.happens(self.chances.place):
                name = self.rng.choice(self.places)
            elif label == "PER" and is_plain_name(words[start:end]) and self.happens(self.chances.person):
                name = self.person(end - start)
            else:
                continue
            words[start:end] = name = in_case_of(words[start:end], name)
            tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (len(name) - 1)
        return Sentence(words, tags)

    def person(self, length: int) -> list[str]:
        """A name of `length` words: the family name alone, or given names before it."""
        given, family = self.rng.choice(self.rng.choice(self.people))
        return [self.rng.choice(given) for _ in range(length - 1)] + [self.rng.choice(family)]


def in_case_of(replaced: list[str], name: list[str]) -> list[str]:
    """`name`, in capitals if what it replaces is."""
    return [word.upper() for word in name] if all(word.isupper() for word in replaced) else name


def mentions(sentence: Sentence) -> list[tuple[str, int, int]]:
    """Label and word range of each entity."""
    found = []
    for at, tag in enumerate(sentence.tags):
        prefix, _, label = tag.partition("-")
        label = label_of(label)
        if prefix == "B":
            found.append((label, at, at + 1))
        elif prefix == "I" and found and found[-1][::2] == (label, at):
            found[-1] = (label, found[-1][1], at + 1)
    return found


def is_plain_name(words: list[str]) -> bool:
    """One to three words of letters, each with a capital first: not initials, handles or titles of songs."""
    return len(words) <= 3 and all(word.isalpha() and len(word) > 1 and word[0].isupper() for word in words)


def places(sentences: list[Sentence]) -> list[list[str]]:
    """The distinct LOC mentions of several words, in a fixed order; of these the corpora have few."""
    found = {tuple(s.words[start:end]) for s in sentences for label, start, end in mentions(s) if label == "LOC"}
    return [list(words) for words in sorted(found) if len(words) > 1]
