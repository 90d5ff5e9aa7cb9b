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


def documents(path: Path, frame: pd.DataFrame, **how: object) -> pd.DataFrame:
    frame.to_csv(path, index=False)
    given = {"text": "body", "labels": {"columns": ["a", "b"]}, "name": "t", "restricted": False}
    return build_cohort("table", path, **given | how).frame  # type: ignore[arg-type]


def sixty(**columns: object) -> pd.DataFrame:
    """Sixty reports with two labels."""
    frame = pd.DataFrame({"id": [f"d{i}" for i in range(60)]})
    frame = frame.assign(body=[f"report {i}" for i in range(60)], a=[i % 2 for i in range(60)])
    return frame.assign(b=[i // 3 % 2 for i in range(60)]).assign(**columns)


def test_joined_texts_stand_in_the_order_of_a_large_file(tmp_path: Path) -> None:
    n, n_visits = 400_000, 1000
    visits = [i % n_visits for i in range(n)]
    frame = pd.DataFrame({"visit": visits, "lab": [f"L{v % 3}" for v in visits]})
    frame["body"] = [f"{i:06d}" for i in range(n)]
    found = documents(
        tmp_path / "t.csv", frame, labels={"column": "lab"}, group_by="visit"
    ).set_index("stay_id")["text"]
    for visit in (0, 7, 999):
        assert found[str(visit)].split("\n\n") == frame["body"][visit::n_visits].tolist()


def test_joined_documents_of_one_text_are_of_one_patient(tmp_path: Path) -> None:
    frame = sixty(visit=[f"v{i}" for i in range(60)], body=[f"note {i % 30}" for i in range(60)])
    for how in ({"group_by": "visit"}, {"id": "id"}):
        found = documents(tmp_path / "t.csv", frame, **how).groupby("text")
        assert found["split"].nunique().max() == found["subject_id"].nunique().max() == 1
        assert len(found) == 30
    told = documents(tmp_path / "t.csv", frame, id="id", subject="visit")
    assert told["subject_id"].nunique() == 60


@pytest.mark.parametrize("blank", ["NA", "nan", "NULL", "\t", "\u200b", "\xa0"])
def test_a_flag_that_says_nothing_leaves_its_document_out(tmp_path: Path, blank: str) -> None:
    flags = [blank if i == 3 else f"{i % 2}\xa0" for i in range(60)]
    found = documents(tmp_path / "t.csv", sixty(a=flags), id="id")
    assert len(found) == 59 and "d3" not in set(found["stay_id"])
    assert found.set_index("stay_id")["a"].astype(int)[["d1", "d2"]].tolist() == [1, 0]


@pytest.mark.parametrize("end", ["\n", "\t", "\u200b"])
def test_parts_of_a_cell_that_show_nothing_are_no_labels(tmp_path: Path, end: str) -> None:
    kinds = ["Uro", "Neuro", "ENT"]
    cells = [f"{kinds[i % 3]};\n{kinds[(i + 1) % 3]};{end}" for i in range(60)]
    labels = {"column": "kind", "delimiter": ";"}
    found = documents(tmp_path / "t.csv", sixty(kind=cells), id="id", labels=labels)
    assert found[kinds].sum(axis=1).eq(2).all()


def test_what_shows_nothing_in_a_header_is_no_part_of_a_name(tmp_path: Path) -> None:
    frame = sixty().rename(columns={"a": "\ufeffa\u200b", "id": "i\u00add"})
    assert len(documents(tmp_path / "t.csv", frame, id="id")) == 60


def test_a_file_without_columns_is_said_to_have_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="no column body, id.*found none"):
        build_cohort("table", tmp_path / "t.parquet", labels={"columns": ["a"]}, **OPTIONS)
