"""The ledger: what the paper says, what was measured here, and whether the two agree.

Numbers of the paper carry a grade: [A] its abstract, [D] a secondary digest of its text that may
contain errors, [I] arithmetic done here. Verdicts are computed from measured rows, never typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

Verdict = Literal["holds", "does not hold", "mixed", "not tested here"]

SILENT = 0.05  # a forget F1 below this counts as "no longer predicted"
MARGIN = 0.02  # a retained score that falls by more than this counts as lost

PAPER = pd.DataFrame(
    [
        ("steu", "forget_f1", 0.0004, "A"),
        ("steu", "retain_macro_f1", 0.4766, "A"),
        ("steu", "parameters_changed", 201_216, "I"),
        ("embedding_only", "forget_f1", 0.276, "D"),
        ("direct_suppression", "forget_f1", 0.0, "D"),
        ("direct_suppression", "retain_macro_f1", 0.4912, "D"),
        ("direct_suppression", "parameters_changed", 21_263_616, "I"),
        ("gradient_ascent", "forget_f1", 0.0, "D"),
        ("gradient_ascent", "parameters_changed", 21_263_616, "I"),
        ("influence_weighted", "forget_f1", 0.0, "D"),
        ("influence_weighted", "parameters_changed", 21_263_616, "I"),
    ],
    columns=["method", "metric", "value", "grade"],
)


@dataclass(frozen=True)
class Claim:
    """One row of the ledger."""

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
    seeded = results[results["seed"].notna() & results["split"].isin(["test", None])]
    seeded = seeded[seeded["value"].notna()]
    grouped = seeded.groupby(keys, dropna=False, sort=False)["value"]
    summary = grouped.agg(value="mean", low="min", high="max", n="count")
    return summary.reset_index()


def ledger(summary: pd.DataFrame) -> list[Claim]:
    """Judge each claim on every dataset and backbone of a `seed_summary`."""
    return [
        _judge(
            summary,
            "STEU stops the model from predicting the class",
            "A",
            "forget F1 0.0004 (MIMIC-IV, BioClinicalBERT, one seed)",
            lambda cell: (cell["steu", "forget_f1"], cell["steu", "forget_f1"] < SILENT),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "the other classes keep their F1",
            "A",
            "retained average F1 0.4766; the original model's is not known",
            lambda cell: _difference(cell, "retain_macro_f1", "steu", "original", MARGIN),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "embedding rows alone do not suffice: the head has to move too",
            "D",
            "forget F1 0.276 without the head",
            lambda cell: (
                cell["embedding_only", "forget_f1"],
                cell["embedding_only", "forget_f1"] >= SILENT,
            ),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "beyond the paper: one number, the bias of the class, is enough for a forget F1 near 0",
            "–",
            "the null edit is not reported",
            lambda cell: (cell["null", "forget_f1"], cell["null", "forget_f1"] < SILENT),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "beyond the paper: STEU erases more than training the head alone (linear probe)",
            "–",
            "probes are not reported",
            lambda cell: _difference(cell, "probe_auroc", "head_only", "steu", -MARGIN),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "beyond the paper: after STEU a linear probe no longer finds the class (AUROC < 0.6)",
            "–",
            "probes are not reported",
            lambda cell: (cell["steu", "probe_auroc"], cell["steu", "probe_auroc"] < 0.6),
            "notebooks/04_unlearning",
        ),
        _judge(
            summary,
            "STEU retains more than every baseline that edits the encoder",
            "D",
            "0.4766 against 0.4912 for direct suppression: the digest contradicts itself",
            lambda cell: _difference(
                cell, "retain_macro_f1", "steu_tuned", "direct_suppression", 0.0
            ),
            "notebooks/05_baselines",
        ),
        _judge(
            summary,
            "beyond the paper: tokens chosen by PMI erase more than as many random ones (probe)",
            "–",
            "no other choice of tokens is reported",
            lambda cell: _difference(cell, "probe_auroc", "random_tokens", "steu_tuned", -MARGIN),
            "notebooks/05_baselines",
        ),
    ]


def as_records(claims: list[Claim]) -> list[dict[str, str]]:
    """The ledger as JSON values."""
    return [asdict(claim) for claim in claims]


def _judge(
    summary: pd.DataFrame,
    claim: str,
    grade: str,
    paper: str,
    test: Callable[[dict[tuple[str, str], float]], tuple[float, bool]],
    page: str,
) -> Claim:
    """Apply `test` to each dataset and backbone; the verdict is theirs together."""
    measured, outcomes = [], []
    plain = summary[summary["metric"].str.match("forget_|retain_|probe_")]
    keys = ["dataset", "backbone", "forget_label"]
    for (dataset, backbone, label), cell in plain.groupby(keys, sort=False, dropna=False):
        cell = cell.sort_values("n_tokens").drop_duplicates(["method", "metric"], keep="last")
        values: Any = cell.set_index(["method", "metric"])["value"].to_dict()
        try:
            value, holds = test(values)
        except KeyError:
            continue
        measured.append(f"{dataset}, {backbone}, {label}: {value:.3f}")
        outcomes.append(bool(holds))
    verdicts: dict[tuple[bool, ...], Verdict] = {(True,): "holds", (False,): "does not hold"}
    verdict = verdicts.get(tuple(set(outcomes)), "mixed" if outcomes else "not tested here")
    return Claim(claim, grade, paper, "; ".join(measured) or "–", verdict, page)


def _difference(
    cell: dict[tuple[str, str], float], metric: str, first: str, second: str, margin: float
) -> tuple[float, bool]:
    """First minus second, and whether it is more than −margin."""
    value = cell[first, metric] - cell[second, metric]
    return value, value > -margin
