"""A table that says itself which documents are for training, validation and test."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from steu.data.cohort import Cohort
from steu.data.readers.cohort_tables import write_cohort

OPTIONS = {"text": "body", "id": "id", "subject": "patient", "split": "part"}


def reports(**changes: object) -> pd.DataFrame:
    """Twelve reports of six patients, two in each split."""
    parts = ["train", " Validation ", "TEST"]  # as people write them
    frame = pd.DataFrame(
        {
            "id": [f"r{i:02}" for i in range(12)],
            "patient": [f"p{i // 2}" for i in range(12)],
            "body": [f"report {i}" for i in range(12)],
            "urgent": [i % 2 for i in range(12)],
            "part": [parts[i // 4] for i in range(12)],
        }
    )
    return frame.assign(**changes)


def cohort_of(folder: Path, frame: pd.DataFrame) -> Cohort:
    frame.to_csv(folder / "reports.csv", index=False)
    write_cohort(
        folder / "cohort",
        "table",
        folder / "reports.csv",
        labels={"columns": ["urgent"]},
        name="reports",
        restricted=False,
        **OPTIONS,
    )
    return Cohort.read(folder / "cohort")


def test_the_split_of_the_table_is_kept(tmp_path: Path) -> None:
    frame = cohort_of(tmp_path, reports()).frame
    assert frame["split"].tolist() == ["train"] * 4 + ["validation"] * 4 + ["test"] * 4


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            ["train"] * 7 + ["val"] + ["test"] * 4,
            "column part of 'r07' holds 'val'; expected train, validation, test",
        ),
        (
            ["train"] * 4 + ["validation"] * 3 + [None] + ["test"] * 4,
            "column part of 'r07' holds ''; expected train",
        ),
        (
            ["train"] * 5 + ["validation"] * 3 + ["test"] * 4,
            "documents of one patient are in train and validation; expected every patient in o",
        ),
        (["train"] * 8 + ["test"] * 4, "column part names no document validation; expected some"),
    ],
)
def test_a_split_that_is_none_is_refused(tmp_path: Path, part: list, message: str) -> None:
    with pytest.raises(ValueError, match=rf"reports\.csv: {message}"):
        cohort_of(tmp_path, reports(part=part))
    assert not (tmp_path / "cohort" / "cohort.parquet").exists()


def test_blank_texts_count_one_by_one_and_columns_are_found_in_any_case(tmp_path: Path) -> None:
    frame = reports()
    frame.loc[[1, 2, 5], "body"] = ["", " ", ""]
    frame.to_csv(tmp_path / "reports.csv", index=False)
    for n, options in enumerate([{"text": "body"}, {"text": "body", "group_by": "BODY"}]):
        write_cohort(
            tmp_path / str(n),
            "table",
            tmp_path / "reports.csv",
            labels={"columns": ["urgent"]},
            name="reports",
            restricted=False,
            **options,
        )
        cohort = Cohort.read(tmp_path / str(n))
        assert (len(cohort.frame), cohort.excluded["without_text"]) == (9, 3)
        assert cohort.frame["stay_id"].str.fullmatch("[0-9a-f]{16}").all()  # no text is an id


def test_a_text_in_two_splits_is_said_to_be_that_where_no_patient_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OPTIONS, "subject")
    frame = reports(body=["No finding." if i in (0, 11) else f"report {i}" for i in range(12)])
    with pytest.raises(ValueError, match="the same text is in test and train, and no column says"):
        cohort_of(tmp_path, frame)
    monkeypatch.setitem(OPTIONS, "subject", "id")  # as the message has it
    assert len(cohort_of(tmp_path, frame).frame) == 12
