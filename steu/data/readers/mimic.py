"""Where MIMIC-IV, MIMIC-III, eICU and plain tables keep text, codes and ids, and how to read them.

Each reader leaves two tables in the DuckDB connection. One is of texts: `documents(subject_id,
stay_id, text)` or, where they are too large for a database in memory, `pieces(subject_id, stay_id,
nth, place, size)` of a store. The other, for the layouts with diagnosis codes, is
`codes(subject_id, stay_id, system, code)`, codes without the dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import duckdb

from steu._errors import check_choice, shown
from steu.data.readers import phrases, procedures
from steu.data.readers.eicu import EICU, Eicu, read_eicu
from steu.data.readers.finding import find_table, require_table
from steu.data.readers.mending import (
    FLAGS,
    VERSIONS,
    mend_choice,
    mend_ids,
    mend_times,
    refuse_lost_zeros,
)
from steu.data.readers.sql import bare
from steu.data.readers.tables import load_published, refuse_duplicates, set_apart
from steu.data.readers.text_store import TextStore

__all__ = ["EICU", "LAYOUTS", "MIMIC_III", "MIMIC_IV", "Mimic", "read_eicu", "read_mimic"]

TextSource = Literal["notes", "orders"]


@dataclass(frozen=True)
class Mimic:
    """One version of MIMIC: its tables, and where its columns differ."""

    name: str
    notes: str
    note_columns: Mapping[str, str]  # order1, order2: reading order of the notes of a stay
    note_filter: str
    diagnoses: str
    code: str
    version: str | None  # the column saying ICD-9 or -10; None: every code is ICD-9
    prescriptions: str
    started: str
    procedures: str
    procedure_titles: str


MIMIC_IV = Mimic(
    name="mimic_iv",
    notes="note/discharge",
    note_columns={"order1": "charttime", "order2": "note_id"},
    note_filter="true",
    diagnoses="hosp/diagnoses_icd",
    code="icd_code",
    version="icd_version",
    prescriptions="hosp/prescriptions",
    started="starttime",
    procedures="hosp/procedures_icd",
    procedure_titles="hosp/d_icd_procedures",
)

MIMIC_III = Mimic(
    name="mimic_iii",
    notes="noteevents",
    note_columns={
        "order1": "chartdate",
        "order2": "row_id",
        "category": "category",
        "iserror": "iserror",
    },
    note_filter=r"regexp_matches(lower(category), '^[\s\pZ]*discharge[\s\pZ_-]+summary[\s\pZ]*$')",
    diagnoses="diagnoses_icd",
    code="icd9_code",
    version=None,
    prescriptions="prescriptions",
    started="startdate",
    procedures="procedures_icd",
    procedure_titles="d_icd_procedures",
)

LAYOUTS: dict[str, Mimic | Eicu] = {layout.name: layout for layout in (MIMIC_IV, MIMIC_III, EICU)}


def read_mimic(
    connection: duckdb.DuckDBPyConnection,
    layout: Mimic,
    folder: Path,
    store: TextStore,
    *,
    text_source: TextSource = "notes",
    notes: str | Path | None = None,
) -> None:
    """Read one MIMIC folder.

    The notes of one stay, addenda among them, are pieces in the order they were charted, so that a
    stay is always one document. `store` takes their texts.

    Parameters
    ----------
    text_source
        "notes": discharge summaries. "orders": prescriptions and procedures rendered as a
        document, for the open demos, which hold no notes.
    notes
        Folder of the note tables where they lie apart (MIMIC-IV-Note is a download of its own).
    """
    check_choice(text_source, get_args(TextSource), what="text_source")
    columns = {"subject_id": "subject_id", "stay_id": "hadm_id", "raw": layout.code}
    if layout.version:
        columns["version"] = layout.version
    path = require_table(folder, layout.diagnoses, purpose="the diagnosis codes")
    load_published(connection, path, columns, into="diagnoses")
    mend_ids(connection, "diagnoses", "subject_id", "stay_id", path=path)
    set_apart(connection, "diagnoses", where="trim(raw) <> ''")
    if layout.version:  # a row without a code says of a stay that it has none, in no version
        connection.execute("UPDATE diagnoses SET version = '9' WHERE coalesce(trim(raw), '') = ''")
    _mend_version(connection, layout, "diagnoses", path)
    system = "CAST(version AS INTEGER)" if layout.version else "9"
    connection.execute(
        f"""CREATE TABLE codes AS SELECT subject_id, stay_id, {system} AS system,
        upper(replace({bare("raw")}, '.', '')) AS code FROM diagnoses"""
    )
    _refuse_short_codes(connection, path, system)
    _refuse_other_system(connection, path)
    if text_source == "orders":
        _mimic_orders(connection, layout, folder)
    else:
        _mimic_notes(connection, layout, Path(notes) if notes else folder, store)
    texts = "documents" if text_source == "orders" else "pieces"
    _refuse_other_patient(connection, texts, path)


def _refuse_other_patient(connection: duckdb.DuckDBPyConnection, texts: str, path: Path) -> None:
    """A stay whose codes are of one patient and whose texts are of another joins what is apart."""
    odd = connection.execute(
        f"""SELECT min(codes.stay_id) FROM codes JOIN {texts} USING (stay_id)
        WHERE codes.subject_id <> {texts}.subject_id"""
    ).fetchall()[0][0]
    if odd is not None:
        raise ValueError(
            f"{path}: stay {shown(odd)} is of another patient here than where its texts are: take "
            "all tables from one version, unchanged"
        )


def notes_table(layout: Mimic, folder: Path) -> Path:
    """The table of notes; ValueError that says what to do without one."""
    path = find_table(folder, layout.notes) if folder.is_dir() else None
    if path is None:
        raise ValueError(f"{_no_notes(layout, folder)} (the table is missing)")
    return path


def _no_notes(layout: Mimic, folder: Path) -> str:
    return (
        f"{folder}: no notes to read in {layout.notes}; the open demos are published without "
        "notes: use the credentialed table, or set text_source='orders' to render documents from "
        "prescriptions and procedures"
    )


def _mimic_notes(
    connection: duckdb.DuckDBPyConnection, layout: Mimic, folder: Path, store: TextStore
) -> None:
    path = notes_table(layout, folder)
    columns = {"subject_id": "subject_id", "stay_id": "hadm_id", "text": "text"}
    columns |= layout.note_columns
    load_published(connection, path, columns, into="notes", where=layout.note_filter, store=store)
    if not connection.execute("SELECT EXISTS (FROM notes)").fetchone()[0]:
        raise ValueError(f"{_no_notes(layout, folder)} (the table has no discharge summaries)")
    mend_ids(connection, "notes", "subject_id", "stay_id", "order2", path=path)
    if "iserror" in columns:  # such a note was withdrawn by its author
        mend_choice(connection, "notes", "iserror", FLAGS, path=path, name=columns["iserror"])
        connection.execute("DELETE FROM notes WHERE iserror = '1'")
    set_apart(connection, "notes", where="size > 0")
    mend_times(connection, "notes", "order1", path=path, name=columns["order1"])
    mend = "expected one row a note and one patient a stay: use the publisher's file unchanged"
    refuse_duplicates(connection, "notes", "order2", path=path, columns=columns, mend=mend)
    refuse_duplicates(
        connection, "notes", "stay_id", of="subject_id", path=path, columns=columns, mend=mend
    )
    connection.execute(
        """CREATE TABLE pieces AS SELECT subject_id, stay_id, place, size, row_number() OVER (
        PARTITION BY stay_id ORDER BY order1, length(order2), order2
        ) AS nth FROM notes"""
    )


def _mend_version(
    connection: duckdb.DuckDBPyConnection, layout: Mimic, table: str, path: Path
) -> None:
    if layout.version:
        mend_choice(connection, table, "version", VERSIONS, path=path, name=layout.version)


def _refuse_other_system(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """A code that cannot be of the version beside it would count for no label, or another one.

    What holds no code at all, such as NoDx, is none.
    """
    found = connection.execute(
        r"""SELECT code, system FROM codes WHERE regexp_matches(code, '\d\d|[A-Z]\d')
        AND NOT regexp_full_match(code,
            CASE system WHEN 9 THEN '\d{3,5}|E\d{3,4}|V\d{2,4}' ELSE '[A-Z]\d[0-9A-Z]{1,5}' END)
        ORDER BY code LIMIT 1"""
    ).fetchone()
    if found:
        raise ValueError(
            f"{path}: {shown(found[0])} is said to be of ICD-{found[1]} and cannot be: a code of "
            "ICD-10 is a letter, a digit and up to five more, one of ICD-9 three to five digits, "
            "the first of which may be E or V: use the publisher's file unchanged"
        )


def _refuse_short_codes(connection: duckdb.DuckDBPyConnection, path: Path, system: str) -> None:
    """ICD-9 codes of less than three digits have lost zeros, as any table of them may have."""
    (dotted,) = connection.execute(
        f"""SELECT min(trim(raw)) FROM diagnoses
        WHERE {system} = 9 AND regexp_matches(trim(raw), '^[0-9]{{1,2}}\\.')"""
    ).fetchall()[0]
    (short,) = connection.execute(
        """SELECT min(code) FILTER (length(code) < 3)
        FROM codes WHERE system = 9 AND regexp_matches(code, '^[0-9]')"""
    ).fetchall()[0]
    short = short or dotted
    refuse_lost_zeros(
        connection,
        path,
        found=f"the ICD-9 code {short!r} has less than three digits" if short else "",
    )


def _mimic_orders(connection: duckdb.DuckDBPyConnection, layout: Mimic, folder: Path) -> None:
    purpose = "the orders that text_source='orders' renders"
    ids = {"subject_id": "subject_id", "stay_id": "hadm_id"}
    path = require_table(folder, layout.prescriptions, purpose=purpose)
    drugs = ids | {"path": "drug", "began": layout.started}
    load_published(connection, path, drugs, into="drugs")
    mend_ids(connection, "drugs", *ids, path=path)
    mend_times(connection, "drugs", "began", path=path, name=layout.started)
    path = require_table(folder, layout.procedures, purpose=purpose)
    version = {"version": layout.version} if layout.version else {}
    load_published(
        connection, path, ids | {"code": layout.code, "began": "seq_num"} | version, into="done"
    )
    mend_ids(connection, "done", *ids, "began", path=path)
    _mend_version(connection, layout, "done", path)
    for table in ("drugs", "done"):
        set_apart(connection, table)
    titles = find_table(folder, layout.procedure_titles)
    connection.execute("CREATE TABLE titles (code VARCHAR, version VARCHAR, title VARCHAR)")
    if titles:
        columns = {"code": layout.code, "title": "long_title"} | version
        load_published(connection, titles, columns, into="titles")
        _mend_version(connection, layout, "titles", titles)
    if not layout.version:
        connection.execute("ALTER TABLE done ADD COLUMN version VARCHAR DEFAULT '9'")
        connection.execute("ALTER TABLE titles ADD COLUMN IF NOT EXISTS version VARCHAR")
        connection.execute("UPDATE titles SET version = '9'")
    for table in ("done", "titles"):
        procedures.mend_codes(connection, table)
    procedures.refuse_lost_zeros(connection, path, titles)
    phrases.add_phrases(connection, "drugs", phrases.drug)
    connection.execute(
        """CREATE TABLE documents AS
        WITH items AS (
            SELECT 0 AS section, 'Medications' AS title, subject_id, stay_id, phrase,
            min(began) AS began FROM drugs JOIN phrases USING (path) GROUP BY ALL
            UNION ALL
            SELECT 1, 'Procedures', subject_id, stay_id,
            coalesce(titles.title, 'procedure ' || done.code) AS phrase,
            min(lpad(began, 6, '0')) FROM done
            LEFT JOIN titles USING (code, version) GROUP BY ALL
        ), paragraphs AS (
            SELECT section, subject_id, stay_id, any_value(title) || ': '
            || string_agg(phrase, '; ' ORDER BY began, phrase) || '.' AS paragraph
            FROM items GROUP BY section, subject_id, stay_id
        )
        SELECT subject_id, stay_id, string_agg(paragraph, chr(10) ORDER BY section) AS text
        FROM paragraphs GROUP BY subject_id, stay_id"""
    )
