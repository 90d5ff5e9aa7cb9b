"""Selective synaptic dampening: weights that matter more for the class than otherwise shrink."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from steu._numbers import check_number, check_whole
from steu.task import ForgetTask, about_task
from steu.unlearning.dense_edit import LayerEdit, head_parameters, last_layers
from steu.unlearning.given import check_said, check_sigmoids, notes_to_train, of_both_kinds
from steu.unlearning.gradients import Loss, gradients_of, mean_square


@about_task
def dampen(
    task: ForgetTask,
    *,
    selection: float = 10.0,
    dampening: float = 1.0,
    n_layers: int = 3,
    head: bool = True,
    n_fisher: int = 256,
    seed: int = 0,
    train: np.ndarray | None = None,
) -> LayerEdit:
    """Shrink weights of the last layers and the head whose importance lies in the class.

    Foster et al. 2024 (arXiv 2308.07707, equations 3 to 5): with the diagonal Fisher information
    I_D of all examples and I_f of those to forget, θ becomes min(λ I_D / I_f, 1) θ wherever
    I_f > α I_D. An example is here a pair of a note and a label: those to forget are the notes with
    the class and the class; I_D is estimated on `n_fisher` pairs drawn at random, one of the
    class at least: of a label that none of them has I_D says nothing, and its output would be
    shrunk to 0 whatever α. Nothing is trained.

    Parameters
    ----------
    selection : float
        α; the lower, the more weights are shrunk. The paper's for residual networks is 10.
    dampening : float
        λ, the paper's 1.
    head : bool
        Whether the head's weights are shrunk too.

    Raises
    ------
    ValueError
        If the outputs are no sigmoids, the encoder has fewer layers, or a setting is none.
    """
    check_sigmoids(task, "dampening")
    if selection != float("inf"):  # which shrinks nothing
        check_number("selection", selection)
    check_number("dampening", dampening)
    check_whole("n_fisher", n_fisher, least=1)
    train = notes_to_train(task, train)
    check_said(task)
    generator = np.random.default_rng(seed)
    notes = generator.choice(train, n_fisher)
    labels = generator.integers(len(task.labels), size=n_fisher)
    if task.forget not in labels:
        labels[-1] = task.forget
    forget, _ = of_both_kinds(task, train)
    names = last_layers(task.model, n_layers)
    names = [*names, *(head_parameters(task.model) if head else [])]
    start = LayerEdit.identity(task.model, names)
    with gradients_of(task, names) as gradient:
        of_all = mean_square(gradient, notes, map(_loss_of, labels))
        of_class = mean_square(gradient, forget, repeat(_loss_of(task.forget)))
    moved = {
        name: torch.where(f > selection * d, (dampening * d / f).clamp(max=1) * value, value)
        for (name, value), d, f in zip(start.values.items(), of_all, of_class, strict=True)
    }
    return LayerEdit(moved, origin=task.origin)


def _loss_of(label: int) -> Loss:
    """The loss of pairs with one label, BCE(z_c, y_c)."""
    return lambda z, y: binary_cross_entropy_with_logits(z[:, label], y[:, label])
