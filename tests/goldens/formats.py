"""Writes the weights of ner-wordpiece-cased as PyTorch's own files, for tests/suite/weight_formats.rs.

    pip install -r requirements.txt
    python formats.py               # or: python formats.py OUTPUT_FOLDER

Only the first layer, so that the files stay small: `num_hidden_layers` must be 1 where they are
loaded. Config and tokenizer are those of ner-wordpiece-cased.
"""

import collections
import io
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForTokenClassification

HERE = Path(__file__).parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "weight-formats"


def legacy(state):
    """The bytes of the form before torch 1.6, which names storages by addresses; numbers replace them here."""
    numbers = {}

    class Number(str):
        def __new__(cls, address):
            return numbers.setdefault(address, f"{len(numbers):04}")

    file = io.BytesIO()
    torch.serialization.str = Number
    try:
        torch.save(state, file, _use_new_zipfile_serialization=False)
    finally:
        del torch.serialization.str
    return file.getvalue()


def model(dtype):
    source = HERE / "ner-wordpiece-cased"
    config = BertConfig.from_pretrained(source, num_hidden_layers=1)
    return BertForTokenClassification.from_pretrained(source, config=config, torch_dtype=dtype).eval()


def views():
    """Tensors with rare layouts, and one of each type."""
    base = torch.arange(24, dtype=torch.float32)
    state = collections.OrderedDict()
    state["plain"] = base[:6].clone().reshape(2, 3)
    state["transposed"] = base.clone().reshape(4, 6).t()
    state["permuted"] = base.clone().reshape(2, 3, 4).permute(2, 0, 1)
    shared = base.clone()
    state["offset"] = shared[5:11].reshape(2, 3)
    state["every-other"] = shared[1::2]
    state["column"] = shared.reshape(4, 6)[:, 2:3]
    tied = torch.tensor([[1.5, -2.5]])
    state["tied.one"], state["tied.two"] = tied, tied
    state["parameter"] = torch.nn.Parameter(torch.tensor([0.25, 0.5]))
    state["scalar"] = torch.tensor(7.0)
    state["empty"] = torch.zeros(0, 3)
    for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                  torch.int8, torch.uint8, torch.bool):
        state[str(dtype)] = torch.tensor([1, 0, 3]).to(dtype)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def main():
    for folder in ("zip", "legacy", "sharded"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    # As training scripts may leave it: parameters, matrices stored by columns, a number that counts.
    state = model(torch.float32).state_dict(keep_vars=True)
    for name in list(state):
        if name.endswith("query.weight") or name == "classifier.weight":
            state[name] = state[name].detach().t().contiguous().t()
    state["bert.embeddings.position_ids"] = torch.arange(64).unsqueeze(0)
    torch.save(state, OUT / "zip" / "pytorch_model.bin")

    # All in one storage.
    state = model(torch.float16).state_dict()
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    start = 0
    for name, tensor in state.items():
        state[name] = flat[start:start + tensor.numel()].view(tensor.shape)
        start += tensor.numel()
    (OUT / "legacy" / "pytorch_model.bin").write_bytes(legacy(state))

    # As transformers saves it.
    sharded = model(torch.bfloat16)
    sharded.save_pretrained(OUT / "sharded", safe_serialization=False, max_shard_size="40KB")
    (OUT / "sharded" / "config.json").unlink()

    torch.save(views(), OUT / "views-zip.bin")
    (OUT / "views-legacy.bin").write_bytes(legacy(views()))


if __name__ == "__main__":
    main()
