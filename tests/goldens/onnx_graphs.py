"""Export tiny checkpoints to ONNX, and make one of an architecture that is supported only as ONNX.

    pip install -r requirements.txt onnx==1.16.2
    python onnx_graphs.py [OUTPUT_FOLDER]

The graphs onnx-NAME/model.onnx hold the models of the fixtures NAME, which make.py makes: all other
files, golden.json too, are those of NAME. onnx-xlnet-ner is a separate fixture, whose only weights are in
the graph. README.md describes golden.json.
"""

import os
import sys
import warnings
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import onnx
import torch
import transformers

from architectures import SHORT_BIO, XLNetForTokenClassification, fixtures, small
from checkpoints import load, save
from make import write_golden
from references import calibration_sequences, golden
from vocabularies import LATIN, wordpiece

# The fixtures that are exported, and optimum's name for their output.
EXPORTED = {"ner-wordpiece-cased": "logits", "nli-e-not": "logits", "distilbert-embed": "last_hidden_state"}
OPSET = 17


def xlnet():
    """XLNet: relative positions without a table, so that only the tokenizer's config has a maximum length."""
    pieces, config = wordpiece(False, 300, LATIN)
    spec = small("onnx-xlnet-ner", XLNetForTokenClassification, (pieces, config), SHORT_BIO, 1)
    spec.options = {"d_model": 16, "n_head": 2, "d_inner": 32, "n_layer": 2, "pad_token_id": 0}
    return spec


class FirstOutput(torch.nn.Module):
    """A model with its inputs in a fixed order and one output."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *inputs):
        """`[batch, tokens]` each."""
        return self.model(**dict(zip(self.names, inputs)))[0]


def shorten(graph):
    """Give the values inside the graph short names: a third of a tiny file is names."""
    outer = {value.name for value in [*graph.input, *graph.output]}
    names = {}
    short = lambda name: name if name in outer or not name else names.setdefault(name, f"v{len(names)}")

    def rename(graph):
        for tensor in graph.initializer:
            tensor.name = short(tensor.name)
        for value in [*graph.input, *graph.output]:
            value.name = short(value.name)
        for node in graph.node:
            node.name = node.doc_string = ""
            node.input[:] = [short(name) for name in node.input]
            node.output[:] = [short(name) for name in node.output]
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    rename(attribute.g)
        del graph.value_info[:]

    rename(graph)


def export(model, path, output):
    """Write the graph of `model`, for batches of any size and length."""
    names = ["input_ids", "attention_mask"]
    if getattr(model.config, "type_vocab_size", None) or model.config.model_type == "xlnet":
        names.append("token_type_ids")
    # Two sequences, one of them padded, so that no mask is traced away.
    inputs = [torch.randint(5, 50, (2, 9)), torch.ones(2, 9, dtype=torch.long), torch.zeros(2, 9, dtype=torch.long)]
    inputs[1][1, 6:] = 0
    per_token = output == "last_hidden_state" or type(model).__name__.endswith("ForTokenClassification")
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    axes[output] = {0: "batch", 1: "tokens"} if per_token else {0: "batch"}
    path.parent.mkdir(exist_ok=True)
    torch.onnx.export(
        FirstOutput(model, names).eval(),
        tuple(inputs[: len(names)]),
        path,
        input_names=names,
        output_names=[output],
        dynamic_axes=axes,
        opset_version=OPSET,
    )
    exported = onnx.load(path)
    shorten(exported.graph)
    onnx.checker.check_model(exported)
    onnx.save(exported, path)
    print(f"{path.parent.name:26} {path.stat().st_size / 1024:6.0f} KiB, {len(exported.graph.node)} nodes", flush=True)


def main(output):
    """Make all graphs under `output`, where the fixtures to export are."""
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    specs = {spec.name: spec for spec in fixtures()}
    for name, first in EXPORTED.items():
        model, _ = load(specs[name], output / name)
        export(model, output / f"onnx-{name}" / "model.onnx", first)

    spec = xlnet()
    folder = output / spec.name
    save(spec, folder, calibration_sequences)
    model, tokenizer = load(spec, folder)
    write_golden(folder, golden(spec, model, tokenizer))
    export(model, folder / "model.onnx", "logits")
    (folder / "model.safetensors").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
