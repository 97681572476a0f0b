"""Make tiny random-weight checkpoints and transformers' results with them.

    python make.py [OUTPUT_FOLDER [NAME...]]

Each checkpoint gets a folder with config.json, tokenizer.json, tokenizer_config.json,
model.safetensors and golden.json. Nothing is downloaded: texts, vocabularies and weights come
from these files and fixed seeds. README.md describes golden.json.

architectures.py lists the fixtures, vocabularies.py makes their tokenizers, checkpoints.py their
weights and files, and references.py the results.
"""

import json
import os
import shutil
import sys
import warnings
from pathlib import Path

# Trainers visit words in hash order when they run in parallel.
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForTokenClassification

from architectures import fixtures
from checkpoints import load, load_tokenizer, save
from references import (
    STRATEGIES,
    calibration_sequences,
    golden,
    largest_difference,
    ner_golden,
    predictions,
    results,
)

# The least change that zeroing a tensor has to make; tests compare at 1e-4.
TELLING = 5e-3
# The most that a tensor without effect may change: rounding.
ROUNDING = 1e-3


# Quantised weights


def is_quantised(name):
    """Whether a tensor becomes int8: linear layers, word and position embeddings."""
    kept = "LayerNorm" in name or "token_type" in name
    return name.endswith(".weight") and not kept


def quantise(state):
    """Symmetric int8 per output channel: `X.weight` I8 [n, k] with `X.weight_scale` F32 [n, 1]."""
    tensors = {}
    for name, weight in state.items():
        if not is_quantised(name):
            tensors[name] = weight
            continue
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        tensors[name] = (weight / scale).round().clamp(-127, 127).to(torch.int8)
        tensors[name + "_scale"] = scale
    return tensors


def dequantise(tensors):
    """The f32 weights that a quantised file stands for."""
    state = {}
    for name, tensor in tensors.items():
        if name.endswith("_scale"):
            continue
        scale = tensors.get(name + "_scale")
        state[name] = tensor if scale is None else tensor.float() * scale
    return state


def quantised_model(source, folder):
    """Write `source`'s weights as int8 into `folder` and return a model with the dequantised weights."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / file, folder / file)
    tensors = quantise(load_file(source / "model.safetensors"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model = BertForTokenClassification(BertConfig.from_pretrained(folder, attn_implementation="eager"))
    model.load_state_dict(dequantise(tensors))
    return model.eval()


# Checks


def check_reload(spec, folder, built, model, content):
    """Fail unless the file holds the weights that were made, and reads the same every time."""
    saved = model.state_dict()
    assert all(torch.equal(weight, saved[name]) for name, weight in built.state_dict().items())
    again, _ = load(spec, folder)
    difference = largest_difference(results(spec, model, content), results(spec, again, content))
    assert difference == 0, f"{spec.name}: reloading changed the model"


def counts_for_nothing(spec, model, name):
    """Whether a tensor cannot change a result: unused tensors, the pooler of an embedding model, or a bias of keys.

    A key's bias adds the same to all of a query's scores, which cancels in the softmax, except where
    DeBERTa compares keys with positions.
    """
    if "pooler" in name:
        return spec.task != "nli"
    # Longformer classifies tokens without global attention, and texts by the first token, which has no other
    # in the last layer. XLNet predicts nothing in a mask's place.
    if name.startswith("longformer") and "attention.self" in name:
        last = f"layer.{model.config.num_hidden_layers - 1}."
        if ("_global" in name) if spec.task == "ner" else (last in name and "_global" not in name):
            return True
    if name.endswith("mask_emb"):
        return True
    keys = ("key.bias", "key_global.bias", "k_lin.bias", "k_proj.bias", "attn.k.bias", "pos_key_proj.bias")
    weighed = "p2c" in getattr(model.config, "pos_att_type", ())
    return name.endswith(keys) or (name.endswith("key_proj.bias") and not weighed)


def check_weights(spec, model, content):
    """Fail unless every tensor that can change the results does, clearly, when it is zeroed."""
    whole = results(spec, model, content)
    for name, weight in model.named_parameters():
        kept = weight.data.clone()
        weight.data.zero_()
        change = largest_difference(whole, results(spec, model, content))
        weight.data.copy_(kept)
        if counts_for_nothing(spec, model, name):
            assert change < ROUNDING, f"{spec.name}: {name} counts for {change}"
        else:
            assert change > TELLING, f"{spec.name}: {name} counts for only {change}"


# The whole


def write_golden(folder, content):
    """Write golden.json, one text or case per line."""
    versions = {m.__name__: m.__version__ for m in (torch, transformers, tokenizers)}
    lines = [f'{json.dumps("versions")}: {json.dumps(versions)}']
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (folder / "golden.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def summarise(folder, content):
    """Print one line about a fixture, and return its size."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    facts = f"{folder.name:22} {size / 1024:6.0f} KiB"
    if "cases" in content:
        facts += f"  {len(content['cases'])} cases"
    else:
        facts += f"  {len(content['texts'])} texts, {sum(len(r['ids']) for r in content['texts'])} tokens"
    if "labels" in content:
        predicted = predictions(content["labels"], content["texts"])
        facts += f", {len(set(predicted) - {'O'})} labels other than O, {predicted.count('O') / len(predicted):.0%} O"
        grouped = {s: sum(len(r["pipeline"][s]) for r in content["texts"]) for s in STRATEGIES}
        facts += f", entities {grouped}"
    print(facts, flush=True)
    return size


def make(spec, folder):
    """Make one fixture and return its size."""
    built = save(spec, folder, calibration_sequences)
    model, tokenizer = load(spec, folder)
    content = golden(spec, model, tokenizer)
    check_reload(spec, folder, built, model, content)
    check_weights(spec, model, content)
    write_golden(folder, content)
    return summarise(folder, content)


def make_quantised(spec, folder):
    """Make the int8 fixture from `spec`'s, which is in a folder next to it, and return its size."""
    source = folder.parent / spec.name
    model = quantised_model(source, folder)
    content = ner_golden(spec, model, load_tokenizer(folder))
    write_golden(folder, content)
    size = summarise(folder, content)
    plain, _ = load(spec, source)
    difference = largest_difference(results(spec, model, content), results(spec, plain, content))
    print(f"int8 moves the logits by at most {difference:.3f}")
    return size


def main(output, names):
    """Make the fixtures of these names, or all, under `output`."""
    warnings.filterwarnings("ignore", message="Tokenizer does not support real words")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    specs = fixtures()
    makers = {spec.name: (make, spec) for spec in specs} | {"ner-int8": (make_quantised, specs[0])}
    unknown = set(names) - set(makers)
    assert not unknown, f"no fixture is called {sorted(unknown)}; there are {sorted(makers)}"
    total = 0
    for name in names or makers:
        maker, spec = makers[name]
        total += maker(spec, output / name)
    print(f"{'total':22} {total / 1024:6.0f} KiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent, sys.argv[2:])
