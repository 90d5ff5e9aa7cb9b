"""A low-rank edit: what a LoRA adapter adds to the weights of a classifier, and its head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from steu.data.encoding import EncodedNotes
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.serialisation import read_tensors_for, write_tensors


@dataclass(frozen=True, eq=False)
class LowRankEdit:
    """Weights W + up · down, and head values, in the place of a classifier's own.

    Attributes
    ----------
    down, up : dict of str to tensors of shape (r, in) and (out, r)
        By the name of the weight, such as "bert.encoder.layer.0.attention.self.query.weight".
    head : dict of str to tensor
        New values of head parameters, by their name in the classifier.
    model_hash : str, optional
        Of the weights that it was trained for; needed to save it.
    history : tuple of dict
        How its training went.
    """

    down: dict[str, torch.Tensor]
    up: dict[str, torch.Tensor]
    head: dict[str, torch.Tensor] = field(default_factory=dict)
    model_hash: str | None = None
    history: tuple[dict[str, float], ...] = field(default=(), repr=False)

    def merged(self, model: PreTrainedModel) -> LayerEdit:
        """The same change as whole tensors."""
        own = dict(model.named_parameters())
        values = {n: own[n].detach() + self.up[n] @ self.down[n] for n in self.down}
        return LayerEdit(values | self.head, self.model_hash, self.history)

    @property
    def bytes_stored(self) -> int:
        """Bytes of both factors and the head's values."""
        tensors = [*self.down.values(), *self.up.values(), *self.head.values()]
        return sum(value.numel() * value.element_size() for value in tensors)

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of `model` that the edit gives another value: whole matrices."""
        return self.merged(model).parameters_changed(model)

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: every one."""
        return np.ones(len(notes), dtype=bool)

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head that carries the edit's values."""
        return LayerEdit(self.head).edited_head(model)

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was."""
        with self.merged(model).attached(model):
            yield model

    def save_pretrained(self, folder: str | Path, **facts: Any) -> None:
        """Write the edit with what it belongs to, and any JSON `facts`; no pickle."""
        parts = {"down": self.down, "up": self.up, "head": self.head}
        tensors = {f"{part}.{n}": v for part, own in parts.items() for n, v in own.items()}
        write_tensors(folder, tensors, facts, model_hash=self.model_hash)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, model: PreTrainedModel) -> LowRankEdit:
        """Read what was written, for `model`, onto its device.

        Raises
        ------
        ValueError
            If the files were altered, or it was trained for another model.
        """
        tensors, facts = read_tensors_for(model, folder)
        parts: dict[str, dict[str, torch.Tensor]] = {"down": {}, "up": {}, "head": {}}
        for name, value in tensors.items():
            part, _, own = name.partition(".")
            parts[part][own] = value
        return cls(**parts, model_hash=facts["model"], history=tuple(facts.get("history", ())))
