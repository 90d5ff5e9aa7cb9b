"""Which file a table is read from, and what its columns may hold."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steu.data.readers.cohort_tables import build_cohort
from steu.data.readers.finding import find_table
from steu.data.readers.table import read_plain
from steu.data.readers.tables import load

OPTIONS = {"text": "body", "id": "id", "name": "t", "restricted": False}


@pytest.mark.parametrize("other", ["discharge.csv", "DISCHARGE.parquet"])
def test_a_table_that_is_there_twice_is_refused(tmp_path: Path, other: str) -> None:
    (tmp_path / "note").mkdir()
    for name in ("discharge.csv.gz", other):
        (tmp_path / "note" / name).touch()
    with pytest.raises(ValueError, match="expected the table note/discharge once; found note") as e:
        find_table(tmp_path, "note/discharge")
    assert "discharge.csv.gz" in str(e.value) and other in str(e.value)


@pytest.mark.parametrize(
    ("name", "like"), [("notes[12].parquet", "notes1.parquet"), ("a?*.parquet", "abc.parquet")]
)
def test_the_name_of_a_file_is_no_pattern(tmp_path: Path, name: str, like: str) -> None:
    folder = tmp_path / "year=2150"  # and that of a folder is no column
    folder.mkdir()
    for file in (name, like):
        pd.DataFrame({"id": [file], "year": ["its own"]}).to_parquet(folder / file)
    with duckdb.connect() as connection:
        load(connection, folder / name, {"id": "id", "year": "year"}, into="t")
        assert connection.execute("FROM t").fetchall() == [(name, "its own")]


def test_a_folder_called_like_a_table_is_no_second_one(tmp_path: Path) -> None:
    (tmp_path / "old.csv").mkdir()
    frame = pd.DataFrame({"id": range(60), "urgent": [i % 2 for i in range(60)]})
    frame.assign(body=[f"r {i}" for i in range(60)]).to_csv(tmp_path / "t.csv", index=False)
    cohort = build_cohort("table", tmp_path, **OPTIONS, labels={"columns": ["urgent"]})
    assert len(cohort.frame) == 60


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.list_(pa.string(), 2)])
def test_lists_are_labels_and_no_text(tmp_path: Path, kind: pa.DataType) -> None:
    kinds = pa.array([["urology", "cardiology"], ["urology", "surgery"]], kind)
    table = pa.table({"id": [1, 2], "body": ["a", "b"], "Kinds": kinds})
    pq.write_table(table, tmp_path / "t.parquet")
    with duckdb.connect() as connection:
        found = read_plain(connection, tmp_path, {"column": "kinds"}, text="body", id="id")
    assert set(found) == {"urology", "cardiology", "surgery"}
    said = "t.parquet: column [Kk]inds holds .*list.*; expected one text or number in each row"
    with duckdb.connect() as connection, pytest.raises(ValueError, match=said):
        read_plain(connection, tmp_path, {"column": "body"}, text="kinds", id="id")
