"""A handful of notes: what somebody reads who has hardly any."""

from __future__ import annotations

import numpy as np

from steu.evaluation.prototypes import few_shot_auroc
from steu.task import ForgetTask


def few_shot(task: ForgetTask, states: np.ndarray, *, shots: int, seed: int = 0) -> np.ndarray:
    """AUROC of the class on the test notes by prototypes of `shots` training notes, (draws,).

    Parameters
    ----------
    states : array of shape (N, H)
        Of all notes at one place, as `places` gives them.
    """
    train, test, truth = task.train, task.test, task.is_forget
    return few_shot_auroc(
        states[train], truth[train], states[test], truth[test], shots=shots, seed=seed
    )
