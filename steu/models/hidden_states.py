"""A state a note at every place where a class could be read: after each layer, and at the head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.hardware import Precision, autocast, without_autocast
from steu.models.heads import head_of
from steu.models.inference import by_name, frozen, length_batches, on_device
from steu.models.layers import encoder_layers

HEAD = "what the head reads"


@torch.inference_mode()
@without_autocast()
def hidden_states(
    model: PreTrainedModel,
    notes: EncodedNotes,
    index: np.ndarray,
    *,
    batch_size: int = 32,
    precision: Precision = "auto",
) -> dict[str, np.ndarray]:
    """States of the notes at `index` in their order, by the name of their place, (n, H) each.

    "embeddings, mean" is what the first layer reads; "layer 1, first", "layer 1, mean" and "layer
    1, largest", the state of the first token, and of all tokens the mean and the largest value of
    each feature, are what it makes of it, and so on; `HEAD` is what the head takes. The first
    token's embedding is the same in every note and left out. In the mean what a single token holds
    is lost among the others; in the largest values it can stand out.
    """
    out: dict[str, np.ndarray] = {}
    with frozen(model), _taken(model) as taken:
        for batch in length_batches(np.arange(len(index)), notes.lengths[index], batch_size):
            ids, mask = (on_device(given, model.device) for given in notes.batch(index[batch]))
            taken.clear()
            with autocast(model.device, precision):
                model(ids, attention_mask=mask, **by_name(model))
            if len(taken) != 2 + len(encoder_layers(model)):
                raise ValueError(
                    f"{type(model).__name__} passes its layers by, so that their states cannot be "
                    "looked at: choose a text encoder of the BERT family"
                )
            *layers, read = taken
            for name, states in (_by_place(layers, mask) | {HEAD: read}).items():
                if name not in out:
                    out[name] = np.empty((len(index), states.shape[1]), dtype=np.float32)
                out[name][batch] = states.float().cpu().numpy()
    return out


@contextmanager
def _taken(model: PreTrainedModel) -> Iterator[list[torch.Tensor]]:
    """A list to which every pass adds what the first layer, each later one, and the head are given.

    Taken after whatever an attached edit does at the same place.
    """
    taken: list[torch.Tensor] = []
    layers = encoder_layers(model)

    def given(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        taken.append(args[0])

    def made(_: nn.Module, __: tuple[torch.Tensor, ...], output: Any) -> None:
        taken.append(output[0] if isinstance(output, tuple) else output)

    with ExitStack() as hooks:
        for handle in (
            layers[0].register_forward_pre_hook(given),
            *(layer.register_forward_hook(made) for layer in layers),
            head_of(model).register_forward_pre_hook(given),
        ):
            hooks.callback(handle.remove)
        yield taken


def _by_place(layers: list[torch.Tensor], mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """States (B, H) by name of the layers' outputs, each (B, T, H)."""
    weights = (mask / mask.sum(dim=1, keepdim=True)).unsqueeze(-1)  # (B, T, 1)
    found = {}
    for number, hidden in enumerate(layers):
        if number:
            found[f"layer {number}, first"] = hidden[:, 0]
        name = f"layer {number}" if number else "embeddings"
        found[f"{name}, mean"] = (hidden.float() * weights).sum(dim=1)
        if number:
            there = hidden.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf)
            found[f"{name}, largest"] = there.amax(dim=1)
    return found
