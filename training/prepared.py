"""Texts as the library gives them to the tokenizer: emoji apart from words, plain letters, no marks of Markdown.

A twin of `src/tokenizer/prepared.rs`. Run as a script it checks the table that the Rust tests read too.
"""

import json
import unicodedata
from pathlib import Path

MARKS = "*_~`"


def prepare(source: str) -> tuple[str, list[int]]:
    """The prepared text, and for each of its characters the index of the one in `source` that it came from."""
    text: list[str] = []
    origins: list[int] = []

    def put(part: str, at: int) -> None:
        if part and text and is_symbol(text[-1]) != is_symbol(part[0]):
            if not text[-1].isspace() and not part[0].isspace():
                text.append(" ")
                origins.append(at)
        text.extend(part)
        origins.extend([at] * len(part))

    at = 0
    while at < len(source):
        end = at + 1
        while end < len(source) and unicodedata.combining(source[end]):
            end += 1
        put(changed(source[at:end], text, source[end : end + 8]), at)
        at = end
    return "".join(text), origins


def changed(cluster: str, before: list[str], after: str) -> str:
    """What becomes of `cluster`, a character and its accents, behind `before` and in front of `after`."""
    c = cluster[0]
    if c in MARKS and is_word(before[::-1][:3], c) != is_word(after[:3], c):
        return ""
    if c in "0123456789#*" and after.lstrip("\ufe0f").startswith("\u20e3"):
        return "🔢"
    if c in "¹²³⁰⁴⁵⁶⁷⁸⁹" and before and before[-1].isalpha():
        return ""
    if c == ">" and starts_line(before):
        return ""
    if c == "#" and not (before and before[-1].isalnum()) and after[:1].isalpha():
        return ""
    if c in "\t\n\r":
        return cluster
    if c in "\u200b\ufffd" or unicodedata.category(c) == "Cc":
        return " "
    if c in "\u200c\u200d" and before and joins(before[-1]):
        return cluster
    if is_invisible(c):
        return ""
    if has_plain_form(c):
        return unicodedata.normalize("NFKC", cluster)
    return unicodedata.normalize("NFC", cluster) if len(cluster) > 1 else cluster


def starts_line(before: list[str]) -> bool:
    """Nothing but spaces stands between the last line end and here."""
    line = "".join(before[-200:]).rstrip(" ")
    return not line or line.endswith("\n")


def is_word(side: list[str] | str, mark: str) -> bool:
    """The first of `side` that is no `mark` is a letter or digit."""
    first = next((c for c in side if c != mark), "")
    return first.isalnum()


def is_invisible(c: str) -> bool:
    """Nothing is seen of `c`: direction marks, joiners, variation selectors, soft hyphens."""
    at = ord(c)
    return at in (0xAD, 0x34F, 0x61C, 0x20E3, 0xFEFF) or any(
        low <= at <= high
        for low, high in (
            (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F),
            (0xFFF9, 0xFFFB), (0xE0000, 0xE0FFF),
        )
    )  # fmt: skip


def joins(c: str) -> bool:
    """`c` is of a script in which letters join: Arabic, Syriac, and those of India and its neighbours."""
    return (0x600 <= ord(c) <= 0x1FFF or 0xA840 <= ord(c) <= 0xABFF) and not is_symbol(c)


def is_symbol(c: str) -> bool:
    """An emoji or a sign such as `™` or `→`, not a currency sign."""
    if c.isascii() or c.isalnum():
        return False
    return 0x1F3FB <= ord(c) <= 0x1F3FF or unicodedata.category(c) in ("So", "Sm", "Co")


def has_plain_form(c: str) -> bool:
    """`c` only looks different from the letters that it stands for: ligatures, full width, styled letters."""
    at = ord(c)
    return any(
        low <= at <= high
        for low, high in (
            (0x132, 0x133), (0x1C4, 0x1CC), (0x1F1, 0x1F3), (0x2100, 0x211F), (0x2121, 0x2121), (0x2123, 0x213F),
            (0x2160, 0x217F), (0x24B6, 0x24E9), (0xFB00, 0xFB06), (0xFB13, 0xFB17), (0xFF01, 0xFFEF),
            (0x1D400, 0x1D7FF), (0x1F130, 0x1F149),
        )
    )  # fmt: skip


if __name__ == "__main__":
    cases = json.loads(Path(__file__).with_name("prepared_cases.json").read_text(encoding="utf-8"))
    for source, expected in cases:
        found, origins = prepare(source)
        assert found == expected, f"{source!r}: {found!r}, expected {expected!r}"
        assert len(origins) == len(found) and origins == sorted(origins)
    print(f"{len(cases)} cases agree")
