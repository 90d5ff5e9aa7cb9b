"""The ledger: what the paper says, what was measured here, and whether the two agree.

Verdicts are computed from measured records, never typed, and by intervals: a statement holds where
the whole interval of its statistic is on the right side of the limit, and does not where all of it
is on the wrong side. What lies across is undecided, however the mean falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

from steu.evaluation.results import BESIDE
from steu.evaluation.verdicts import FEWEST
from steu.reporting.statements import AUDITED, STATEMENTS, Number, Statement

Verdict = Literal[
    "holds", "does not hold", "undecided", "mixed", "fails on some data", "not tested here"
]
Values = dict[Number, tuple[float, float]]  # of one seed: value, standard error over patients
Spreads = Mapping[str, tuple[float, int]]  # by metric: deviation between seeds, and its freedom
Interval = tuple[float, float, float]  # value, low, high

DRAWS = 2000  # of what other patients and seeds might have given
NORMAL = 1.96  # half a 95 % interval in standard errors
# What no other training seed would change: counts, what rests on notes alone, and verdicts, whose
# intervals count how far seeds lie apart already.
SEEDLESS = {"parameters_changed", "parameters_share", "bytes_stored", "lexical_remainder_auroc"}
SEEDLESS |= {AUDITED}
SILENCE = "forget_f1"  # says too little where hardly anybody has the class
SCORES = ("_f1", "_auroc")  # how metrics end that lie between 0 and 1
BARE = {"parameters_changed", "parameters_share", "bytes_stored", "seconds", "peak_memory_bytes"}
ERROR = 0.05  # of calling a statement one way or the other whose statistic lies at its limit


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


@dataclass(frozen=True)
class Cell:
    """What was measured on one dataset, backbone and class: seed by seed, and how seeds differ."""

    seeds: list[Values]
    spreads: Spreads
    few: bool = False  # whether too few test notes have the class for silence to say anything

    @classmethod
    def of(cls, records: pd.DataFrame, *, few: bool = False) -> Cell:
        """From the records of the cell."""
        seeds = [_values(one) for _, one in records.groupby("seed")]
        return cls(seeds, spreads_of(records), few)


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
    few = _few(results)
    cells = {
        ", ".join(map(str, cell)): Cell.of(records, few=(cell[0], cell[2]) in few)
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


def _few(results: pd.DataFrame) -> set[tuple[str, str]]:
    """Datasets and classes that fewer than `FEWEST` test notes have, or too few to be counted.

    Then fewer patients have it too, and a model that says it of some would look silent among them.
    """
    of_test = results[results["metric"].eq("prevalence") & results["split"].eq("test")]
    positives = (of_test["value"] * of_test["n"].astype(float)).round()
    few = of_test[~(positives >= FEWEST)]
    return set(zip(few["dataset"], few["label"], strict=True))


def _measured(results: pd.DataFrame) -> pd.DataFrame:
    """The records of a training seed that are of the test split, or of none, and have a value."""
    tested = results["split"].isin(["test", None])
    return results[results["seed"].notna() & tested & results["value"].notna()]


def _values(records: pd.DataFrame) -> Values:
    """The numbers of one seed by method and metric; of several token counts the largest.

    What patients have a part in and comes without an interval is not known well enough to count.
    """
    last = records.sort_values("n_tokens").drop_duplicates(["method", "metric"], keep="last")
    last = last[last["low"].notna() | last["metric"].isin(BARE)]
    errors = ((last["high"] - last["low"]) / (2 * NORMAL)).fillna(0.0)
    numbers = zip(last["value"], errors, strict=True)
    return dict(zip(zip(last["method"], last["metric"], strict=True), numbers, strict=True))


def spreads_of(records: pd.DataFrame) -> dict[str, tuple[float, int]]:
    """How far training seeds lie apart in each metric: standard deviation, degrees of freedom.

    The median over the methods that ran with several seeds and differed; where none did, that of
    the retrained references, of which there are three at least. A metric that has neither is left
    out. Who answers alike with every seed, as one that is always silent has an F1 of 0, says
    nothing of the seeds of those that do not. A difference
    between two models varies by the root of two of what each does, as if their seeds had nothing to
    do with each other.
    """
    kinds = ["metric", "method", "n_tokens", "n_rows", "head", "label"]
    by_method = records.groupby(kinds, dropna=False)["value"].agg(["std", "count"])
    varies = by_method["std"].round(9) > 0
    several = by_method[(by_method["count"] > 1) & varies].groupby("metric")
    retrained = records[records["method"].str.startswith("reference_", na=False)]
    apart = retrained.groupby(["metric", "seed"])["value"].agg(["std", "count"])
    models = apart[(apart["count"] > 2) & (apart["std"].round(9) > 0)].groupby("metric")
    spreads = {
        str(metric): (float(part["std"].median()), int(part["count"].min()) - 1)
        for found in (models, several)
        for metric, part in found
    }
    for pair in set(records["metric"]):
        metric, beside, _ = pair.partition(BESIDE)
        if beside and metric in spreads:
            deviation, freedom = spreads[metric]
            spreads[pair] = np.sqrt(2) * deviation, freedom
    return spreads


def _judge(statement: Statement, cells: Mapping[str, Cell]) -> Claim:
    """The statistic's interval in each cell beside the limit; the verdict is the cells' together.

    Seeds that lack one of the numbers do not count: some stages run with the first seed only. That
    the class falls silent is undecided where fewer than `FEWEST` test notes have it.
    """
    measured, outcomes = [], set()
    asked = (*statement.needs, *statement.against)
    for name, cell in cells.items():
        known = [seed for seed in cell.seeds if all(number in seed for number in asked)]
        if not known:
            continue
        outcome, found = _of_cell(statement, known, cell.spreads)
        note = "" if len(known) > 1 else " (one seed)"
        if cell.few and any(metric == SILENCE for _, metric in asked):
            outcome, note = "undecided", f"{note} (fewer than {FEWEST} test notes have the class)"
        measured.append(f"{name}: {_in_words(statement, outcome, found)}{note}")
        outcomes.add(outcome)
    return Claim(
        statement.key,
        statement.claim,
        statement.grade,
        statement.paper,
        "; ".join(measured) or "–",
        _together(outcomes),
        statement.page,
    )


def _in_words(statement: Statement, outcome: Verdict, found: Interval) -> str:
    """The statistic with its interval; of a verdict what it says, for its number is a code."""
    if any(metric == AUDITED for _, metric in statement.needs):
        told = {"holds": "not told apart", "does not hold": "told apart"}
        return told.get(outcome, "the audits leave it open")
    value, low, high = (f"{number:z{statement.written}}" for number in found)
    return f"{value} [{low}, {high}]" if low != high else value


def _of_cell(
    statement: Statement, seeds: Sequence[Values], spreads: Spreads
) -> tuple[Verdict, Interval]:
    """What one cell says, and the interval beside the rival that bears the statement out least.

    Beside several rivals it holds where it does beside each, which takes no correction, and does
    not where it fails beside one, by an interval for all of them at once (Bonferroni).
    """
    several = max(len(statement.against), 1)
    alone = [statement.needs] if not statement.against else []
    numbers = alone + [(*statement.needs, rival) for rival in statement.against]
    found = [interval_of(statement, seeds, of, spreads=spreads) for of in numbers]
    wide = [
        interval_of(statement, seeds, of, spreads=spreads, error=ERROR / several)
        for of in numbers
        if several > 1
    ]
    worst = (max if statement.below < np.inf else min)(found)
    if len(seeds) == 1 and _unknown(numbers, spreads):
        return "undecided", worst
    if all(_outcome(statement, low, high) == "holds" for _, low, high in found):
        return "holds", worst
    if any(_outcome(statement, low, high) == "does not hold" for _, low, high in wide or found):
        return "does not hold", worst
    return "undecided", worst


def _unknown(asked: Iterable[Sequence[Number]], spreads: Spreads) -> bool:
    """Whether a number could be another with another seed, and nobody knows by how much."""
    return any(n[1] not in SEEDLESS and n[1] not in spreads for numbers in asked for n in numbers)


def _outcome(statement: Statement, low: float, high: float) -> Verdict:
    if statement.above < low and high < statement.below:
        return "holds"
    if high <= statement.above or statement.below <= low:
        return "does not hold"
    return "undecided"


def _together(outcomes: set[Verdict]) -> Verdict:
    """What several data say: what all of them say.

    Where one refutes, the others do not undo it: "mixed" if one bears out, else "fails on some
    data". Where none does and one is open, the whole is.
    """
    if {"holds", "does not hold"} <= outcomes:
        return "mixed"
    if {"does not hold", "undecided"} <= outcomes:
        return "fails on some data"
    if "undecided" in outcomes:
        return "undecided"
    return outcomes.pop() if outcomes else "not tested here"


def interval_of(
    statement: Statement,
    seeds: Sequence[Values],
    numbers: Sequence[Number] = (),
    *,
    spreads: Spreads | None = None,
    error: float = ERROR,
) -> Interval:
    """The statistic's mean over seeds with an interval over other patients and other seeds.

    Patients: each number that is needed moves by its standard error from the patient bootstrap, in
    all seeds together, for their test notes are the same. Differences are recorded as such,
    taken in the same resamples; the two numbers of a ratio move independently of each other,
    which on the same patients claims too much error, never too little. Seeds: the mean of m
    statistics moves by s/√m times Student's t with m − 1 degrees of freedom. One seed says
    nothing of others: there each number moves by how far seeds lie apart elsewhere in its
    metric (`spreads_of`), unless no seed has a part in it (`SEEDLESS`).

    A statement whose statistic lies at the limit is called one way or the other with a probability
    of 5 % at most; the tests simulate that. Not so an F1 of 0 in every resample: it has no error
    over patients, and is said of those that were looked at; `recall_not_excluded` says what it
    leaves open of others.

    Parameters
    ----------
    numbers : sequence of (method, metric)
        What the statistic takes; default: what the statement needs.
    error : float
        What the interval leaves out.
    """
    numbers, m = numbers or statement.needs, len(seeds)
    generator = np.random.default_rng(0)
    moved = {n: generator.standard_normal(DRAWS) for n in numbers}
    apart = dict.fromkeys(numbers, np.zeros(DRAWS))
    if m == 1:
        for number in numbers:
            deviation, freedom = (spreads or {}).get(number[1], (0.0, 1))
            moves = number[1] not in SEEDLESS
            apart[number] = moves * deviation * generator.standard_t(freedom, DRAWS)

    centre, drawn_each = [], []
    for seed in seeds:
        centre.append(statement.statistic(*(seed[n][0] for n in numbers)))
        draws = (seed[n][0] + moved[n] * seed[n][1] + apart[n] for n in numbers)
        drawn_each.append(statement.statistic(*draws))
    centre, drawn = np.array(centre, float), np.mean(drawn_each, axis=0)
    if m > 1 and np.isfinite(centre).all():  # a ratio to nothing is infinite with any seed
        drawn = drawn + centre.std(ddof=1) / np.sqrt(m) * generator.standard_t(m - 1, DRAWS)
    tail = 100 * error / 2  # a ratio may be infinite: no mean of two draws is taken
    low, high = np.percentile(drawn, [tail, 100 - tail], method="nearest")
    if statement.statistic is np.asarray and all(m.endswith(SCORES) for _, m in numbers):
        low, high = np.clip([low, high], 0.0, 1.0)  # no F1 and no AUROC lies outside
    return float(centre.mean()), float(low), float(high)
