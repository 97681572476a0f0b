"""Time each architecture at base size, with random weights, next to ONNX Runtime and OpenVINO on the same weights.

    python architectures.py [--entopic PATH] [--rounds N] [--only NAME,...] [--precision f32|int8]

PATH is the command `entopic` in a release build, by default ../../target/release/entopic; the Python
packages are those of requirements.txt. All run in f32, or entopic in int8, on two threads over the same
texts of 126 tokens: entopic from the text, the others from ids, at the best of the batch sizes 1, 4 and 16, which
need no padding. In each round all take a turn. The output is the median of each in tokens per second, and the median
of the ratios between entopic and each other engine in the same round.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

HERE = Path(__file__).resolve().parent
GOLDENS = HERE.parent.parent / "tests" / "goldens"
TOKENS, TEXTS, THREADS, PASSES = 126, 16, 2, 3
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC"]
VOCABULARY = 4096

# The settings of base checkpoints that differ from the defaults of transformers.
ARCHITECTURES = {
    "bert": {},
    "distilbert": {},
    "roberta": {"max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "electra": {"embedding_size": 768, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    "albert": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    "mpnet": {"max_position_embeddings": 514},
    "deberta-v2": {
        "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
    },
    "modernbert": {"reference_compile": False},
    "bart": {
        "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
        "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072,
    },
}


def make(name, folder):
    """Write a random checkpoint with the tokenizer of its golden; return the model."""
    torch.manual_seed(1)
    head = "nli" if name == "bart" else "ner"
    golden = GOLDENS / ("ner-wordpiece-cased" if name == "bert" else f"{name}-{head}")
    labels = ["contradiction", "neutral", "entailment"] if head == "nli" else LABELS
    tiny = json.loads((golden / "config.json").read_text())
    special = {key: tiny[key] for key in tiny if key.endswith("_token_id")}
    config = AutoConfig.for_model(
        name, vocab_size=VOCABULARY, attn_implementation="eager", id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)}, **{**special, **ARCHITECTURES[name]},
    )
    kind = AutoModelForSequenceClassification if head == "nli" else AutoModelForTokenClassification
    model = kind.from_config(config).eval()
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((golden / "tokenizer.json").read_bytes())
    return model


def export(model, ids, path):
    """Write the model as ONNX, taking ids alone: one sequence needs no mask."""
    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids):
            return self.model(input_ids=input_ids).logits

    axes = {"input_ids": {0: "batch", 1: "tokens"}, "logits": {0: "batch"}}
    with torch.no_grad():
        torch.onnx.export(
            Bare(), (torch.tensor(ids[:2]),), path, input_names=["input_ids"], output_names=["logits"],
            dynamic_axes=axes, opset_version=17, do_constant_folding=True,
        )


def texts(tokenizer, hypothesis):
    """Texts of TOKENS tokens, and their ids with special tokens (and the hypothesis, for pairs)."""
    words = "Maria met Anders in Geneva on Tuesday and said that talks with the company would go on".split()
    lines, ids = [], []
    for shift in range(TEXTS):
        line = ""
        for at in range(10_000):
            longer = f"{line} {words[(at * 7 + shift) % len(words)]}".strip()
            if len(tokenizer.encode(longer, add_special_tokens=False).ids) > TOKENS:
                break
            line = longer
        while len(tokenizer.encode(line, add_special_tokens=False).ids) < TOKENS:
            line += "."
        pair = (line, hypothesis) if hypothesis else (line,)
        lines.append(line)
        ids.append(tokenizer.encode(*pair).ids)
    assert len({len(row) for row in ids}) == 1, "texts differ in length"
    return lines, ids


def onnx_runtime(path):
    """ONNX Runtime's function from ids to logits."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"input_ids": rows})


def open_vino(path):
    """OpenVINO's function from ids to logits."""
    settings = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return lambda rows: request.infer({"input_ids": rows})


PEERS = {"ONNX Runtime": onnx_runtime, "OpenVINO": open_vino}


def time_peer(run, ids, batch):
    """Tokens of texts per second: the median of as many passes as the command makes."""
    rows = np.array(ids, dtype=np.int64)
    speeds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        for at in range(0, len(rows), batch):
            run(rows[at : at + batch])
        speeds.append(TOKENS * len(rows) / (time.perf_counter() - start))
    return statistics.median(speeds)


def time_entopic(command, folder, lines, task, precision):
    """Tokens of texts per second: the median of the command's passes."""
    command = [command, "bench", str(lines), "--task", task, "--model", str(folder), "--precision", precision,
               "--threads", str(THREADS), "--repeat", str(PASSES)]
    if task == "topics":
        command += ["--topics", "sport"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["tokens_per_second"]


def measure(name, command, rounds, folder, precision):
    model = make(name, folder)
    pair = "This example is sport." if name == "bart" else None
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")).backend_tokenizer
    tokenizer.no_truncation(), tokenizer.no_padding()
    lines, ids = texts(tokenizer, pair)
    file = folder / "texts.txt"
    file.write_text("\n".join(lines) + "\n")
    export(model, ids, folder / "model.onnx")
    del model
    peers, best = {}, {}
    for peer, load in PEERS.items():
        try:
            peers[peer] = load(folder / "model.onnx")
        except Exception as error:
            print(f"{peer} cannot load {name}: {error}", file=sys.stderr)
            continue
        speeds = {batch: time_peer(peers[peer], ids, batch) for batch in (1, 4, 16)}
        best[peer] = max(speeds, key=speeds.get)
    ours, theirs = [], {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, run in peers.items():
            theirs[peer].append(time_peer(run, ids, best[peer]))
        ours.append(time_entopic(command, folder, file, "topics" if pair else "ner", precision))
    cells = [f"{statistics.median(ours):,.0f}"]
    for peer in PEERS:
        if peer not in theirs:
            cells += ["cannot load it", ""]
            continue
        speeds = theirs[peer]
        ratio = statistics.median(a / b for a, b in zip(ours, speeds))
        cells += [f"{statistics.median(speeds):,.0f} ({best[peer]})", f"{ratio:.2f}"]
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entopic", default=str(HERE.parent.parent / "target" / "release" / "entopic"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=["f32", "int8"], default="f32")
    parser.add_argument("--only", default=",".join(ARCHITECTURES))
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    columns = ["architecture", f"entopic {arguments.precision}"]
    columns += [column for peer in PEERS for column in (f"{peer} f32 (batch)", "ratio")]
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            cells = measure(name, arguments.entopic, arguments.rounds, Path(folder), arguments.precision)
        print("| " + " | ".join([name, *cells]) + " |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
