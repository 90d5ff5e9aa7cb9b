"""STEU: train the rows of a few tokens, and the head, so that one class is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch

from steu._errors import check_choice
from steu.models.checks import embedding_of
from steu.models.heads import copy_of_head, trainable_head
from steu.models.inference import features_of, frozen, on_device
from steu.task import ForgetTask, about_task
from steu.unlearning.given import settings_of, token_ids_of
from steu.unlearning.loop import (
    LoopConfig,
    Losses,
    descend,
    forget_and_retain_batches,
    head_group,
)
from steu.unlearning.objective import forget_loss, utility_loss
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows

Others = Literal["labels", "answers"]


@dataclass(frozen=True)
class UnlearnConfig(LoopConfig):
    """How a sparse edit is trained. Only the 5 epochs are the paper's [D]; the rest are ours."""

    learning_rate_rows: float = 2e-3  #: rows are of order 0.05, and some steps have to move them
    #: what holds the labels that stay on forget notes; the notes' own labels are the paper's [D],
    #: the original model's answers move no threshold
    others: Others = "labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.others, get_args(Others), what="target of the others")


@about_task
def unlearn(
    task: ForgetTask,
    token_ids: np.ndarray,
    config: UnlearnConfig | None = None,
    *,
    train: np.ndarray | None = None,
) -> SparseEdit:
    """Train the rows of `token_ids` and the head so that the class is no longer predicted.

    The model itself is left as it was. No `token_ids` gives the head-only edit,
    ``config.head="none"`` the embedding-only one. Dropout is off: the frozen encoder is a
    fixed function, so a note without any selected token keeps its features and skips the encoder.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
        Rows of the embedding to edit, as `rank_tokens` gives them.
    config : UnlearnConfig, optional
    train : array of int, optional
        Positions of the notes to train on; default: the training split. Those that carry the
        class are the forget set.

    Returns
    -------
    SparseEdit
        Its `history` has an entry a step: epoch, step, forget_loss, utility_loss (nats a label).

    Raises
    ------
    ValueError
        If there is nothing to train, no note with or without the class, or an unknown token, or
        the model never says one of its labels.

    Examples
    --------
    >>> import steu
    >>> edit = steu.unlearn(task, steu.rank_tokens(task)[:8], steu.UnlearnConfig(epochs=1))
    >>> edit.rows.shape
    torch.Size([8, 32])
    """
    config = settings_of(config, UnlearnConfig)
    token_ids = token_ids_of(token_ids, embedding_of(task.model).num_embeddings)
    if config.head == "none" and not len(token_ids):
        raise ValueError("nothing to train: no token is selected and head is 'none'")
    batches = forget_and_retain_batches(task, train, config)
    model, origin = task.model, task.origin  # known before anything is trained
    start = SparseEdit.identity(model, torch.from_numpy(token_ids))
    rows = start.rows.clone().requires_grad_()
    head = trainable_head(copy_of_head(model), config.head, task.forget)
    groups = [{"params": [rows], "lr": config.learning_rate_rows}, *head_group(head, config)]
    touched = start.touched(task.notes)
    drifts = bool(config.drift_weight and len(token_ids))

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        features = _features(task, np.concatenate([forgotten, retained]), touched)
        lost, held = both_losses(task, head(features), forgotten, retained, others=config.others)
        drift = (rows - start.rows).square().mean() if drifts else 0.0
        total = lost + config.utility_weight * held + config.drift_weight * drift
        return total, lost.detach(), held.detach()

    with frozen(model), replaced_rows(embedding_of(model), start.token_ids, rows):
        history = descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
    moved = {} if config.head == "none" else dict(head.named_parameters())
    return replace(
        start,
        rows=rows.detach().clone(),
        head={name: value.detach().clone() for name, value in moved.items()},
        origin=origin,
        history=tuple(history),
    )


def both_losses(
    task: ForgetTask,
    logits: torch.Tensor,
    forgotten: np.ndarray,
    retained: np.ndarray,
    *,
    others: Others = "labels",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Forget and utility loss of logits (B_f + B_r, C), those of the forget notes first.

    `others` as in `UnlearnConfig`; a softmax gives the class's mass to the original's answers
    either way.
    """
    n, device = len(forgotten), logits.device
    labels = on_device(task.targets[forgotten], device)
    before, wanted = (task.teacher.logits[on_device(i, device)] for i in (forgotten, retained))
    if others == "answers" and task.outputs == "sigmoid":
        labels = before.sigmoid()
    kind = {"outputs": task.outputs}
    lost = forget_loss(logits[:n], labels, task.forget, teacher=before, **kind)
    return lost, utility_loss(logits[n:], wanted, task.forget, **kind)


def _features(task: ForgetTask, index: np.ndarray, touched: np.ndarray) -> torch.Tensor:
    """Features under the edit, (B, H); the encoder only sees notes that hold a selected token."""
    device = task.teacher.features.device
    positions = np.flatnonzero(touched[index])
    known = task.teacher.features[on_device(index, device)]
    if not len(positions):
        return known
    fresh = features_of(task.model, task.notes, index[positions], precision=task.precision)
    if len(positions) == len(index):
        return fresh
    return known.index_copy(0, on_device(positions, device), fresh)
