"""Reads the output of `entopic tag` with independent readers: seqeval, pyarrow, a JSON-LD processor, a brat parser,
spaCy's displaCy, and Python's csv and json.

    python formats.py ENTOPIC

It needs seqeval, pyarrow, pyld, pybrat and spacy.
"""

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet
from pybrat.parser import BratParser
from pyld import jsonld
from seqeval.metrics import f1_score, precision_score, recall_score
from spacy import displacy

ROOT = Path(__file__).resolve().parent.parent
ARTICLE = ROOT / "examples/data/article.txt"
#: Passages with entities as `[mention|LABEL|group]`.
PASSAGES = ROOT / "tests/data/mention_groups.txt"
MENTION = re.compile(r"\[([^|\]]+)\|([^|\]]+)\|[^\]]+\]")

#: The terms of the Web Annotation vocabulary that the format uses; the context at w3.org is not downloaded.
CONTEXT = {
    "@context": {
        "oa": "http://www.w3.org/ns/oa#",
        "as": "http://www.w3.org/ns/activitystreams#",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "id": {"@type": "@id", "@id": "@id"},
        "type": {"@type": "@id", "@id": "@type"},
        "Annotation": "oa:Annotation",
        "AnnotationPage": "as:OrderedCollectionPage",
        "TextualBody": "oa:TextualBody",
        "Software": "as:Application",
        "generator": {"@type": "@id", "@id": "as:generator"},
        "name": "http://xmlns.com/foaf/0.1/name",
        "TextPositionSelector": "oa:TextPositionSelector",
        "TextQuoteSelector": "oa:TextQuoteSelector",
        "items": {"@type": "@id", "@id": "as:items", "@container": "@list"},
        "body": {"@type": "@id", "@id": "oa:hasBody"},
        "target": {"@type": "@id", "@id": "oa:hasTarget"},
        "source": {"@type": "@id", "@id": "oa:hasSource"},
        "selector": {"@type": "@id", "@id": "oa:hasSelector"},
        "motivation": {"@type": "@vocab", "@id": "oa:motivatedBy"},
        "purpose": {"@type": "@vocab", "@id": "oa:hasPurpose"},
        "tagging": "oa:tagging",
        "classifying": "oa:classifying",
        "value": "rdf:value",
        "exact": "oa:exact",
        "prefix": "oa:prefix",
        "suffix": "oa:suffix",
        "start": "oa:start",
        "end": "oa:end",
    }
}


def entopic(*arguments) -> str:
    return subprocess.run([sys.argv[1], *map(str, arguments)], check=True, stdout=subprocess.PIPE).stdout.decode()


def read_conll(text: str) -> list[list[str]]:
    """The tags of each sentence."""
    sentences = [[line.split("\t") for line in block.splitlines()] for block in text.strip().split("\n\n")]
    return [[tag for _, tag in sentence] for sentence in sentences if sentence[0][0] != "-DOCSTART-"]


def check_conll(folder: Path) -> None:
    """seqeval and `entopic eval ner` compute the same scores."""
    lines = []
    for passage in PASSAGES.read_text().split("\n---\n"):
        body = passage.strip().split("\n", 1)[1]
        done = 0
        for match in MENTION.finditer(body):
            lines += [f"{word}\tO" for word in body[done : match.start()].split()]
            words = match[1].split()
            lines += [f"{word}\t{'I' if at else 'B'}-{match[2]}" for at, word in enumerate(words)]
            done = match.end()
        lines += [f"{word}\tO" for word in body[done:].split()] + [""]
    gold = folder / "gold.tsv"
    gold.write_text("\n".join(lines))
    expected, found = read_conll(gold.read_text()), read_conll(entopic("tag", gold, "--words", "--format", "conll"))
    report = json.loads(entopic("eval", "ner", gold))
    scores = {
        "precision": precision_score(expected, found),
        "recall": recall_score(expected, found),
        "f1": f1_score(expected, found),
    }
    for name, score in scores.items():
        assert abs(score - report[name]) < 1e-9, (name, score, report[name])
    print(f"conll: seqeval's F1 over {report['sentences']} passages is {100 * scores['f1']:.2f}, as eval's")
    # Tags of raw text are well formed: seqeval reads as many entities as the model found.
    document = json.loads(entopic("tag", ARTICLE, "--format", "json"))
    tags = read_conll(entopic("tag", ARTICLE, "--format", "conll"))
    assert sum(tag.startswith("B-") for sentence in tags for tag in sentence) == len(document["entities"])


def check_parquet(folder: Path, posts: Path, texts: list[str]) -> None:
    out = folder / "posts.parquet"
    entopic("tag", posts, "--format", "parquet", "-o", out)
    rows = pyarrow.parquet.read_table(out).to_pylist()
    assert [row["text"] for row in rows] == texts
    for row in rows:
        for entity in row["entities"]:
            assert row["text"][entity["start"] : entity["end"]] == entity["text"], entity
        assert abs(sum(topic["score"] for topic in row["topics"]) - 1) < 1e-3 or not row["text"]
    print(f"parquet: pyarrow read {len(rows)} rows, {sum(len(row['entities']) for row in rows)} entities")


def check_annotations(posts: Path, texts: list[str]) -> None:
    loader = lambda url, options: {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": CONTEXT}
    oa, count = "http://www.w3.org/ns/oa#", 0
    pages = entopic("tag", posts, "--format", "web-annotation").splitlines()
    for text, page in zip(texts, pages, strict=True):
        source = json.loads(page)
        expanded = jsonld.expand(source, {"documentLoader": loader})
        items = expanded[0]["http://www.w3.org/ns/activitystreams#items"][0]["@list"]
        assert len(items) == len(source["items"])
        for item in items:
            assert item["@type"] == [oa + "Annotation"] and item[oa + "hasBody"] and item[oa + "hasTarget"], item
            count += 1
            if item[oa + "motivatedBy"][0]["@id"] == oa + "classifying":
                assert item[oa + "hasTarget"][0]["@id"].startswith("file:///"), item
                continue
            for selector in item[oa + "hasTarget"][0][oa + "hasSelector"]:
                if selector["@type"] == [oa + "TextPositionSelector"]:
                    start, end = (selector[oa + name][0]["@value"] for name in ("start", "end"))
                else:
                    exact, prefix = (selector[oa + name][0]["@value"] for name in ("exact", "prefix"))
            assert text[start:end] == exact and text[:start].endswith(prefix), item
    print(f"web-annotation: a JSON-LD processor read {len(pages)} pages, {count} annotations")


def check_brat(folder: Path, posts: Path, texts: list[str]) -> None:
    out = folder / "brat"
    entopic("tag", posts, "--format", "brat", "-o", f"{out}/")
    examples = sorted(BratParser(error="raise").parse(out), key=lambda example: example.id)
    # Python's text mode, in which pybrat reads, has one kind of line end.
    assert [example.text for example in examples] == [text.replace("\r\n", "\n") for text in texts]
    for example in examples:
        for entity in example.entities:
            parts = " ".join(example.text[span.start : span.end] for span in entity.spans)
            assert parts == entity.mention, entity
    print(f"brat: pybrat read {len(examples)} documents, {sum(len(example.entities) for example in examples)} entities")


def check_displacy(posts: Path, texts: list[str]) -> None:
    documents = json.loads(entopic("tag", posts, "--format", "displacy"))
    assert [document["text"] for document in documents] == texts
    page = displacy.render(documents, style="ent", manual=True, jupyter=False)
    count = sum(len(document["ents"]) for document in documents)
    assert page.count("<mark") == count, (page.count("<mark"), count)
    print(f"displacy: spaCy marked {count} entities")


def check_tables(posts: Path, texts: list[str]) -> None:
    table = entopic("tag", posts, "--format", "csv", "--offsets", "utf16")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert [row["text"] for row in rows] == texts and [row["id"] for row in rows] == ["1", "2", "3", "4"]
    lines = entopic("tag", posts, "--format", "jsonl", "--offsets", "utf16").splitlines()
    for row, line, text in zip(rows, lines, texts, strict=True):
        units = text.encode("utf-16-le")
        tagged = json.loads(line)["tagged"]
        for cell, entity in zip(json.loads(row["entities"]), tagged["entities"], strict=True):
            place = entity["span"]["utf16"]
            assert (cell["start"], cell["end"]) == (place["start"], place["end"])
            assert units[2 * place["start"] : 2 * place["end"]].decode("utf-16-le") == entity["text"]
            span = entity["span"]["bytes"]
            assert text.encode()[span["start"] : span["end"]].decode() == entity["text"]
    print(f"csv and jsonl: Python read {len(rows)} rows, with places in UTF-16")


def main() -> None:
    texts = [
        ARTICLE.read_text(),
        "🦤 Zoë Keller met \"Ada, Countess of Lovelace\" in New\nYork; 👩‍👩‍👧 then Oslo,\tKöln & 東京.\r\n",
        "It rains.",
        "",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        posts = folder / "posts.jsonl"
        posts.write_text("".join(json.dumps({"id": at, "text": text}) + "\n" for at, text in enumerate(texts, 1)))
        check_conll(folder)
        check_parquet(folder, posts, texts)
        check_annotations(posts, texts)
        check_brat(folder, posts, texts)
        check_displacy(posts, texts)
        check_tables(posts, texts)


if __name__ == "__main__":
    main()
