"""One name for a model's weights, and whether they changed."""

from __future__ import annotations

import hashlib

import torch
from torch import nn
from transformers import PreTrainedModel


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over the names and bytes of all parameters and buffers, in order."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(
            value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def state_of(model: PreTrainedModel) -> tuple[str, float]:
    """Where a model lives, and a sum that a changed weight changes."""
    total = sum(float(p.detach().sum(dtype=torch.float64)) for p in model.parameters())
    return str(model.device), total
