"""Symmetric int8 per row, stored as compressed-tensors does: `X.weight` I8 [n, k], `X.weight_scale` F32 [n, 1]."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors

SCALE_SUFFIX = "_scale"


def quantise(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rounds `weight` [n, k] to int8 [n, k] in -127..=127 and its scales [n, 1]."""
    scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
    return (weight / scale).round().clamp(-127, 127).to(torch.int8), scale.float()


def dequantise(values: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Restores f32 [n, k] from int8 [n, k] and scales [n, 1]."""
    return values.float() * scale


def is_quantised(name: str, tensor: torch.Tensor) -> bool:
    """Matrices and position embeddings become int8; the heads and the rows of token types stay f32."""
    return tensor.dim() == 2 and "token_type" not in name and not name.startswith(("classifier", "kinds"))


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Quantises a state dict; the word embedding is left out, because it is exported alone."""
    packed = {}
    for name, tensor in state.items():
        if "word_embeddings" in name or name.startswith("pooler"):
            continue
        if is_quantised(name, tensor):
            packed[name], packed[name + SCALE_SUFFIX] = quantise(tensor)
        else:
            packed[name] = tensor.float().contiguous()
    return packed


def unpack(packed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The f32 state dict that `packed` stands for."""
    return {
        name: dequantise(tensor, packed[name + SCALE_SUFFIX]) if tensor.dtype == torch.int8 else tensor
        for name, tensor in packed.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def save(packed: dict[str, torch.Tensor], path: Path) -> None:
    """Writes `packed` as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_safetensors(packed, metadata={"format": "pt"}))


def load(path: Path) -> dict[str, torch.Tensor]:
    """Reads what `save` wrote."""
    return load_file(path)
