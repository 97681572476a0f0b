"""The casing class of a word, which the NER model reads as token types.

The tokenizer lower-cases, so capitals would be lost, which are half of what marks a name. Run as a
script, it checks the table that the Rust tests also read.
"""

import json
from pathlib import Path

LOWER, TITLE, UPPER, MIXED = range(4)
CLASSES = 4


def casing(word: str) -> int:
    """0 without capitals, 1 Title, 2 UPPER, 3 anything else.

    A capital is a character that is uppercase or titlecase in Unicode's sense, a small letter one that
    is lowercase (derived properties `Uppercase` and `Lowercase`, category `Lt`).
    """
    capital = [c.istitle() for c in word if c.istitle() or c.islower()]
    match sum(capital):
        case 0:
            return LOWER
        case 1 if capital[0]:
            return TITLE
        case n if n >= 2 and all(capital):
            return UPPER
    return MIXED


if __name__ == "__main__":
    cases = json.loads(Path(__file__).with_name("casing_cases.json").read_text(encoding="utf-8"))
    for word, expected in cases:
        assert casing(word) == expected, f"{word}: {casing(word)}, expected {expected}"
    print(f"{len(cases)} cases agree")
