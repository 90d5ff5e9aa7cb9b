"""The ledger: what the paper says, what was measured here, and whether the two agree.

Numbers of the paper carry a grade: [A] its abstract, [D] a secondary digest of its text that may
contain errors, [I] arithmetic done here. Verdicts are computed from measured rows, never typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd

Verdict = Literal["holds", "does not hold", "mixed", "not tested here"]

SILENT = 0.05  # a forget F1 below this counts as "no longer predicted"
MARGIN = 0.02  # a score that differs by less than this counts as the same
NEAR = 1.1  # a divergence of fewer times another counts as the same
CHANCE = 0.6  # an AUROC below this counts as near to chance
DENSE = ("direct_suppression", "gradient_ascent", "influence_weighted")
READINGS = ("relabelled", "dropped", "masked")
COUNTED = ("log_odds", "chi2", "tfidf", "mutual_information")
TOW, JS_RETAIN = "tow_relabelled", "js_retain_relabelled"

Values = dict[tuple[str, str], float]  # of one seed, by method and metric

PAPER = pd.DataFrame(
    [
        ("steu", "forget_f1", 0.0004, "A"),
        ("steu", "retain_macro_f1", 0.4766, "A"),
        ("steu", "parameters_share", 0.0019, "A"),
        ("steu", "parameters_changed", 201_216, "I"),
        ("embedding_only", "forget_f1", 0.276, "D"),
        ("direct_suppression", "forget_f1", 0.0, "D"),
        ("direct_suppression", "retain_macro_f1", 0.4912, "D"),
        ("direct_suppression", "parameters_share", 0.196, "D"),
        ("direct_suppression", "parameters_changed", 21_263_616, "I"),
        ("gradient_ascent", "forget_f1", 0.0, "D"),
        ("gradient_ascent", "parameters_share", 0.196, "D"),
        ("gradient_ascent", "parameters_changed", 21_263_616, "I"),
        ("influence_weighted", "forget_f1", 0.0, "D"),
        ("influence_weighted", "parameters_share", 0.196, "D"),
        ("influence_weighted", "parameters_changed", 21_263_616, "I"),
    ],
    columns=["method", "metric", "value", "grade"],
)


@dataclass(frozen=True)
class Statement:
    """Something the paper says, or this book adds, and how the results of one seed speak to it."""

    claim: str
    grade: str
    paper: str
    page: str
    statistic: Callable[[Values], float]  # of the values of one seed
    holds: Callable[[float], bool]  # of its mean over seeds


@dataclass(frozen=True)
class Claim:
    """One row of the ledger."""

    claim: str
    grade: str
    paper: str
    measured: str
    verdict: Verdict
    page: str


STATEMENTS = (
    Statement(
        "STEU stops the model from predicting the class",
        "A",
        "forget F1 0.0004 (MIMIC-IV, BioClinicalBERT, one seed)",
        "notebooks/04_unlearning",
        lambda values: values["steu", "forget_f1"],
        lambda value: value < SILENT,
    ),
    Statement(
        "the other classes keep their F1",
        "A",
        "retained average F1 0.4766; the original model's is not known",
        "notebooks/04_unlearning",
        lambda values: values["steu", "retain_macro_f1"] - values["original", "retain_macro_f1"],
        lambda difference: difference > -MARGIN,
    ),
    Statement(
        "the edit changes a small share of the parameters (under 1 %)",
        "A",
        "0.19 % (201K of BioClinicalBERT's)",
        "notebooks/04_unlearning",
        lambda values: values["steu", "parameters_share"],
        lambda share: share < 0.01,
    ),
    Statement(
        "embedding rows alone do not suffice: the head has to move too",
        "D",
        "forget F1 0.276 without the head; that the head has to move is our reading of it",
        "notebooks/04_unlearning",
        lambda values: values["embedding_only", "forget_f1"],
        lambda value: value >= SILENT,
    ),
    Statement(
        "beyond the paper: one number, the bias of the class, is enough for a forget F1 near 0",
        "–",
        "the null edit is not reported",
        "notebooks/04_unlearning",
        lambda values: values["null", "forget_f1"],
        lambda value: value < SILENT,
    ),
    Statement(
        "beyond the paper: training the head alone stops the class from being predicted too",
        "–",
        "the head alone is not reported",
        "notebooks/04_unlearning",
        lambda values: values["head_only", "forget_f1"],
        lambda value: value < SILENT,
    ),
    Statement(
        "beyond the paper: STEU erases more than training the head alone (linear probe)",
        "–",
        "probes are not reported",
        "notebooks/04_unlearning",
        lambda values: values["head_only", "probe_auroc"] - values["steu", "probe_auroc"],
        lambda difference: difference > MARGIN,
    ),
    Statement(
        "beyond the paper: a linear probe finds the class after STEU no better than in whichever "
        "retrained model tells it least",
        "–",
        "probes and retrained models are not reported",
        "notebooks/05b_references",
        lambda values: (
            values["steu_tuned", "probe_auroc"]
            - min(values[f"reference_{reading}", "probe_auroc"] for reading in READINGS)
        ),
        lambda difference: difference < MARGIN,
    ),
    Statement(
        "every baseline that edits the encoder silences the class too",
        "D",
        "forget F1 0.0000 for all three",
        "notebooks/05_baselines",
        lambda values: max(values[rival, "forget_f1"] for rival in DENSE),
        lambda value: value < SILENT,
    ),
    Statement(
        "STEU retains more than every baseline that edits the encoder",
        "D",
        "0.4766 against 0.4912 for direct suppression: the digest contradicts itself",
        "notebooks/05_baselines",
        lambda values: (
            values["steu_tuned", "retain_macro_f1"]
            - max(values[rival, "retain_macro_f1"] for rival in DENSE)
        ),
        lambda difference: difference > 0,
    ),
    Statement(
        "beyond the paper: tokens chosen by PMI erase more than as many random ones (probe)",
        "–",
        "no other choice of tokens is reported",
        "notebooks/05_baselines",
        lambda values: values["random_tokens", "probe_auroc"] - values["steu_tuned", "probe_auroc"],
        lambda difference: difference > MARGIN,
    ),
    Statement(
        "beyond the paper: PMI erases more than any other score that counts tokens (probe)",
        "–",
        "no other score is reported",
        "notebooks/06b_selectors",
        lambda values: (
            min(values[f"selector_{rival}", "probe_auroc"] for rival in COUNTED)
            - values["selector_pmi", "probe_auroc"]
        ),
        lambda difference: difference > 0,
    ),
    Statement(
        "beyond the paper: the tokens that are not edited no longer tell the class (AUROC < 0.6)",
        "–",
        "what other tokens tell is not reported",
        "notebooks/06b_selectors",
        lambda values: values["selector_pmi", "lexical_remainder_auroc"],
        lambda value: value < CHANCE,
    ),
    Statement(
        "beyond the paper: STEU comes nearer to a retrained model than the null edit (Tug-of-War)",
        "–",
        "no retrained model is reported",
        "notebooks/05b_references",
        lambda values: values["steu_tuned", TOW] - values["null", TOW],
        lambda difference: difference > MARGIN,
    ),
    Statement(
        "beyond the paper: on the other classes STEU is as near to a retrained model as the "
        f"original was (Jensen-Shannon divergence, less than {NEAR:g} times the original's)",
        "–",
        "no retrained model is reported",
        "notebooks/05b_references",
        lambda values: values["steu_tuned", JS_RETAIN] / values["original", JS_RETAIN],
        lambda ratio: ratio < NEAR,
    ),
)


def seed_summary(results: pd.DataFrame) -> pd.DataFrame:
    """Mean over training seeds with the smallest and largest seed; n is the number of seeds.

    One row a dataset, backbone, forget_label, method, metric, label and n_tokens of the test split.
    """
    keys = ["dataset", "backbone", "forget_label", "method", "n_tokens", "metric", "label"]
    seeded = results[results["seed"].notna() & results["split"].isin(["test", None])]
    seeded = seeded[seeded["value"].notna()]
    grouped = seeded.groupby(keys, dropna=False, sort=False)["value"]
    summary = grouped.agg(value="mean", low="min", high="max", n="count")
    return summary.reset_index()


def ledger(results: pd.DataFrame) -> list[Claim]:
    """Judge every statement on each dataset, backbone and class of a results table."""
    seeded = results[results["seed"].notna() & results["split"].isin(["test", None])]
    cells = {
        ", ".join(map(str, cell)): [_values(part) for _, part in rows.groupby("seed")]
        for cell, rows in seeded.groupby(["dataset", "backbone", "forget_label"], sort=False)
    }
    return [_judge(statement, cells) for statement in STATEMENTS]


def as_records(claims: list[Claim]) -> list[dict[str, str]]:
    """The ledger as JSON values."""
    return [asdict(claim) for claim in claims]


def _values(rows: pd.DataFrame) -> Values:
    """The numbers of one seed by method and metric; of several token counts the largest."""
    last = rows.sort_values("n_tokens").drop_duplicates(["method", "metric"], keep="last")
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
        statement.claim,
        statement.grade,
        statement.paper,
        "; ".join(measured) or "–",
        verdict,
        statement.page,
    )


def _statistic(statement: Statement, values: Values) -> float | None:
    try:
        return statement.statistic(values)
    except KeyError:
        return None
