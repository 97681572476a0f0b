"""The weighted mean of NER models that were exported by ner.py and descend from one another.

    python mean.py OUT FOLDER=SHARE FOLDER=SHARE…

Shares add up to 1. An older model, without kinds and places, contributes none of either to the mean.
"""

import argparse
from pathlib import Path

import torch

import ner
from corpora import LABELS

State = dict[str, torch.Tensor]


def mean(parts: list[tuple[float, State, bool]]) -> State:
    """The weighted mean; for the head's rows of kinds (the last fields), only of the models that know kinds."""
    known = sum(share for share, _, has_kinds in parts if has_kinds)
    state = {}
    for name, tensor in parts[0][1].items():
        if not tensor.is_floating_point():
            state[name] = tensor
            continue
        state[name] = sum(share * own[name] for share, own, _ in parts)
        if name.startswith("classifier.") and known:
            rows = [share / known * own[name][len(LABELS) :] for share, own, has_kinds in parts if has_kinds]
            state[name][len(LABELS) :] = sum(rows)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", nargs="+", metavar="FOLDER=SHARE")
    args = parser.parse_args()
    parts = []
    for part in args.parts:
        folder, _, share = part.rpartition("=")
        parts.append((float(share), ner.extended(Path(folder)).state_dict(), ner.has_kinds(Path(folder))))
    if abs(sum(share for share, _, _ in parts) - 1) > 1e-6:
        parser.error("the shares do not add up to 1")
    model = ner.build_model()
    model.load_state_dict(mean(parts))
    ner.export(model, args.out)


if __name__ == "__main__":
    main()
