"""Where MIMIC-IV, MIMIC-III, eICU and plain tables keep text, codes and ids, and how to read them.

Each reader leaves two tables in the DuckDB connection: `documents(subject_id, stay_id, text)` and,
for the layouts with diagnosis codes, `codes(stay_id, system, code)`, codes without the dot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb
import pandas as pd

from steu import render
from steu.labels import parse_code
from steu.tables import find_table, literal, load, require_table, stripped

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


@dataclass(frozen=True)
class Section:
    """One table of eICU that becomes one paragraph."""

    table: str
    title: str
    columns: Mapping[str, str]  # offset, path and, where there are, value, reading, hicl, cancelled
    phrase: Callable[[str, str], str | None]


@dataclass(frozen=True)
class Eicu:
    """eICU: the table of stays, the diagnoses and the sections a document is rendered from."""

    name: str
    stays: str
    diagnoses: str
    sections: Mapping[str, Section] = field(repr=False)
    default_sections: tuple[str, ...]


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
    # A note marked as an error was withdrawn by its author.
    note_filter="trim(category) = 'Discharge summary' AND coalesce(iserror, '') <> '1'",
    diagnoses="diagnoses_icd",
    code="icd9_code",
    version=None,
    prescriptions="prescriptions",
    started="startdate",
    procedures="procedures_icd",
    procedure_titles="d_icd_procedures",
)

EICU = Eicu(
    name="eicu",
    stays="patient",
    diagnoses="diagnosis",
    sections={
        "pastHistory": Section(
            "pasthistory",
            "Past history",
            {
                "offset": "pasthistoryoffset",
                "path": "pasthistorypath",
                "value": "pasthistoryvalue",
            },
            render.picked,
        ),
        "physicalExam": Section(
            "physicalexam",
            "Physical exam",
            {
                "offset": "physicalexamoffset",
                "path": "physicalexampath",
                "value": "physicalexamvalue",
                "reading": "physicalexamtext",
            },
            render.picked,
        ),
        "note": Section(
            "note",
            "Note",
            {"offset": "noteoffset", "path": "notepath", "value": "notevalue"},
            render.picked,
        ),
        "medication": Section(
            "medication",
            "Medications",
            {
                "offset": "drugstartoffset",
                "path": "drugname",
                "hicl": "drughiclseqno",
                "cancelled": "drugordercancelled",
            },
            render.drug,
        ),
        "admissionDx": Section(
            "admissiondx",
            "Admission diagnosis",
            {"offset": "admitdxenteredoffset", "path": "admitdxpath", "value": "admitdxname"},
            render.diagnosis_on_admission,
        ),
        "treatment": Section(
            "treatment",
            "Treatment",
            {"offset": "treatmentoffset", "path": "treatmentstring"},
            render.treatment,
        ),
        "infusionDrug": Section(
            "infusiondrug",
            "Infusions",
            {"offset": "infusionoffset", "path": "drugname"},
            render.drug,
        ),
        "admissionDrug": Section(
            "admissiondrug",
            "Medications before admission",
            {"offset": "drugoffset", "path": "drugname"},
            render.drug,
        ),
        "allergy": Section(
            "allergy",
            "Allergies",
            {"offset": "allergyoffset", "path": "allergyname"},
            render.drug,
        ),
    },
    # admissionDx and treatment nearly state the diagnosis, so they have to be asked for.
    default_sections=("pastHistory", "physicalExam", "note", "medication"),
)

LAYOUTS: dict[str, Mimic | Eicu] = {layout.name: layout for layout in (MIMIC_IV, MIMIC_III, EICU)}


def read_mimic(
    connection: duckdb.DuckDBPyConnection,
    layout: Mimic,
    folder: Path,
    *,
    text_source: TextSource = "notes",
    notes: str | Path | None = None,
) -> None:
    """Read one MIMIC folder.

    The notes of one stay, addenda among them, are joined in the order they were charted, with an
    empty line between them, so that a stay is always one document.

    Parameters
    ----------
    text_source
        "notes": discharge summaries. "orders": prescriptions and procedures rendered as a
        document, for the open demos, which hold no notes.
    notes
        Folder of the note tables where they lie apart (MIMIC-IV-Note is a download of its own).
    """
    if text_source not in ("notes", "orders"):
        raise ValueError(f"text_source is {text_source!r}; expected 'notes' or 'orders'")
    columns = {"subject_id": "subject_id", "stay_id": "hadm_id", "raw": layout.code}
    if layout.version:
        columns["version"] = layout.version
    path = require_table(folder, layout.diagnoses, purpose="the diagnosis codes")
    load(connection, path, columns, into="diagnoses")
    system = "TRY_CAST(version AS INTEGER)" if layout.version else "9"
    connection.execute(
        f"""CREATE TABLE codes AS SELECT subject_id, stay_id, {system} AS system,
        upper(replace(trim(raw), '.', '')) AS code FROM diagnoses
        WHERE stay_id IS NOT NULL"""
    )
    if text_source == "orders":
        _mimic_orders(connection, layout, folder)
    else:
        _mimic_notes(connection, layout, Path(notes) if notes else folder)


def _mimic_notes(connection: duckdb.DuckDBPyConnection, layout: Mimic, folder: Path) -> None:
    mend = (
        f"{folder}: no notes to read in {layout.notes}; the open demos are published without "
        "notes: use the credentialed table, or set text_source='orders' to render documents from "
        "prescriptions and procedures"
    )
    path = find_table(folder, layout.notes) if folder.is_dir() else None
    if path is None:
        raise ValueError(f"{mend} (the table is missing)")
    columns = {"subject_id": "subject_id", "stay_id": "hadm_id", "text": "text"}
    load(
        connection,
        path,
        columns | dict(layout.note_columns),
        into="notes",
        where=f"stay_id IS NOT NULL AND {layout.note_filter}",
    )
    if not connection.execute("SELECT EXISTS (FROM notes)").fetchone()[0]:
        raise ValueError(f"{mend} (the table has no discharge summaries)")
    # Only stays with several notes are aggregated: an ordered aggregate is held in memory whole.
    connection.execute(
        """CREATE TABLE repeated AS SELECT stay_id FROM notes GROUP BY ALL HAVING count(*) > 1"""
    )
    connection.execute(
        rf"""CREATE TABLE documents AS
        SELECT subject_id, stay_id, {stripped("text")} AS text FROM notes
        ANTI JOIN repeated USING (stay_id)
        UNION ALL
        SELECT min(subject_id), stay_id,
        string_agg({stripped("text")}, E'\n\n' ORDER BY order1, length(order2), order2)
        FROM notes SEMI JOIN repeated USING (stay_id) GROUP BY stay_id"""
    )
    connection.execute("DROP TABLE notes")


def _mimic_orders(connection: duckdb.DuckDBPyConnection, layout: Mimic, folder: Path) -> None:
    purpose = "the orders that text_source='orders' renders"
    ids = {"subject_id": "subject_id", "stay_id": "hadm_id"}
    path = require_table(folder, layout.prescriptions, purpose=purpose)
    load(connection, path, ids | {"path": "drug", "began": layout.started}, into="drugs")
    path = require_table(folder, layout.procedures, purpose=purpose)
    version = {"version": layout.version} if layout.version else {}
    load(connection, path, ids | {"code": layout.code, "began": "seq_num"} | version, into="done")
    titles = find_table(folder, layout.procedure_titles)
    connection.execute("CREATE TABLE titles (code VARCHAR, version VARCHAR, title VARCHAR)")
    if titles:
        load(
            connection,
            titles,
            {"code": layout.code, "title": "long_title"} | version,
            into="titles",
        )
    if not layout.version:
        connection.execute("ALTER TABLE done ADD COLUMN version VARCHAR")
        connection.execute("ALTER TABLE titles ADD COLUMN IF NOT EXISTS version VARCHAR")
    _add_phrases(connection, "drugs", render.drug)
    connection.execute(
        """CREATE TABLE documents AS
        WITH items AS (
            SELECT 0 AS section, 'Medications' AS title, subject_id, stay_id, phrase,
            min(began) AS began FROM drugs JOIN phrases USING (path) GROUP BY ALL
            UNION ALL
            SELECT 1, 'Procedures', subject_id, stay_id,
            coalesce(titles.title, 'procedure ' || done.code) AS phrase,
            min(lpad(began, 6, '0')) FROM done
            LEFT JOIN titles ON titles.code = done.code
            AND titles.version IS NOT DISTINCT FROM done.version GROUP BY ALL
        ), paragraphs AS (
            SELECT section, subject_id, stay_id, any_value(title) || ': '
            || string_agg(phrase, '; ' ORDER BY began, phrase) || '.' AS paragraph
            FROM items WHERE stay_id IS NOT NULL GROUP BY section, subject_id, stay_id
        )
        SELECT subject_id, stay_id, string_agg(paragraph, chr(10) ORDER BY section) AS text
        FROM paragraphs GROUP BY subject_id, stay_id"""
    )


def read_eicu(
    connection: duckdb.DuckDBPyConnection,
    layout: Eicu,
    folder: Path,
    *,
    sections: Sequence[str] | None = None,
) -> None:
    """Read one eICU folder; a document has one paragraph a section, in the order of `sections`."""
    sections = tuple(sections or layout.default_sections)
    for name in sections:
        if name not in layout.sections:
            raise ValueError(
                f"eICU has no section {name!r}; expected some of: {', '.join(layout.sections)}"
            )
    stay = {"stay_id": "patientunitstayid"}
    path = require_table(folder, layout.stays, purpose="the patient of each stay")
    load(connection, path, stay | {"subject_id": "uniquepid"}, into="stays")
    path = require_table(folder, layout.diagnoses, purpose="the diagnosis codes")
    load(connection, path, stay | {"raw": "icd9code"}, into="diagnoses")
    _eicu_codes(connection)
    connection.execute("CREATE TABLE paragraphs (stay_id VARCHAR, section INT, paragraph VARCHAR)")
    for rank, name in enumerate(sections):
        section = layout.sections[name]
        path = require_table(folder, section.table, purpose=f"the section {name}")
        load(connection, path, stay | dict(section.columns), into="entries")
        _eicu_paragraphs(connection, section, rank)
    connection.execute(
        """CREATE TABLE documents AS SELECT subject_id, stay_id,
        string_agg(paragraph, chr(10) ORDER BY section) AS text
        FROM paragraphs JOIN stays USING (stay_id) GROUP BY subject_id, stay_id"""
    )


def _eicu_codes(connection: duckdb.DuckDBPyConnection) -> None:
    # One field lists codes of both systems, "428.0, I50.9"; a row without any still counts as a
    # diagnosis, so that its stay is kept with no label.
    connection.execute(
        """CREATE TABLE listed AS SELECT stay_id,
        upper(trim(unnest(string_split(coalesce(raw, ''), ',')))) AS raw FROM diagnoses"""
    )
    distinct = connection.execute("SELECT DISTINCT raw FROM listed ORDER BY raw").fetchall()
    parsed = pd.DataFrame(
        [(raw, *parse_code(raw)) for (raw,) in distinct], columns=["raw", "system", "code"]
    )
    connection.register("parsed", parsed)
    connection.execute(
        """CREATE TABLE codes AS SELECT subject_id, stay_id, system, code
        FROM listed JOIN stays USING (stay_id) JOIN parsed USING (raw)"""
    )
    connection.unregister("parsed")


def _eicu_paragraphs(connection: duckdb.DuckDBPyConnection, section: Section, rank: int) -> None:
    for column in ("value", "reading", "hicl", "cancelled"):
        connection.execute(f"ALTER TABLE entries ADD COLUMN IF NOT EXISTS {column} VARCHAR")
    connection.execute("UPDATE entries SET value = coalesce(value, '')")
    # Many hospitals send a drug's ingredient number without a name: others name the same number.
    connection.execute(
        """UPDATE entries SET path = named.name FROM (
            SELECT hicl, min(path) AS name FROM (
                SELECT hicl, path, count(*) AS n FROM entries
                WHERE path IS NOT NULL AND hicl IS NOT NULL AND hicl <> '0' GROUP BY hicl, path
                QUALIFY n = max(n) OVER (PARTITION BY hicl)
            ) GROUP BY hicl
        ) AS named WHERE entries.path IS NULL AND entries.hicl = named.hicl"""
    )
    _add_phrases(connection, "entries", section.phrase)
    # An item is written once, where it was first charted, with its first numeric reading.
    connection.execute(
        f"""INSERT INTO paragraphs
        WITH items AS (
            SELECT stay_id, phrase, min({{
                'at': TRY_CAST("offset" AS BIGINT),
                'reading': CASE WHEN regexp_full_match(reading, '-?[0-9.]+') AND reading <> value
                THEN ' ' || reading ELSE '' END}}) AS first
            FROM entries JOIN phrases USING (path, value)
            WHERE coalesce(cancelled, '') <> 'Yes' GROUP BY stay_id, phrase
        )
        SELECT stay_id, {rank}, {literal(section.title)} || ': '
        || string_agg(phrase || first.reading, '; ' ORDER BY first.at, phrase) || '.'
        FROM items GROUP BY stay_id"""
    )


def _add_phrases(
    connection: duckdb.DuckDBPyConnection, table: str, phrase: Callable[[str, str], str | None]
) -> None:
    """Render each distinct entry once, in Python; leaves `phrases(path, value, phrase)`."""
    connection.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS value VARCHAR DEFAULT ''")
    distinct = connection.execute(
        f"SELECT DISTINCT path, value FROM {table} WHERE path IS NOT NULL"
    ).fetchall()
    said = [(path, value, phrase(path, value)) for path, value in distinct]
    frame = pd.DataFrame(
        [row for row in said if row[2]], columns=["path", "value", "phrase"], dtype=str
    )
    connection.register("said", frame)
    connection.execute("CREATE OR REPLACE TABLE phrases AS SELECT * FROM said")
    connection.unregister("said")
