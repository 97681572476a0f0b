"""Measures the time that rules add to tagging with the bundled model: 1,000 phrases, and all built-in sets.

    python rules_cost.py ENTOPIC [ROUNDS]
"""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ARTICLE = Path(__file__).resolve().parent.parent / "examples/data/article.txt"
FIRST = "Acme Globex Initech Umbrella Stark Wayne Hooli Vandelay Soylent Tyrell Cyberdyne Wonka Oscorp Massive".split()
SECOND = "Systems Holdings Labs Motors Foods Energy Pharma Bank Media Logistics Steel Paper Glass Rail Air".split()
THIRD = "Group Limited AG Incorporated One".split()


def main() -> None:
    entopic, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    phrases = [" ".join(words) for words in itertools.product(FIRST, SECOND, THIRD)][:1000]
    assert len(phrases) == 1000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = folder / "texts.txt"
        texts.write_text("\n".join(line for line in ARTICLE.read_text().splitlines() if line) + "\n")
        rules = folder / "rules.toml"
        rules.write_text(f'[[rule]]\nlabel = "CUSTOMER"\nignore_case = true\nphrases = {json.dumps(phrases)}\n')
        ways = {"model": [], "phrases": ["--rules", str(rules)], "built-in": ["--built-in", "all"]}
        seconds = {way: [] for way in ways}
        for _ in range(rounds):
            for way, options in ways.items():
                command = [entopic, "bench", str(texts), "--task", "ner", "--repeat", "15", *options]
                report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                seconds[way].append(report["seconds"])
    base = statistics.median(seconds["model"])
    for way, values in seconds.items():
        median = statistics.median(values)
        print(f"{way}: {1000 * median:.1f} ms, {median / base:.3f} of the model alone")


if __name__ == "__main__":
    main()
