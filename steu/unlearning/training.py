"""Unlearning one class: the objective and the loop that trains a sparse edit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from steu.data.encoding import EncodedNotes
from steu.models.heads import HeadPart, trainable_head
from steu.models.inference import Precision, extract_features, features_of, on_device
from steu.models.loading import Classifier
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows

Losses = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # total with its graph, forget, utility
Batches = Iterable[tuple[int, tuple[np.ndarray, np.ndarray]]]  # epoch, (forget rows, retain rows)


@dataclass(frozen=True)
class UnlearnConfig:
    """How an edit is trained. Only the 5 epochs are the paper's [D]; the rest are ours."""

    epochs: int = 5  # passes over the forget notes, as in the paper [D]
    batch_size: int = 16  # forget notes a step, beside as many retain notes
    learning_rate_rows: float = 2e-3  # rows are of order 0.05: some steps must be able to move them
    learning_rate_head: float = 1e-2  # with less, the head alone may not even silence the class
    utility_weight: float = 1.0  # the two losses are means in the same unit, nats a label
    drift_weight: float = 0.0  # mean squared distance of the rows to the original ones
    max_grad_norm: float = 1.0  # one odd batch cannot undo an epoch
    head: HeadPart = "whole"  # the paper's; "none" trains embedding rows only
    precision: Precision = "auto"  # bf16 where the hardware has it, else fp32
    seed: int = 0  # order of the notes

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate_rows", "learning_rate_head"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive; found {getattr(self, name)}")
        if self.head not in get_args(HeadPart):
            raise ValueError(f"head must be one of {get_args(HeadPart)}; found {self.head!r}")
        for name in ("utility_weight", "drift_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more; found {getattr(self, name)}")

    def faster(self, factor: float) -> UnlearnConfig:
        """The same with both learning rates multiplied."""
        return replace(
            self,
            learning_rate_rows=factor * self.learning_rate_rows,
            learning_rate_head=factor * self.learning_rate_head,
        )


def forget_loss(logits: torch.Tensor, targets: torch.Tensor, forget: int) -> torch.Tensor:
    """L_forget = BCE(z'(B_f), y^(0)): the true labels with the target class set to 0, in nats.

    `logits` and `targets` are (B, C); the mean is over notes and all C labels.
    """
    without = targets.clone()
    without[:, forget] = 0.0
    return binary_cross_entropy_with_logits(logits, without)


def utility_loss(logits: torch.Tensor, teacher: torch.Tensor, forget: int) -> torch.Tensor:
    """L_utility = 1/(C-1) Σ_{c≠f} BCE(σ(z'_c(B_r)), σ(z0_c(B_r))), in nats a label.

    `teacher` are the original model's logits (B, C). The value at z' = z0 is the entropy of the
    teacher, not 0; the gradient there is 0.
    """
    kept, wanted = (
        torch.cat([z[:, :forget], z[:, forget + 1 :]], dim=1) for z in (logits, teacher)
    )
    return binary_cross_entropy_with_logits(kept, wanted.sigmoid())


@dataclass(frozen=True)
class Teacher:
    """What the original model says of the training notes, computed once.

    Attributes
    ----------
    features : tensor of shape (N, H)
        Filled for the rows that were asked for.
    logits : tensor of shape (N, C)
    """

    features: torch.Tensor
    logits: torch.Tensor

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        model: Classifier,
        notes: EncodedNotes,
        rows: np.ndarray,
        *,
        precision: Precision = "auto",
    ) -> Teacher:
        """Features and logits of `rows`, kept under their own row numbers."""
        known = extract_features(model, notes, rows, precision=precision).clone()
        features = known.new_full((len(notes), known.shape[1]), float("nan"))
        features[torch.from_numpy(rows).to(known.device)] = known
        return cls(features=features, logits=model.head(features))


def unlearn(
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    rows: np.ndarray,
    forget: int,
    token_ids: np.ndarray,
    config: UnlearnConfig,
    teacher: Teacher | None = None,
) -> tuple[SparseEdit, list[dict[str, float]]]:
    """Train the rows of `token_ids` and the head so that class `forget` is no longer predicted.

    The model itself is left as it was. No `token_ids` gives the head-only edit,
    ``config.head="none"`` the embedding-only one. Dropout is off: the frozen encoder is a
    fixed function, so a note without any selected token keeps its features and skips the encoder.

    Parameters
    ----------
    targets : array of shape (N, C), float32
    rows : array of int
        The training notes; those with ``targets[:, forget] == 1`` are the forget set.
    teacher : Teacher, optional
        The original model's features and logits, to share between runs.

    Returns
    -------
    edit : SparseEdit
    history : list of dict
        An entry a step: epoch, step, forget_loss, utility_loss (nats a label).
    """
    if config.head == "none" and not len(token_ids):
        raise ValueError("nothing to train: no token is selected and head is 'none'")
    batches = forget_and_retain_batches(model, targets, rows, forget=forget, config=config)
    teacher = teacher or Teacher.of(model, notes, rows, precision=config.precision)
    touched = notes.contains_any(token_ids)
    start = SparseEdit.identity(model, torch.tensor(token_ids), head=config.head != "none")
    replacement = start.rows.clone().requires_grad_()
    head = trainable_head(start.edited_head(model.head), config.head, forget)
    groups = [{"params": [replacement], "lr": config.learning_rate_rows}]
    if config.head != "none":
        trained = [parameter for parameter in head.parameters() if parameter.requires_grad]
        groups.append({"params": trained, "lr": config.learning_rate_head})

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        both = np.concatenate([forgotten, retained])
        features = _features(model, notes, teacher, both, touched, config.precision)
        logits = head(features)  # (B_f + B_r, C)
        labels = on_device(targets[forgotten], logits.device)
        wanted = teacher.logits[on_device(retained, logits.device)]
        loss_forget = forget_loss(logits[: len(forgotten)], labels, forget)
        loss_utility = utility_loss(logits[len(forgotten) :], wanted, forget)
        drift = (replacement - start.rows).square().mean() if config.drift_weight else 0.0
        total = loss_forget + config.utility_weight * loss_utility + config.drift_weight * drift
        return total, loss_forget.detach(), loss_utility.detach()

    with frozen(model), replaced_rows(model.get_input_embeddings(), start.token_ids, replacement):
        history = descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
    own = dict(head.named_parameters())
    values = {name: own[name].detach().clone() for name in start.head}
    return SparseEdit(start.token_ids, replacement.detach().clone(), values), history


def descend(
    losses: Callable[[np.ndarray, np.ndarray], Losses],
    groups: list[dict[str, Any]],
    batches: Batches,
    *,
    max_grad_norm: float,
) -> list[dict[str, float]]:
    """The loop: a step of AdamW without decay for every pair of batches; its history.

    Losses are read once, at the end, so that no step waits for the device.
    """
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    seen: list[dict[str, float]] = []
    kept = []
    for epoch, (forgotten, retained) in batches:
        loss, loss_forget, loss_utility = losses(forgotten, retained)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], max_grad_norm)
        optimizer.step()
        seen.append({"epoch": epoch, "step": len(seen)})
        kept.append(torch.stack([loss_forget, loss_utility]))
    values = torch.stack(kept).tolist()
    return [
        {**step, "forget_loss": lost, "utility_loss": held}
        for step, (lost, held) in zip(seen, values, strict=True)
    ]


def forget_and_retain_batches(
    model: Classifier, targets: np.ndarray, rows: np.ndarray, *, forget: int, config: UnlearnConfig
) -> Batches:
    """Pairs of a batch with the class and one without, for every epoch of `config`.

    Raises
    ------
    ValueError
        If `rows` lack notes of one of the two kinds.
    """
    with_class = targets[rows, forget] == 1
    forget_rows, retain_rows = rows[with_class], rows[~with_class]
    if not len(forget_rows) or not len(retain_rows):
        raise ValueError(
            f"unlearning needs notes with and without {model.labels[forget]!r}; found "
            f"{len(forget_rows)} with and {len(retain_rows)} without"
        )
    return _batches(forget_rows, retain_rows, config)


def _batches(
    forget_rows: np.ndarray, retain_rows: np.ndarray, config: UnlearnConfig
) -> Iterator[tuple[int, tuple[np.ndarray, np.ndarray]]]:
    """(epoch, (forget batch, retain batch)); retain notes are drawn without repeats till spent."""
    generator = np.random.default_rng(config.seed)
    pool = np.empty(0, dtype=np.int64)
    for epoch in range(1, config.epochs + 1):
        order = generator.permutation(forget_rows)
        for start in range(0, len(order), config.batch_size):
            while len(pool) < config.batch_size:
                pool = np.concatenate([pool, generator.permutation(retain_rows)])
            retain, pool = pool[: config.batch_size], pool[config.batch_size :]
            yield epoch, (order[start : start + config.batch_size], retain)


def _features(
    model: Classifier,
    notes: EncodedNotes,
    teacher: Teacher,
    rows: np.ndarray,
    touched: np.ndarray,
    precision: Precision,
) -> torch.Tensor:
    """Features under the edit, (B, H); the encoder only sees notes that hold a selected token."""
    device = teacher.features.device
    positions = np.flatnonzero(touched[rows])
    known = teacher.features[on_device(rows, device)]
    if not len(positions):
        return known
    fresh = features_of(model, notes, rows[positions], precision=precision)
    if len(positions) == len(rows):
        return fresh
    return known.index_copy(0, on_device(positions, device), fresh)


@contextmanager
def frozen(model: Classifier) -> Iterator[None]:
    """While open, no parameter of the model takes a gradient and dropout is off."""
    before = [parameter.requires_grad for parameter in model.parameters()]
    was_training = model.training
    model.requires_grad_(False).eval()
    try:
        yield
    finally:
        for parameter, wanted in zip(model.parameters(), before, strict=True):
            parameter.requires_grad_(wanted)
        model.train(was_training)
