"""A dense edit, as the paper's rivals make it: new values for the last layers and the head."""

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
from steu.models.heads import copy_of_head, head_name
from steu.models.layers import encoder_layers
from steu.unlearning.serialisation import read_tensors_for, write_tensors


@dataclass(frozen=True, eq=False)
class LayerEdit:
    """Values that take the place of a classifier's own parameters, whole tensors at a time.

    Attributes
    ----------
    values : dict of str to tensor
        By the name the parameter has in the classifier, such as "classifier.weight".
    model_hash : str, optional
        Of the weights that it was trained for; needed to save it.
    history : tuple of dict
        How its training went.
    """

    values: dict[str, torch.Tensor]
    model_hash: str | None = None
    history: tuple[dict[str, float], ...] = field(default=(), repr=False)

    @classmethod
    def identity(cls, model: PreTrainedModel, names: list[str]) -> LayerEdit:
        """The edit that replaces the named parameters by what they already are."""
        own = dict(model.named_parameters())
        return cls({name: own[name].detach().clone() for name in names})

    @property
    def bytes_stored(self) -> int:
        """Bytes of all values as they are kept on disk."""
        return sum(value.numel() * value.element_size() for value in self.values.values())

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of `model` that the edit gives another value."""
        own = dict(model.named_parameters())
        return int(sum((own[name] != v.to(own[name])).sum() for name, v in self.values.items()))

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: every one."""
        return np.ones(len(notes), dtype=bool)

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head that carries the edit's values."""
        edited, start = copy_of_head(model), f"{head_name(model)}."
        own = {n.removeprefix(start): v for n, v in self.values.items() if n.startswith(start)}
        edited.load_state_dict(own, strict=False)
        return edited

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was."""
        own = dict(model.named_parameters())
        before = {name: own[name].data for name in self.values}
        try:
            for name, value in self.values.items():
                own[name].data = value.to(own[name])
            yield model
        finally:
            for name, value in before.items():
                own[name].data = value

    def save_pretrained(self, folder: str | Path, **facts: Any) -> None:
        """Write the edit with what it belongs to, and any JSON `facts`; no pickle.

        Raises
        ------
        ValueError
            If it does not know its model.
        """
        write_tensors(folder, self.values, facts, model_hash=self.model_hash)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, model: PreTrainedModel) -> LayerEdit:
        """Read an edit for `model`, onto its device.

        Raises
        ------
        ValueError
            If the files were altered, or the edit was trained for another model.
        """
        values, facts = read_tensors_for(model, folder)
        return cls(values, facts["model"], tuple(facts.get("history", ())))


def last_layers(model: PreTrainedModel, n_layers: int) -> list[str]:
    """Names of the parameters of the last encoder layers.

    Raises
    ------
    ValueError
        If the encoder keeps its layers where none is looked for, or has fewer.
    """
    layers = encoder_layers(model)
    if not 1 <= n_layers <= len(layers):
        raise ValueError(f"n_layers must lie between 1 and {len(layers)}; found {n_layers}")
    chosen = {id(p) for layer in layers[-n_layers:] for p in layer.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) in chosen]


def head_parameters(model: PreTrainedModel) -> list[str]:
    """Names of the parameters of the head."""
    start = f"{head_name(model)}."
    return [name for name, _ in model.named_parameters() if name.startswith(start)]
