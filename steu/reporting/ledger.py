"""The ledger: what the paper says, what was measured here, and whether the two agree.

Verdicts are computed from measured records, never typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from steu.reporting.statements import STATEMENTS, Number, Statement

Verdict = Literal["holds", "does not hold", "mixed", "not tested here"]
Values = dict[Number, float]  # of one seed


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

    One row a dataset, backbone, forget_label, method, metric, label and n_tokens of the test split.
    """
    keys = ["dataset", "backbone", "forget_label", "method", "n_tokens", "metric", "label"]
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
    return dict(zip(zip(last["method"], last["metric"], strict=True), last["value"], strict=True))


def _judge(statement: Statement, cells: dict[str, list[Values]]) -> Claim:
    """Mean and range of the statistic over seeds in each cell; the verdict is the cells' together.

    Seeds that lack one of the numbers do not count: some stages run with the first seed only.
    """
    measured, outcomes = [], set()
    for cell, seeds in cells.items():
        values = np.array([v for seed in seeds if (v := _statistic(statement, seed)) is not None])
        if not len(values):
            continue
        spread = f"[{values.min():.3f}, {values.max():.3f}]" if len(values) > 1 else "(one seed)"
        measured.append(f"{cell}: {values.mean():.3f} {spread}")
        outcomes.add(bool(statement.holds(float(values.mean()))))
    verdict: Verdict = "mixed" if len(outcomes) == 2 else "not tested here"
    if len(outcomes) == 1:
        verdict = "holds" if outcomes.pop() else "does not hold"
    return Claim(
        statement.key,
        statement.claim,
        statement.grade,
        statement.paper,
        "; ".join(measured) or "–",
        verdict,
        statement.page,
    )


def _statistic(statement: Statement, values: Values) -> float | None:
    """None if a number is absent: the stage that measures it was not run."""
    if any(number not in values for number in statement.needs):
        return None
    return statement.statistic(*(values[number] for number in statement.needs))
