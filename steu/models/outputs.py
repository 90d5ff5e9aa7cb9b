"""What a classifier's logits mean: independent sigmoids, or one softmax over all labels."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.special import logsumexp
from transformers import PreTrainedModel

Outputs = Literal["sigmoid", "softmax"]

_BY_PROBLEM: dict[str, Outputs] = {
    "multi_label_classification": "sigmoid",
    "single_label_classification": "softmax",
}


def n_labels_of(model: PreTrainedModel) -> int:
    """Number of outputs, C."""
    return int(model.config.num_labels or 0)


def labels_of(model: PreTrainedModel) -> tuple[str, ...]:
    """Names of the outputs, in order."""
    names: dict[Any, str] = dict(model.config.id2label or {})
    return tuple(str(names[c]) for c in range(n_labels_of(model)))


def read_targets(targets: object, model: PreTrainedModel) -> tuple[np.ndarray, Outputs]:
    """True labels as float32 (N, C), and how the model's logits are to be read.

    Parameters
    ----------
    targets
        Zeros and ones of shape (N, C), or the number of each note's class, shape (N,), for a
        softmax. What the model's ``config.problem_type`` says has to agree; where it says nothing,
        a matrix means sigmoids.

    Raises
    ------
    ValueError
        If they are anything else, or contradict the model.
    """
    values, kind, n_labels = np.asarray(targets), type(model).__name__, n_labels_of(model)
    problem = model.config.problem_type
    if problem == "regression" or (n_labels == 1 and problem is None):
        raise ValueError(
            f"{kind} has problem_type {problem!r} and {n_labels} outputs; expected a classifier "
            "with 'multi_label_classification' or 'single_label_classification'"
        )
    outputs = _BY_PROBLEM.get(problem or "", "softmax" if values.ndim == 1 else "sigmoid")
    if values.ndim == 1:
        values = _one_hot(values, outputs, n_labels)
    if values.ndim != 2 or values.shape[1] != n_labels:
        raise ValueError(
            f"targets have shape {values.shape}; {kind} has {n_labels} outputs: expected "
            f"(notes, {n_labels})"
        )
    values = values.astype(np.float32)
    odd = ~np.isin(values, (0.0, 1.0))
    if odd.any():
        row, column = np.argwhere(odd)[0]
        raise ValueError(
            f"targets must be 0 or 1; found {values[row, column]:g} in row {row}, column {column}: "
            "leave out notes whose label is not known"
        )
    if outputs == "softmax" and (values.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(values.sum(axis=1) != 1)[0])
        raise ValueError(
            f"problem_type 'single_label_classification' wants one label a note; row {row} has "
            f"{int(values[row].sum())}: set model.config.problem_type to "
            "'multi_label_classification' if the outputs are independent"
        )
    return values, outputs


def _one_hot(classes: np.ndarray, outputs: Outputs, n_labels: int) -> np.ndarray:
    if outputs == "sigmoid":
        raise ValueError(
            f"targets have shape {classes.shape}; problem_type 'multi_label_classification' wants "
            f"zeros and ones of shape (notes, {n_labels})"
        )
    inside = np.isin(classes, np.arange(n_labels))
    if not inside.all():
        row = int(np.flatnonzero(~inside)[0])
        raise ValueError(
            f"targets must be classes 0 to {n_labels - 1}; found {classes[row]} in row {row}"
        )
    return np.eye(n_labels, dtype=np.float32)[classes.astype(int)]


def log_odds(logits: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Log-odds of every label, (N, C): for sigmoids the logits themselves.

    For a softmax log p_c − log(1 − p_c) = z_c − log Σ_{j≠c} exp(z_j), so that metrics of one label
    against the rest, thresholds and probability ½ mean the same for both.
    """
    if outputs == "sigmoid":
        return logits
    others = np.where(np.eye(logits.shape[1], dtype=bool), -np.inf, logits[:, None, :])  # (N, C, C)
    return logits - logsumexp(others, axis=2)
