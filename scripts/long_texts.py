"""Tags texts of a quarter of a megabyte that repeat one sign or phrase, with all built-in rules; prints their times.

    python3 scripts/long_texts.py ENTOPIC

Text whose time grows with the square of its length would take many minutes. The limit is ten seconds per megabyte on
top of the time that plain text of the same number of tokens takes, which the first line shows. A text may be refused.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

SIZE = 1 << 18
ARTICLE = (pathlib.Path(__file__).parent.parent / "examples/data/article.txt").read_text()
PARTS = {
    "plain": ARTICLE, "space": " ", "line end": "\n", "blank lines": " \n", "tab": "\t", "full stop": ".", "dots": ". ",
    "no-break space": "\u00a0", "opening": "(", "closing": ")", "brackets": "()", "quotes": "\u201c\u201d", "hyphen": "-",
    "quoted mail": "> ", "quotes of quotes": ">" * 50 + "\n", "stars": "*", "code": "`", "hashes": "#", "at": "@",
    "handle": "@a ", "hashtag": "#a ", "digit": "1", "numbers": "1 ", "date": "2024-01-01 ", "card": "4111 1111 1111 1111 ",
    "letter": "a", "capital": "A", "word": "word ", "name": "Ada ", "joined": "Bank of ", "joined by and": "Ada and ",
    "initials": "A. B. ", "abbreviation": "U.S. ", "mail": "a@b.c ", "half a mail": "a@", "mail of dots": "a.", "web":
    "http://a.b/c ", "half a web": "http://", "www": "www.", "phone": "+44 20 7946 0958 ", "plus": "+", "iban":
    "GB82WEST12345698765432 ", "money": "\u20ac5 ", "percent": "%", "slash": "/", "table": "| a ", "rule": "|---", "bullet":
    "- a\n", "heading": "# A\n", "combining": "e\u0301", "accents": "\u0301", "joiner": "\u200d", "family":
    "\U0001f469\u200d\U0001f467", "flag": "\U0001f1ec\U0001f1e7", "selector": "\ufe0f", "Arabic": "\u0645", "Chinese": "\u540d",
    "Hindi": "\u0915\u093e ", "vowel sign": "\u093e ", "Thai": "\u0e17", "mark of order": "\u202e", "replacement": "\ufffd",
    "control": "\u0001", "ligature": "\ufb01", "superscript": "a\u00b2", "special": "[SEP] ", "entity": "&lt;", "tag": "<b>",
}


def main(entopic):
    slow = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "texts.txt")
        for name, part in PARTS.items():
            text = (part * (SIZE // len(part.encode()) + 1)).encode()[:SIZE].decode(errors="ignore")
            path.write_text(text)
            start = time.monotonic()
            run = subprocess.run(
                [entopic, "tag", path, "--built-in", "all", "--topics", "sport", "--format", "json"],
                capture_output=True)
            seconds = time.monotonic() - start
            error = run.stderr.decode().strip()
            if run.returncode not in (0, 1) or run.returncode == 1 and not error.startswith("error: "):
                sys.exit(f"{name}: ended with {run.returncode}: {error}")
            refused = run.returncode == 1
            tokens = 0 if refused else json.loads(run.stdout)["coverage"]["tokens"]
            if name == "plain":
                per_token = seconds / tokens
            over = seconds - tokens * per_token
            end = f"refused: {error}" if refused else f"{over:8.2f} s more than plain text"
            print(f"{name:20} {seconds:8.2f} s {tokens:9} tokens {end}", flush=True)
            if over > 10 * SIZE / (1 << 20):
                slow.append(name)
    if slow:
        sys.exit(f"slow: {', '.join(slow)}")


if __name__ == "__main__":
    main(sys.argv[1])
