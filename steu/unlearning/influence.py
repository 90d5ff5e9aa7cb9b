"""Influence-weighted unlearning: one closed-form step of the last layers and the head."""

from __future__ import annotations

from itertools import repeat

import numpy as np
from torch.nn.functional import binary_cross_entropy_with_logits

from steu._numbers import check_number, check_whole
from steu.task import ForgetTask, about_task
from steu.unlearning.dense_edit import LayerEdit, head_parameters, last_layers
from steu.unlearning.given import check_said, check_sigmoids, notes_to_train, of_both_kinds
from steu.unlearning.gradients import gradients_of, mean_square, summed


@about_task
def influence_edit(
    task: ForgetTask,
    *,
    scale: float = 1.0,
    damping: float = 0.1,
    n_layers: int = 3,
    head: bool = True,
    n_fisher: int = 256,
    seed: int = 0,
    train: np.ndarray | None = None,
) -> LayerEdit:
    """Move the last layers and the head as if the class had been labelled 0 everywhere.

    What the paper means by influence-weighted is not known. This is the influence function of a
    changed training input (Koh and Liang 2017, arXiv 1703.04730, section 2.2): with the forget
    notes labelled y^(0), the minimiser of the training loss moves, to first order, by
    ``−(n_f / n) H⁻¹ ∇ mean_f(z_f) / C``, since ``BCE(z, 0) − BCE(z, 1) = z``. H is the diagonal
    empirical Fisher information, estimated on `n_fisher` training notes: C times the mean squared
    gradient, because the loss is a mean over labels. Curvature has one factor 1/C, as the loss has,
    and a squared gradient has two.

    Parameters
    ----------
    scale : float
        Multiple of that step; 1 is the influence function, which is made for small changes.
    damping : float
        Added to H as a multiple of its mean, so that flat directions stay bounded.
    head : bool
        Whether the head moves with the layers.

    Raises
    ------
    ValueError
        If the outputs are no sigmoids, the encoder has fewer layers, or a setting is none.
    """
    check_sigmoids(task, "influence weighting")
    check_number("scale", scale)
    check_number("damping", damping)
    check_whole("n_fisher", n_fisher, least=1)
    model, train = task.model, notes_to_train(task, train)
    check_said(task)
    forget, _ = of_both_kinds(task, train)
    sample = np.random.default_rng(seed).choice(train, min(n_fisher, len(train)), replace=False)
    own = head_parameters(model) if head else []
    start = LayerEdit.identity(model, [*last_layers(model, n_layers), *own])
    with gradients_of(task, start.values) as gradient:
        fisher = mean_square(gradient, sample, repeat(binary_cross_entropy_with_logits))
        pull = summed(gradient, task, forget, lambda z, _: z[:, task.forget].sum())
    curvature = [len(task.labels) * f for f in fisher]
    mean = sum(f.sum() for f in curvature) / sum(f.numel() for f in curvature)
    step = scale / (len(train) * len(task.labels))
    moved = {
        name: value - step * p / (f + damping * mean)
        for (name, value), p, f in zip(start.values.items(), pull, curvature, strict=True)
    }
    return LayerEdit(moved, origin=task.origin)
