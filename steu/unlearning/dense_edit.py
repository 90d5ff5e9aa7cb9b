"""A dense edit, as the paper's rivals make it: new values for the last layers and the head."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from steu.data.encoding import EncodedNotes
from steu.models.loading import Classifier


@dataclass(frozen=True)
class LayerEdit:
    """Values that take the place of a classifier's own parameters, whole tensors at a time.

    Attributes
    ----------
    values : dict of str to tensor
        By the name the parameter has in the classifier, such as "head.weight".
    """

    values: dict[str, torch.Tensor]

    @classmethod
    def identity(cls, model: Classifier, names: list[str]) -> LayerEdit:
        """The edit that replaces the named parameters by what they already are."""
        own = dict(model.named_parameters())
        return cls({name: own[name].detach().clone() for name in names})

    @property
    def head(self) -> dict[str, torch.Tensor]:
        """The head's part, by the names the head has for it."""
        start = "head."
        return {n.removeprefix(start): v for n, v in self.values.items() if n.startswith(start)}

    @property
    def bytes_stored(self) -> int:
        """Bytes of all values as they are kept on disk."""
        return sum(value.numel() * value.element_size() for value in self.values.values())

    def parameters_changed(self, model: Classifier) -> int:
        """Number of scalars of `model` that the edit gives another value."""
        own = dict(model.named_parameters())
        return int(sum((own[name] != value).sum() for name, value in self.values.items()))

    def touched(self, notes: EncodedNotes) -> np.ndarray:
        """Notes whose features it can change, (N,) bool: every one."""
        return np.ones(len(notes), dtype=bool)

    def edited_head(self, head: nn.Module) -> nn.Module:
        """A copy of `head` that carries the edit's values."""
        edited = copy.deepcopy(head)
        edited.load_state_dict(self.head, strict=False)
        return edited

    @contextmanager
    def attached(self, model: Classifier) -> Iterator[Classifier]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was."""
        own = dict(model.named_parameters())
        before = {name: own[name].data for name in self.values}
        try:
            for name, value in self.values.items():
                own[name].data = value
            yield model
        finally:
            for name, value in before.items():
                own[name].data = value


def last_layers(model: Classifier, n_layers: int) -> list[str]:
    """Names of the parameters of the last encoder layers and of the head.

    Raises
    ------
    ValueError
        If the encoder has no list of layers where BERT and DistilBERT keep theirs, or fewer.
    """
    blocks = [
        (name, module)
        for name, module in model.encoder.named_modules()
        if isinstance(module, nn.ModuleList) and name.rpartition(".")[2] == "layer"
    ]
    if not blocks:
        kind = type(model.encoder).__name__
        raise ValueError(
            f"{kind} keeps its layers in no module list called 'layer', as BERT and DistilBERT do; "
            "methods that edit the last layers cannot run on it"
        )
    place, layers = blocks[0]
    if not 1 <= n_layers <= len(layers):
        raise ValueError(f"n_layers must lie between 1 and {len(layers)}; found {n_layers}")
    chosen = range(len(layers) - n_layers, len(layers))
    starts = (*(f"encoder.{place}.{i}." for i in chosen), "head.")
    return [name for name, _ in model.named_parameters() if name.startswith(starts)]
