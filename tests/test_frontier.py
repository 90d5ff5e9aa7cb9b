"""What is erased stands against what is kept, each edit once, whoever measured it."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.figure import Figure

from steu.evaluation.results import COLUMNS
from steu.reporting.frontier import frontier, frontier_points


def record(method: str, metric: str, value: float, **more: object) -> dict[str, object]:
    facts = {"method": method, "metric": metric, "split": "test", "value": value}
    return dict.fromkeys(COLUMNS) | facts | {"low": value - 0.1, "high": value + 0.1} | more


@pytest.fixture
def results() -> pd.DataFrame:
    by_rows = [
        record("steu_e_by_rows", metric, value + m / 100, n_tokens=k, n_rows=m)
        for k in (64, 256)
        for m in (8, 1)
        for metric, value in (("reader_auroc_head", 0.6), ("retain_macro_auroc", 0.7))
    ]
    return pd.DataFrame(
        [
            *by_rows,
            record("original", "reader_auroc_head", 0.9, n_tokens=0),
            record("original", "reader_auroc_head", 0.9),  # as another page writes it
            record("original", "retain_macro_auroc", 0.8),
            record("original", "retain_macro_auroc", 0.1, split="validation"),
            record("reference_masked", "reader_auroc_head", 0.7),
            record("reference_masked", "retain_macro_auroc", 0.8, n_tokens=0),
            record("reference_dropped", "reader_auroc_head", 0.75),
            record("reference_seed_100", "reader_auroc_head", 0.65),  # kept what, no page says
            record("steu_by_k", "retain_macro_auroc", 0.8, n_tokens=256),  # which nobody read
            record("steu_by_k", "retain_macro_auroc", 0.8, n_tokens=16),  # no budget of STEU-E's
            record("steu_by_k", "reader_auroc_head", 0.8, n_tokens=16),
            record("steu_by_k", "retain_macro_auroc", 0.78, n_tokens=64),
            record("steu_by_k", "reader_auroc_head", 0.8, n_tokens=64),
            record("every_class_steu", "retain_macro_auroc", 0.99),  # on another line
            record("every_class_steu", "reader_auroc_head", 0.8),
        ]
    )


def test_a_point_is_an_edit_that_was_read_and_measured(results: pd.DataFrame) -> None:
    found = frontier_points(results).set_index(["method", "n_tokens", "n_rows"])
    assert len(found) == 6 and found.index.is_unique
    assert found.loc[("original", 0, 0), ["value", "kept"]].tolist() == [0.9, 0.8]
    assert found.loc[("steu_e_by_rows", 256, 8), ["value", "kept"]].tolist() == pytest.approx(
        [0.68, 0.78]
    )
    assert found.loc[("original", 0, 0), ["kept_low", "kept_high"]].tolist() == pytest.approx(
        [0.7, 0.9]
    )
    by_tokens = found.loc[["steu_by_k"]].index.get_level_values("n_tokens")
    assert by_tokens.tolist() == [64]
    assert "every_class_steu" not in found.index.get_level_values("method")


def test_a_line_for_each_number_of_tokens_and_a_band_of_references(results: pd.DataFrame) -> None:
    ax = frontier(results, Figure().subplots())
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert said == ["retrained", "STEU-E, k = 64", "STEU-E, k = 256", "STEU, by k", "original"]
    assert [text.get_text() for text in ax.texts] == ["1", "8", "1", "8", "64"]
    (band,) = ax.patches
    assert band.get_extents().transformed(ax.transData.inverted()).intervaly == pytest.approx(
        [0.65, 0.75]
    )


def test_an_estimate_beyond_its_interval_is_drawn(results: pd.DataFrame) -> None:
    """As where few resamples were drawn, and all of them say more."""
    results["low"] += 0.15
    frontier(results, Figure().subplots())


def test_a_run_in_which_nothing_was_read_says_so(results: pd.DataFrame) -> None:
    ax = frontier(results[results["metric"] == "retain_macro_auroc"], Figure().subplots())
    assert [text.get_text() for text in ax.texts] == ["not run"]


def test_a_point_that_kept_far_less_stands_at_the_edge_with_its_number(
    results: pd.DataFrame,
) -> None:
    lost = results["n_rows"].eq(1) & results["metric"].eq("retain_macro_auroc")
    far = results.assign(value=results["value"].where(~lost, 0.3))
    ax = frontier(far, Figure().subplots())
    assert [text.get_text() for text in ax.texts] == [
        "1 (kept 0.30)",
        "8",
        "1 (kept 0.30)",
        "8",
        "64",
    ]
    assert ax.get_xlim()[0] > 0.7
