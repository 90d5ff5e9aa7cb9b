"""What a classifier's logits mean: independent sigmoids, or one softmax over all labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from scipy.special import logsumexp
from transformers import PreTrainedModel

from steu._errors import shown, suggestion

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
    missing = [c for c in range(n_labels_of(model)) if c not in names]
    if missing:
        raise ValueError(
            f"id2label of {type(model).__name__} names no output {missing[0]}; found "
            f"{sorted(names)}: number its labels from 0"
        )
    return tuple(str(names[c]) for c in range(n_labels_of(model)))


def name_outputs(model: PreTrainedModel, labels: Sequence[str] | None) -> tuple[str, ...]:
    """The given names of the outputs, or the model's own.

    Raises
    ------
    ValueError
        If they are more or fewer, one comes twice, or they are the model's in another order.
    """
    if labels is None:
        return _distinct(labels_of(model), where=f"id2label of {type(model).__name__}")
    labels = _names(labels)
    if len(labels) != n_labels_of(model):
        raise ValueError(
            f"{type(model).__name__} has {n_labels_of(model)} outputs; found {len(labels)} "
            f"labels ({', '.join(labels)}): name each output once, in its order"
        )
    own = labels_of(model)
    if len(set(labels)) < len(labels) or (set(labels) == set(own) and tuple(labels) != own):
        raise ValueError(
            f"labels are {', '.join(labels)}; the model's outputs are {', '.join(own)}: name each "
            "once, in that order"
        )
    return tuple(labels)


def _distinct(names: tuple[str, ...], *, where: str) -> tuple[str, ...]:
    for c, name in enumerate(names):
        if name in names[:c]:
            raise ValueError(
                f"{where} calls outputs {names.index(name)} and {c} both {name!r}; give each a "
                "name of its own there, or by labels"
            )
    return names


def _names(labels: object) -> list[str]:
    """Names as a caller gives them, read once."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise ValueError(f"labels must be a list of names, one an output; found {shown(labels)}")
    names = list(labels)
    odd = [c for c, name in enumerate(names) if not isinstance(name, str)]
    if odd:
        raise ValueError(f"labels must be text; found {shown(names[odd[0]])} for output {odd[0]}")
    return names


def in_order(targets: Any, labels: tuple[str, ...]) -> Any:
    """Targets with the columns of a frame in the order of the labels.

    Columns that bear numbers, and labels that are only numbered ("LABEL_0"), are taken as they
    stand.

    Raises
    ------
    ValueError
        If the columns bear other names than the labels.
    """
    columns = list(getattr(targets, "columns", ()))
    if set(columns) == set(labels):
        return targets[list(labels)]
    numbered = all(re.fullmatch(r"LABEL_\d+", label) for label in labels)
    unknown = [] if numbered else [c for c in columns if isinstance(c, str) and c not in labels]
    if unknown:
        raise ValueError(
            f"targets have a column {unknown[0]!r}, which is no label of the model; its labels are "
            f"{', '.join(labels)}: name the columns alike, or give an array in their order"
        )
    return targets


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
        If they are anything else, or contradict the model, or its problem_type is unknown.
    """
    kind, n_labels = type(model).__name__, n_labels_of(model)
    values = _numbers(targets)
    problem = model.config.problem_type
    if problem == "regression" or (n_labels == 1 and problem is None):
        raise ValueError(
            f"{kind} has problem_type {problem!r} and {n_labels} outputs; expected a classifier "
            "with 'multi_label_classification' or 'single_label_classification'"
        )
    if problem is not None and problem not in [*_BY_PROBLEM]:
        raise ValueError(
            f"{kind} has problem_type {problem!r} ({suggestion(problem, _BY_PROBLEM)}); set "
            "model.config.problem_type to 'single_label_classification' if its outputs exclude "
            "each other, else to 'multi_label_classification'"
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
    if problem is None and outputs == "sigmoid" and (values.sum(axis=1) <= 1).all():
        raise ValueError(
            f"no note has more than one label and {kind} does not say whether its outputs exclude "
            "each other; set model.config.problem_type to 'single_label_classification' or "
            "'multi_label_classification'"
        )
    if outputs == "softmax" and (values.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(values.sum(axis=1) != 1)[0])
        raise ValueError(
            f"problem_type 'single_label_classification' wants one label a note; row {row} has "
            f"{int(values[row].sum())}: set model.config.problem_type to "
            "'multi_label_classification' if the outputs are independent"
        )
    return values, outputs


def _numbers(targets: object) -> np.ndarray:
    if issparse(targets):
        raise ValueError("targets are a sparse matrix; expected an array: give targets.toarray()")
    if isinstance(targets, torch.Tensor):  # NumPy takes none of a GPU, in bf16, or with a gradient
        targets = targets.detach().cpu().double()
    try:
        return np.asarray(targets).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"targets must be numbers, a column a label; {_odd(targets)}") from error


def _odd(targets: Any) -> str:
    """What keeps targets from being numbers, and the mend."""
    given = targets.to_numpy() if hasattr(targets, "to_numpy") else targets
    for row, cells in enumerate(given if isinstance(given, Iterable) else [given]):
        many = isinstance(cells, Iterable) and not isinstance(cells, str)
        for cell in cells if many else [cells]:
            if cell is None or cell is pd.NA or cell is pd.NaT:
                return f"row {row} holds no value: leave out notes whose label is not known"
            if not isinstance(cell, (Real, np.bool_)):
                return (
                    f"found {shown(cell)} in row {row}: turn lists of names into them with "
                    "sklearn.preprocessing.MultiLabelBinarizer"
                )
    return "found rows of several lengths: give each note a 0 or 1 for every label"


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
            f"targets must be classes 0 to {n_labels - 1}; found {classes[row]:g} in row {row}"
        )
    return np.eye(n_labels, dtype=np.float32)[classes.astype(int)]


def decided(log_odds: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Which labels are predicted, (N, C) bool: those above ½, or under a softmax the likeliest."""
    if outputs == "sigmoid":
        return log_odds > 0
    return np.eye(log_odds.shape[1], dtype=bool)[log_odds.argmax(axis=1)]


def log_odds(logits: np.ndarray, outputs: Outputs) -> np.ndarray:
    """Log-odds of every label, (N, C): for sigmoids the logits themselves.

    For a softmax log p_c − log(1 − p_c) = z_c − log Σ_{j≠c} exp(z_j), so that metrics of one label
    against the rest, thresholds and probability ½ mean the same for both.
    """
    if outputs == "sigmoid":
        return logits
    n_labels = logits.shape[1]
    others = [logsumexp(np.delete(logits, c, axis=1), axis=1) for c in range(n_labels)]
    return logits - np.stack(others, axis=1)
