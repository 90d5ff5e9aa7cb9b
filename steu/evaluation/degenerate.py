"""Results that only look like results: constant answers, labels never said, worse than a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import xlogy

KINDS = ("constant", "never predicted", "always predicted", "worse than its prevalence")


def degenerate(
    targets: np.ndarray, log_odds: np.ndarray, *, labels: Sequence[str]
) -> dict[str, list[str]]:
    """What is wrong with answers, and of which labels; empty where nothing is.

    "constant": every note gets the same answer. "never predicted" and "always predicted": at
    probability ½, though the notes differ. "worse than its prevalence": the mean negative
    log-likelihood (nats) is above that of saying the label's share of these notes each time.

    Parameters
    ----------
    targets : array of shape (N, C), 0 or 1
    log_odds : array of shape (N, C)
    """
    truth, said = np.asarray(targets, dtype=bool), np.asarray(log_odds, dtype=np.float64)
    lost = np.logaddexp(0, np.where(truth, -said, said)).mean(axis=0)  # (C,)
    share = truth.mean(axis=0)
    guess = -xlogy(share, share) - xlogy(1 - share, 1 - share)  # entropy of the prevalence
    constant = np.ptp(said, axis=0) == 0
    predicted = said > 0
    wrong = {
        "constant": constant,
        "never predicted": ~predicted.any(axis=0) & truth.any(axis=0) & ~constant,
        "always predicted": predicted.all(axis=0) & ~truth.all(axis=0) & ~constant,
        "worse than its prevalence": lost > guess + 1e-9,
    }
    found = {what: [labels[int(c)] for c in np.flatnonzero(which)] for what, which in wrong.items()}
    return {what: names for what, names in found.items() if names}


def in_words(found: Mapping[str, Sequence[str]]) -> str:
    """`degenerate` in words; "nothing" where nothing is."""
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in found.items()) or "nothing"


def degenerate_table(found: Mapping[str, Mapping[str, Sequence[str]]]) -> pd.DataFrame:
    """`degenerate` of several methods: a line each, the labels of each kind, "–" for none.

    The first is what the others are held against; those that are as it is are left out.
    """
    first = next(iter(found.values()))
    shown = {n: what for n, what in found.items() if what is first or what != first}
    rows = {
        n: [", ".join(what.get(kind, ())) or "–" for kind in KINDS] for n, what in shown.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(KINDS))
