"""Checkpoints with random weights: making, writing, reading and running them."""

import inspect
import json
import shutil
from dataclasses import dataclass, field

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoTokenizer

# Standard deviation of a linear layer's outputs for inputs of one. Queries and keys are larger, so
# that attention is sharp; so is what attention adds, most of all where the first token decides for
# the whole sequence.
PLAIN_GAIN, QUERY_GAIN, MIXING_GAIN, SEQUENCE_MIXING_GAIN = 1.2, 2.0, 1.5, 2.0
# Standard deviation of the biases that MPNet adds to its attention scores.
BIAS_GAIN = 2.0


@dataclass
class Checkpoint:
    """One fixture: its architecture, labels, tokenizer and config."""

    name: str
    architecture: type
    tokenizer: tuple
    labels: list
    seed: int
    options: dict
    inputs: object
    positions: int = 64
    # Rows of the position table before the first token's.
    reserved: int = 0
    poolings: str = None
    # What config.json says in another way than transformers would write it.
    written: dict = field(default_factory=dict)

    @property
    def task(self):
        """`ner`, `nli` or `embed`."""
        heads = {"ForTokenClassification": "ner", "ForSequenceClassification": "nli"}
        return next((task for head, task in heads.items() if self.architecture.__name__.endswith(head)), "embed")


# Weights


def position_table(noise):
    """[positions, hidden], neighbours alike: so labels run over several tokens and group."""
    rows = [noise[0]]
    for row in noise[1:]:
        rows.append(0.85 * rows[-1] + 0.53 * row)
    return torch.stack(rows)


# What each family calls the linear layers of its attention.
QUERIES_AND_KEYS = ["query", "key", "q_lin", "k_lin", "q_proj", "k_proj", "attn.q.", "attn.k."]
VALUES_AND_OUTPUTS = [
    *["value", "v_lin", "v_proj", "attn.v.", "attention.output", "attention.dense"],
    *["out_lin", "attn.out_proj", "attn.o.", "attn.Wo"],
]


def gain(spec, name, weight):
    """The size of the weights of one linear layer: one number, or one per row."""
    mixing = SEQUENCE_MIXING_GAIN if spec.task == "nli" else MIXING_GAIN
    if "Wqkv" in name:
        rows = len(weight) // 3
        return torch.tensor([QUERY_GAIN] * 2 * rows + [mixing] * rows)[:, None]
    if any(part in name for part in QUERIES_AND_KEYS):
        return QUERY_GAIN
    if any(part in name for part in VALUES_AND_OUTPUTS):
        return mixing
    return PLAIN_GAIN


def randomise(model, spec):
    """Give every weight a random value large enough that tokens and labels differ clearly."""
    generator = torch.Generator().manual_seed(spec.seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        module = model.get_submodule(name.rpartition(".")[0])
        if name.endswith("bias"):
            value = 0.3 * noise
        elif isinstance(module, nn.LayerNorm):
            value = 1 + 0.2 * noise
        elif type(module).__name__ == "NoNorm":
            # It only scales, so larger values would make states grow from layer to layer until they saturate.
            value = 0.5 + 0.1 * noise
        elif "relative_attention_bias" in name:
            value = BIAS_GAIN * noise
        elif "position_embeddings" in name or "embed_positions" in name:
            value = position_table(noise)
        elif isinstance(module, nn.Embedding):
            value = 0.8 * noise
        else:
            value = gain(spec, name, weight) * noise / weight[0].numel() ** 0.5
        weight.data.copy_(value)
    return model


@torch.no_grad()
def calibrate(model, sequences):
    """Rescale the last layer so that every label wins somewhere among `sequences`.

    Without it one label wins everywhere: random hidden states have most of their direction in
    common. `O` is made likelier than the rest, as in real text.
    """
    logits = torch.cat([forward(model, tokens).reshape(-1, model.config.num_labels) for tokens in sequences])
    scale = 2.2 / logits.std(0)
    bias = -logits.mean(0)
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    last.weight.mul_(scale[:, None])
    last.bias.add_(bias).mul_(scale)
    if "O" in model.config.label2id:
        last.bias[model.config.label2id["O"]] += 2.2


# Files


def write_json(path, value):
    """Write `value` as indented JSON."""
    path.write_text(json.dumps(value, indent=2) + "\n")


def configuration(spec):
    """The config of a checkpoint."""
    labels = {}
    if spec.labels:
        labels = {"id2label": dict(enumerate(spec.labels)), "label2id": {l: i for i, l in enumerate(spec.labels)}}
    return spec.architecture.config_class(
        vocab_size=spec.tokenizer[0].get_vocab_size(),
        max_position_embeddings=spec.positions,
        attn_implementation="eager",
        **labels,
        **spec.options,
    )


def add_position_ids(path, positions):
    """Add the buffer that older checkpoints have in addition to their weights: I64 [1, positions]."""
    tensors = {**load_file(path), "embeddings.position_ids": torch.arange(positions)[None]}
    save_file(tensors, path, metadata={"format": "pt"})


def save(spec, folder, sequences):
    """Write the checkpoint and return its model as it was before saving.

    Its classifier is calibrated on `sequences(spec, tokenizer)`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, tokenizer_config = spec.tokenizer
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    length = spec.positions - spec.reserved
    write_json(folder / "tokenizer_config.json", {**tokenizer_config, "model_max_length": length})
    model = randomise(spec.architecture(configuration(spec)), spec).eval()
    if spec.poolings:
        modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
        pooling = {"word_embedding_dimension": model.config.hidden_size}
        pooling |= {f"pooling_mode_{mode}": mode == spec.poolings for mode in modes}
        (folder / "1_Pooling").mkdir()
        write_json(folder / "1_Pooling" / "config.json", pooling)
    write_json(folder / "config.json", model.config.to_diff_dict())
    if spec.labels:
        calibrate(model, sequences(spec, load_tokenizer(folder)))
    model.save_pretrained(folder, safe_serialization=True)
    if spec.written:
        path = folder / "config.json"
        write_json(path, json.loads(path.read_text()) | spec.written)
    if hasattr(getattr(model, "embeddings", None), "position_ids"):
        add_position_ids(folder / "model.safetensors", spec.positions)
    return model


def load_tokenizer(folder):
    """The fast tokenizer of a folder, without the truncation and padding of tokenizer.json."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    written = json.loads((folder / "tokenizer.json").read_text())
    written |= {"truncation": None, "padding": None}
    assert json.loads(tokenizer.backend_tokenizer.to_str()) == written, f"{folder.name}: tokenizer changed on loading"
    return tokenizer


def load(spec, folder):
    """The checkpoint as transformers reads it from its folder."""
    model = spec.architecture.from_pretrained(folder, attn_implementation="eager").eval()
    return model, load_tokenizer(folder)


# Running


def encode(tokenizer, text, pair=None):
    """ids, token types, offsets and mask of one text or pair, as the golden keeps them."""
    encoded = tokenizer(
        text, pair, return_offsets_mapping=True, return_special_tokens_mask=True, return_token_type_ids=True
    )
    return {
        "ids": encoded["input_ids"],
        "token_types": encoded["token_type_ids"],
        "offsets": [list(pair) for pair in encoded["offset_mapping"]],
        "special_tokens_mask": encoded["special_tokens_mask"],
    }


@torch.no_grad()
def forward(model, tokens):
    """The model's first output for one sequence, without its batch axis: no token is masked."""
    taken = inspect.signature(model.forward).parameters
    inputs = {"input_ids": tokens["ids"], "attention_mask": [1] * len(tokens["ids"])}
    inputs = {name: ids for name, ids in inputs.items() if name in taken}
    if "token_type_ids" in taken:
        inputs["token_type_ids"] = tokens["token_types"]
    return model(**{name: torch.tensor([ids]) for name, ids in inputs.items()})[0][0]
