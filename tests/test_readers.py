"""Each publisher's layout, written by hand in miniature, and the open demos where they are."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steu.data.labels import DEFAULT_LABELS, check_labels
from steu.data.readers.cohort_tables import build_cohort, store_documents
from steu.data.readers.finding import find_table
from steu.data.readers.mimic import EICU, MIMIC_III, MIMIC_IV, Mimic, read_eicu, read_mimic
from steu.data.readers.phrases import diagnosis_on_admission, drug, picked, treatment
from steu.data.readers.sql import identifier, indicator_sql
from steu.data.readers.table import read_plain
from steu.data.readers.text_store import TextStore

P = "notes/Progress Notes/"


def write(path: Path, header: str, rows: Sequence[Sequence[object]] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w")
    with opened as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        writer.writerows(rows)


@pytest.fixture
def store() -> TextStore:
    return TextStore(io.BytesIO())


def documents(
    connection: duckdb.DuckDBPyConnection, store: TextStore
) -> dict[str, tuple[str, str]]:
    store_documents(connection, store)
    rows = connection.sql(
        """SELECT stay_id, min(subject_id) AS subject_id,
        list({place: place, size: size} ORDER BY nth) AS pieces FROM pieces GROUP BY stay_id"""
    ).to_arrow_table()
    stays, subjects, pieces = (column.combine_chunks() for column in rows.columns)
    texts = store.read(pieces).to_pylist()
    documents = zip(subjects.to_pylist(), texts, strict=True)
    return dict(zip(stays.to_pylist(), documents, strict=True))


def codes(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, int, str]]:
    return set(connection.execute("SELECT stay_id, system, code FROM codes").fetchall())


def test_mimic_iv_notes_with_line_breaks_quotes_and_addenda(
    tmp_path: Path, store: TextStore
) -> None:
    hard = 'Name: ___\r\n\n"Chest pain", he said,\nthen 4,280 mL; é'
    write(
        tmp_path / "note/discharge.csv.gz",
        "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text",
        [
            ["1-DS-10", 1, 11, "DS", 10, "2150-01-02", "", "addendum"],
            ["1-DS-9", 1, 11, "DS", 9, "2150-01-02", "", "second"],
            ["1-DS-3", 1, 11, "DS", 3, "2150-01-01", "", " first\n"],
            ["2-DS-1", 2, 21, "DS", 1, "2150-01-01", "", hard],
            ["2-DS-2", 2, "", "DS", 2, "2150-01-01", "", "no stay"],
        ],
    )
    write(
        tmp_path / "hosp/diagnoses_icd.csv",
        "subject_id,hadm_id,seq_num,icd_code,icd_version",
        [[1, 11, 1, "4280 ", 9], [2, 21, 1, "I50.9", 10]],
    )
    with duckdb.connect() as connection:
        read_mimic(connection, MIMIC_IV, tmp_path, store)
        assert documents(connection, store) == {
            "11": ("1", "first\n\nsecond\n\naddendum"),
            "21": ("2", hard),
        }
        assert codes(connection) == {("11", 9, "4280"), ("21", 10, "I509")}


def test_mimic_iii_keeps_sound_discharge_summaries_in_any_case(
    tmp_path: Path, store: TextStore
) -> None:
    notes = "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CATEGORY,ISERROR,TEXT"
    rows = [
        [1, 1, 11, "2150-01-01", "Discharge summary", "", "kept"],
        [2, 1, 11, "2150-01-01", "Discharge summary", "1", "an error"],
        [3, 1, 11, "2150-01-01", "Nursing", "", "another kind"],
        [4, 1, 12, "2150-01-01", " Discharge\u00a0 summary\t", "", "kept"],
        [5, 1, 13, "2150-01-01", "DISCHARGE_SUMMARY", "", "kept"],
    ]
    write(tmp_path / "NOTEEVENTS.csv.gz", notes, rows)
    write(
        tmp_path / "diagnoses_icd.CSV", "row_id,subject_id,hadm_id,icd9_code", [[1, 1, 11, "4280"]]
    )
    with duckdb.connect() as connection:
        read_mimic(connection, MIMIC_III, tmp_path, store)
        assert documents(connection, store) == dict.fromkeys(("11", "12", "13"), ("1", "kept"))
        assert codes(connection) == {("11", 9, "4280")}


MIMIC_NOTES = {
    "mimic_iv": ("note/discharge.csv.gz", "note_id,subject_id,hadm_id,charttime,text", []),
    "mimic_iii": (
        "NOTEEVENTS.csv.gz",
        "row_id,subject_id,hadm_id,chartdate,text,category,iserror",
        ["Discharge summary", ""],
    ),
}


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        (
            [(7, 1, 11), (7, 1, 12), (8, 1, 12)],
            "1 values of {} come in more than one row, first '7'",
        ),
        (
            [(7, 1, 11), (8, 2, 11), (9, 1, 12), (10, 2, 12)],
            "2 values of hadm_id come with more than one subject_id, first '11'",
        ),
    ],
    ids=["note", "stay"],
)
@pytest.mark.parametrize("layout", [MIMIC_IV, MIMIC_III], ids=lambda layout: layout.name)
def test_a_note_or_a_stay_that_comes_twice_is_refused(
    tmp_path: Path, store: TextStore, layout: Mimic, notes: list[tuple[int, ...]], found: str
) -> None:
    file, header, rest = MIMIC_NOTES[layout.name]
    rows = [[*ids, "2150-01-01", f"text {i}", *rest] for i, ids in enumerate(notes)]
    write(tmp_path / file, header, rows)
    codes = f"subject_id,hadm_id,{layout.code},{layout.version or 'seq_num'}"
    write(tmp_path / f"{layout.diagnoses}.csv", codes, [[1, 11, "4280", 9]])
    found = f"{file}: {found.format(layout.note_columns['order2'])}; expected one row a note"
    with duckdb.connect() as connection, pytest.raises(ValueError, match=found):
        read_mimic(connection, layout, tmp_path, store)
    write(tmp_path / file, header, [*rows[:1], [99, 1, 11, "2150-01-02", "addendum", *rest]])
    with duckdb.connect() as connection:
        read_mimic(connection, layout, tmp_path, store)
        assert documents(connection, store) == {"11": ("1", "text 0\n\naddendum")}


@pytest.mark.parametrize("present", [True, False])
def test_a_demo_without_notes_names_the_option(
    tmp_path: Path, store: TextStore, present: bool
) -> None:
    if present:
        write(
            tmp_path / "NOTEEVENTS.csv", "row_id,subject_id,hadm_id,chartdate,category,iserror,text"
        )
    write(tmp_path / "DIAGNOSES_ICD.csv", "subject_id,hadm_id,icd9_code", [[1, 11, "4280"]])
    why = "has no discharge summaries" if present else "is missing"
    with duckdb.connect() as connection, pytest.raises(ValueError, match=f"orders.*{why}"):
        read_mimic(connection, MIMIC_III, tmp_path, store)


def test_orders_are_rendered_in_order(tmp_path: Path, store: TextStore) -> None:
    write(tmp_path / "DIAGNOSES_ICD.csv", "subject_id,hadm_id,icd9_code", [[1, 11, "4280"]])
    write(
        tmp_path / "PRESCRIPTIONS.csv",
        "subject_id,hadm_id,startdate,drug",
        [
            [1, 11, "2150-01-02", "Senna 8.6 mg"],
            [1, 11, "2150-01-01", "Furosemide"],
            [1, 11, "2150-01-03", "Furosemide"],
            [1, 11, "2150-01-02", "Aspirin"],
        ],
    )
    rows = [[1, 11, 10, "9604"], [1, 11, 2, "3893"]]
    write(tmp_path / "PROCEDURES_ICD.csv", "subject_id,hadm_id,seq_num,icd9_code", rows)
    expected = "Medications: furosemide; aspirin; senna.\nProcedures: "
    with duckdb.connect() as connection:
        read_mimic(connection, MIMIC_III, tmp_path, store, text_source="orders")
        untitled = expected + "procedure 3893; procedure 9604."
        assert documents(connection, store) == {"11": ("1", untitled)}
    write(tmp_path / "D_ICD_PROCEDURES.csv", "icd9_code,long_title", [["3893", "Venous catheter"]])
    with duckdb.connect() as connection:
        read_mimic(connection, MIMIC_III, tmp_path, store, text_source="orders")
        titled = expected + "Venous catheter; procedure 9604."
        assert documents(connection, store) == {"11": ("1", titled)}


def test_text_source_is_checked(tmp_path: Path, store: TextStore) -> None:
    with duckdb.connect() as connection, pytest.raises(ValueError, match="no text_source 'labs'; "):
        read_mimic(connection, MIMIC_IV, tmp_path, store, text_source="labs")


@pytest.fixture
def eicu(tmp_path: Path) -> Path:
    write(tmp_path / "patient.csv.gz", "patientunitstayid,uniquepid", [[7, "002-1"], [8, "002-2"]])
    write(
        tmp_path / "diagnosis.csv.gz",
        "patientunitstayid,diagnosisstring,icd9code",
        [
            [7, "cardiovascular|ventricular disorders|congestive heart failure", "428.0, I50.9"],
            [7, "toxicology|drug overdose", "E980.2, 965.00"],
            [8, "endocrine|glucose metabolism|diabetes mellitus|Type II", ""],
        ],
    )
    write(
        tmp_path / "pastHistory.csv.gz",
        "patientunitstayid,pasthistoryoffset,pasthistorypath,pasthistoryvalue",
        [
            [7, 9, P + "Past History/Organ Systems/Endocrine (R)/Valve disease/AS", "AS"],
            [7, 5, P + "Past History/Organ Systems/Pulmonary/Asthma/asthma", "asthma"],
            [7, 1, P + "Past History/Past History Obtain Options/Performed", "Performed"],
        ],
    )
    write(
        tmp_path / "physicalExam.csv.gz",
        "patientunitstayid,physicalexamoffset,physicalexampath,physicalexamvalue,physicalexamtext",
        [
            [7, 50, P + "Physical Exam/HR/HR Current", "HR Current", 120],
            [7, 5, P + "Physical Exam/HR/HR Current", "HR Current", 88],
            [7, 5, P + "Physical Exam/HR/HR Highest", "HR Highest", 130],
        ],
    )
    write(
        tmp_path / "note.csv.gz",
        "patientunitstayid,noteoffset,notepath,notevalue",
        [[7, 1, P + "Past History/Past History Obtain Options/Performed", "Performed"]],
    )
    write(
        tmp_path / "medication.csv.gz",
        "patientunitstayid,drugstartoffset,drugname,drughiclseqno,drugordercancelled",
        [
            [7, 30, "ASPIRIN 81 MG TAB", 1, "No"],
            [7, -4, "", 2, "No"],
            [8, 2, "LASIX", 2, "No"],
            [8, 1, "WARFARIN", 3, "Yes"],
        ],
    )
    return tmp_path


def test_eicu_renders_sections(eicu: Path, store: TextStore) -> None:
    with duckdb.connect() as connection:
        read_eicu(connection, EICU, eicu)
        assert documents(connection, store) == {
            "7": (
                "002-1",
                (
                    "Past history: asthma; Valve disease AS.\nPhysical exam: HR 88.\n"
                    "Medications: lasix; aspirin."
                ),
            ),
            "8": ("002-2", "Medications: lasix."),
        }
        expected = {("7", 9, "4280"), ("7", 10, "I509"), ("7", 9, "E9802"), ("7", 9, "96500")}
        found = codes(connection)
        assert {row for row in found if row[0] == "7" and row[1]} == expected
        assert {row[0] for row in found} == {"7", "8"}
        written = {part for stay, system, part in found if stay == "8" and system == 0}
        assert written == {"ENDOCRINE", "GLUCOSE METABOLISM", "DIABETES MELLITUS", "TYPE II"}


def test_eicu_drugs_are_told_by_flags_and_numbers_however_written(
    eicu: Path, store: TextStore
) -> None:
    path = eicu / "medication.csv.gz"
    header = "patientunitstayid,drugstartoffset,drugname,drughiclseqno,drugordercancelled"
    rows = [[7, 30, "ASPIRIN", "0.0", "no"], [7, 31, "", "0.0", "N"], [7, 32, "", "2.0", ""]]
    rows += [[8, 2, "LASIX", "2", "false"], [8, 1, "WARFARIN", "3", "yes"]]
    write(path, header, [*rows, [8, 1, "HEPARIN", "4", "True"]])
    with duckdb.connect() as connection:
        read_eicu(connection, EICU, eicu, sections=["medication"])
        texts = {stay: text for stay, (_, text) in documents(connection, store).items()}
    assert texts == {"7": "Medications: aspirin; lasix.", "8": "Medications: lasix."}
    write(path, header, [*rows, [8, 1, "HEPARIN", "4", "maybe"]])
    said = "medication.csv.gz: column drugordercancelled holds 'maybe'; expected 0, false"
    with duckdb.connect() as connection, pytest.raises(ValueError, match=said):
        read_eicu(connection, EICU, eicu, sections=["medication"])


def test_eicu_diagnoses_without_a_code_are_labelled_by_what_is_written(eicu: Path) -> None:
    labels = check_labels({"a": ["428"], "b": ["250"], "c": ["250", "diagnosis:diabetes mellitus"]})
    with duckdb.connect() as connection:
        read_eicu(connection, EICU, eicu)
        for label, stays in (("a", {"7"}), ("b", set()), ("c", {"8"})):
            query = f"SELECT stay_id, {indicator_sql(labels[label])} FROM codes GROUP BY stay_id"
            assert {stay for stay, found in connection.execute(query).fetchall() if found} == stays


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("diagnosis", {"icd9code": "428.0;I50.9"}, "'428.0;I50.9' is no code; expected codes with"),
        ("diagnosis", {"icd9code": "428.0 I50.9"}, "'428.0 I50.9' is no code; expected codes with"),
        ("diagnosis", {"icd9code": "ICD9:428.0"}, "'ICD9:428.0' is no code; expected codes with"),
        (
            "medication",
            {"drugstartoffset": "2150-01-01"},
            "drugstartoffset holds '2150-01-01'; expected minutes",
        ),
    ],
)
def test_what_eicu_never_writes_is_refused(
    eicu: Path, store: TextStore, table: str, change: dict[str, str], said: str
) -> None:
    path = eicu / f"{table}.csv.gz"
    pd.read_csv(path, dtype=str).assign(**change).to_csv(path, index=False)
    with duckdb.connect() as connection, pytest.raises(ValueError, match=re.escape(said)):
        read_eicu(connection, EICU, eicu)
    with (
        duckdb.connect() as connection,
        pytest.raises(ValueError, match="note is listed twice; leave"),
    ):
        read_eicu(connection, EICU, eicu, sections=["note", "note"])


def test_eicu_codes_that_lost_their_zeros_and_tables_without_rows_are_noticed(eicu: Path) -> None:
    table, medication = eicu / "diagnosis.csv.gz", eicu / "medication.csv.gz"
    whole = pd.read_csv(table, dtype=str)
    many = whole.iloc[[0] * 400].assign(icd9code=[f"{i}.1" for i in range(400, 800)])
    many.to_csv(table, index=False)
    with (
        duckdb.connect() as connection,
        pytest.raises(ValueError, match=r"none of 400 ICD-9 codes begins with 0, so leading zeros"),
    ):
        read_eicu(connection, EICU, eicu)
    many.assign(icd9code=["038.9", *many["icd9code"][1:]]).to_csv(table, index=False)
    with duckdb.connect() as connection:
        read_eicu(connection, EICU, eicu)
    for path in (medication, table):
        pd.read_csv(path, dtype=str).iloc[:0].to_csv(path, index=False)
        with (
            duckdb.connect() as connection,
            pytest.raises(ValueError, match=rf"{path.name} has a header and no rows: use the"),
        ):
            read_eicu(connection, EICU, eicu)


def test_an_eicu_stay_that_comes_twice_is_refused(eicu: Path) -> None:
    rows = [[7, "002-1"], [8, "002-2"], [8, "002-3"]]
    write(eicu / "patient.csv.gz", "patientunitstayid,uniquepid", rows)
    found = (
        "patient.csv.gz: 1 values of patientunitstayid come in more than one row, first '8'; exp"
    )
    with duckdb.connect() as connection, pytest.raises(ValueError, match=found):
        read_eicu(connection, EICU, eicu)


def test_eicu_stays_without_a_row_of_their_patient_are_counted(tmp_path: Path) -> None:
    stays = range(1, 61)
    write(
        tmp_path / "patient.csv", "patientunitstayid,uniquepid", [[i, f"p{i}"] for i in stays[::2]]
    )
    header = "patientunitstayid,diagnosisstring,icd9code"
    write(
        tmp_path / "diagnosis.csv",
        header,
        [[i, "a|b", "428.0" if i % 3 else "038.9"] for i in stays],
    )
    header = "patientunitstayid,drugstartoffset,drugname,drughiclseqno,drugordercancelled"
    write(tmp_path / "medication.csv", header, [[i, 1, f"drug{i}", 1, "No"] for i in stays])
    given = {"labels": {"hf": ["428"]}, "name": "tiny", "restricted": False}
    cohort = build_cohort("eicu", tmp_path, **given, sections=["medication"])
    assert (len(cohort.frame), cohort.excluded["without_patient"]) == (30, 30)


def test_eicu_sections_are_chosen_and_ordered(eicu: Path, store: TextStore) -> None:
    with duckdb.connect() as connection:
        read_eicu(connection, EICU, eicu, sections=["medication", "pastHistory"])
        text = documents(connection, store)["7"][1]
        assert text == "Medications: lasix; aspirin.\nPast history: asthma; Valve disease AS."
    with duckdb.connect() as connection, pytest.raises(ValueError, match="eICU: no section 'labs'"):
        read_eicu(connection, EICU, eicu, sections=["labs"])


@pytest.mark.parametrize(
    ("path", "value", "phrase"),
    [
        (P + "Physical Exam/Nose/normal/normal", "normal", "Nose normal"),
        (P + 'Physical Exam/Skin/Print "within normal limits"/fine', "fine", "Skin fine"),
        (P + "Past History/Cardiovascular (R)/Angina/angina", "angina", "angina"),
        (P + "Past History/COPD/COPD  - moderate", "COPD  - moderate", "COPD - moderate"),
        (P + "Physical Exam/Pupils/(symmetry)/equal", "equal", "Pupils (symmetry) equal"),
        ("notes/Shared/View and Save/Save Options/Print/Copies/Copies", "Copies", None),
        (P + "Assessment and Plan/View Options/System View", "System View", None),
    ],
)
def test_pick_list_phrases(path: str, value: str, phrase: str | None) -> None:
    assert picked(path, value) == phrase


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("1000 ML FLEX CONT : SODIUM CHLORIDE 0.9 % IV SOLN", "sodium chloride"),
        ("INSULIN-LISPRO (rDNA) *UNIT* INJ", "insulin-lispro"),
        ("Fentanyl (mcg/hr)", "fentanyl"),
        ("LASIX      ", "lasix"),
        ("5", None),
    ],
)
def test_drug_names(name: str, phrase: str | None) -> None:
    assert drug(name, "") == phrase


def test_admission_diagnosis_and_treatment() -> None:
    assert diagnosis_on_admission("admission diagnosis|x|Diagnosis|Neuro|Coma", "Coma") == "Coma"
    assert diagnosis_on_admission("admission diagnosis|Was the patient …|No", "No") is None
    assert treatment("renal|urinary catheters|foley catheter", "") == (
        "urinary catheters foley catheter"
    )


def plain(path: Path, labels: dict, **options: str) -> tuple[tuple[str, ...], dict[str, list]]:
    with duckdb.connect() as connection:
        names = read_plain(connection, path, labels, **options)
        columns = ", ".join(map(identifier, names))
        rows = connection.execute(
            f"SELECT text, {columns} FROM documents LEFT JOIN indicators USING (stay_id)"
        ).fetchall()
    return names, {text: [bool(flag) for flag in flags] for text, *flags in rows}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    rows = [[1, " Surgery ", "a"], [2, "Surgery", "b"], [3, "Ear / Nose", "a"], [4, "Rare", "c"]]
    write(tmp_path / "reports.csv.gz", "id,kind,body", rows)
    return tmp_path


def test_rows_of_one_text_make_one_document(reports: Path) -> None:
    labels = {"column": "kind", "keep": ["Surgery", "Ear / Nose"]}
    names, found = plain(reports, labels, text="body", group_by="body")
    assert names == ("Surgery", "Ear / Nose")  # as the file has them
    assert found == {"a": [True, True], "b": [True, False], "c": [False, False]}
    names, found = plain(reports, {"column": "kind", "top_n": 1}, text="body", group_by="body")
    assert names == ("Surgery",)


def test_labels_are_called_what_the_file_calls_them_in_any_script(tmp_path: Path) -> None:
    kinds = ["<30", ">30", "糖尿病 (E11)", "高血压 (E11)", "Übelkeit", "C++/C#", 'the "other"']
    path = tmp_path / "t.csv"
    pd.DataFrame({"id": range(7), "body": list("abcdefg"), "kind": kinds}).to_csv(path, index=False)
    names, found = plain(path, {"column": "kind"}, text="body", id="id")
    assert sorted(names) == sorted(kinds)
    assert [names[flags.index(True)] for flags in found.values()] == kinds


def test_two_labels_that_are_one_up_to_case_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, "id,body,kind", [[1, "a", "Urology"], [2, "b", "UROLOGY"]])
    with pytest.raises(ValueError, match="'UROLOGY' and 'Urology' have the same name up to case"):
        plain(path, {"column": "kind"}, text="body", id="id")


def test_a_group_of_two_patients_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [["s1", "p1", "a", 1], ["s1", "p2", "b", 0], ["s2", "p2", "c", 1], ["s2", "p2", "d", 1]]
    write(path, "stay,patient,body,urgent", rows)
    columns = {"text": "body", "group_by": "stay"}
    found = "t.csv: 1 values of stay come with more than one patient, first 's1'; expected one pat"
    with pytest.raises(ValueError, match=found):
        plain(path, {"columns": ["urgent"]}, **columns, subject="patient")
    _, joined = plain(path, {"columns": ["urgent"]}, **columns)
    assert set(joined) == {"a\n\nb", "c\n\nd"}
    write(path, "stay,patient,body,urgent", rows[2:])
    _, joined = plain(path, {"columns": ["urgent"]}, **columns, subject="patient")
    assert joined == {"c\n\nd": [True]}


@pytest.mark.parametrize("group_by", [None, "body"])
def test_rows_without_a_text_are_no_duplicates(tmp_path: Path, group_by: str | None) -> None:
    path = tmp_path / "t.csv"
    write(path, "patient,body,urgent", [["p1", "a", 1], ["p1", "", 0], ["p2", " ", 0]])
    options = {"text": "body", "subject": "patient", "group_by": group_by}
    _, found = plain(path, {"columns": ["urgent"]}, **options)
    assert found["a"] == [True]


def test_delimited_labels_parquet_and_indicator_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = {"id": [1, 2], "body": ["x", "y"], "kinds": ["a;b", "b"]}
    flags = {"urgent": [1, 0], "late": [True, False]}
    pd.DataFrame(table | flags).to_parquet(path)
    names, found = plain(path, {"column": "kinds", "delimiter": ";"}, text="body", id="id")
    assert (names, found) == (("b", "a"), {"x": [True, True], "y": [True, False]})
    names, found = plain(path, {"columns": ["urgent", "late"]}, text="body", id="id")
    assert (names, found) == (("urgent", "late"), {"x": [True, True], "y": [False, False]})
    with pytest.raises(ValueError, match="column kinds holds '.*'; expected 0, 1, true"):
        plain(path, {"columns": ["kinds"]}, text="body", id="id")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ({"column": "kind"}, {"text": "body"}, "1 values of body come in more than one row"),
        ({"column": "kind"}, {"text": "note"}, "no column note .* found id, kind, body"),
        ({"colum": "kind"}, {"text": "body"}, "the labels of a table are"),
        (
            {"column": "kind", "keep": ["Surgry"]},
            {"text": "body", "id": "id"},
            "did you mean Surgery",
        ),
    ],
)
def test_plain_tables_are_checked(
    reports: Path, labels: dict, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plain(reports, labels, **options)


def test_a_plain_folder_holds_one_table(reports: Path, tmp_path: Path) -> None:
    write(tmp_path / "more.csv", "id")
    with pytest.raises(ValueError, match=r"expected one table .* found more.csv, reports.csv.gz"):
        plain(reports, {"column": "kind"}, text="body")
    with pytest.raises(ValueError, match="does not exist; expected a CSV or Parquet file"):
        plain(tmp_path / "none.csv", {"column": "kind"}, text="body")


@pytest.fixture
def open_data() -> Path:
    if not os.environ.get("STEU_DATA"):
        pytest.skip("set STEU_DATA to the folder of the open demos to read them")
    return Path(os.environ["STEU_DATA"])


@pytest.mark.parametrize(
    ("layout", "folder", "options", "stays"),
    [
        ("eicu", "eicu-crd-demo-2.0.1", {}, 2100),
        ("mimic_iv", "mimic-iv-demo-2.2", {"text_source": "orders"}, 250),
        ("mimic_iii", "mimic-iii-demo-1.4", {"text_source": "orders"}, 125),
    ],
)
def test_open_demos(open_data: Path, layout: str, folder: str, options: dict, stays: int) -> None:
    path = open_data / folder
    if not path.is_dir():
        pytest.skip(f"STEU_DATA has no folder {folder}")
    cohort = build_cohort(
        layout, path, labels=DEFAULT_LABELS, name=layout, restricted=False, **options
    )
    assert stays <= len(cohort.frame) < stays * 1.05
    assert cohort.targets.mean(axis=0).min() > 0.04
    assert cohort.frame["text"].str.split().str.len().median() > 30


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("index.csv", [",id,body,urgent", "0,1,a,1", "1,2,b,0"]),
        ("excel.csv", ["id,body,urgent,,", "1,a,1,,", "2,b,0,,"]),
        ("twice.csv", ["id,body,urgent,x,x", "1,a,1,5,6", "2,b,0,7,8"]),
        ("semicolons.csv", ["id;body;urgent", "1;a;1", "2;b;0"]),
        ("tabs.csv", ["id\tbody\turgent", "1\ta\t1", "2\tb\t0"]),
        ("UPPER.CSV", ["ID,BODY,URGENT", "1,a,1", "2,b,0"]),
        ("begins_empty.csv", ["", "id,body,urgent", "1,a,1", "2,b,0"]),
        ("two_line_ends.csv", ["id,body,urgent\r", "1,a,1", "2,b,0\r"]),
    ],
)
def test_tables_are_read_as_people_have_them(tmp_path: Path, name: str, lines: list[str]) -> None:
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    _, found = plain(path, {"columns": ["urgent"]}, text="body", id="id")
    assert found == {"a": [True], "b": [False]}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,body,urgent", '1,"a,1', "2,b,0"], "it ends between quotation marks|row 2 has 2 col"),
        (["id,body,urgent", "1,a,1", "2,b"], "row 3 has 2 columns and the header 3; is a quot"),
        (['id,body,"urgent', "1,a secret,1"], "the header does not end with its line: a quotation"),
        (['id,body,"urgent', "1,a," * 50_000], "the header does not end with its line"),
    ],
)
def test_a_quotation_mark_without_a_partner_loses_no_row_and_shows_none(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match=said) as caught:
        plain(path, {"columns": ["urgent"]}, text="body", id="id")
    assert "secret" not in str(caught.value) and "t.csv" in str(caught.value)


def test_a_packed_table_may_be_called_in_capitals(tmp_path: Path) -> None:
    write(tmp_path / "t.csv.gz", "id,body,urgent", [[1, "a", 1], [2, "b", 0]])
    loud = (tmp_path / "t.csv.gz").rename(tmp_path / "T.CSV.GZ")
    _, found = plain(loud, {"columns": ["urgent"]}, text="body", id="id")
    assert found == {"a": [True], "b": [False]}


def test_a_column_that_is_asked_for_and_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, "id,body,Body,urgent", [[1, "a", "b", 1]])
    with pytest.raises(
        ValueError, match="2 columns are called body .any case.; rename all but one"
    ):
        plain(path, {"columns": ["urgent"]}, text="body", id="id")


def test_a_folder_called_like_a_table_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "discharge.csv").mkdir()
    write(tmp_path / "discharge.csv.gz", "id", [[1]])
    assert find_table(tmp_path, "discharge") == tmp_path / "discharge.csv.gz"


def test_parquet_of_bytes_and_lists_is_text_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = {
        "id": [1, 2, 3],
        "body": ["Größe".encode(), "naïve".encode(), b"c"],
        "kinds": [["urology", "cardiology"], ["urology"], []],
    }
    pd.DataFrame(table).to_parquet(path)
    names, found = plain(path, {"column": "kinds"}, text="body", id="id")
    assert names == ("urology", "cardiology")
    assert found == {"Größe": [True, True], "naïve": [True, False], "c": [False, False]}


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.binary()),
        pa.dictionary(pa.int32(), pa.string()),
        pa.string_view(),
    ],
    ids=str,
)
def test_parquet_of_any_kind_of_text_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "t.parquet"
    texts = pa.array(["Größe", "naïve", "c"])
    raw = kind.value_type if pa.types.is_dictionary(kind) else kind
    column = texts.cast(pa.binary()).cast(raw) if "binary" in str(raw) else texts.cast(raw)
    column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column
    labels = pa.array([[b"\xc3\x9cbel"], [b"b", b"\xc3\x9cbel"], []], pa.list_(pa.binary()))
    pq.write_table(pa.table({"id": [1, 2, 3], "body": column, "Kinds": labels}), path)
    names, found = plain(path, {"column": "kinds"}, text="body", id="id")
    assert names == ("Übel", "b")
    assert found == {"Größe": [True, False], "naïve": [True, True], "c": [False, False]}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.struct({"n": pa.string()}), {"n": "a"}),
        (pa.list_(pa.list_(pa.string())), [["a"]]),
        (pa.map_(pa.string(), pa.string()), [("a", "b")]),
    ],
    ids=["struct", "lists of lists", "map"],
)
def test_parquet_that_nests_labels_otherwise_is_refused(tmp_path: Path, kind, value) -> None:
    path = tmp_path / "t.parquet"
    columns = {"id": [1, 2], "body": ["a", "b"], "kinds": pa.array([value, value], kind)}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(ValueError, match=r"column kinds holds .*; expected names of labels, or li"):
        plain(path, {"column": "kinds"}, text="body", id="id")


def test_lists_take_no_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"id": [1], "body": ["a"], "kinds": [["x", "y"]]}).to_parquet(path)
    with pytest.raises(ValueError, match="column kinds holds lists already: leave delimiter out"):
        plain(path, {"column": "kinds", "delimiter": ";"}, text="body", id="id")


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "Zstandard")],
)
def test_a_table_that_is_packed_otherwise_is_named(tmp_path: Path, start: bytes, what: str) -> None:
    (tmp_path / "t.csv").write_bytes(start + b"\0\xff" * 20)
    with pytest.raises(ValueError, match=f"t.csv is compressed by {what}: save it as CSV"):
        plain(tmp_path / "t.csv", {"column": "a"}, text="body")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sep=;\nid;body\n1;a\n", "begins with a line that tells a spreadsheet what separates"),
        ("id,body\n1,a\n".encode("utf-16-le"), "t.csv is in UTF-16, or no text: save it as CSV"),
    ],
    ids=["a line for a spreadsheet", "UTF-16 without its mark"],
)
def test_what_stands_before_the_header_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        plain(tmp_path / "t.csv", {"column": "id"}, text="body")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "start", ['{"id": 1}', '{ "id": 1}', '\ufeff{"id": 1}', '[\n  {\n    "id": 1}]', '{\n "id": 1}']
)
def test_json_is_called_so_however_it_is_laid_out(tmp_path: Path, start: str, packed: bool) -> None:
    written = (start + "\n").encode()
    path = tmp_path / "t.jsonl"
    path.write_bytes(gzip.compress(written) if packed else written)
    with pytest.raises(ValueError, match=r"t\.jsonl is JSON: save it as CSV in UTF-8"):
        plain(path, {"column": "id"}, text="body")
