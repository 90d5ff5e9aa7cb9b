"""Page 01 on a restricted table of few patients shows no small number, nor how many are left."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from stubs import ROOT

from steu.reporting.figures import lengths
from steu.workflow.runner import run_notebook


def test_a_small_restricted_table_shows_no_small_number(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(60), "patient": range(60)})
    rows = rows.assign(body=[f"note {i}" for i in range(60)], often=[i % 6 > 0 for i in range(60)])
    rows.assign(seldom=[i % 7 == 0 for i in range(60)]).to_csv(tmp_path / "t.csv", index=False)
    given = {"path": str(tmp_path / "t.csv"), "layout": "table", "restricted": True}
    given["options"] = {"text": "body", "id": "id", "subject": "patient"}
    given |= {"labels": {"columns": ["often", "seldom"]}, "output": str(tmp_path / "out")}
    page = run_notebook(ROOT / "notebooks" / "01_cohort.ipynb", parameters=given)
    told = {}
    for cell in nbformat.read(page, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            data = output.get("data", {})
            shown = next((data[kind] for kind in data if kind.endswith("text/plain")), "")
            told[name or shown.partition("\n")[0]] = shown
    (people,) = (text for head, text in told.items() if "patients in test" in head)
    assert people.count("<NA>") == 6, people  # of 36, 9 and 15 few have a label, or few lack it
    rarest = told["cohort_rarest"], told["cohort_rarest_test"]
    assert rarest == ("'seldom'", "'a hidden number'")


def test_no_bar_of_few_patients_is_drawn() -> None:
    words = np.r_[np.full(30, 100), np.full(12, 200), np.full(9, 300), 1000]
    frame = pd.DataFrame(
        {"length": words, "patient": np.r_[np.arange(30), [0] * 12, np.arange(10)]}
    )
    drawn = {}
    for smallest in (1, 10):
        ax = lengths(frame, Figure().subplots(), smallest=smallest)
        drawn[smallest] = sorted(bar.get_height() for bar in ax.patches if bar.get_height())
    assert drawn == {1: [1, 9, 12, 30], 10: [30]}  # twelve notes of one patient are one patient
