"""What is measured of an edit: forgetting and utility with intervals, and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from steu.evaluation.metrics import (
    auroc,
    check_answers,
    f1,
    macro,
    metric_records,
    tune_thresholds,
)
from steu.evaluation.paired import beside
from steu.models.outputs import decided
from steu.models.outputs import log_odds as log_odds_of
from steu.task import Edit, ForgetTask, about_task
from steu.unlearning.null_edit import null_logits


@about_task
def evaluate(task: ForgetTask, edit: Edit | None = None, *, split: str = "test") -> pd.DataFrame:
    """Every metric of the original model, the null edit and an edit, with 95 % intervals.

    Forget F1 alone proves nothing: the null edit, one bias, reaches 0. So it stands beside. A label
    is predicted above probability ½, or under a softmax where it is the likeliest.

    Parameters
    ----------
    edit : SparseEdit or LayerEdit, optional
        None compares the original with the null edit alone.
    split : {"train", "validation", "test"}
        Notes that are judged. Thresholds were tuned on validation: those of ``*_tuned`` for the
        original, those of ``*_retuned`` for each method.

    Returns
    -------
    DataFrame
        A tidy row a method ("original", "null", "edit"), metric and label: value, low, high (of a
        bootstrap over groups), n (notes).

    Examples
    --------
    >>> import steu
    >>> table = steu.evaluate(task, edit)
    >>> f1 = table[table["metric"] == "forget_f1"].set_index("method")["value"]
    >>> float(f1["null"])
    0.0
    """
    index = task.index(split)
    both = (index, task.validation)
    found = {"original": [task.logits(i) for i in both]}
    found["null"] = [null_logits(logits, task.forget) for logits in found["original"]]
    if edit is not None:
        found["edit"] = [task.logits(i, edit) for i in both]
    tables = []
    for method, logits in found.items():
        said, own = (log_odds_of(z, task.outputs) for z in logits)
        records = measure(task, said, split=split, validation=own)
        tables.append(pd.DataFrame(records).assign(method=method))
    table = pd.concat(tables, ignore_index=True)
    return table[["method", *[column for column in table if column != "method"]]]


def measure(
    task: ForgetTask,
    log_odds: np.ndarray,
    *,
    split: str = "test",
    validation: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Tidy records of every metric from a split's log-odds (n, C), intervals included.

    Parameters
    ----------
    validation : array of shape (n, C), optional
        Log-odds of the same model on the validation split. With them F1 is also taken at thresholds
        that are tuned for it: what only shifted its answers gets back what the shift had cost.

    Raises
    ------
    ValueError
        If they are of another number of notes than the split has, or not all are numbers.
    """
    index = task.index(split)
    check_answers(log_odds)
    if len(log_odds) != len(index):
        raise ValueError(
            f"the {split} split has {len(index):,} notes; found log-odds of {len(log_odds):,}: "
            f"take task.log_odds(task.index({split!r}), edit)"
        )
    return metric_records(
        task.targets[index],
        log_odds,
        labels=task.labels,
        forget=task.forget,
        weights=task.weights(split),
        thresholds=task.thresholds,
        own_thresholds=None
        if validation is None
        else tune_thresholds(task.targets[task.validation], validation),
        decided=decided(log_odds, task.outputs),
    )


def cost_records(task: ForgetTask, edit: Edit, *, seconds: float) -> list[dict[str, Any]]:
    """Tidy records of what an edit changes, stores and took; exact numbers without interval."""
    changed = edit.parameters_changed(task.model)
    facts = {
        "parameters_changed": changed,
        "parameters_share": changed / n_parameters(task),
        "bytes_stored": edit.bytes_stored,
        "seconds": seconds,
    }
    return [{"metric": metric, "value": value} for metric, value in facts.items()]


def n_parameters(task: ForgetTask) -> int:
    """All parameters of the classifier, encoder and head."""
    return sum(parameter.numel() for parameter in task.model.parameters())


def kept_beside(
    task: ForgetTask, log_odds: np.ndarray, others: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Macro-F1 and macro-AUROC of the other classes minus those of other methods, in pairs.

    All are test log-odds (n, C); see `steu.evaluation.paired.beside`.
    """
    pairs = {}
    for metric, of in {"f1": retain_f1_samples, "auroc": retain_samples}.items():
        theirs = {name: of(task, values) for name, values in others.items()}
        pairs |= beside(f"retain_macro_{metric}", of(task, log_odds), theirs)
    return pairs


def retain_f1_samples(task: ForgetTask, log_odds: np.ndarray) -> np.ndarray:
    """Macro-F1 of the other classes from test log-odds (n, C); entries as in a probe's."""
    kept = task.retained
    said = decided(log_odds, task.outputs)[:, kept]
    return macro(f1, task.targets[task.test][:, kept].astype(bool), said, task.weights())


def retain_samples(task: ForgetTask, log_odds: np.ndarray) -> np.ndarray:
    """Macro-AUROC of the other classes from test log-odds (n, C); entries as in a probe's."""
    kept = task.retained
    return macro(auroc, task.targets[task.test][:, kept], log_odds[:, kept], task.weights())
