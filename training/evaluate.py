"""Runs `entopic eval` with the bundled models on every development set and prints the figures as tables."""

import argparse
import json
import subprocess
from pathlib import Path

from corpora import DEV, Corpus

OURS = ("PER", "LOC", "ORG", "MISC")
PRECISIONS = ("int8", "f32")
TOPICS = ("20newsgroups.dev", "sib200-en.dev")


def renamed(corpus: Corpus, folder: Path) -> dict[str, str]:
    """`--map` for `corpus`: its labels in ours, and nothing for those that are not scored."""
    lines = (folder / f"{corpus.name}.tsv").read_text(encoding="utf-8").splitlines()
    found = {line.split("\t")[1].partition("-")[2] for line in lines if line and not line.endswith("\tO")}
    mapping = corpus.mapping or {label: label for label in OURS}
    wanted = {label: mapping.get(label, "") for label in sorted(found)}
    if not corpus.has_misc:
        wanted = {label: "" if ours == "MISC" else ours for label, ours in wanted.items()} | {"MISC": ""}
    return {label: ours for label, ours in wanted.items() if label != ours}


def evaluate(entopic: str, task: str, file: Path, mapping: dict[str, str], precision: str) -> dict:
    """What `entopic eval` prints."""
    command = [entopic, "eval", task, str(file), "--precision", precision]
    if mapping:
        command += ["--map", ",".join(f"{label}={ours}" for label, ours in mapping.items())]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def table(title: str, key: str, rows: dict[str, list[dict]]) -> None:
    """Prints `key` of each report in percent."""
    print(f"| {title} | {' | '.join(PRECISIONS)} |")
    print(f"|---|{'---|' * len(PRECISIONS)}")
    for name, reports in rows.items():
        print(f"| {name} | {' | '.join(f'{100 * report[key]:.2f}' for report in reports)} |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its ner/ and topics/ hold the sets")
    parser.add_argument("--entopic", default="entopic", help="the command line of the project, built with --release")
    args = parser.parse_args()

    def reports(task: str, file: Path, mapping: dict[str, str]) -> list[dict]:
        return [evaluate(args.entopic, task, file, mapping, precision) for precision in PRECISIONS]

    folder = args.data / "ner"
    scores = {corpus.name: reports("ner", folder / f"{corpus.name}.tsv", renamed(corpus, folder)) for corpus in DEV}
    table("F1", "f1", scores)
    others = list(scores.values())[1:]
    for at, precision in enumerate(PRECISIONS):
        print(f"mean of the others, {precision}: {100 * sum(each[at]['f1'] for each in others) / len(others):.2f}\n")
    wordings = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))
    first = {name: {label: words[0] for label, words in wordings[name].items()} for name in TOPICS}
    folder = args.data / "topics"
    scores = {name: reports("topics", folder / f"{name}.jsonl.gz", first[name]) for name in TOPICS}
    table("accuracy", "accuracy", scores)


if __name__ == "__main__":
    main()
