"""Missing values, ids, labels and files as other software writes them: read, counted or refused."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import shutil
import unicodedata
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steu._io import alone, files_below
from steu.data.cohort import Cohort
from steu.data.readers.cohort_tables import SCRATCH, build_cohort, write_cohort
from steu.data.readers.mending import mend_ids
from steu.data.readers.tables import load

TABLE = {"text": "body", "id": "id", "subject": "patient"}
CLASSES = ["Urology", "Surgery", "Neurology"]
NOTE = "the patient was admitted with a cough and a fever of three days"


def reports(path: Path, **columns: object) -> Path:
    """Sixty reports of twenty patients, each of one class."""
    frame = pd.DataFrame({"id": [f"d{i}" for i in range(60)]})
    frame["patient"] = [f"p{i % 20}" for i in range(60)]
    frame["body"] = [f"report {i}" for i in range(60)]
    frame["kind"] = [CLASSES[i // 20] for i in range(60)]
    frame = frame.assign(**columns)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def build(path: Path, **options: object) -> Cohort:
    given = {"labels": {"column": "kind"}, "name": "t", "restricted": True, **TABLE} | options
    return build_cohort("table", path, **given)


def refused(path: Path, match: str, **options: object) -> str:
    with pytest.raises(ValueError, match=match) as caught:
        build(path, **options)
    assert "\n" not in str(caught.value) and "report 7" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("missing", ["NA", "nan", "None", "NULL", "<NA>", r"\N", ".", " ", ""])
def test_a_missing_value_is_missing_however_it_is_spelled(tmp_path: Path, missing: str) -> None:
    of = {"patient": [missing] * 15 + [f"p{i % 20}" for i in range(45)]}
    assert build(reports(tmp_path / "t.csv", **of)).excluded["without_patient"] == 15
    of = {"body": [missing] * 5 + [f"report {i}" for i in range(55)]}
    assert build(reports(tmp_path / "t.csv", **of)).excluded["without_text"] == 5
    of = {"id": [missing] * 5 + [f"d{i}" for i in range(55)]}
    assert build(reports(tmp_path / "t.csv", **of)).excluded["rows_without_id"] == 5


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "as Excel writes it"])
def test_a_second_header_is_no_document(tmp_path: Path, mark: str) -> None:
    whole = reports(tmp_path / "a.csv").read_text() + mark + reports(tmp_path / "b.csv").read_text()
    (tmp_path / "t.csv").write_text(whole)
    refused(tmp_path / "t.csv", "a row repeats the header, as where two files were joined", id=None)


@pytest.mark.parametrize("of", ["id", "subject", "group_by", "labels"])
def test_a_column_of_notes_named_by_mistake_is_not_shown(tmp_path: Path, of: str) -> None:
    notes = [f"Mr. Smith {i} aged 60 was admitted with chest pain and fever" for i in range(58)]
    path = reports(tmp_path / "t.csv", said=[*notes, notes[0].upper(), notes[1]])
    column = {"column": "said", "keep": ["Urology", "Surgery"]} if of == "labels" else "said"
    with pytest.raises(ValueError, match=r"\.csv|label") as told:
        build(path, **{of: column})
    assert "smith" not in str(told.value).lower()


def test_a_label_that_may_mean_missing_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    path = reports(tmp_path / "t.csv", kind=["None"] * 20 + CLASSES[1:] * 20)
    refused(path, r"column kind holds 'None': leave such cells blank .*, or name it in keep")
    kept = {"column": "kind", "keep": ["None", "Surgery"]}
    assert build(path, labels=kept).labels == ("None", "Surgery")
    refused(reports(path), "column kind names no label", labels={"column": "kind", "keep": []})


def test_a_column_without_any_text_is_named_before_the_labels_are_looked_for(
    tmp_path: Path,
) -> None:
    refused(reports(tmp_path / "t.csv", body=" "), "no cell of column body holds text: name the")


def test_a_blank_cell_that_names_a_label_is_no_no(tmp_path: Path) -> None:
    kind = [CLASSES[i // 20] for i in range(60)]
    kind[:5] = ["", " ", "", "", ""]
    cohort = build(reports(tmp_path / "t.csv", kind=kind))
    assert (len(cohort.frame), cohort.excluded["without_label"]) == (55, 5)
    lists = [[name] for name in kind]
    lists[:3], lists[3:5] = [[]] * 3, [None] * 2
    cohort = build(reports(tmp_path / "t.parquet", kind=lists))  # an empty list lists none
    assert (len(cohort.frame), cohort.excluded["without_label"]) == (58, 2)
    listed = {"column": "kind", "delimiter": ";"}  # and so does a cell that may list several
    assert len(build(reports(tmp_path / "t.csv", kind=kind), labels=listed).frame) == 60


@pytest.mark.parametrize(
    "other",
    [
        *["UROLOGY", "Uro\u00a0logy", "  urology", "Uro  logy", "Üro"],
        *["Uro\u200blogy", "Urology.", "'Urology'", "Crohn’s", "Follow\u2011up"],
    ],
)
@pytest.mark.parametrize("chosen", [{}, {"keep": ["Urology", "Surgery"]}, {"top_n": 2}])
def test_a_label_in_another_spelling_is_refused_and_no_negative(
    tmp_path: Path, other: str, chosen: dict[str, object]
) -> None:
    first = {
        "Uro  logy": "Uro logy",
        "Uro\u00a0logy": "Uro logy",
        "Üro": "Üro",
        "Crohn’s": "Crohn's",
        "Follow\u2011up": "Follow-up",
    }.get(other, "Urology")
    kind = [first] * 20 + ["Surgery"] * 35 + [unicodedata.normalize("NFD", other)] * 5
    chosen = {k: [first, "Surgery"] if k == "keep" else v for k, v in chosen.items()}
    path = reports(tmp_path / "t.csv", kind=kind)
    refused(
        path, "have the same name up to case, spaces or marks", labels={"column": "kind"} | chosen
    )


def test_blanks_of_any_kind_around_a_label_are_no_part_of_it(tmp_path: Path) -> None:
    kind = ["Urology"] * 20 + ["Surgery"] * 35 + ["\u3000Urology\u00a0"] * 5
    frame = build(reports(tmp_path / "t.csv", kind=kind)).frame
    assert frame["Urology"].sum() == 25


def test_numbers_of_classes_that_went_through_a_float_are_one_class(tmp_path: Path) -> None:
    kind = ["3"] * 20 + ["4"] * 35 + ["3.0"] * 5
    refused(reports(tmp_path / "t.csv", kind=kind), "labels '3' and '3.0' have the same name")


@pytest.mark.parametrize("option", ["subject", "group_by"])
def test_ids_that_a_spreadsheet_rounded_are_refused(tmp_path: Path, option: str) -> None:
    path = reports(tmp_path / "t.csv", visit=["1.23457E+11"] * 30 + [f"v{i}" for i in range(30)])
    options = {"id": None, "subject": None} | {option: "visit"}
    refused(path, r"t\.csv: an id is '1\.23457E\+11', which a spreadsheet has rounded", **options)
    hashes = [f"{i}e{i:05d}" for i in range(60)]  # as they may begin by chance
    assert len(build(reports(path, id=hashes)).frame) == 60


def test_ids_that_are_half_as_precise_as_they_look_are_refused(tmp_path: Path) -> None:
    frame = pd.read_parquet(reports(tmp_path / "t.parquet"))
    frame.assign(patient=pd.Series(range(60), dtype="float32")).to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "column patient holds float, in which ids of more than seven")


@pytest.mark.parametrize("blank", ["", '""', '" "'])
def test_an_eicu_stay_without_a_patient_is_nobodys(tmp_path: Path, blank: str) -> None:
    path = tmp_path / "patient.csv"
    path.write_text(f"patientunitstayid,uniquepid\n1,002-1\n2,{blank}\n3,{blank}\n")
    with duckdb.connect() as connection:
        load(
            connection, path, {"stay_id": "patientunitstayid", "subject_id": "uniquepid"}, into="s"
        )
        mend_ids(connection, "s", "stay_id", "subject_id", path=path)
        found = connection.execute("SELECT subject_id FROM s ORDER BY stay_id").fetchall()
    assert found == [("002-1",), (None,), (None,)]


def test_the_wrong_column_as_labels_shows_no_note(tmp_path: Path) -> None:
    long = [f"report {i}, and then {'more ' * 60}" for i in range(60)]
    path = reports(tmp_path / "t.csv", notes=long)
    for chosen in ({}, {"keep": ["Urology"]}, {"top_n": 3}):
        refused(path, "column notes holds values of up to 3", labels={"column": "notes"} | chosen)
        refused(path, "body is the column of the texts", labels={"column": "body"} | chosen)
    many = pd.DataFrame({"id": range(1500), "patient": range(1500), "kind": "x", "body": "y"})
    many["notes"] = [f"report {i}" for i in range(1500)]
    path = tmp_path / "many.csv"
    many.to_csv(path, index=False)
    for chosen, said in (({}, "names 1,500 labels"), ({"keep": ["zzz"]}, "holds no label")):
        told = refused(path, f"column notes {said}", labels={"column": "notes"} | chosen)
        assert len(told) < 400 and "report" not in told


@pytest.mark.parametrize("column", ["body", "kind"])
def test_bytes_that_are_no_text_are_named_and_not_shown(tmp_path: Path, column: str) -> None:
    table = pa.Table.from_pandas(pd.read_csv(reports(tmp_path / "t.csv")))
    broken = [b"report 7: caf\xe9 and more", *[b"sound"] * 59]
    spoilt = pa.StringArray.from_buffers(60, *pa.array(broken, pa.binary()).buffers()[1:])
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, spoilt), tmp_path / "t.parquet")
    assert "caf" not in refused(tmp_path / "t.parquet", r"t\.parquet")


@pytest.mark.parametrize(
    ("name", "start", "message"),
    [
        (
            "t.csv",
            b"PK\x03\x04",
            "t.csv is a spreadsheet or a zip archive: save it as CSV in UTF-8",
        ),
        ("t.csv", b"\xff\xfei\0d\0", "t.csv is in UTF-16: save it as CSV in UTF-8"),
        ("t.jsonl", b'{"body": "seen today"}', "t.jsonl is JSON: save it as CSV in UTF-8"),
    ],
)
def test_what_is_no_table_as_text_is_called_what_it_is(
    tmp_path: Path, name: str, start: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(start + b" and more")
    refused(tmp_path / name, message)


def test_a_file_is_read_as_what_it_is_whatever_it_is_called(tmp_path: Path) -> None:
    sound = build(reports(tmp_path / "sound.csv"))
    packed = gzip.compress((tmp_path / "sound.csv").read_bytes())
    unpacked = shutil.copy(tmp_path / "sound.csv", tmp_path / "unpacked.csv.gz")  # by a browser
    (tmp_path / "packed.csv").write_bytes(packed)
    columns = shutil.copy(reports(tmp_path / "t.parquet"), tmp_path / "blob")  # behind a link
    for path in (Path(unpacked), tmp_path / "packed.csv", Path(columns)):
        pd.testing.assert_frame_equal(build(path).frame, sound.frame)


def test_what_a_killed_reader_left_is_gone_after_the_next(tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    left, at_work = (out / f"{SCRATCH}{name}" for name in ("killed", "alive"))
    for folder in (left, at_work):
        folder.mkdir(parents=True)
        (folder / "texts").write_text(NOTE)
    options = {"labels": {"column": "kind"}, "name": "t", "restricted": True, **TABLE}
    with alone(at_work / "lock", otherwise="x"):
        write_cohort(out, "table", reports(tmp_path / "t.csv"), **options)
    assert not left.exists() and (at_work / "texts").is_file()
    assert {path.name for path in out.iterdir()} == {"cohort.json", "cohort.parquet", at_work.name}


def test_files_behind_links_are_found_and_circles_end(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "notes.csv").touch()
    here = tmp_path / "here"
    here.mkdir()
    (here / "note").symlink_to(tmp_path / "elsewhere")
    (here / "again").symlink_to(here)
    (here / "nothing").symlink_to(tmp_path / "none")
    assert files_below(here) == [here / "note" / "notes.csv"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_nothing_can_be_locked_nobody_is_held_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def lockless(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", lockless)
    with alone(tmp_path / "lock", otherwise="busy"):
        (tmp_path / "done").touch()
    assert (tmp_path / "done").exists()
