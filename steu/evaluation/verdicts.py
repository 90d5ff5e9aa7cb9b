"""Verdicts on erasure: by rules fixed before looking, each with the interval that decides.

An audit gives, for a method and for every reference that never learned the class, a number that is
higher the more of the class is left, under the same resamples of patients. References differ from
each other, by their seed and by what *never learned* means; a method is held against all of them,
as one more draw would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import beta
from scipy.stats import norm as normal
from scipy.stats import t as student

from steu.evaluation.paired import holm

SILENT = 0.05  # a forget F1 below this counts as "no longer predicted"
UNSAID = 0.15  # recall of the class that silence has to exclude: one patient in seven
ERROR = 0.05  # chance at most that a model like the references is said to hold more than they do
MARGIN = 0.05  # of AUROC: what is left may exceed the references' mean by less than this
SMALLEST = 1e-6  # probability that is told apart from 0
ROUNDING = 1e-9  # difference of two AUROCs that is none
FEWEST = 19  # test patients with the class, for silence among them to exclude a recall of `UNSAID`
TO_CHOOSE = 10  # validation patients with the class, who choose the readers

Outcome = Literal["more", "no more", "undecided"]
Verdict = Literal[
    "none",
    "not silenced",
    "silenced",
    "suppressed in the representation",
    "indistinguishable from the references under these audits",
]


def recall_not_excluded(patients: int) -> float:
    """The recall at which a model says the class of none of so many patients one time in twenty.

    (1 − r)^n = `ERROR`: where nobody is hit, the bootstrap has no interval.
    """
    return float(1 - ERROR ** (1 / patients))


def share_said_of(hit: int, patients: int) -> tuple[float, float, float]:
    """The share of patients of whom the class is said, and how large it may be among others.

    Clopper and Pearson's bound: a true share above the upper end shows as few one time in twenty.
    """
    high = 1.0 if hit == patients else float(beta.ppf(1 - ERROR, hit + 1, patients - hit))
    return hit / patients, 0.0, high


@dataclass(frozen=True)
class Beside:
    """What one audit finds in a method beside the references: their difference, and how sure it is.

    Attributes
    ----------
    value, low, high : float
        Difference to the mean of the references, and its 90 % interval: that of a draw, so it
        counts how far the references lie apart, and of other patients. Its upper end lies below
        `MARGIN` just where `p_margin` is below `ERROR`.
    p_more : float
        That a reference would differ by as much or more.
    p_margin : float
        That what exceeds them by `MARGIN` would look as near as this.
    """

    value: float
    low: float
    high: float
    p_more: float
    p_margin: float


def beside_references(
    values: np.ndarray, references: Sequence[np.ndarray], *, floor: float = -np.inf
) -> Beside:
    """Hold a method's samples (1 + B,) against those of m references under the same resamples.

    One more draw differs from the mean of m by its patients' luck, with the variance v of the
    difference over resamples, and by how it was trained, with s² (1 + 1/m) where s is the
    references' spread, known with m − 1 degrees of freedom. At error rate p the difference stays
    within the root of the sum of z(p)² v and t(p)² s² (1 + 1/m), for these are independent
    (Howe 1974): exact where one of the two is nought, and on the safe side between.

    What lies below `floor` counts as much as it does, in the difference alone: cut off, models near
    to it would seem to lie closer together than they do.

    Raises
    ------
    ValueError
        If there are fewer than three references, no resamples, or a value is not a number.
    """
    luck = _Luck.of(values, references)
    within, told = luck.within, np.stack(references)[:, 0]

    def tail(excess: float) -> float:
        """The probability to exceed the mean by so much."""
        if excess < 0:
            return 1 - tail(-excess)
        if abs(excess) < ROUNDING:  # where nothing varies, any excess at all would be sure
            return 0.5
        if within(SMALLEST) <= excess:
            return SMALLEST
        return float(brentq(lambda p: within(p) - excess, SMALLEST, 0.5))

    value = float(max(values[0], floor) - np.maximum(told, floor).mean())
    around = within(ERROR)
    return Beside(value, value - around, value + around, tail(value), tail(MARGIN - value))


@dataclass(frozen=True)
class _Luck:
    """Variances of what one more draw differs from the mean of the references by."""

    patients: float
    draws: float
    freedom: int

    @classmethod
    def of(cls, values: np.ndarray, references: Sequence[np.ndarray]) -> _Luck:
        if len(references) < 3:
            raise ValueError(
                f"an audit beside references needs three of them at least, to know how far they "
                f"lie apart; found {len(references)}: train more with another reading or seed"
            )
        told = np.stack(references)  # (m, S)
        if np.isnan(values[0]) or np.isnan(told[:, 0]).any():
            raise ValueError("an audit gave no number for the method or a reference: no verdict")
        if len(values) < 3:
            raise ValueError(
                f"a verdict needs resamples of patients; found {len(values) - 1}: set n_bootstrap "
                "to some hundreds"
            )
        patients = float(np.nanvar((values - told.mean(axis=0))[1:]))
        draws = float(told[:, 0].var(ddof=1)) * (1 + 1 / len(told))
        return cls(patients, draws, len(told) - 1)

    def within(self, p: float) -> float:
        """What a draw exceeds the mean by with probability p at most, p ≤ ½."""
        of_draws = student.isf(p, self.freedom) ** 2 * self.draws
        return float(np.sqrt(normal.isf(p) ** 2 * self.patients + of_draws))


def chance_to_clear(values: np.ndarray, references: Sequence[np.ndarray]) -> float:
    """The probability that an audit says "no more" of one more reference: its power.

    It does where the difference to the mean lies `MARGIN` less the half of the interval below; that
    of one more reference is 0 on average, and varies as `beside_references` takes it to.
    """
    luck = _Luck.of(values, references)
    spread = np.sqrt(luck.patients + luck.draws)
    room = MARGIN - luck.within(ERROR)
    return float(normal.cdf(room / spread)) if spread else float(room > 0)


def outcomes(audits: Mapping[str, Beside], flat: Sequence[str] = ()) -> dict[str, Outcome]:
    """What each audit says of one method; nothing, "undecided", where it is `flat`.

    "more" where the references hold less: the p-values are corrected for the number of audits
    (Holm), so that one more reference is caught by any of them with probability `ERROR` at most.
    Audits that are the same number, as where the head reads what another place holds, are one.
    "no more" where what exceeds them by `MARGIN` is excluded; there every audit has to agree, which
    needs no correction. Otherwise "undecided".
    """
    distinct = list(dict.fromkeys(audits.values()))
    adjusted = holm(np.array([found.p_more for found in distinct]))
    more = {found for found, p in zip(distinct, adjusted, strict=True) if p < ERROR}

    def said(name: str, found: Beside) -> Outcome:
        if name in flat:
            return "undecided"
        return "more" if found in more else "no more" if found.p_margin < ERROR else "undecided"

    return {name: said(name, found) for name, found in audits.items()}


@dataclass(frozen=True)
class Decision:
    """A verdict on one method, what decides it with its number and interval, and what audits said.

    The number is the forget F1, how often the class is said, or an audit's difference to the
    original or to the references; of how many patients the class is said is not told.
    """

    verdict: Verdict
    decided_by: str
    said: dict[str, Outcome]
    value: float | None = None
    low: float | None = None
    high: float | None = None


def decide(
    *,
    forget_f1: tuple[float, float, float],
    said_per_positive: tuple[float, float, float],
    said_of: tuple[float, float, float],
    suppressed: Mapping[str, tuple[float, float, float]],
    audits: Mapping[str, Beside],
    blind: Sequence[str] = (),
    needed: Sequence[str] = (),
    flat: Sequence[str] = (),
) -> Decision:
    """The strongest verdict that the intervals bear out.

    - *not silenced* unless the whole interval of the forget F1 lies below `SILENT`, and the class
      is said in no more notes than have it: said in every note, a class that less than one note in
      forty has reaches no such F1 either. Nor unless it is said of fewer than a share `UNSAID` of
      the patients who have it, of whom a few may have most of the notes that F1 counts: a model
      that says it of so many, in all of their notes, passes this one time in twenty at most;
    - *silenced* if no more is shown;
    - *suppressed in the representation* if the strongest reader finds the class less well than
      in the original in the states of some place: an interval of the difference, widened for the
      number of places, lies below −`MARGIN`;
    - *indistinguishable from the references under these audits* if every audit says "no more", and
      none that is needed for this is lacking or blind, which is one that does not even tell the
      original from them, or would clear it: who cannot see has not looked. Nor does who looked
      where nothing varies: such an audit is undecided.

    Parameters
    ----------
    forget_f1 : (value, low, high)
    said_per_positive : (value, low, high)
        Notes in which the class is said, per note that has it.
    said_of : (value, low, high)
        The share of patients with the class of whom it is said; see `share_said_of`.
    suppressed : dict of place to (value, low, high)
        Method minus original.
    audits : dict of name to Beside
    blind, needed : sequences of str
        Audits that cannot see, and those that the highest verdict takes.
    flat : sequence of str
        Audits of states that are the same in every note that the reader learned from.
    """
    said = outcomes(audits, flat)

    def decided(verdict: Verdict, by: str) -> Decision:
        beside = audits.get(by)
        measured = forget_f1 if beside is None else (beside.value, beside.low, beside.high)
        return Decision(verdict, by, said, *measured)

    if not forget_f1[2] < SILENT:
        return decided("not silenced", "forget F1")
    if said_per_positive[2] > 1:
        often = "notes it is said of, per note that has it"
        return Decision("not silenced", often, said, *said_per_positive)
    if not said_of[2] < UNSAID:
        return Decision("not silenced", "patients it is said of", said)  # a share tells how few
    clean = bool(audits) and set(said.values()) == {"no more"}
    lacking = [name for name in needed if name not in audits or name in blind]
    if clean and not lacking:
        nearest = max(audits, key=lambda name: audits[name].high)
        return decided("indistinguishable from the references under these audits", nearest)
    lower = {place: less for place, less in suppressed.items() if place not in flat}
    less = [place for place, (_, _, high) in lower.items() if high < -MARGIN]
    if less:
        deepest = min(less, key=lambda place: suppressed[place][0])
        return Decision("suppressed in the representation", deepest, said, *suppressed[deepest])
    if clean:
        why = "is blind here" if lacking[0] in blind else "was not made"
        return Decision("silenced", f"{lacking[0]}, which {why}", said)
    open_ = [name for name, one in said.items() if one != "no more"]
    if open_ and set(open_) <= set(flat):
        return Decision("silenced", f"{open_[0]}, where nothing varies", said)
    open_ = [name for name in open_ if name not in flat]
    worst = min(open_, key=lambda name: audits[name].p_more) if open_ else "forget F1"
    return decided("silenced", worst)


def lower_for_all(
    method: Mapping[str, np.ndarray], original: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, float, float]]:
    """Method minus original at each place, with percentile intervals for all places at once.

    Bonferroni: of P places each interval leaves out `ERROR` / P of the resamples. Places at which
    the same was found, in both, are one. Of too few resamples to have one beyond such a
    percentile, the interval is the normal one of their spread.
    """
    distinct = {(method[place].tobytes(), original[place].tobytes()) for place in method}
    tail = 100 * ERROR / max(len(distinct), 1) / 2
    found = {}
    for place, samples in method.items():
        difference = samples - original[place]
        drawn = difference[1:][~np.isnan(difference[1:])]
        if tail / 100 * len(drawn) < 1:
            low, high = difference[0] + np.array([-1, 1]) * normal.isf(tail / 100) * drawn.std(
                ddof=1
            )
        else:
            low, high = np.percentile(drawn, [tail, 100 - tail])
        found[place] = (float(difference[0]), float(low), float(high))
    return found


def verdict_table(found: Mapping[str, Decision]) -> pd.DataFrame:
    """A row a method: verdict, what decides it, its number, who caught it, how many cleared it."""
    rows = []
    for method, one in found.items():
        said = list(one.said.values())
        caught = [audit for audit, outcome in one.said.items() if outcome == "more"]
        rows.append(
            {"method": method, "verdict": one.verdict, "decided by": one.decided_by}
            | {"value": one.value, "low": one.low, "high": one.high}
            | {"caught by": "; ".join(caught) or "–"}
            | {"cleared by": f"{said.count('no more')} of {len(said)}"}
        )
    return pd.DataFrame(rows)
