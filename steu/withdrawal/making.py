"""The edits that answer a request: each method after the same small search."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pandas as pd

import steu
from steu.experiments.rivals import tune_rows
from steu.experiments.study import Study, Trained
from steu.experiments.tuning import tune
from steu.selection.ranking import rank_tokens, select_tokens
from steu.unlearning.sparse import UnlearnConfig
from steu.withdrawal.request import Method

FACTORS = (0.5, 2.0)  # of the default rates
ROWS = (8, 16)  # different rows that STEU-E may leave
METHODS: tuple[Method, ...] = get_args(Method)

Made = tuple[Trained, pd.DataFrame]


def make(study: Study, method: Method, n_tokens: int) -> Made:
    """The method's best edit on the validation notes, with the table of what was tried.

    The null edit is no search's: see `null_edit_of`.
    """
    return _MAKERS[method](study, n_tokens)


def select(study: Study, method: Method, n_tokens: int) -> np.ndarray:
    """Ids of the tokens whose rows the method edits, the first `n_tokens` of its ranking."""
    if method in ("head_only", "null"):
        return np.empty(0, dtype=np.int64)
    ranked = rank_tokens(study, "two_sided" if method == "steu_e" else "pmi")
    return select_tokens(ranked, min(n_tokens, len(ranked)))


def _head_only(study: Study, _: int) -> Made:
    return _trained(study, "head_only", 0)


def _steu(study: Study, n_tokens: int) -> Made:
    return _trained(study, "steu", n_tokens)


def _trained(study: Study, method: Method, n_tokens: int) -> Made:
    tokens = select(study, method, n_tokens)
    # Whoever uses the model has thresholds: the labels that stay keep the answers they had.
    config = UnlearnConfig(seed=study.seed, others="answers")
    return tune_rows(study, tokens, config, factors=FACTORS, apart=False, widen=0)


def _steu_e(study: Study, n_tokens: int) -> Made:
    tokens = select(study, "steu_e", n_tokens)
    others = np.setdiff1d(np.unique(study.notes.ids), tokens)
    most = max(1, len(others) // 4)  # a group of fewer other words is hardly a mean of words

    def erase(rows: float, _: float) -> Trained:
        return study.train_edit(steu.erase, tokens, n_rows=int(rows), seed=study.seed)

    made, tried = tune(study, sorted({min(rows, most) for rows in ROWS}), erase)
    return made, tried.rename(columns={"rate": "rows"}).drop(columns="head_rate")


_MAKERS: dict[Method, Callable[[Study, int], Made]] = {
    "steu_e": _steu_e,
    "steu": _steu,
    "head_only": _head_only,
}
