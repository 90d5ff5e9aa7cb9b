"""LEACE at the head: the class taken out of what the head reads, in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from steu.models.edits import Edit
from steu.models.hardware import without_autocast
from steu.models.heads import copy_of_head, head_of
from steu.task import ForgetTask, about_task
from steu.unlearning.given import notes_to_train, of_both_kinds


@dataclass(frozen=True, eq=False)
class ErasedFeatures(Edit):
    """An affine map of what the head reads, x ↦ x − left (right · (x − mean)).

    Attributes
    ----------
    mean, left, right : tensors of shape (H,)
        3 H numbers beside the model, none of which it changes.
    origin, history
        See `Edit`.
    """

    mean: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor

    def erase(self, features: torch.Tensor) -> torch.Tensor:
        """Features (…, H) without the class, in float32 inside: a rounded map leaves some of it."""
        mean, left, right = (one.to(features.device) for one in (self.mean, self.left, self.right))
        with without_autocast():
            told = (features.to(mean) - mean) @ right
            return (features.to(mean) - told[..., None] * left).to(features)

    def parameters_changed(self, model: PreTrainedModel) -> int:
        """Numbers that stand beside the model's own."""
        return self.mean.numel() + self.left.numel() + self.right.numel()

    def edited_head(self, model: PreTrainedModel) -> nn.Module:
        """A copy of the model's head, as it is."""
        return copy_of_head(model)

    @contextmanager
    def attached(self, model: PreTrainedModel) -> Iterator[PreTrainedModel]:
        """The model with the map before its head, for the length of a `with` block."""
        handle = head_of(model).register_forward_pre_hook(lambda _, given: self.erase(given[0]))
        try:
            yield model
        finally:
            handle.remove()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Its three vectors."""
        return {"mean": self.mean, "left": self.left, "right": self.right}

    @classmethod
    def made_of(cls, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether they are three vectors of these names."""
        return tensors.keys() == {"mean", "left", "right"} and tensors["mean"].ndim == 1

    @classmethod
    def of_tensors(cls, tensors: dict[str, torch.Tensor], **known: Any) -> ErasedFeatures:
        """The map that they make."""
        return cls(tensors["mean"], tensors["left"], tensors["right"], **known)


@about_task
def leace_edit(task: ForgetTask, *, train: np.ndarray | None = None) -> ErasedFeatures:
    """Make what the head reads linearly uninformative of the class, and change it least.

    Least-squares concept erasure (Belrose et al. 2023, arXiv 2306.03819, theorem 4.3), by
    `concept-erasure`, on the features of the notes `train` and their true label: no linear
    reader fitted on these notes does better than a constant. Others, and on other notes, may.

    Raises
    ------
    ValueError
        If the notes lack one of the two kinds.

    Examples
    --------
    >>> import steu
    >>> erased = steu.leace_edit(task)
    >>> erased.left.shape
    torch.Size([32])
    """
    train = notes_to_train(task, train)
    return fit_eraser(task.features(train), task, train)


def fit_eraser(features: torch.Tensor, task: ForgetTask, train: np.ndarray) -> ErasedFeatures:
    """The eraser of the class from features (n, H) of the notes `train`; see `leace_edit`."""
    of_both_kinds(task, train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it compiles with torch.jit
        from concept_erasure import LeaceEraser
    told = torch.from_numpy(task.is_forget[train]).double()[:, None]
    told = told / told.std()  # the same map; of a rare class it would take the covariance for none
    eraser = LeaceEraser.fit(features.double().cpu(), told)
    mean = eraser.bias if eraser.bias is not None else torch.zeros(features.shape[1])
    left, right = eraser.proj_left[:, 0], eraser.proj_right[0]
    return ErasedFeatures(mean.float(), left.float(), right.float(), origin=task.origin)
