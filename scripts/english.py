"""Counts turns of phrase that are not plain English, in documents, comments and messages, and fails if there are too many:
none may be in README.md, ARCHITECTURE.md and messages of errors, and at most one in a thousand lines elsewhere.

    python scripts/english.py [--list]
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Documents where none is allowed, and packages in whose messages none is.
STRICT = {"README.md", "ARCHITECTURE.md"}
MESSAGES = ("src/", "cli/src/", "arrow/src/", "datafusion/src/", "kernels/src/")

TICS = {
    "tells, for says or reports": r"\b(tells?|told)\b",
    "beside, for next to or compared with": r"\bbeside\b",
    "hold against, for check against": r"\bh(old|olds|eld) [^.;:]{0,40}\bagainst\b",
    "is there, as they come": r"\b(is|are|was|were) (not )?there\b(?! (is|are|a|an|no)\b)|\bas (they|it) comes?\b",
    "of its own": r"\bof (its|their|his|your) own\b",
    "as something has it": r"\b(as|where|which) [^,;.:]*\b(has|have|had) (it|them)\b",
    "a thing a thing, for per": r"\b(tokens|documents|texts|sentences|requests|rows|products|bytes|words|row|scale|line|text|one) an? (second|token|row|channel|line|call|thread|document|core)\b(?! (of|in|and|with|for|to|that|from|or)\b)",
    "the one that is given": r"\bthat (is|are) given (its|their)\b",
    "of two": r"\bof two with\b",
    "by config.json": r"\bby (its )?`?config\.json`? it\b",
    "which none": r", which (no|none|neither)\b",
}

# A comment that begins with a subordinate clause, which has no main clause.
FRAGMENT = re.compile(r"^\s*(//[/!]) (What|Whether|How|That|Where|Who|Which|As [^,]*\.$)\b(?!.*\?)")
FRAGMENT_NAME = "a comment without a main clause"


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.rs", "*.md", "*.py", "*.sh", "*.toml"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    names = listed.stdout.split()
    # Data and models are not prose.
    return [Path(name) for name in names if not name.startswith(("tests/data", "bundled/")) and name != "scripts/english.py"]


def prose(path: Path) -> list[tuple[int, str]]:
    """The lines of a file that are English, without code between backquotes."""
    lines = (ROOT / path).read_text().splitlines()
    found, is_code, is_open = [], False, False
    for number, line in enumerate(lines, 1):
        if path.suffix == ".md":
            if line.lstrip().startswith("```"):
                is_code = not is_code
            text = "" if is_code else line
        elif path.suffix == ".rs":
            comment = re.search(r"(?<![:\"])//.*", line)
            quotes = len(re.findall(r'(?<![\\\'])"', line)) if not comment else 0
            if comment and not is_open:
                text = comment.group()
            elif is_open or quotes % 2:
                # A literal over several lines.
                text = line
                is_open ^= quotes % 2 == 1
            else:
                text = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', line))
        else:
            text = line if line.lstrip().startswith("#") or '"""' in line else ""
        found.append((number, re.sub(r"`[^`]*`", "`x`", text)))
    return found


def main() -> None:
    is_list = "--list" in sys.argv
    lines, tics, strict = 0, [], []
    for path in files():
        starts = True
        for number, text in prose(path):
            lines += 1
            found = [name for name, tic in TICS.items() if re.search(tic, text, re.IGNORECASE)]
            is_comment = text.lstrip().startswith(("///", "//!"))
            if path.suffix == ".rs" and starts and is_comment and FRAGMENT.match(text):
                found.append(FRAGMENT_NAME)
            starts = not is_comment
            for name in found:
                tics.append(f"{path}:{number}: {name}: {text.strip()}")
                is_message = str(path).startswith(MESSAGES) and "//" not in text
                if str(path) in STRICT or is_message:
                    strict.append(tics[-1])
    if is_list:
        print("\n".join(tics))
    print(f"{len(tics)} in {lines} lines; allowed are {lines // 1000}, and none in {', '.join(sorted(STRICT))} and messages")
    if strict or len(tics) > lines // 1000:
        sys.exit("\n".join(strict) or "too many")


if __name__ == "__main__":
    main()
