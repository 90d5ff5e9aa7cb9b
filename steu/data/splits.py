"""Train, validation and test: patients distributed so that every label is in each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from unicodedata import category, normalize

import numpy as np
import pandas as pd

from steu._errors import check_choice, shown
from steu.data.missing import MISSING, NOBODY

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.6, 0.15, 0.25)  # of the patients, for each of them


def split_patients(positives: np.ndarray, *, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Distribute patients over the splits by iterative stratification.

    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data" (2011),
    algorithm 1: the rarest label is shared out first, each time to the split that lacks it most.

    Parameters
    ----------
    positives
        Whether a patient has a label in any stay, bool (P, C).
    fractions
        Wanted share of each split (S,).

    Returns
    -------
    np.ndarray
        Split of each patient, int64 (P,).
    """
    rng = np.random.default_rng(seed)
    shares = np.asarray(fractions, dtype=float)
    wanted = shares * len(positives)  # (S,) patients still wanted
    wanted_label = np.outer(shares, positives.sum(axis=0))  # (S, C)
    split = np.full(len(positives), -1)
    open_patients = rng.permutation(len(positives))

    def place(patient: int, need: np.ndarray) -> None:
        # Ties go to the split that wants most patients altogether, then to a random one.
        chosen = np.lexsort((rng.random(len(shares)), wanted, need))[-1]
        split[patient] = chosen
        wanted[chosen] -= 1
        wanted_label[chosen] -= positives[patient]

    while True:
        left = positives[open_patients].sum(axis=0)
        if not left.any():
            break
        label = int(np.where(left > 0, left, len(positives) + 1).argmin())
        for patient in open_patients[positives[open_patients, label]]:
            place(patient, wanted_label[:, label])
        open_patients = open_patients[split[open_patients] < 0]
    for patient in open_patients:
        place(patient, wanted)
    return split


def split_groups(
    positives: np.ndarray, groups: np.ndarray, *, fractions: Sequence[float], seed: int
) -> np.ndarray:
    """Split of each document by its group, so that none is in two.

    Parameters
    ----------
    positives
        Whether a document has a label, bool (N, C).
    groups
        Whose document each is, (N,).

    Returns
    -------
    np.ndarray
        "train", "validation" or "test", str (N,).
    """
    codes, names = pd.factorize(groups)  # in the order in which they come
    by_group = np.zeros((len(names), positives.shape[1]), dtype=bool)
    np.logical_or.at(by_group, codes, positives)
    chosen = split_patients(by_group, fractions=fractions, seed=seed)
    return np.array(SPLITS)[chosen[codes]]


def read_groups(
    given: Sequence[Any] | np.ndarray, splits: Sequence[str] | np.ndarray | None
) -> np.ndarray:
    """Whose each document is, as text (N,): ids may be numbers, words, or both.

    Blanks around an id, and characters that show nothing, make no other group of it.

    Raises
    ------
    ValueError
        Naming the first document that is nobody's, also where software wrote so, as "nan" or -1:
        all those would be one patient; or the first group that the splits part.
    """
    whose = pd.Series(list(given), dtype=object)
    missing = np.flatnonzero(whose.isna())
    if len(missing):
        raise ValueError(f"groups hold no value in row {missing[0]}: say whose each document is")
    names = {one: _plain(one) for one in whose.astype(str).unique()}
    groups = whose.astype(str).map(names).to_numpy(dtype=str)
    nobody = [one for one, name in names.items() if _is_nobody(name)]
    if nobody:
        row = int(np.flatnonzero(whose.astype(str) == nobody[0])[0])
        raise ValueError(
            f"groups hold {shown(nobody[0])} in row {row}, which names nobody: say whose each "
            "document is, or give those without a name one each of their own"
        )
    if splits is not None:
        parts = pd.Series(np.asarray(splits, dtype=str)).groupby(groups).nunique()
        parted = parts.index[parts > 1].tolist()
        if len(parted):
            raise ValueError(
                f"splits part {len(parted):,} groups, first {parted[0]!r}: all documents of a "
                "group belong to one split"
            )
    return groups


def _plain(name: str) -> str:
    """An id without blanks around it, and none but single ones that show within.

    A number is one id, whether or not it went through a float.
    """
    words = " ".join(normalize("NFC", name).split())
    plain = "".join(c for c in words if category(c) not in ("Cc", "Cf")).strip()
    return plain.partition(".")[0] if re.fullmatch(r"-?\d+\.0*", plain) else plain


def _is_nobody(name: str) -> bool:
    return name.lower() in MISSING or re.fullmatch(NOBODY, name.lower()) is not None


def splits_of(
    targets: np.ndarray,
    groups: np.ndarray,
    given: Sequence[str] | np.ndarray | None,
    *,
    fractions: Sequence[float],
    seed: int,
) -> np.ndarray:
    """Split of each document, (N,) str: as given, or by group so that every label is in each.

    Raises
    ------
    ValueError
        If a name is no split, or a split has no document.
    """
    if given is None:
        splits = split_groups(targets == 1, groups, fractions=fractions, seed=seed)
        _check_filled(splits, f"{len(np.unique(groups)):,} groups are too few to share out")
        return splits
    splits = np.asarray(given, dtype=str)
    for name in sorted(set(splits.tolist())):
        check_choice(name, SPLITS, what="split")
    _check_filled(splits, "say of some that they are")
    return splits


def _check_filled(splits: np.ndarray, mend: str) -> None:
    lacking = [name for name in SPLITS if name not in splits]
    if lacking:
        raise ValueError(
            f"splits hold no {' and no '.join(lacking)} document; expected some in each of "
            f"{', '.join(SPLITS)}: {mend}"
        )


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse shares of the splits that are not three, positive and 1 together."""
    positive = len(fractions) == len(SPLITS) and all(share > 0 for share in fractions)
    if not positive or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions are {tuple(fractions)}; expected three positive shares that sum to 1, for "
            f"{', '.join(SPLITS)}"
        )
