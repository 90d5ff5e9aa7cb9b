"""A state a note at every place where a class could be read: after each layer, and at the head."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.models.heads import head_of
from steu.models.inference import Precision, autocast, frozen, length_batches, on_device

HEAD = "what the head reads"


@torch.inference_mode()
def hidden_states(
    model: PreTrainedModel,
    notes: EncodedNotes,
    index: np.ndarray,
    *,
    batch_size: int = 32,
    precision: Precision = "auto",
) -> dict[str, np.ndarray]:
    """States of the notes at `index` in their order, by the name of their place, (n, H) each.

    "embeddings, mean" is what the first layer reads; "layer 1, first" and "layer 1, mean", the
    state of the first token and the mean over all, are what it makes of it, and so on; `HEAD` is
    what the head takes. The first token's embedding is the same in every note and left out.
    """
    out: dict[str, np.ndarray] = {}
    taken: list[torch.Tensor] = []
    with frozen(model):
        handle = head_of(model).register_forward_pre_hook(lambda _, given: taken.append(given[0]))
        try:
            for batch in length_batches(np.arange(len(index)), notes.lengths[index], batch_size):
                ids, mask = (on_device(given, model.device) for given in notes.batch(index[batch]))
                with autocast(model.device, precision):
                    read = model(ids, attention_mask=mask, output_hidden_states=True)
                places = _by_place(read.hidden_states, mask) | {HEAD: taken.pop()}
                for name, states in places.items():
                    if name not in out:
                        out[name] = np.empty((len(index), states.shape[1]), dtype=np.float32)
                    out[name][batch] = states.float().cpu().numpy()
        finally:
            handle.remove()
    return out


def _by_place(layers: tuple[torch.Tensor, ...], mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """States (B, H) by name of the layers' outputs, each (B, T, H)."""
    weights = (mask / mask.sum(dim=1, keepdim=True)).unsqueeze(-1)  # (B, T, 1)
    found = {}
    for number, hidden in enumerate(layers):
        if number:
            found[f"layer {number}, first"] = hidden[:, 0]
        name = f"layer {number}" if number else "embeddings"
        found[f"{name}, mean"] = (hidden.float() * weights).sum(dim=1)
    return found
