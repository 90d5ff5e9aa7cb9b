"""Collateral damage: what the other labels lose when one class is forgotten, and which ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from steu._errors import check_choice
from steu.evaluation.metrics import auroc, f1, metric_record, ratio


def enough_patients(
    counts: pd.DataFrame, wanted: Sequence[str] = (), *, minimum: int = 10
) -> pd.DataFrame:
    """Which classes can be forgotten and judged: those that enough patients have.

    Parameters
    ----------
    counts
        As `Cohort.describe` gives them.
    wanted
        Names of classes to forget; empty means all.
    minimum
        Patients with the class, in training and in test. The bootstrap redraws patients, so an
        AUROC that rests on fewer of them has no interval worth showing. Of the validation notes,
        which choose the reader, some have it and some have not.

    Returns
    -------
    DataFrame
        A row a label, in the order of `counts`: label, train and test (patients with it), all_train
        and all_test (patients), enough (bool) and forgotten (bool: enough, and wanted).

    Raises
    ------
    ValueError
        If a name is unknown, or there is no class to forget and another to watch.
    """
    labels = list(dict.fromkeys(counts["label"]))
    for label in wanted:
        check_choice(label, labels, what="label")
    by_split = counts.pivot(index="label", columns="split").loc[labels]
    people, everyone = (by_split[of][["train", "test"]] for of in ("positive_patients", "patients"))
    table = people.join(everyone.add_prefix("all_")).rename_axis(columns=None).reset_index()
    chooses = by_split.xs("validation", axis=1, level="split")
    both = chooses["positives"].between(1, chooses["stays"] - 1).to_numpy()
    table["enough"] = (table[["train", "test"]].min(axis=1) >= minimum) & both
    table["forgotten"] = table["enough"] & (table["label"].isin(list(wanted)) if wanted else True)
    if not table["forgotten"].any() or table["enough"].sum() < 2:
        found = ", ".join(table.loc[table["enough"], "label"]) or "none"
        raise ValueError(
            f"expected a class to forget ({', '.join(wanted) or 'any'}) and "
            f"another to watch, each with {minimum} patients in train and in test, and with and "
            f"without it in validation; found {found}: "
            "lower min_patients or name another class"
        )
    return table


def people_with_both(targets: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Of how many people some note carries both of two labels, int (C, C), from targets (N, C)."""
    carried = targets.astype(bool)
    by_label = [[len(np.unique(people[a & b])) for b in carried.T] for a in carried.T]
    return np.array(by_label)


def pair_shares(targets: np.ndarray, *, forgotten: np.ndarray, others: np.ndarray) -> np.ndarray:
    """P(c | j): of the notes with label j (column), the share that also carry c (row), (T, C).

    Parameters
    ----------
    targets : array of shape (N, C), 0 or 1
    forgotten : array of shape (T,), int
        Columns of the classes that are forgotten in turn, c.
    others : array of shape (C,), bool
        Which labels are looked at, j; a class is no pair with itself. What is no pair is NaN.
    """
    together = targets.T.astype(float) @ targets
    wanted = others & ~np.eye(len(together), dtype=bool)
    wanted &= np.diag(together) > 0
    return ratio(together, np.diag(together), where=wanted)[forgotten]


def label_samples(
    targets: np.ndarray, logits: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """AUROC and F1 (at probability 0.5) of every label under each row of weights, (C, S) each.

    `targets` and `logits` are (N, C), `weights` (S, N). Samples of two models under the same
    weights may be subtracted: their difference is a paired bootstrap.
    """
    truth = targets.astype(bool)
    return {
        "auroc": np.stack([auroc(t, z, weights) for t, z in zip(truth.T, logits.T, strict=True)]),
        "f1": np.stack([f1(t, z > 0, weights) for t, z in zip(truth.T, logits.T, strict=True)]),
    }


def damage_records(
    damage: np.ndarray, *, metric: str, labels: Sequence[str], forget: int, n: int
) -> list[dict]:
    """Tidy rows ``damage_<metric>`` of every label but the one to forget; positive is a loss.

    `damage` is original minus edited under the bootstrap weights, (C, S); `n` counts test notes.
    """
    return [
        metric_record(f"damage_{metric}", damage[j], n, label=label)
        for j, label in enumerate(labels)
        if j != forget
    ]


def rank_correlation(shares: np.ndarray, damage: np.ndarray) -> np.ndarray:
    """Spearman's rho between co-occurrence and damage in each bootstrap sample, shape (S,).

    Ties get their mean rank. NaN with fewer than two pairs, where the shares or a sample's damages
    are all equal, and where a sample leaves a damage undefined.

    Parameters
    ----------
    shares : array of shape (P,)
        Co-occurrence of each pair of a class and another label; the same in all samples.
    damage : array of shape (P, S)

    Raises
    ------
    ValueError
        If the two do not speak of the same pairs.
    """
    if damage.ndim != 2 or shares.shape != damage.shape[:1]:
        raise ValueError(
            f"shares must be (P,) and damage (P, S); found {shares.shape} and {damage.shape}"
        )
    if len(shares) < 2:
        return np.full(damage.shape[1], np.nan)
    known = rankdata(shares)
    ranks = rankdata(damage, axis=0)  # a column with a NaN becomes NaN
    known, ranks = known - known.mean(), ranks - ranks.mean(axis=0)
    spread = np.sqrt((known**2).sum() * (ranks**2).sum(axis=0))
    return ratio(known @ ranks, spread)


def within_class_correlation(shares: np.ndarray, damage: np.ndarray) -> np.ndarray:
    """Mean over forgotten classes of `rank_correlation` among the other labels, shape (S,).

    Common classes have high shares with every label and more notes to train on; ranks taken
    within a class are free of that. Lift gives the same ranks there as P(c | j).

    Parameters
    ----------
    shares : array of shape (T, C), NaN for what is no pair
    damage : array of shape (T, C, S)
    """
    kept = ~np.isnan(shares)
    return np.mean(
        [rank_correlation(s[k], d[k]) for s, d, k in zip(shares, damage, kept, strict=True)], axis=0
    )
