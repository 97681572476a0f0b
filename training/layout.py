"""The place of a word in a page, which the NER model reads as token types together with its casing.

To the tokenizer all white space is the same, so lists, tables and headings would read like prose. Run as a script it
checks the table that the Rust tests read too.
"""

import json
import re
from pathlib import Path

from tokenizers import Encoding

from casing import CLASSES, LOWER, casing

INSIDE, LINE, BLOCK, CELL = range(4)
#: Token types: every class of casing in every place.
TOKEN_TYPES = 4 * CLASSES

LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")


def place(gap: str, begins: bool = False) -> int:
    """The place of a word behind the white space `gap`; `begins` says that the text begins with the gap.

    0 within a line, 1 at the beginning of a line, 2 behind a blank line or at the beginning of the text, 3 behind a tab
    or three spaces and more.
    """
    if begins:
        return BLOCK
    match len(LINE_END.findall(gap)):
        case 0:
            return CELL if "\t" in gap or len(gap) > 2 else INSIDE
        case 1:
            return LINE
    return BLOCK


def token_types(text: str, encoding: Encoding, begins: bool = True) -> list[int]:
    """Casing and place of each token's word, as `casing + 4 * place` [tokens].

    A word is the slice of `text` under all tokens with one word id; special tokens are 0. `begins` says that `text` is
    not cut out of the middle of a paragraph.
    """
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets):
        if word is not None:
            spans[word] = (spans.get(word, (start, end))[0], end)
    types, last = {}, 0
    for word, (start, end) in spans.items():
        head = text[last:start]
        # Characters without tokens are skipped: only the white space right before the word counts.
        gap = head[len(head.rstrip()) :]
        first = begins and not text[:start].strip()
        types[word] = casing(text[start:end]) + CLASSES * place(gap, first)
        last = end
    return [LOWER if word is None else types[word] for word in encoding.word_ids]


if __name__ == "__main__":
    cases = json.loads(Path(__file__).with_name("layout_cases.json").read_text(encoding="utf-8"))
    for text, expected in cases:
        words = [(match.start(), match.end()) for match in re.finditer(r"\S+", text)]
        found = [place(text[before:start], at == 0) for at, ((start, _), before) in enumerate(
            zip(words, [0, *(end for _, end in words)])
        )]
        assert found == expected, f"{text!r}: {found}, expected {expected}"
    print(f"{len(cases)} cases agree")
