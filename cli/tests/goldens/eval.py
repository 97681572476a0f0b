"""Reference values of `entopic eval`: nervaluate's partial matches, scikit-learn's scores of several labels.

    pip install nervaluate==1.2.1 scikit-learn==1.9.1
    python eval.py

Writes nervaluate.json and multilabel.json next to itself.
"""

import json
import random
from importlib.metadata import version
from pathlib import Path

import numpy
from nervaluate.entities import Entity, EvaluationResult
from nervaluate.strategies import EntityTypeEvaluation, ExactEvaluation, PartialEvaluation, StrictEvaluation
from sklearn.metrics import average_precision_score, f1_score

HERE = Path(__file__).parent
LABELS = ["PER", "LOC", "ORG"]
STRATEGIES = {
    "strict": StrictEvaluation,
    "exact": ExactEvaluation,
    "partial": PartialEvaluation,
    "type": EntityTypeEvaluation,
}


def entities(random):
    """Up to five entities of a sentence of twelve words, as (label, start, end)."""
    found, at = [], 0
    while at < 12 and len(found) < 5:
        start = at + random.randrange(3)
        end = start + 1 + random.randrange(3)
        if end > 12:
            break
        found.append((random.choice(LABELS), start, end))
        at = end
    return found


def nervaluate(random):
    cases = []
    for _ in range(60):
        sentences = [{"gold": entities(random), "predicted": entities(random)} for _ in range(4)]
        scores = {}
        for name, strategy in STRATEGIES.items():
            total = EvaluationResult()
            for sentence in sentences:
                # Its ends are inclusive.
                gold, predicted = (
                    [Entity(label, start, end - 1) for label, start, end in sentence[side]]
                    for side in ("gold", "predicted")
                )
                result, _ = strategy().evaluate(gold, predicted, LABELS)
                for count in ("correct", "incorrect", "partial", "missed", "spurious"):
                    setattr(total, count, getattr(total, count) + getattr(result, count))
            total.compute_metrics(partial_or_type=name in ("partial", "type"))
            scores[name] = {
                key: getattr(total, key)
                for key in ("correct", "incorrect", "partial", "missed", "spurious", "precision", "recall", "f1")
            }
        cases.append({"sentences": sentences, "scores": scores})
    return {"nervaluate": version("nervaluate"), "cases": cases}


def multilabel(random):
    cases = []
    for documents, labels in [(6, 3), (20, 5), (3, 1), (40, 4)]:
        gold = [[random.random() < 0.4 for _ in range(labels)] for _ in range(documents)]
        scores = [[round(random.random(), 2) for _ in range(labels)] for _ in range(documents)]
        truth, score = numpy.array(gold), numpy.array(scores)
        predicted = score > 0.5
        with_gold = [column for column in range(labels) if truth[:, column].any()]
        rows = [row for row in range(documents) if truth[row].any()]
        precision = lambda truth, score: float(average_precision_score(truth, score))
        cases.append({
            "gold": gold,
            "scores": scores,
            "micro_f1": float(f1_score(truth.ravel(), predicted.ravel(), zero_division=0)),
            "macro_f1": float(numpy.mean([
                f1_score(truth[:, column], predicted[:, column], zero_division=0)
                for column in range(labels)
                if truth[:, column].any() or predicted[:, column].any()
            ])),
            "average_precision": {
                "micro": precision(truth.ravel(), score.ravel()),
                "macro": float(numpy.mean([precision(truth[:, c], score[:, c]) for c in with_gold])),
                "documents": float(numpy.mean([precision(truth[r], score[r]) for r in rows])),
            },
            "calibration_error": calibration_error(truth.ravel(), score.ravel()),
        })
    return {"scikit-learn": version("scikit-learn"), "cases": cases}


def calibration_error(truth, score, bins=10):
    """Expected calibration error over bins of equal width (Naeini et al., 2015); scikit-learn has none."""
    index = numpy.minimum((score * bins).astype(int), bins - 1)
    error = 0.0
    for bin in range(bins):
        inside = index == bin
        if inside.any():
            error += inside.mean() * abs(truth[inside].mean() - score[inside].mean())
    return float(error)


if __name__ == "__main__":
    seeded = random.Random(17)
    for name, make in [("nervaluate", nervaluate), ("multilabel", multilabel)]:
        (HERE / f"{name}.json").write_text(json.dumps(make(seeded)) + "\n")
        print(f"{name}.json written")
