"""Membership: does the model still know which notes with the class it was trained on?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steu.evaluation.membership import log_ratios, rmia_scores
from steu.evaluation.metrics import auroc, metric_record, tpr_at
from steu.task import Edit, ForgetTask

FALSE_POSITIVES = 0.01
NO_OUTSIDER = (
    "the attack compares with references that never saw the notes, and there is none: have "
    "'dropped' among the readings"
)


def membership(
    task: ForgetTask, edit: Edit | None, references: Mapping[str, ForgetTask]
) -> list[dict[str, Any]]:
    """Records of RMIA on notes with the class: AUROC, and true positives at 1 % false ones.

    Members are training notes with the class, the others test notes with it; the population are
    validation notes with it. Attacked is the probability of the class, against references that were
    not trained on these notes: those from which the class was *dropped*. One that saw them under
    another label says less of just them, and every model would look as if it remembered. ½ is
    chance, and of the true positives `chance_tpr`.

    Raises
    ------
    ValueError
        If there is no reference.
    """
    if not references:
        raise ValueError(NO_OUTSIDER)
    with_class = {
        split: index[task.is_forget[index]]
        for split, index in (
            ("train", task.train),
            ("validation", task.validation),
            ("test", task.test),
        )
    }
    ratios = {
        split: log_ratios(
            _log_probability(task, index, edit),
            np.stack([_log_probability(other, index, None) for other in references.values()]),
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


def outsiders(asked: Mapping[str, tuple[str, int | None]]) -> list[str]:
    """Names of the references, each of a reading and a seed, that never saw a note with the class.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [name for name, (reading, _) in asked.items() if reading == "dropped"]
    if not found:
        raise ValueError(NO_OUTSIDER)
    return found


def chance_tpr(task: ForgetTask) -> float:
    """Share of members found by chance at 1 % false ones; of fewer than 100 others, before one."""
    others = int(task.is_forget[task.test].sum())
    return (int(FALSE_POSITIVES * others) + 1) / (others + 1)


def _log_probability(task: ForgetTask, index: np.ndarray, edit: Edit | None) -> np.ndarray:
    """Of the class, by the model under the edit, in nats, (n,)."""
    return -np.logaddexp(0, -task.log_odds(index, edit)[:, task.forget].astype(np.float64))
