"""Runs `entopic eval` with the bundled models on every development set and prints the figures as tables."""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import pages
import pairs
from corpora import DEV, Corpus
from ner import KIND_NAMES

OURS = ("PER", "LOC", "ORG", "MISC")
PRECISIONS = ("int8", "f32")
TOPICS = ("20newsgroups.dev", "sib200-en.dev")


def renamed(corpus: Corpus, folder: Path) -> dict[str, str]:
    """`--map` for `corpus`: its labels in ours, and nothing for those that are not scored."""
    lines = (folder / f"{corpus.name}.tsv").read_text(encoding="utf-8").splitlines()
    found = {line.split("\t")[1].partition("-")[2] for line in lines if line and not line.endswith("\tO")}
    mapping = corpus.mapping or {label: label for label in OURS}
    # Behind a colon is the kind, which is not scored here.
    wanted = {label: mapping.get(label, "").partition(":")[0] for label in sorted(found)}
    if not corpus.has_misc:
        wanted = {label: "" if ours == "MISC" else ours for label, ours in wanted.items()} | {"MISC": ""}
    return {label: ours for label, ours in wanted.items() if label != ours}


def evaluate(entopic: str, task: str, file: Path, mapping: dict[str, str], precision: str) -> dict:
    """The report of `entopic eval`."""
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


def as_lines(rows: list[dict]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def page_row(page: pages.Page) -> dict:
    """A written document in the form of `entopic eval entities`, its kinds as the library calls them."""
    labels = [KIND_NAMES.get(mention.label, mention.label).rstrip(":") for mention in page.mentions]
    found = [{"start": m.start, "end": m.end, "label": label} for m, label in zip(page.mentions, labels)]
    return {"text": page.text, "entities": found}


def written_entities(entopic: str, data: Path, folder: Path) -> None:
    """Prints the scores of the held-out written documents: by part, by label, by kind."""
    _, held_out = pages.split(pages.read(data))
    parts = {"all": held_out} | {
        f"part {number}": [page for page in held_out if page.part == number] for number in range(1, len(pages.PARTS) + 1)
    }
    reports = {}
    for name, chosen in parts.items():
        file = folder / "entities.jsonl"
        file.write_text(as_lines([page_row(page) for page in chosen]), encoding="utf-8")
        reports[name] = [evaluate(entopic, "entities", file, {}, precision) for precision in PRECISIONS]
    table("written documents, F1", "f1", reports)
    (whole, _) = reports["all"]
    print(f"partial match F1: {100 * whole['matches']['partial']['f1']:.2f}\n")
    for key in ("labels", "kinds"):
        print(f"| {key} | precision | recall | F1 | mentions |\n|---|---|---|---|---|")
        for name, scores in whole.get(key, {}).items():
            figures = " | ".join(f"{100 * scores[field]:.1f}" for field in ("precision", "recall", "f1"))
            print(f"| {name} | {figures} | {scores['support']} |")
        print(flush=True)


def written_topics(entopic: str, data: Path, folder: Path) -> None:
    """Prints the scores of the held-out written texts, each label judged by itself."""
    items = pairs.read_written(data)["dev"]
    file = folder / "topics.jsonl"
    file.write_text(
        as_lines([{"text": item.text, "labels": item.right, "not": item.wrong} for item in items]), encoding="utf-8"
    )
    for precision in PRECISIONS:
        report = evaluate(entopic, "topics", file, {}, precision)
        micro, none = report["micro"], report["none_of_these"]
        print(
            f"written texts, {precision}: average precision {100 * report['average_precision']['documents']:.1f} within "
            f"texts, {100 * report['average_precision']['micro']:.1f} over all; at 0.5 precision "
            f"{100 * micro['precision']:.1f}, recall {100 * micro['recall']:.1f}, F1 {100 * micro['f1']:.1f}; "
            f"calibration error {100 * report['calibration_error']:.1f}; none of these: precision "
            f"{100 * none['precision']:.1f}, recall {100 * none['recall']:.1f}",
            flush=True,
        )


def attractors(entopic: str, data: Path, folder: Path) -> None:
    """Prints how often a default topic is the likeliest for a written text that it does not fit."""
    command = [entopic, "tag", "-", "--format", "json"]
    document = json.loads(subprocess.run(command, input=b"A text.", check=True, stdout=subprocess.PIPE).stdout)
    names = [topic["label"] for topic in document["topics"]]
    items = [item for part in pairs.read_written(data).values() for item in part]
    rows = [{"text": item.text, "label": name} for item in items for name in item.wrong if name in names]
    file, listed = folder / "wrong.jsonl", folder / "names.txt"
    file.write_text(as_lines(rows), encoding="utf-8")
    listed.write_text("\n".join(names), encoding="utf-8")
    command = [entopic, "eval", "topics", str(file), "--topics-file", str(listed)]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print("| default topic | wins where it does not fit | texts |\n|---|---|---|")
    for name, scores in report["labels"].items():
        if scores["support"]:
            print(f"| {name} | {100 * scores['recall']:.1f} % | {scores['support']} |")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the data folder; its ner/, topics/ and written/ hold the sets")
    parser.add_argument("--entopic", default="entopic", help="the command line of the project, built with --release")
    args = parser.parse_args()

    def reports(task: str, file: Path, mapping: dict[str, str]) -> list[dict]:
        return [evaluate(args.entopic, task, file, mapping, precision) for precision in PRECISIONS]

    folder = args.data / "ner"
    scores = {corpus.name: reports("ner", folder / f"{corpus.name}.tsv", renamed(corpus, folder)) for corpus in DEV}
    table("F1", "f1", scores)
    others = list(scores.values())[1:]
    for at, precision in enumerate(PRECISIONS):
        print(f"mean of the sets other than CoNLL-2003, {precision}: {100 * sum(each[at]['f1'] for each in others) / len(others):.2f}\n")
    with tempfile.TemporaryDirectory() as temporary:
        written_entities(args.entopic, args.data, Path(temporary))
        written_topics(args.entopic, args.data, Path(temporary))
        attractors(args.entopic, args.data, Path(temporary))
    wordings = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))
    first = {name: {label: words[0] for label, words in wordings[name].items()} for name in TOPICS}
    folder = args.data / "topics"
    scores = {name: reports("topics", folder / f"{name}.jsonl.gz", first[name]) for name in TOPICS}
    table("accuracy", "accuracy", scores)


if __name__ == "__main__":
    main()
