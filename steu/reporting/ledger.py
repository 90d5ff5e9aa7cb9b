"""The ledger: what the paper says, what was measured here, and whether the two agree.

Verdicts are computed from measured records, never typed, and by intervals: a statement holds where
the whole interval of its statistic is on the right side of the limit, and does not where all of it
is on the wrong side. What lies across is undecided, however the mean falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from steu.reporting.statements import STATEMENTS, Number, Statement

Verdict = Literal["holds", "does not hold", "undecided", "mixed", "not tested here"]
Values = dict[Number, tuple[float, float]]  # of one seed: value, standard error over patients

DRAWS = 2000  # of what other patients and seeds might have given
NORMAL = 1.96  # half a 95 % interval in standard errors


@dataclass(frozen=True)
class Claim:
    """One row of the ledger."""

    key: str
    claim: str
    grade: str
    paper: str
    measured: str
    verdict: Verdict
    page: str


def seed_summary(results: pd.DataFrame) -> pd.DataFrame:
    """Mean over training seeds with the smallest and largest seed; n is the number of seeds.

    One row a dataset, backbone, forget_label, method, n_tokens, n_rows, head, metric and label of
    the test split.
    """
    keys = ["dataset", "backbone", "forget_label", "method", "n_tokens", "n_rows", "head"]
    keys += ["metric", "label"]
    grouped = _measured(results).groupby(keys, dropna=False, sort=False)["value"]
    summary = grouped.agg(value="mean", low="min", high="max", n="count")
    return summary.reset_index()


def ledger(results: pd.DataFrame, statements: Iterable[Statement] = STATEMENTS) -> dict[str, Claim]:
    """Judge every statement on each dataset, backbone and class of a results table.

    Returns
    -------
    dict
        The claims by the keys of their statements, in order.

    Raises
    ------
    ValueError
        If two statements have one key.
    """
    keys = ["dataset", "backbone", "forget_label"]
    cells = {
        ", ".join(map(str, cell)): [_values(one) for _, one in records.groupby("seed")]
        for cell, records in _measured(results).groupby(keys, sort=False)
    }
    claims: dict[str, Claim] = {}
    for statement in statements:
        if statement.key in claims:
            raise ValueError(
                f"two statements have the key {statement.key!r}; give each one of its own"
            )
        claims[statement.key] = _judge(statement, cells)
    return claims


def as_records(claims: dict[str, Claim]) -> list[dict[str, str]]:
    """The ledger as JSON values."""
    return [asdict(claim) for claim in claims.values()]


def _measured(results: pd.DataFrame) -> pd.DataFrame:
    """The records of a training seed that are of the test split, or of none, and have a value."""
    tested = results["split"].isin(["test", None])
    return results[results["seed"].notna() & tested & results["value"].notna()]


def _values(records: pd.DataFrame) -> Values:
    """The numbers of one seed by method and metric; of several token counts the largest."""
    last = records.sort_values("n_tokens").drop_duplicates(["method", "metric"], keep="last")
    errors = ((last["high"] - last["low"]) / (2 * NORMAL)).fillna(0.0)  # none: an exact number
    numbers = zip(last["value"], errors, strict=True)
    return dict(zip(zip(last["method"], last["metric"], strict=True), numbers, strict=True))


def _judge(statement: Statement, cells: dict[str, list[Values]]) -> Claim:
    """The statistic's interval in each cell beside the limit; the verdict is the cells' together.

    Seeds that lack one of the numbers do not count: some stages run with the first seed only.
    """
    measured, outcomes = [], set()
    for cell, seeds in cells.items():
        known = [seed for seed in seeds if all(number in seed for number in statement.needs)]
        if not known:
            continue
        value, low, high = interval_of(statement, known)
        note = "" if len(known) > 1 else " (one seed)"
        measured.append(f"{cell}: {value:.3f} [{low:.3f}, {high:.3f}]{note}")
        outcomes.add(_outcome(statement, low, high))
    return Claim(
        statement.key,
        statement.claim,
        statement.grade,
        statement.paper,
        "; ".join(measured) or "–",
        _together(outcomes),
        statement.page,
    )


def _outcome(statement: Statement, low: float, high: float) -> Verdict:
    if statement.above < low and high < statement.below:
        return "holds"
    if high <= statement.above or statement.below <= low:
        return "does not hold"
    return "undecided"


def _together(outcomes: set[Verdict]) -> Verdict:
    """What several data say: what all of them say; "mixed" where one bears out and one refutes."""
    if {"holds", "does not hold"} <= outcomes:
        return "mixed"
    if "undecided" in outcomes:
        return "undecided"
    return outcomes.pop() if outcomes else "not tested here"


def interval_of(statement: Statement, seeds: Sequence[Values]) -> tuple[float, float, float]:
    """The statistic's mean over seeds with its 95 % interval, over other patients and other seeds.

    Patients: each number that is needed moves by its standard error from the patient bootstrap, in
    all seeds together, for their test notes are the same. The numbers move independently of each
    other, which for a difference of two on the same patients claims too much error, never too
    little. Seeds: the mean of m statistics moves by s/√m times Student's t with m − 1 degrees of
    freedom; one seed says nothing of others, so there the interval is of patients alone.

    A statement whose statistic lies at the limit is called one way or the other with a probability
    of 5 % at most; the tests simulate that.
    """
    generator = np.random.default_rng(0)
    shared = {number: generator.standard_normal(DRAWS) for number in statement.needs}
    centre = np.array([_statistic(statement, seed, {}) for seed in seeds])
    drawn = np.mean(
        [
            [
                _statistic(statement, seed, {n: z[d] for n, z in shared.items()})
                for d in range(DRAWS)
            ]
            for seed in seeds
        ],
        axis=0,
    )
    m = len(seeds)
    if m > 1:
        drawn = drawn + centre.std(ddof=1) / np.sqrt(m) * generator.standard_t(m - 1, DRAWS)
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")  # a ratio may be infinite
    return float(centre.mean()), float(low), float(high)


def _statistic(statement: Statement, seed: Values, moved: dict[Number, float]) -> float:
    """Of one seed, each number moved by so many of its standard errors."""
    numbers = (
        seed[number][0] + moved.get(number, 0.0) * seed[number][1] for number in statement.needs
    )
    return statement.statistic(*numbers)
