from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from steu._io import atomic_path, read_json
from steu.evaluation.metrics import f1, group_weights, metric_record
from steu.evaluation.results import COLUMNS, collect, data_of, tagged, write_metrics
from steu.reporting.glue import estimate, exact, notes_with_class, rests_on, wide


def test_what_is_written_is_collected_in_tidy_columns(tmp_path):
    rows = tagged([{"metric": "f1", "value": np.float32(0.5)}], dataset="d", seed=1)
    write_metrics(tmp_path / "a", rows, data="abc")
    write_metrics(tmp_path / "b", [{"metric": "auroc", "value": float("nan")}], data="abc")
    frame = collect(tmp_path)
    assert tuple(frame.columns) == COLUMNS
    assert frame["value"].tolist()[0] == 0.5
    assert pd.isna(frame["value"][1])
    assert read_json(tmp_path / "b" / "metrics.json")["records"][0]["value"] is None


def test_only_the_named_files_are_read(tmp_path):
    for seed, data in enumerate(["abc", "abc", "old"]):
        write_metrics(tmp_path / str(seed), [{"metric": "f1", "seed": seed}], data=data)
    named = [str(tmp_path / seed / "metrics.json") for seed in ("1", "0")]
    assert collect(named)["seed"].tolist() == [0, 1]
    assert collect(tmp_path)["seed"].tolist() == [0, 1, 2]
    assert data_of(named) == data_of(named[:1]) != data_of(tmp_path)
    with pytest.raises(ValueError, match=r"metrics\.json does not exist"):
        collect([*named, tmp_path / "3" / "metrics.json"])


def test_an_unknown_column_and_an_empty_run_are_named(tmp_path):
    with pytest.raises(ValueError, match="no column of the results 'metrik'; did you mean metric"):
        tagged([{"metrik": 1}])
    with pytest.raises(ValueError, match=r"holds no metrics\.json with records"):
        collect(tmp_path)


def test_a_stage_says_nothing_twice(tmp_path):
    named = [{"metric": "f1", "label": label, "value": 0.5} for label in ("a", "b")]
    write_metrics(tmp_path, named, data="abc")
    nameless = [{"metric": "f1", "value": value} for value in (0.5, 0.6)]
    with pytest.raises(ValueError, match=r"2 records of .* are all of \(f1\); give each"):
        write_metrics(tmp_path, nameless, data="abc")
    assert collect(tmp_path)["label"].tolist() == ["a", "b"]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path):
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(OSError, match="full"), atomic_path(target) as beside:
        beside.write_text("half")
        raise OSError("full")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path):
    with atomic_path(tmp_path / ("n" * 255)) as beside:
        beside.write_text("whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]


def test_a_folder_that_nothing_takes_the_place_of_comes_back(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "first").touch()
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "folder"):
        pass  # nothing was written
    assert [f.name for f in (tmp_path / "folder").iterdir()] == ["first"]


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("first", "second"):
        with atomic_path(tmp_path / "folder") as beside:
            beside.mkdir()
            (beside / content).touch()
    assert [f.name for f in (tmp_path / "folder").iterdir()] == ["second"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"value": 0.614, "low": 0.5, "high": 0.7}, "0.61 [0.50, 0.70]"),
        ({"value": 0.614, "low": 0.608, "high": 0.618}, "0.614 [0.608, 0.618]"),
        ({"value": 0.00026, "low": 0.00023, "high": 0.00029}, "0.00026 [0.00023, 0.00029]"),
        ({"value": 0.7, "low": 0.7 - 1e-12, "high": 0.7}, "0.700000 [0.700000, 0.700000]"),
        ({"value": 0.02, "low": 0.003, "high": 0.03}, "0.020 [0.003, 0.030]"),
        ({"value": -0.03, "low": -0.05, "high": -0.0004}, "-0.0300 [-0.0500, -0.0004]"),
        ({"value": 0.3, "low": 0.0, "high": 0.5}, "0.30 [0.00, 0.50]"),
        ({"value": 1776.2, "low": 1500.0, "high": 1999.9}, "1,776 [1,500, 2,000]"),
        (
            {"value": 1776772.3, "low": 1776771.0, "high": 1776774.0},
            "1,776,772 [1,776,771, 1,776,774]",
        ),
        ({"value": 999.6, "low": 999.5, "high": 999.6}, "999.60 [999.50, 999.60]"),
        ({"value": 1200.0, "low": -10.0, "high": 2400.0}, "1,200.00 [-10.00, 2,400.00]"),
        ({"value": 201216.0, "low": None, "high": None}, "201,216"),
        ({"value": 0.0123456, "low": None, "high": None}, "0.0123"),
        ({"value": None, "low": None, "high": None}, "–"),
    ],
)
def test_an_estimate_shows_its_interval(row, text):
    assert estimate(row) == text


def test_a_table_keeps_the_order_of_methods_and_metrics():
    rows = pd.DataFrame(
        [
            {"method": m, "metric": k, "value": v, "low": None, "high": None}
            for m, k, v in [("z", "b", 1.0), ("z", "a", 2.0), ("c", "a", 3.0)]
        ]
    )
    table = wide(rows, index="method", metrics=["a", "b"])
    assert table.index.tolist() == ["z", "c"]
    assert table.columns.tolist() == ["a", "b"]
    assert table.loc["c", "b"] == "–"


@pytest.mark.parametrize("patients", range(1, 6))
def test_an_interval_of_few_patients_says_so_and_not_of_how_many(patients: int) -> None:
    """With k patients 1 − (1 − k/n)ⁿ ≈ 1 − e⁻ᵏ of the resamples have one: k could be read off."""
    truth = np.arange(60) < patients
    weights = group_weights(np.arange(60), n_bootstrap=1000)
    record = metric_record("f1", f1(truth, truth, weights), 60)
    assert record["defined"] == 0.0
    assert metric_record("f1", np.ones(1001), 60)["defined"] == 1.0
    told = estimate({**record, "low": 0.4, "high": 0.7})
    assert told == "1.00 [0.40, 0.70] (undefined in some resamples)"


def test_an_estimate_is_written_with_its_interval() -> None:
    assert estimate({"value": 0.5, "low": 0.4, "high": 0.7}) == "0.50 [0.40, 0.70]"
    assert estimate({"value": -0.0001, "low": -0.2, "high": 0.7}) == "0.00 [-0.20, 0.70]"


@pytest.mark.parametrize(
    ("groups", "restricted", "told"),
    [
        ("abcdefghijkl", False, "12 test notes (11 with the class)"),
        ("aabbcdefghij", False, "12 test notes (11 with the class, of 9 patients)"),
        ("aabbcdefghij", True, "12 test notes (few with the class)"),
        ("aabcdefghijk", True, "12 test notes (few with the class)"),  # one patient is without it
    ],
)
def test_a_page_says_on_how_many_patients_it_rests(groups, restricted, told):
    assert rests_on(study_of(np.arange(12) < 11, list(groups), restricted=restricted)) == told


def test_of_restricted_data_both_parts_are_counted_where_neither_is_small():
    study = study_of(np.arange(24) < 13, np.r_[0, np.arange(23)], restricted=True)
    assert rests_on(study) == "24 test notes (13 with the class, of 12 patients)"
    told = notes_with_class(study.cohort, 0, split="train")
    assert told == "24 training notes (few with the class)"  # all of them have it


def study_of(has, patients, *, restricted):
    """Test notes of these patients, and as many training notes that all have the class."""
    n = len(has)
    cohort = SimpleNamespace(
        restricted=restricted,
        targets=np.r_[has, np.ones(n, bool)].astype(np.int8)[:, None],
        patients=np.r_[np.array(patients, dtype=str), [f"other {i}" for i in range(n)]],
        index={"test": np.arange(n), "train": n + np.arange(n)}.get,
    )
    return SimpleNamespace(cohort=cohort, forget=0)


def test_numbers_are_written_out() -> None:
    """Three digits, but never so that a page says 1.23e+03."""
    written = {
        1234.5: "1,234",
        999.6: "1,000",
        12: "12",
        0.12345: "0.123",
        1e6: "1,000,000",
        0.0: "0",
    }
    assert {value: exact(value) for value in written} == written
