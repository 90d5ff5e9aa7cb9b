"""True labels as a caller gives them: which column is whose, and zeros and ones of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from transformers import PreTrainedModel

from steu._errors import shown, suggestion
from steu.models.outputs import Outputs, n_labels_of

_BY_PROBLEM: dict[str, Outputs] = {
    "multi_label_classification": "sigmoid",
    "single_label_classification": "softmax",
}


def in_order(targets: Any, labels: tuple[str, ...]) -> Any:
    """Targets with the columns of a frame in the order of the labels.

    Columns that are numbers go to the labels that are these, and 0, 1, … in the order of their
    numbers. Other numbers, and labels that are only numbered ("LABEL_0"), are taken as they stand.

    Raises
    ------
    ValueError
        If the columns bear other names than the labels, or not each of them once.
    """
    columns = list(getattr(targets, "columns", ()))
    twice = [c for i, c in enumerate(columns) if isinstance(c, str) and c in columns[:i]]
    if twice:
        raise ValueError(f"targets have several columns {twice[0]!r}; expected one a label")
    if set(columns) == set(labels):
        return targets[list(labels)]
    if columns and all(isinstance(c, Integral) for c in columns):
        named = {str(c): c for c in columns}
        if named.keys() == set(labels):
            return targets[[named[label] for label in labels]]
        return targets[sorted(columns)] if sorted(columns) == [*range(len(columns))] else targets
    numbered = all(re.fullmatch(r"LABEL_\d+", label) for label in labels)
    unknown = [] if numbered else [c for c in columns if isinstance(c, str) and c not in labels]
    if unknown:
        raise ValueError(
            f"targets have a column {unknown[0]!r}, which is no label of the model; its labels are "
            f"{', '.join(labels)}: name the columns alike, or give an array in their order"
        )
    _refuse_some(columns, labels)
    return targets


def _refuse_some(columns: list[Any], labels: tuple[str, ...]) -> None:
    """Refuse columns of which a part are labels: the others could be any, in any order."""
    lacking = [label for label in labels if label not in columns]
    if not lacking:
        raise ValueError(
            f"targets have {len(columns)} columns for {len(labels)} labels: leave out those that "
            "are no labels"
        )
    if len(lacking) < len(labels):
        raise ValueError(
            f"targets have no column {lacking[0]!r}, but some of the other labels, which are "
            f"{', '.join(labels)}: give every label a column of its name, and no other column"
        )


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
        if outputs == "softmax" and n_labels > 2 and _are_flags(targets):
            raise ValueError(
                f"targets are true or false, and {kind} chooses one of {n_labels} classes: give "
                f"the number of each note's class, 0 to {n_labels - 1}"
            )
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
    rows = targets if isinstance(targets, (list, tuple)) else [targets]
    if any(np.ma.is_masked(row) for row in rows):
        raise ValueError(
            "targets are masked in places, which are not known, then: leave out those notes"
        )
    try:
        return np.asarray(targets).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"targets must be numbers, a column a label; {_odd(targets)}") from error


def _are_flags(targets: object) -> bool:
    """Whether these say yes or no, and not which class; pandas keeps its own kind as objects."""
    given = np.asarray(targets)
    flags = given.dtype == object and all(isinstance(cell, (bool, np.bool_)) for cell in given)
    return given.dtype == bool or flags


def _odd(targets: Any) -> str:
    """What keeps targets from being numbers, and the mend."""
    given = targets.to_numpy() if hasattr(targets, "to_numpy") else targets
    for row, cells in enumerate(given if isinstance(given, Iterable) else [given]):
        many = isinstance(cells, Iterable) and not isinstance(cells, str)
        for cell in cells if many else [cells]:
            if cell is None or cell is pd.NA or cell is pd.NaT:
                return f"row {row} holds no value: leave out notes whose label is not known"
            if not isinstance(cell, (Real, np.bool_)):
                mend = "lists of names into them with sklearn.preprocessing.MultiLabelBinarizer"
                mend = mend if many else "names into them with pandas.get_dummies"
                return f"found {shown(cell)} in row {row}: turn {mend}"
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
