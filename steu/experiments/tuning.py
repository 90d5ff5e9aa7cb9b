"""The same small search for every method: a few settings, one criterion, the validation split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score, roc_auc_score

from steu.evaluation.metrics import macro_auroc
from steu.experiments.study import Trained
from steu.models.outputs import decided
from steu.task import ForgetTask


def tune(
    task: ForgetTask, settings: Sequence[Any], train: Callable[[Any], Trained]
) -> tuple[Trained, pd.DataFrame]:
    """Train once for each setting and keep what does best on the validation split.

    The criterion is retained macro-AUROC minus the distance of the forgotten class's AUROC from
    one half: a good edit ranks the other classes as before and this one no better than chance. F1
    takes no part, since a bias can set it to anything.

    Returns
    -------
    Trained
        The best edit; of equals the first.
    table
        A row a setting: setting, forget_f1, forget_auroc, retain_macro_auroc, criterion, chosen.
    """
    trials = [train(setting) for setting in settings]
    table = pd.DataFrame([_validate(task, trial) for trial in trials])
    table.insert(0, "setting", list(settings))
    best = int(table["criterion"].to_numpy().argmax())
    return trials[best], table.assign(chosen=np.arange(len(table)) == best)


def _validate(task: ForgetTask, trial: Trained) -> dict[str, float]:
    index, forget = task.validation, task.forget
    scores, targets = task.log_odds(index, trial.edit), task.targets[index]
    forget_auroc = float(roc_auc_score(targets[:, forget], scores[:, forget]))
    kept = macro_auroc(targets[:, task.retained], scores[:, task.retained])
    said = decided(scores, task.outputs)[:, forget]
    silent = f1_score(targets[:, forget], said, zero_division=0)
    return {
        "forget_f1": float(silent),
        "forget_auroc": forget_auroc,
        "retain_macro_auroc": kept,
        "criterion": kept - abs(forget_auroc - 0.5),
    }
