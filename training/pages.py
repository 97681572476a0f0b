"""Documents as their authors wrote them, with line ends, tables and emoji, and their tokens."""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from tokenizers import Tokenizer

from corpora import IGNORED, KINDS, LABELS, Sample
from layout import BLOCK, CLASSES, LINE, token_types
from prepared import prepare

#: Number of documents of each part of the written corpus, in the order of the file.
PARTS = (420, 420, 420, 420, 400, 400, 400, 300, 236, 205, 233, 200, 200, 271, 200)
NAMED = ("PER", "LOC", "ORG", "MISC")


@dataclass(frozen=True, order=True)
class Mention:
    """An entity at the characters `start` to `end`; its label is followed by a colon and the kind."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Page:
    """A text and its entities, in order and without overlap."""

    text: str
    mentions: list[Mention]
    #: None: the teacher alone knows the entities.
    part: int | None = 0

    def name(self, mention: Mention) -> str:
        return self.text[mention.start : mention.end]


def read(data: Path) -> list[Page]:
    """The written documents, without dates and amounts."""
    parts = iter([number for number, count in enumerate(PARTS, 1) for _ in range(count)])
    pages = []
    with gzip.open(data / "written" / "entities.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            found = [Mention(e["start"], e["end"], e["label"]) for e in row["entities"]]
            named = [mention for mention in found if mention.label.partition(":")[0] in NAMED]
            pages.append(Page(row["text"], sorted(named), next(parts)))
    return pages


def split(pages: list[Page]) -> tuple[list[Page], list[Page]]:
    """The documents for training, and a tenth for development, chosen by the hash of the text."""
    return [p for p in pages if not is_held_out(p.text)], [p for p in pages if is_held_out(p.text)]


def is_held_out(text: str) -> bool:
    """Whether `text` is of the tenth that no training sees."""
    return hashlib.sha256(text.encode()).digest()[0] % 10 == 0


def edit(page: Page, edits: list[tuple[int, int, str]]) -> Page:
    """`page` with characters `start` to `end` replaced by a text, for each of `edits`.

    Edits do not overlap. An edit of exactly a mention's characters gives it another name; text that is inserted at a
    mention's bounds is not part of it.
    """
    pieces, last, shift = [], 0, 0
    #: The start and end of each edit, and the shift of all text after it.
    moves: list[tuple[int, int, int]] = []
    for start, end, text in sorted(edits):
        pieces += [page.text[last:start], text]
        shift += len(text) - (end - start)
        moves.append((start, end, shift))
        last = end
    pieces.append(page.text[last:])

    def moved(at: int, is_end: bool) -> int:
        # Text that is inserted right after a mention does not move its end.
        behind = [move for start, end, move in moves if end <= at and not (is_end and start == end == at)]
        return at + (behind[-1] if behind else 0)

    mentions = [Mention(moved(m.start, False), moved(m.end, True), m.label) for m in page.mentions]
    return replace(page, text="".join(pieces), mentions=mentions)


def encode(page: Page, tokenizer: Tokenizer, max_tokens: int, rng: Random | None = None) -> list[Sample]:
    """The tokens of `page`, prepared as the library prepares texts, in windows of whole lines or sentences.

    Windows hold at most `max_tokens`; with `rng`, fewer now and then.
    """
    text, origins = prepare(page.text)
    encoding = tokenizer.encode(text)
    types = token_types(text, encoding)
    inside = range(1, len(encoding.ids) - 1)
    targets, kinds = [IGNORED], [IGNORED]
    mentions = iter(page.mentions)
    mention = next(mentions, None)
    begun = None
    for at in inside:
        start, end = encoding.offsets[at]
        start = origins[start]
        while mention and mention.end <= start:
            mention = next(mentions, None)
        if page.part is None:
            targets.append(IGNORED)
            kinds.append(IGNORED)
        elif mention and mention.start <= start:
            label = mention.label.partition(":")[0]
            targets.append(LABELS.index(f"{'I' if begun is mention else 'B'}-{label}"))
            kinds.append(KINDS.index(mention.label) if mention.label in KINDS else IGNORED)
            begun = mention
        else:
            targets.append(0)
            kinds.append(IGNORED)
    samples = []
    for start, end in windows(text, encoding.offsets, types, max_tokens - 2, rng):
        span = slice(start, end)
        ends = (encoding.ids[0], encoding.ids[-1])
        samples.append(
            Sample(
                [ends[0], *encoding.ids[span], ends[1]],
                [0, *types[span], 0],
                [IGNORED, *targets[span], IGNORED],
                [IGNORED, *kinds[span], IGNORED],
                [],
            )
        )
    return samples


def windows(
    text: str, offsets: list[tuple[int, int]], types: list[int], budget: int, rng: Random | None
) -> list[tuple[int, int]]:
    """Token ranges of at most `budget` that end where lines or sentences do, if any does within their second half."""
    count, found, start = len(offsets) - 1, [], 1
    while start < count:
        room = rng.randint(budget // 2, budget) if rng and rng.random() < 0.5 else budget
        end = min(start + room, count)
        if end < count:
            breaks = [at for at in range(start + room // 2, end + 1) if is_start(text, offsets, types, at)]
            end = breaks[-1] if breaks else end
        found.append((start, end))
        start = end
    return found


def is_start(text: str, offsets: list[tuple[int, int]], types: list[int], at: int) -> bool:
    """Whether token `at` begins a line or a sentence."""
    if types[at] // CLASSES in (LINE, BLOCK) and types[at - 1] // CLASSES not in (LINE, BLOCK):
        return True
    return bool(re.search(r"[.!?…][\"”’)]*\s+$", text[: offsets[at][0]][-6:])) and text[offsets[at][0]].isupper()
