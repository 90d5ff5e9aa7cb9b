"""A low-rank edit: what a LoRA adapter adds to the weights of a classifier, and its head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from steu.models.edits import Edit
from steu.unlearning.dense_edit import LayerEdit


@dataclass(frozen=True, eq=False)
class LowRankEdit(Edit):
    """Weights W + up · down, and head values, in the place of a classifier's own.

    Attributes
    ----------
    down, up : dict of str to tensors of shape (r, in) and (out, r)
        By the name of the weight, such as "bert.encoder.layer.0.attention.self.query.weight".
    head : dict of str to tensor
        New values of head parameters, by their name in the classifier.
    origin, history
        See `Edit`.
    """

    down: dict[str, torch.Tensor]
    up: dict[str, torch.Tensor]
    head: dict[str, torch.Tensor] = field(default_factory=dict)

    def merged(self, model: PreTrainedModel) -> LayerEdit:
        """The same change as whole tensors."""
        own = dict(model.named_parameters())
        values = {n: own[n].detach() + self.up[n] @ self.down[n] for n in self.down}
        return LayerEdit(values | self.head, origin=self.origin, history=self.history)

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Number of scalars of `model` that the edit gives another value: whole matrices."""
        return self.merged(model).parameters_changed(model)

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head that carries the edit's values."""
        return LayerEdit(self.head).edited_head(model)

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model as if edited, for the length of a `with` block; then bit for bit as it was."""
        with self.merged(model).attached(model):
            yield model

    def tensors(self) -> dict[str, torch.Tensor]:
        """Both factors and the head's values, by part and the name of the parameter."""
        parts = {"down": self.down, "up": self.up, "head": self.head}
        return {f"{part}.{name}": v for part, own in parts.items() for name, v in own.items()}

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether all are named as a factor or of the head."""
        return all(name.startswith(("down.", "up.", "head.")) for name in tensors)

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> LowRankEdit:
        """The edit that holds them."""
        parts: dict[str, dict[str, torch.Tensor]] = {"down": {}, "up": {}, "head": {}}
        for name, value in tensors.items():
            part, _, own = name.partition(".")
            parts[part][own] = value
        return cls(parts["down"], parts["up"], parts["head"], **known)
