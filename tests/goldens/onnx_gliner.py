"""Export the tiny GLiNER fixtures to ONNX, with the inputs and outputs of the package's own export.

    pip install -r requirements-zero-shot.txt onnx==1.16.2
    python onnx_gliner.py [OUTPUT_FOLDER]

The graphs onnx-NAME/model.onnx hold the models of the fixtures NAME: all other files, golden.json too, are those of NAME.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import onnx
import torch
from gliner import GLiNER

from onnx_graphs import shorten

OPSET = 19
TEXT_INPUTS = ["input_ids", "attention_mask", "words_mask", "text_lengths"]
SPAN_INPUTS = ["span_idx", "span_mask"]
TEXTS = ["Maria Okafor met Anders Lindqvist in Geneva.", "Obama won in state-of-the-art Bern"]


class Logits(torch.nn.Module):
    """A model with its inputs in a fixed order and its logits alone."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs))).logits


def main(output):
    warnings.filterwarnings("ignore")
    for name in ["gliner-span", "gliner-span-plain", "gliner-token"]:
        model = GLiNER.from_pretrained(str(output / name), local_files_only=True).eval()
        names = TEXT_INPUTS + (SPAN_INPUTS if "span" in name else [])
        inputs, _ = model.prepare_model_inputs(TEXTS, ["person", "place"])
        axes = {name: {axis: f"{name}_{axis}" for axis in range(inputs[name].dim())} for name in names}
        axes["text_lengths"] = {0: "text_lengths_0"}
        if "span_idx" in axes:
            del axes["span_idx"][2]
        axes["logits"] = {axis: f"logits_{axis}" for axis in range(4)}
        path = output / f"onnx-{name}" / "model.onnx"
        path.parent.mkdir(exist_ok=True)
        torch.onnx.export(
            Logits(model.model, names).eval(),
            tuple(inputs[name] for name in names),
            path,
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
        )
        exported = onnx.load(path)
        shorten(exported.graph)
        onnx.checker.check_model(exported)
        onnx.save(exported, path)
        print(f"{path.parent.name:26} {path.stat().st_size / 1024:6.0f} KiB, {len(exported.graph.node)} nodes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
