"""Membership: does the model still know which notes with the class it was trained on?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steu.evaluation.membership import likelihood_ratios, rmia_scores
from steu.evaluation.metrics import auroc, metric_record, tpr_at
from steu.task import Edit, ForgetTask


def membership(
    task: ForgetTask, edit: Edit | None, references: Mapping[str, ForgetTask]
) -> list[dict[str, Any]]:
    """Records of RMIA on notes with the class: AUROC, and true positives at 1 % false ones.

    Members are training notes with the class, the others test notes with it; the population are
    validation notes with it. Attacked is the probability of the class, against the references that
    never learned it. ½ and 0.01 are chance.

    Raises
    ------
    ValueError
        If there is no reference.
    """
    if not references:
        raise ValueError("the attack compares with references, and there is none: train one")
    with_class = {
        split: index[task.is_forget[index]]
        for split, index in (
            ("train", task.train),
            ("validation", task.validation),
            ("test", task.test),
        )
    }
    ratios = {
        split: likelihood_ratios(
            _probability(task, index, edit),
            np.stack([_probability(other, index, None) for other in references.values()]),
        )
        for split, index in with_class.items()
    }
    scores = np.concatenate(
        [rmia_scores(ratios[split], ratios["validation"]) for split in ("train", "test")]
    )
    members = np.repeat([True, False], [len(ratios["train"]), len(ratios["test"])])
    drawn = [
        task.weights(split)[:, task.is_forget[task.index(split)]] for split in ("train", "test")
    ]
    weights = np.concatenate(drawn, axis=1)
    found = {
        "membership_auroc": auroc(members, scores, weights),
        "membership_tpr": tpr_at(members, scores, weights),
    }
    return [metric_record(name, samples, len(members)) for name, samples in found.items()]


def _probability(task: ForgetTask, index: np.ndarray, edit: Edit | None) -> np.ndarray:
    """Of the class, by the model under the edit, (n,)."""
    return 1 / (1 + np.exp(-task.log_odds(index, edit)[:, task.forget].astype(np.float64)))
