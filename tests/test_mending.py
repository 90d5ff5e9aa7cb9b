"""Values that passed through other software: what is certain is mended, the rest refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from steu.data.cohort import Cohort
from steu.data.readers.cohort_tables import build_cohort
from steu.data.readers.mending import FLAGS, mend_choice, mend_ids

N = 40  # stays
LABELS = {"heart_failure": ["428"], "sepsis": ["038"]}
TABLE = {"text": "body", "id": "id", "subject": "patient", "labels": {"columns": ["urgent"]}}


def mimic_iii(folder: Path, **changes: dict[str, object]) -> Path:
    """A note and three codes a stay, and its orders; `changes` are of columns of `notes`, …"""
    folder.mkdir(exist_ok=True)
    ids = pd.DataFrame({"subject_id": range(N), "hadm_id": range(100, 100 + N)})
    notes = ids.assign(row_id=range(N), chartdate="2150-01-01", category="Discharge summary")
    notes = notes.assign(iserror="", text=[f"note {i}" for i in range(N)])
    codes = pd.concat([ids.assign(icd9_code="4019"), ids[::2].assign(icd9_code="4280")])
    codes = pd.concat([codes, ids[::3].assign(icd9_code="0389")])
    orders = ids.assign(startdate="2150-01-01", drug="Aspirin")
    done = ids.assign(seq_num="1", icd9_code="9604")
    tables = {"noteevents": notes, "diagnoses_icd": codes, "prescriptions": orders}
    for name, table in (tables | {"procedures_icd": done}).items():
        table = table.reset_index(drop=True).astype(object)
        for column, values in changes.get(name, {}).items():
            table.loc[: len(values) - 1, column] = values
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def mimic_iv(folder: Path, **changes: dict[str, object]) -> Path:
    """The same under the names of MIMIC-IV."""
    mimic_iii(folder, **changes)
    for name in ("diagnoses_icd", "procedures_icd"):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str)
        table = table.rename(columns={"icd9_code": "icd_code"})
        table.assign(**{"icd_version": "9"} | changes.get(f"{name}_iv", {})).to_csv(
            folder / f"{name}.csv", index=False
        )
    notes = pd.read_csv(folder / "noteevents.csv", dtype=str)
    notes = notes.rename(columns={"row_id": "note_id", "chartdate": "charttime"})
    notes.to_csv(folder / "discharge.csv", index=False)
    orders = pd.read_csv(folder / "prescriptions.csv", dtype=str)
    orders.rename(columns={"startdate": "starttime"}).to_csv(
        folder / "prescriptions.csv", index=False
    )
    return folder


def build(layout: str, folder: Path, **options: object) -> Cohort:
    given = {"labels": LABELS, "name": "tiny", "restricted": False} | options
    return build_cohort(layout, folder, **given)


def reports(path: Path, **columns: object) -> Path:
    """Sixty reports of twenty patients."""
    frame = pd.DataFrame({"id": range(60), "patient": [i % 20 for i in range(60)]}).astype(str)
    frame = frame.assign(
        body=[f"report {i}" for i in range(60)], urgent=[i // 20 % 2 for i in range(60)]
    )
    frame.assign(**columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[("7", "7"), ("7.0", "7"), (" 7.00 ", "7"), ("7 ", "7"), ("007.", "007")],
        *[
            ("7\u200b", "7"),
            ("\ufeff7", "7"),
            ("7\0", "7"),
            ("'7", "7"),
            ('="7"', "7"),
            ('"7"', "7"),
        ],
        *[("7.5", "7.5"), ("a7.0", "a7.0"), ("002-1", "002-1"), ("7.0 8.0", "7.0 8.0")],
    ],
)
def test_whole_numbers_are_read_without_their_point_and_blanks(written: str, read: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT ? AS id", [written])
        mend_ids(connection, "t", "id", path=Path("t.csv"))
        assert connection.execute("FROM t").fetchall() == [(read,)]


def test_two_exports_put_together_have_each_patient_once(tmp_path: Path) -> None:
    halves = [f"{i % 20}" + ".0" * (i >= 30) for i in range(60)]
    cohort = build("table", reports(tmp_path / "t.csv", patient=halves), **TABLE)
    assert cohort.frame["subject_id"].nunique() == 20
    visits = [f"{i // 2}" + ".0" * (i % 2) for i in range(60)]
    path = reports(tmp_path / "t.csv", visit=visits, patient=[i // 2 for i in range(60)])
    assert len(build("table", path, **TABLE, group_by="visit").frame) == 30


def test_a_text_that_is_a_number_is_left_as_it_is(tmp_path: Path) -> None:
    path = reports(tmp_path / "t.csv", body=[f"{i}.0" for i in range(60)])
    cohort = build("table", path, text="body", labels={"columns": ["urgent"]})
    assert set(cohort.frame["text"]) == {f"{i}.0" for i in range(60)}


@pytest.mark.parametrize("yes", ["1", "1.0", "true", "T", "Y", " yes "])
def test_a_withdrawn_note_is_left_out_however_it_is_marked(tmp_path: Path, yes: str) -> None:
    folder = mimic_iii(tmp_path, noteevents={"iserror": [yes, "0", "no", "F", None]})
    assert set(build("mimic_iii", folder).frame["stay_id"]) == {str(101 + i) for i in range(N - 1)}


@pytest.mark.parametrize("layout", ["mimic_iii", "mimic_iv"])
def test_rows_that_name_no_stay_are_counted(tmp_path: Path, layout: str) -> None:
    missing = {"noteevents": {"hadm_id": ["", " "]}, "diagnoses_icd": {"hadm_id": [""]}}
    folder = (mimic_iii if layout == "mimic_iii" else mimic_iv)(tmp_path, **missing)
    cohort = build(layout, folder)
    assert cohort.excluded["rows_without_id"] == 3
    assert len(cohort.frame) + cohort.excluded["without_text"] == N


def test_versions_are_read_however_they_are_written(tmp_path: Path) -> None:
    plain = build("mimic_iv", mimic_iv(tmp_path / "a"))
    written = ["9", "9.0", "ICD9", "icd-9 "] * 100
    n = len(pd.read_csv(tmp_path / "a" / "diagnoses_icd.csv"))
    other = build(
        "mimic_iv", mimic_iv(tmp_path / "b", diagnoses_icd_iv={"icd_version": written[:n]})
    )
    assert other.fingerprint == plain.fingerprint


def spoilt_version(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd_iv={"icd_version": "ICD9CM"})


def blank_version(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd_iv={"icd_version": ""})


def spoilt_flag(folder: Path) -> None:
    mimic_iii(folder, noteevents={"iserror": ["perhaps"]})


def lost_zero(folder: Path) -> None:
    mimic_iii(folder, diagnoses_icd={"icd9_code": ["42"]})


def spoilt_time(folder: Path) -> None:
    mimic_iii(folder, prescriptions={"startdate": ["10/2/2150"]})


def wrong_version(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd_iv={"icd_version": "10"})


def letter_of_icd10(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd={"icd9_code": ["I509"]})


def dotted_without_zero(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd={"icd9_code": ["38.9"]})


def other_patient(folder: Path) -> None:
    shifted = [(i + 7) % N for i in range(N)]
    mimic_iv(folder, diagnoses_icd={"subject_id": shifted})


def marked_code(folder: Path) -> None:
    mimic_iv(folder, diagnoses_icd={"icd9_code": ["4019;4280"]})


def code_of_icd10_in_mimic_iii(folder: Path) -> None:
    mimic_iii(folder, diagnoses_icd={"icd9_code": ["I509"]})


def time_of_an_afternoon(folder: Path) -> None:
    mimic_iv(folder, noteevents={"chartdate": ["2150-01-01 09:00:00 PM"]})


def year_of_two_digits(folder: Path) -> None:
    mimic_iii(folder, noteevents={"chartdate": ["12/11/15"]})


@pytest.mark.parametrize(
    ("spoil", "layout", "said"),
    [
        (spoilt_version, "mimic_iv", "diagnoses_icd.csv: column icd_version holds 'icd9cm'; exp"),
        (blank_version, "mimic_iv", "diagnoses_icd.csv: column icd_version holds ''; expected 9,"),
        (spoilt_flag, "mimic_iii", "noteevents.csv: column iserror holds 'perhaps'; expected 0,"),
        (lost_zero, "mimic_iii", "diagnoses_icd.csv: the ICD-9 code '42' has less than three dig"),
        (spoilt_time, "mimic_iii", "prescriptions.csv: column startdate holds '10/2/2150'; expec"),
        (wrong_version, "mimic_iv", "'0389' is said to be of ICD-10 and cannot be"),
        (letter_of_icd10, "mimic_iv", "'I509' is said to be of ICD-9 and cannot be"),
        (dotted_without_zero, "mimic_iv", r"the ICD-9 code '38\.9' has less than three digits"),
        (marked_code, "mimic_iv", "'4019;4280' is said to be of ICD-9 and cannot be"),
        (code_of_icd10_in_mimic_iii, "mimic_iii", "'I509' is said to be of ICD-9 and cannot"),
        (other_patient, "mimic_iv", "stay '100' is of another patient here than where its texts"),
        (time_of_an_afternoon, "mimic_iv", "charttime holds '2150-01-01 09:00:00 PM'; expected"),
        (year_of_two_digits, "mimic_iii", "column chartdate holds '12/11/15'; expected times"),
    ],
)
def test_what_could_mean_another_thing_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], layout: str, said: str
) -> None:
    spoil(tmp_path)
    options = {"text_source": "orders"} if spoil is spoilt_time else {}
    with pytest.raises(ValueError, match=said):
        build(layout, tmp_path, **options)


@pytest.mark.parametrize(
    "written",
    ["4280", "428.0", "'4280", '="4280"', '"4280"', "\t4280", "\u200b4280", " 4280 "],
)
@pytest.mark.parametrize("layout", ["mimic_iii", "mimic_iv"])
def test_a_code_is_one_whatever_a_spreadsheet_wrote_around_it(
    tmp_path: Path, layout: str, written: str
) -> None:
    make = {"mimic_iii": mimic_iii, "mimic_iv": mimic_iv}[layout]
    codes = ["4019"] * N + [written] * (N // 2) + ["NoDx"]  # which holds no code
    cohort = build(layout, make(tmp_path, diagnoses_icd={"icd9_code": codes}))
    assert cohort.frame["heart_failure"].sum() == N // 2


@pytest.mark.parametrize("missing", ["NA", "NULL", "NaN", "<NA>", r"\N", "."])
def test_what_r_or_pandas_wrote_for_nothing_is_nothing(tmp_path: Path, missing: str) -> None:
    notes = {"text": [missing] * 5, "category": ["DISCHARGE SUMMARY"] * 9}
    for layout, make in (("mimic_iii", mimic_iii), ("mimic_iv", mimic_iv)):
        folder = make(tmp_path / layout, noteevents=notes, prescriptions={"drug": [missing]})
        cohort = build(layout, folder)
        assert (len(cohort.frame), cohort.excluded["without_text"]) == (N - 5, 5)
        orders = build(layout, folder, text_source="orders").frame.set_index("stay_id")["text"]
        assert "Medications" not in orders["100"] and "aspirin" in orders["101"].lower()


def test_of_a_table_in_two_places_neither_is_taken(tmp_path: Path) -> None:
    mimic_iv(tmp_path)
    older = tmp_path / "note"
    older.mkdir()
    pd.read_csv(tmp_path / "discharge.csv")[:30].to_csv(older / "discharge.csv.gz", index=False)
    with pytest.raises(ValueError, match=r"once; found discharge\.csv, note/discharge\.csv\.gz: m"):
        build("mimic_iv", tmp_path)


def test_ids_that_a_narrow_float_rounds_are_refused_in_any_layout(tmp_path: Path) -> None:
    mimic_iv(tmp_path)
    codes = pd.read_csv(tmp_path / "diagnoses_icd.csv", dtype={"icd_code": str})
    (tmp_path / "diagnoses_icd.csv").unlink()
    codes = codes.astype({"hadm_id": "float32"})
    codes.to_parquet(tmp_path / "diagnoses_icd.parquet")
    with pytest.raises(ValueError, match="column hadm_id holds float, in which ids of more than"):
        build("mimic_iv", tmp_path)


def test_orders_are_in_order_and_titled_whatever_wrote_their_numbers(tmp_path: Path) -> None:
    folder = mimic_iv(tmp_path, prescriptions={"startdate": ["2150-1-2", "2150-01-01"]})
    orders = pd.read_csv(folder / "prescriptions.csv", dtype=str)
    orders.loc[[0, 1], ["hadm_id", "drug"]] = [["100.0", "Senna"], ["100", "Aspirin"]]
    orders.loc[1, "subject_id"] = "0"
    orders.to_csv(folder / "prescriptions.csv", index=False)
    titles = {"icd_code": ["9604"], "icd_version": ["9.0"], "long_title": ["Tube"]}
    pd.DataFrame(titles).to_csv(folder / "d_icd_procedures.csv", index=False)
    texts = build("mimic_iv", folder, text_source="orders").frame.set_index("stay_id")["text"]
    assert texts["100"] == "Medications: aspirin; senna.\nProcedures: Tube."


def test_a_choice_is_written_as_what_it_means() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest(['Yes', ' y', NULL, '', 'F']) AS flag")
        mend_choice(connection, "t", "flag", FLAGS, path=Path("t.csv"), name="Flag")
        assert connection.execute("SELECT * FROM t ORDER BY 1").fetchall() == [
            *[("0",)] * 3,
            *[("1",)] * 2,
        ]


def test_a_blank_cell_of_a_label_is_no_no(tmp_path: Path) -> None:
    urgent = [str(i // 20 % 2) for i in range(60)]
    urgent[3:6] = ["", " ", ""]
    path = reports(
        tmp_path / "t.csv", urgent=urgent, body=["" if i == 3 else f"r {i}" for i in range(60)]
    )
    cohort = build("table", path, **TABLE)
    assert cohort.excluded == {
        "without_text": 1,  # and without a label: counted once
        "without_label": 2,
        "without_patient": 0,
        "rows_without_id": 0,
    }
    assert len(cohort.frame) + 3 == 60
    assert not set(cohort.frame["stay_id"]) & {"3", "4", "5"}


def test_a_document_of_several_rows_may_say_a_label_once(tmp_path: Path) -> None:
    urgent = [str(i // 20 % 2) if i % 2 else "" for i in range(60)]
    path = reports(tmp_path / "t.csv", visit=[i // 2 for i in range(60)], urgent=urgent)
    options = {"text": "body", "group_by": "visit", "labels": {"columns": ["urgent"]}}
    cohort = build("table", path, **options)
    assert (len(cohort.frame), cohort.excluded["without_label"]) == (30, 0)
    assert cohort.frame["urgent"].sum() == 10


def mended(*written: str) -> list[str | None]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest(?) AS id", [list(written)])
        mend_ids(connection, "t", "id", path=Path("t.csv"))
        return [value for (value,) in connection.execute("FROM t").fetchall()]


def test_ids_are_the_same_whatever_wrote_them() -> None:
    assert mended("2.3456700E7", "2,34567E7", "23456700,0") == ["23456700"] * 3
    assert mended("3e12", "2.5E1", "1.5.2") == ["3e12", "25", "1.5.2"]
    assert mended("p1\u00a0", "\u3000p1 ", "p1") == ["p1"] * 3
    assert len(set(mended("Zo\u00eb", "Zoe\u0308"))) == 1


def test_whom_nobody_knew_is_not_one_patient(tmp_path: Path) -> None:
    assert mended("-1", "-1.0", "Unknown", "unk", "-12") == [None, None, None, None, "-12"]
    path = reports(tmp_path / "t.csv", patient=["-1" if i % 9 == 0 else i for i in range(60)])
    cohort = build("table", path, **TABLE)
    assert "-1" not in set(cohort.frame["subject_id"])
    assert len(cohort.frame) == 60 - 7 and sum(cohort.excluded.values()) == 7
    assert mended("n/a", "#N/A", "none", "NaT", " Null ", "nanna") == [None] * 5 + ["nanna"]


@pytest.mark.parametrize("rounded", ["1,23457E+11", "1.23457e+11", "1E+05", "1.2345678E3"])
def test_ids_that_were_rounded_are_refused(rounded: str) -> None:
    with pytest.raises(ValueError, match=r"t\.csv: an id is '.*', which a spreadsheet has rounded"):
        mended("7", rounded)


@pytest.mark.parametrize("odd", ["1,000", "1.000"])
def test_what_may_be_one_or_a_thousand_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match=f"an id is '{odd}', which may be 1 or a thousand times"):
        mended("1", "2", odd)
    assert mended("1.000", "12.000", "") == ["1", "12", None]  # all with as many decimals


def test_a_float_holds_sixteen_digits_and_no_more() -> None:
    with pytest.raises(ValueError, match=r"an id is '9100000000000002.0', and no float"):
        mended("9100000000000002.0", "9100000000000004.0")
    cut = [f"90000000000000{i}0" for i in range(3)]  # as a spreadsheet shows what it rounded
    with pytest.raises(ValueError, match=f"an id is '{cut[0]}', and no float or spreadsheet"):
        mended(*cut, "12")
    assert mended(*cut, "9000000000000001") == [*cut, "9000000000000001"]
    assert mended("9100000000000001") == ["9100000000000001"]


@pytest.mark.parametrize(
    "pair",
    [
        ("000012", "12"),
        ("p-1", "P-1"),
        ("a 1", "a1"),
        ("A-1", "A–1"),
        ("P1", "P１"),
        ("12", "+12"),
        ("2150-01-05", "2150-01-05 00:00:00"),
    ],
)
def test_ids_that_may_be_of_one_patient_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="the ids '.*' and '.*' differ in case, blanks") as caught:
        mended(*pair, "other")
    assert all(repr(one) in str(caught.value) for one in pair)


@pytest.mark.parametrize("shown", ["#NAME?", "#REF!", "######", " #DIV/0! "])
@pytest.mark.parametrize("column", ["body", "patient"])
def test_what_a_spreadsheet_could_not_show_is_refused(
    tmp_path: Path, column: str, shown: str
) -> None:
    path = reports(tmp_path / "t.csv", **{column: [shown] + ["#1 of 2"] * 59})
    with pytest.raises(ValueError, match=rf"column {column} holds '{re.escape(shown.strip())}'"):
        build("table", path, **TABLE)


LISTED = {"text": "body", "id": "id", "subject": "patient"}


@pytest.mark.parametrize(
    ("cells", "labels", "said"),
    [
        (["Uro", "Car", "Uro;Car"], {}, "holds 'Uro;Car', of which a part is a label too: na"),
        (["Uro", "Car", "Uro; Other"], {}, "holds 'Uro; Other', of which a part is a label too"),
        (["Uro", "Car"], {"delimiter": ""}, "delimiter is ''; expected what stands between"),
        (["['Uro', 'Car']", "['Uro']"], {"delimiter": ","}, "holds \"\\['Uro'\", a list|holds"),
        (["['Uro', 'Car']", "['Uro']"], {}, "holds \"\\['Uro', 'Car'\\]\", a list that was writ"),
        (["Uro", "Car"], {"keep": ["Uro"], "top_n": 1}, "'keep' names labels and 'top_n' counts"),
        (["Uro", "Car"], {"top_n": -1}, "top_n is -1; expected how many .*, 1 or more"),
        (["Uro", "Car"], {"top_n": "2"}, "top_n is '2'; expected how many"),
        (["0", "1"], {}, "column what holds 0 and 1, which say whether a label is there, not"),
        (["U\x0bro", "Car"], {}, r"a label may not be called 'U\\x0bro': take out the line breaks"),
        (["Uro", "Car"], {"keep": "Uro"}, r"keep is 'Uro'; expected a list, such as \['Uro'\]"),
    ],
)
def test_several_labels_are_not_taken_for_one(
    tmp_path: Path, cells: list[str], labels: dict, said: str
) -> None:
    path = reports(tmp_path / "t.csv", what=(cells * 60)[:60])
    with pytest.raises(ValueError, match=said):
        build("table", path, **LISTED, labels={"column": "what"} | labels)


def test_a_name_with_a_delimiter_in_it_may_be_kept(tmp_path: Path) -> None:
    path = reports(tmp_path / "t.csv", what=["Uro", "Car", "Uro;Car"] * 20)
    labels = {"column": "what", "keep": ["Uro", "Car", "Uro;Car"]}
    assert build("table", path, **LISTED, labels=labels).labels == ("Uro", "Car", "Uro;Car")
    blank = {"column": "what", "keep": None, "delimiter": ";", "top_n": None}
    assert build("table", path, **LISTED, labels=blank).labels == ("Car", "Uro")


def test_the_same_text_under_two_ids_is_in_one_split(tmp_path: Path) -> None:
    path = reports(tmp_path / "t.csv", body=[f"report {i % 30}" for i in range(60)])
    cohort = build("table", path, text="body", id="id", labels={"columns": ["urgent"]})
    assert len(cohort.frame) == 60
    assert (cohort.frame.groupby("text")["split"].nunique() == 1).all()


def test_columns_are_found_whatever_blanks_and_letters_are_in_their_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{i}, report {i}, {i // 20 % 2}" for i in range(60)]
    path.write_text("\n".join(["id, Befund u\u0308ber, Dringend", *lines]))
    labels = {"columns": ["dringend"]}
    cohort = build("table", path, text="Befund \u00fcber", id="id", labels=labels)
    assert len(cohort.frame) == 60 and cohort.frame["dringend"].sum() == 20


def test_texts_of_one_group_stand_as_in_the_file(tmp_path: Path) -> None:
    words = ["zebra", "adder", "zebra"]
    path = reports(
        tmp_path / "t.csv",
        visit=[i // 3 for i in range(60)],
        body=[f"{words[i % 3]} {i // 3}" for i in range(60)],
    )
    given = {"text": "body", "group_by": "visit", "labels": {"columns": ["urgent"]}}
    texts = build("table", path, **given).frame.set_index("stay_id")["text"]
    assert texts["4"] == "zebra 4\n\nadder 4"


def test_prefixes_that_hardly_any_code_begins_with_are_said(tmp_path: Path) -> None:
    labels = {"heart_failure": ["428", "I50"], "sepsis": ["038", "O38", "995.9"]}
    cohort = build("mimic_iii", mimic_iii(tmp_path / "a"), labels=labels)
    cohort.write(tmp_path / "cohort")
    assert Cohort.read(tmp_path / "cohort").rare_prefixes == ("I50", "O38", "995.9")


def titled(folder: Path, layout: str, titles: dict[str, str] | list[tuple[str, str]]) -> None:
    pairs = list(titles.items()) if isinstance(titles, dict) else titles
    frame = pd.DataFrame(pairs, columns=["icd9_code", "long_title"])
    if layout == "mimic_iv":
        frame = frame.rename(columns={"icd9_code": "icd_code"}).assign(icd_version="9")
    frame.to_csv(folder / "d_icd_procedures.csv", index=False)


@pytest.mark.parametrize("written", ["0331", "03.31", '="0331"', " 0331 "])
def test_procedures_bear_their_titles_however_their_codes_are_written(
    tmp_path: Path, written: str
) -> None:
    for make, layout in ((mimic_iii, "mimic_iii"), (mimic_iv, "mimic_iv")):
        folder = make(tmp_path / layout, procedures_icd={"icd9_code": [written, "9604.0"]})
        titled(folder, layout, {"0331": "Spinal tap", "9604": "Intubation", "331": "Incision"})
        told = build(layout, folder, text_source="orders").frame.set_index("stay_id")["text"]
        assert "Procedures: Spinal tap." in told["100"] and "Intubation" in told["101"]


def test_procedures_that_lost_their_zeros_are_refused(tmp_path: Path) -> None:
    for make, layout in ((mimic_iii, "mimic_iii"), (mimic_iv, "mimic_iv")):
        folder = make(tmp_path / layout, procedures_icd={"icd9_code": ["331", "744"]})
        right = {"0331": "Spinal tap", "331": "Incision", "0744": "Repair", "9604": "Intubation"}
        titled(folder, layout, right)
        with pytest.raises(ValueError, match="the ICD-9 code '744' has no title and has one with"):
            build(layout, folder, text_source="orders")
        titled(folder, layout, [("331", "Spinal tap"), ("331", "Incision"), ("9604", "Intubation")])
        with pytest.raises(ValueError, match="d_icd_procedures.csv: the ICD-9 code '331' has two"):
            build(layout, folder, text_source="orders")
