"""The strongest reader of several: what states still tell of a class, to whoever looks well.

One probe of fixed strength can be fooled: by a direction that was only shrunk, by a class that is
coded in how two features agree. So every feature is standardised, and of several families and
strengths that one counts which reads the class best on validation notes; test notes take no part in
the choice.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import rankdata
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from steu._errors import check_choice
from steu.evaluation.metrics import auroc
from steu.evaluation.readers import readers

FOLDS = 5
MOST = 20_000  # notes that a reader is fitted on; beyond, a kernel of all pairs takes days
Folds = tuple[tuple[np.ndarray, np.ndarray], ...]  # positions to learn from, and to read


@dataclass(frozen=True)
class Finding:
    """What the best reader of one place made of it.

    Attributes
    ----------
    place : str
        Where it read: a layer, the logits, …
    reader : str
        The family and strength that read best on validation, a key of `readers`.
    turned : bool
        Whether it ranked the wrong way round there, and its scores were turned.
    validation_auroc : float
        By which it was chosen; ½ or more.
    scores : array of shape (n,)
        Of the test notes, the higher the likelier the class.
    """

    place: str
    reader: str
    turned: bool
    validation_auroc: float
    scores: np.ndarray


def read_class(
    features: Mapping[str, np.ndarray],
    targets: Mapping[str, np.ndarray],
    *,
    place: str = "features",
    seed: int = 0,
) -> Finding:
    """The reader that finds a class best in the features of one place.

    An AUROC below ½ counts as its mirror image, since whoever sees that turns the sign; which way
    round is decided on validation notes too, so that the scores of the test notes are as honest as
    those of any probe that was fixed beforehand. At most `MOST` training notes are
    shown to it, drawn at random.

    Parameters
    ----------
    features : dict of "train", "validation", "test" to array of shape (N, H)
    targets : dict of "train", "validation" to array of shape (N,), bool

    Raises
    ------
    ValueError
        If features hold NaN or infinities or are the same for every training note, or a split
        lacks notes with or without the class.
    """
    check_readable(features, targets, place=place)
    drawn = _drawn(targets["train"], seed=seed)
    scale = StandardScaler().fit(features["train"][drawn].astype(np.float64))
    known = {split: scale.transform(values) for split, values in features.items()}
    learned, told = known["train"][drawn], targets["train"][drawn].astype(int)
    everyone = np.concatenate([learned, known["validation"], known["test"]])
    once = np.ones((1, len(targets["validation"])))
    best: tuple[float, bool, str, Pipeline] | None = None
    with many_fits():
        for name, probe in readers(len(learned), everyone, seed=seed).items():
            fitted = probe.fit(learned, told)
            read = float(
                auroc(targets["validation"], _scores(fitted, known["validation"]), once)[0]
            )
            found = max(read, 1 - read)
            if best is None or found > best[0]:
                best = found, read < 0.5, name, fitted
        assert best is not None  # there are readers
        found, turned, name, fitted = best
        shown = _scores(fitted, known["test"])
    return Finding(place, name, turned, found, -shown if turned else shown)


def strongest(findings: list[Finding]) -> Finding:
    """Of several places the one where the class was read best on validation."""
    return max(findings, key=lambda found: found.validation_auroc)


def read_again(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, reader: str, seed: int = 0
) -> np.ndarray:
    """Scores of notes by a reader that was fitted on the others, group by group, (n,) in [0, 1].

    For notes that an edit was not trained on: it may hide the class better in those that it was. Of
    each fold the share of its notes that score lower, so that folds compare.

    Parameters
    ----------
    features : array of shape (n, H)
    targets, groups : arrays of shape (n,)
    reader : str
        As chosen elsewhere, a key of `readers`.

    Raises
    ------
    ValueError
        If a fold would leave no group with the class, or none without it, to learn from.
    """
    check_finite(features, place="features", split="unseen")
    scores = np.empty(len(targets))
    with many_fits():
        for train, held in patient_folds(targets, groups):
            train = train[_drawn(targets[train], seed=seed)]
            scale = StandardScaler().fit(features[train].astype(np.float64))
            everyone = scale.transform(features)
            known = readers(len(train), everyone, seed=seed)
            check_choice(reader, list(known), what="reader")
            probe = known[reader].fit(everyone[train], targets[train].astype(int))
            scores[held] = rankdata(_scores(probe, everyone[held])) / len(held)
    return scores


def patient_folds(targets: np.ndarray, groups: np.ndarray) -> Folds:
    """Positions to learn from and to read, a group in one fold, the class in as many as can be."""
    truth = targets.astype(bool)
    for kind, which in (("with", truth), ("without", ~truth)):
        found = len(np.unique(groups[which]))
        if found < 2:
            raise ValueError(
                f"{found} patients {kind} the class are among the notes that no edit was trained "
                "on; a reader of these needs two at least"
            )
    codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return _folds(truth.tobytes(), codes.tobytes())


@lru_cache(maxsize=8)  # every place of every model is read in the same folds, which take a while
def _folds(truth: bytes, groups: bytes) -> Folds:
    targets, codes = np.frombuffer(truth, bool), np.frombuffer(groups, np.int64)
    rarest = min(int(targets.sum()), int((~targets).sum()), int(codes.max()) + 1)
    for n_folds in range(min(FOLDS, rarest), 1, -1):  # of few people a fold may get all of a kind
        folds = tuple(StratifiedGroupKFold(n_folds).split(targets, targets, codes))
        if all(len(np.unique(targets[learn])) == 2 for learn, _ in folds):
            return folds
    raise ValueError(
        "the notes that no edit was trained on cannot be dealt into folds that leave notes with "
        "and without the class to learn from: too few people have it, or too few have not"
    )


def _drawn(targets: np.ndarray, *, seed: int) -> np.ndarray:
    """Positions of at most `MOST` notes, in order; all of them where there are no more.

    Half of them may be of the rarer kind, of which a reader needs each.
    """
    if len(targets) <= MOST:
        return np.arange(len(targets))
    generator = np.random.default_rng(seed)
    rarer, other = sorted(map(np.flatnonzero, (targets, targets == 0)), key=len)
    rarer = generator.permutation(rarer)[: MOST // 2]
    drawn = [rarer, generator.choice(other, MOST - len(rarer), replace=False)]
    return np.sort(np.concatenate(drawn))


def check_readable(
    features: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], *, place: str
) -> None:
    """Refuse what no probe can be asked about."""
    for split, values in features.items():
        check_finite(values, place=place, split=split)
    if not np.ptp(features["train"], axis=0).any():
        raise ValueError(
            f"{place} is the same for every training note: there is nothing to read; leave it out"
        )
    for split, truth in targets.items():
        least = 2 if split == "train" else 1  # a reader that stops early sets one of each aside
        if not least <= truth.sum() <= len(truth) - least:
            raise ValueError(
                f"the {split} split has {int(truth.sum())} notes with the class of {len(truth)}: a "
                f"probe needs both kinds, {least} of each at least"
            )


def check_finite(values: np.ndarray, *, place: str, split: str) -> None:
    """Refuse NaN and infinities in features (n, H)."""
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{place} of the {split} notes holds {values[row, column]} in row {row}, feature "
            f"{column}: no probe can be asked; look for an edit that diverged"
        )


@contextmanager
def many_fits() -> Iterator[None]:
    """As small probes are fitted on any machine: by one thread, and without a look at each array.

    Entered once for many, since it looks for libraries. What is fitted was looked at before, see
    `check_readable`; on few notes scikit-learn's own checks take longer than the fit.
    """
    quick = config_context(assume_finite=True, skip_parameter_validation=True)
    with warnings.catch_warnings(), threadpool_limits(1), quick:
        # A probe that has not converged is judged by what it reads, like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _scores(probe: Pipeline, features: np.ndarray) -> np.ndarray:
    if hasattr(probe[-1], "decision_function"):
        return probe.decision_function(features)
    return probe.predict_proba(features)[:, 1]
