"""Gradients of chosen parameters of a model, note by note or summed: what closed forms ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from steu.models.heads import head_of
from steu.models.inference import features_of, frozen, length_batches
from steu.task import ForgetTask

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of logits and labels, (B, C) each
Gradient = Callable[[np.ndarray, Loss], list[torch.Tensor]]  # of the notes at these positions


@contextmanager
def gradients_of(task: ForgetTask, names: Iterable[str]) -> Iterator[Gradient]:
    """While open, a function that gives the gradients of the named parameters, in their order."""
    model = task.model
    named = dict(model.named_parameters())
    with frozen(model):
        own = [named[name].requires_grad_() for name in names]

        def gradient(notes: np.ndarray, loss: Loss) -> list[torch.Tensor]:
            with torch.enable_grad():
                features = features_of(model, task.notes, notes, precision=task.precision)
                labels = torch.from_numpy(task.targets[notes]).to(features.device)
                value = loss(head_of(model)(features), labels)
                return list(torch.autograd.grad(value, own))

        yield gradient


def summed(
    gradient: Gradient, task: ForgetTask, notes: np.ndarray, loss: Loss
) -> list[torch.Tensor]:
    """Gradients of a loss that is a sum over notes, batch by batch."""
    batches = length_batches(notes, task.notes.lengths, 16)
    return _sum(gradient(batch, loss) for batch in batches)


def mean_square(
    gradient: Gradient, notes: Sequence[int] | np.ndarray, losses: Iterable[Loss]
) -> list[torch.Tensor]:
    """Mean squared gradient of a loss a note: the diagonal of the empirical Fisher information."""
    single = (gradient(np.array([n]), loss) for n, loss in zip(notes, losses, strict=False))
    total = _sum((g.square() for g in each) for each in single)
    return [value / len(notes) for value in total]


def _sum(parts: Iterable[Iterable[torch.Tensor]]) -> list[torch.Tensor]:
    """Sum of lists of tensors, one by one, so that few of them are held at once."""
    total: list[torch.Tensor] = []
    for part in parts:
        total = [t + p for t, p in zip(total, part, strict=True)] if total else list(part)
    return total
