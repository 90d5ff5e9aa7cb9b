"""The guide's tables, one a dataset: a row a way, dashes where nothing was measured."""

from __future__ import annotations

from typing import Any

import pandas as pd

from steu.evaluation.results import COLUMNS, tagged
from steu.reporting.request_costs import request_costs


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    tags = {"dataset": "a", "backbone": "b", "forget_label": "sepsis", "split": "test"}
    return pd.DataFrame([tagged([r], **tags)[0] for r in rows], columns=list(COLUMNS))


def test_the_table_shows_the_first_seed_and_leaves_out_what_was_not_measured() -> None:
    other = {"forget_label": "stroke"}  # of the page on every class
    auc = {"metric": "reader_auroc_head", "value": 0.744, "low": 0.68, "high": 0.80}
    found = request_costs(
        table(
            {"seed": 0, "method": "steu_e", "metric": "seconds", "value": 12.44},
            {"seed": 0, "method": "steu_e", "metric": "parameters_changed", "value": 100614},
            {"seed": 0, "method": "steu_e", **auc},
            {"seed": 1, "method": "steu_e", "metric": "seconds", "value": 99.0},
            {"seed": 0, "method": "steu_e", "metric": "seconds", "value": 99.0} | other,
            {"seed": 0, "method": "reference_relabelled", **auc},
        ),
        training_seconds={"a": 189.8, "c": 2.0},
    )
    lines = dict(line.strip("| ").split(" | ", 1) for line in found.splitlines() if " | " in line)
    assert lines["STEU-E"] == "100,614 | 12.4 | – | 0.74 [0.68, 0.80] | –"
    assert (
        lines["Retrain, the class relabelled as absent"] == "all | 190 | – | 0.74 [0.68, 0.80] | –"
    )
    assert lines["STEU"] == "– | – | – | – | –"
    assert "a, *sepsis*, seed 0" in found and "99" not in found


def test_each_dataset_has_a_table_of_its_own() -> None:
    own = {"seed": 0, "method": "steu", "metric": "forget_f1", "value": 0.0}
    both = table({**own, "method": "null"}, {**own, "method": "null", "seed": 1})
    found = request_costs(pd.concat([both.assign(dataset="z"), both]))
    assert [line.partition(",")[0] for line in found.splitlines() if "seed 0" in line] == ["z", "a"]
    assert "seed 1" not in found


def test_what_no_page_reads_because_it_is_the_originals_is_the_originals() -> None:
    """The null edit and head only leave what the head reads as it was."""
    auc = {"metric": "reader_auroc_head", "value": 0.92, "low": 0.86, "high": 0.97}
    found = request_costs(table({"seed": 0, "method": "original", **auc}))
    lines = dict(line.strip("| ").split(" | ", 1) for line in found.splitlines() if " | " in line)
    for way in ("Leave it", "Null edit, or a filter", "Head only"):
        assert lines[way] == "– | – | – | 0.92 [0.86, 0.97] | –"
    assert lines["STEU"] == "– | – | – | – | –"


def test_a_run_without_these_numbers_has_no_table() -> None:
    assert request_costs(table()) == "This run measured none of them.\n"
