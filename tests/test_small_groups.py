"""Of restricted data no page shows a small number, how many are left, or a share of a few."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from stubs import ROOT
from toys import write_study

from steu._io import write_json
from steu.data.cohort import Cohort
from steu.data.privacy import share_told
from steu.evaluation.results import write_metrics
from steu.reporting.figures import lengths
from steu.workflow.runner import run_notebook


def test_a_small_restricted_table_shows_no_small_number(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(60), "patient": range(60)})
    rows = rows.assign(body=[f"note {i}" for i in range(60)], often=[i % 6 > 0 for i in range(60)])
    rows.assign(seldom=[i % 7 == 0 for i in range(60)]).to_csv(tmp_path / "t.csv", index=False)
    given = {"path": str(tmp_path / "t.csv"), "layout": "table", "restricted": True}
    given["options"] = {"text": "body", "id": "id", "subject": "patient"}
    given |= {"labels": {"columns": ["often", "seldom"]}, "output": str(tmp_path / "out")}
    with pytest.raises(ValueError, match="the validation split is of fewer than 10 patients, and"):
        run_notebook(ROOT / "notebooks" / "01_cohort.ipynb", parameters=given)
    given["fractions"] = [0.6, 0.2, 0.2]
    page = run_notebook(ROOT / "notebooks" / "01_cohort.ipynb", parameters=given)
    told = {}
    for cell in nbformat.read(page, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            data = output.get("data", {})
            shown = next((data[kind] for kind in data if kind.endswith("text/plain")), "")
            told[name or shown.partition("\n")[0]] = shown
    (people,) = (text for head, text in told.items() if "patients in test" in head)
    assert people.count("<NA>") == 6, people  # of 36, 12 and 12 few have a label, or few lack it
    rarest = told["cohort_rarest"], told["cohort_rarest_test"]
    assert rarest == ("'seldom'", "'a hidden number'")


def test_a_share_that_leaves_few_patients_is_not_told() -> None:
    whose = np.repeat(np.arange(20), 2)
    for patients, told in ((0, 0.0), (9, None), (10, 0.5), (11, None), (20, 1.0)):
        share = share_told(whose < patients, whose, restricted=True)
        assert np.isnan(share) if told is None else share == told
    assert share_told(whose < 9, whose, restricted=False) == 0.45


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


def test_a_share_of_few_patients_is_not_shown(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    data = Cohort.read(study / "cohort")
    has = data.frame["diabetes"]
    few = has & (has.groupby(data.frame["split"]).cumsum() <= 7)
    few = data.frame.assign(diabetes=few)
    data = Cohort(few, data.labels, data.name, data.layout, restricted=True)
    data.write(study / "cohort")
    facts = json.loads((study / "classifier/model/classifier.json").read_text())
    write_json(study / "classifier/model/classifier.json", facts | {"data": data.fingerprint})
    for page in ("cohort", "classifier"):
        write_metrics(study / page, [], data=data.fingerprint)
    given = {"cohort": str(study / "cohort"), "encoded": str(study / "encoded")}
    given |= {"forget_label": "diabetes", "n_tokens": 3, "output": str(study / "pmi")}
    tokens = {"backbone": str(study / "classifier/model"), "max_length": 48, "min_count": 1}
    run_notebook(ROOT / "notebooks" / "03_pmi.ipynb", parameters=given | tokens)
    given |= {"scores": str(study / "pmi"), "classifier": str(study / "classifier")}
    given |= {"epochs": 1, "selectors": ["pmi", "random"], "n_bootstrap": 20}
    given |= {"trained": str(study / "trained"), "output": str(study / "selectors")}
    run_notebook(ROOT / "notebooks" / "06b_selectors.ipynb", parameters=given)
    measured = [
        pd.DataFrame(json.loads((study / page / "metrics.json").read_text())["records"])
        for page in ("pmi", "selectors")
    ]
    assert measured[0].query("metric == 'notes_touched'")["label"].tolist() == ["all notes"]
    assert not measured[1]["metric"].str.contains("touched").any()
