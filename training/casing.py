"""The casing class of a word, which the NER model reads as token types.

The tokenizer lower-cases, so capitals would be lost; they are half of what tells a name. Run as a
script it checks the table that the Rust tests read too.
"""

import json
from pathlib import Path

from tokenizers import Encoding

LOWER, TITLE, UPPER, MIXED = range(4)


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


def token_types(text: str, encoding: Encoding) -> list[int]:
    """The class of each token's word [tokens].

    A word is the slice of `text` under all tokens with one word id; special tokens are 0.
    """
    spans: dict[int, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets):
        if word is not None:
            spans[word] = (spans.get(word, (start, end))[0], end)
    classes = {word: casing(text[start:end]) for word, (start, end) in spans.items()}
    return [LOWER if word is None else classes[word] for word in encoding.word_ids]


if __name__ == "__main__":
    cases = json.loads(Path(__file__).with_name("casing_cases.json").read_text(encoding="utf-8"))
    for word, expected in cases:
        assert casing(word) == expected, f"{word}: {casing(word)}, expected {expected}"
    print(f"{len(cases)} cases agree")
