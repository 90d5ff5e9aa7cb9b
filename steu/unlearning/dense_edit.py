"""A dense edit, as the paper's rivals make it: new values for the last layers and the head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from steu.models.edits import Edit
from steu.models.heads import copy_of_head, head_name
from steu.models.layers import encoder_layers


@dataclass(frozen=True, eq=False)
class LayerEdit(Edit):
    """Values that take the place of a classifier's own parameters, whole tensors at a time.

    Attributes
    ----------
    values : dict of str to tensor
        By the name the parameter has in the classifier, such as "classifier.weight".
    origin, history
        See `Edit`.
    """

    values: dict[str, torch.Tensor]

    @classmethod
    def identity(cls, model: PreTrainedModel, names: list[str]) -> LayerEdit:
        """The edit that replaces the named parameters by what they already are."""
        own = dict(model.named_parameters())
        return cls({name: own[name].detach().clone() for name in names})

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of `model` that the edit gives another value."""
        own = dict(model.named_parameters())
        return int(sum((own[name] != v.to(own[name])).sum() for name, v in self.values.items()))

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head that carries the edit's values."""
        edited, start = copy_of_head(model), f"{head_name(model)}."
        own = {n.removeprefix(start): v for n, v in self.values.items() if n.startswith(start)}
        edited.load_state_dict(own, strict=False)
        return edited

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was.

        Raises
        ------
        ValueError
            If the model has no parameter of one of the names, or one of another shape.
        """
        own = dict(model.named_parameters())
        for name, value in self.values.items():
            if name not in own or own[name].shape != value.shape:
                has = tuple(own[name].shape) if name in own else "none of that name"
                raise ValueError(
                    f"the edit holds {name} of shape {tuple(value.shape)}; {type(model).__name__} "
                    f"has {has}: attach it to the model it was made for"
                )
        before = {name: own[name].data for name in self.values}
        try:
            for name, value in self.values.items():
                own[name].data = value.to(own[name])
            yield model
        finally:
            for name, value in before.items():
                own[name].data = value

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its values, by the names of the parameters."""
        return self.values

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether all are named as parameters within a model, and none as a factor."""
        return all("." in n and not n.startswith(("down.", "up.")) for n in tensors)

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> LayerEdit:
        """The edit that holds them."""
        return cls(tensors, **known)


def last_layers(model: PreTrainedModel, n_layers: int) -> list[str]:
    """Names of the parameters of the last encoder layers.

    Raises
    ------
    ValueError
        If the encoder keeps its layers where none is looked for, or has fewer.
    """
    layers = encoder_layers(model)
    if not 1 <= n_layers <= len(layers):
        raise ValueError(
            f"last layers: expected 1 to {len(layers)}, which the encoder has; found {n_layers}"
        )
    chosen = {id(p) for layer in layers[-n_layers:] for p in layer.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) in chosen]


def head_parameters(model: PreTrainedModel) -> list[str]:
    """Names of the parameters of the head."""
    start = f"{head_name(model)}."
    return [name for name, _ in model.named_parameters() if name.startswith(start)]
