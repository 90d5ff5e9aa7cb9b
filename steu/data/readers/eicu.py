"""Where eICU keeps stays, codes and charted items, and how a document is rendered from them.

The reader leaves the two tables that `steu.data.readers.mimic` describes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from steu._errors import check_choice, shown
from steu.data.labels import parse_code
from steu.data.readers import phrases
from steu.data.readers.finding import require_table
from steu.data.readers.mending import FLAGS, mend_choice, mend_ids, refuse_lost_zeros
from steu.data.readers.sql import bare, literal
from steu.data.readers.tables import load_published, refuse_duplicates, set_apart

_MARKED = re.compile(r"[^0-9A-Z.]")  # what no code holds; a blank would stand between two


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
            phrases.picked,
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
            phrases.picked,
        ),
        "note": Section(
            "note",
            "Note",
            {"offset": "noteoffset", "path": "notepath", "value": "notevalue"},
            phrases.picked,
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
            phrases.drug,
        ),
        "admissionDx": Section(
            "admissiondx",
            "Admission diagnosis",
            {"offset": "admitdxenteredoffset", "path": "admitdxpath", "value": "admitdxname"},
            phrases.diagnosis_on_admission,
        ),
        "treatment": Section(
            "treatment",
            "Treatment",
            {"offset": "treatmentoffset", "path": "treatmentstring"},
            phrases.treatment,
        ),
        "infusionDrug": Section(
            "infusiondrug",
            "Infusions",
            {"offset": "infusionoffset", "path": "drugname"},
            phrases.drug,
        ),
        "admissionDrug": Section(
            "admissiondrug",
            "Medications before admission",
            {"offset": "drugoffset", "path": "drugname"},
            phrases.drug,
        ),
        "allergy": Section(
            "allergy",
            "Allergies",
            {"offset": "allergyoffset", "path": "allergyname"},
            phrases.drug,
        ),
    },
    # admissionDx and treatment nearly state the diagnosis, so they have to be asked for.
    default_sections=("pastHistory", "physicalExam", "note", "medication"),
)


def read_eicu(
    connection: duckdb.DuckDBPyConnection,
    layout: Eicu,
    folder: Path,
    *,
    sections: Sequence[str] | None = None,
) -> None:
    """Read one eICU folder; a document has one paragraph a section, in the order of `sections`."""
    sections = tuple(layout.default_sections if sections is None else sections)
    if not sections:
        raise ValueError(f"no section is named; expected some of {', '.join(layout.sections)}")
    for name in sections:
        check_choice(name, layout.sections, what="section", where="eICU")
        if sections.count(name) > 1:
            raise ValueError(f"the section {name} is listed twice; leave one out")
    stay = {"stay_id": "patientunitstayid"}
    path = require_table(folder, layout.stays, purpose="the patient of each stay")
    columns = stay | {"subject_id": "uniquepid"}
    load_published(connection, path, columns, into="stays")
    mend_ids(connection, "stays", "stay_id", "subject_id", path=path)
    set_apart(connection, "stays")
    mend = "expected one row a stay: use the publisher's file unchanged"
    refuse_duplicates(connection, "stays", "stay_id", path=path, columns=columns, mend=mend)
    path = require_table(folder, layout.diagnoses, purpose="the diagnosis codes")
    written = {"raw": "icd9code", "path": "diagnosisstring"}
    load_published(connection, path, stay | written, into="diagnoses")
    mend_ids(connection, "diagnoses", "stay_id", path=path)
    set_apart(connection, "diagnoses")
    _eicu_codes(connection, path)
    connection.execute("CREATE TABLE paragraphs (stay_id VARCHAR, section INT, paragraph VARCHAR)")
    for rank, name in enumerate(sections):
        section = layout.sections[name]
        path = require_table(folder, section.table, purpose=f"the section {name}")
        load_published(connection, path, stay | dict(section.columns), into="entries")
        mend_ids(connection, "entries", "stay_id", *{"hicl"} & section.columns.keys(), path=path)
        set_apart(connection, "entries")
        _refuse_no_offsets(connection, path, section.columns["offset"])
        if "cancelled" in section.columns:
            name = section.columns["cancelled"]
            mend_choice(connection, "entries", "cancelled", FLAGS, path=path, name=name)
        _eicu_paragraphs(connection, section, rank)
    connection.execute(
        """CREATE TABLE documents AS SELECT subject_id, stay_id,
        string_agg(paragraph, chr(10) ORDER BY section) AS text
        FROM paragraphs LEFT JOIN stays USING (stay_id) GROUP BY subject_id, stay_id"""
    )


def _refuse_no_offsets(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    odd = connection.execute(
        """SELECT min("offset") FROM entries
        WHERE trim("offset") <> '' AND TRY_CAST("offset" AS BIGINT) IS NULL"""
    ).fetchall()[0][0]
    if odd is not None:
        raise ValueError(
            f"{path}: column {name} holds {shown(odd)}; expected minutes from admission, such as "
            "-120: use the publisher's file unchanged"
        )


def _eicu_codes(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    # A stay that the table of patients lacks goes on without one, and is counted for that.
    # One field lists codes of both systems, "428.0, I50.9"; a row without any still counts as a
    # diagnosis, so that its stay is kept with no label.
    connection.execute(
        f"""CREATE TABLE listed AS SELECT stay_id, upper({bare("raw")}) AS raw FROM (
            SELECT stay_id, unnest(string_split(coalesce({bare("raw")}, ''), ',')) AS raw
            FROM diagnoses)"""
    )
    distinct = connection.execute("SELECT DISTINCT raw FROM listed ORDER BY raw").fetchall()
    odd = next((raw for (raw,) in distinct if re.search(r"\d", raw) and _MARKED.search(raw)), None)
    if odd is not None:
        raise ValueError(
            f"{path}: {shown(odd)} is no code; expected codes with commas between, such as "
            "'428.0, I50.9': use the publisher's file unchanged"
        )
    parsed = pd.DataFrame(
        [(raw, *parse_code(raw)) for (raw,) in distinct], columns=["raw", "system", "code"]
    )
    connection.register("parsed", parsed)
    connection.execute(
        """CREATE TABLE codes AS
        SELECT subject_id, stay_id, system, code
        FROM listed LEFT JOIN stays USING (stay_id) JOIN parsed USING (raw)
        UNION ALL SELECT DISTINCT subject_id, stay_id, 0 AS system, part AS code FROM (
            SELECT stay_id, upper(trim(unnest(string_split(path, '|')))) AS part FROM diagnoses
        ) LEFT JOIN stays USING (stay_id)"""
    )
    connection.unregister("parsed")
    refuse_lost_zeros(connection, path)


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
    phrases.add_phrases(connection, "entries", section.phrase)
    # An item is written once, where it was first charted, with a number that was read there.
    connection.execute(
        f"""INSERT INTO paragraphs
        WITH items AS (
            SELECT stay_id, phrase, min({{
                'at': TRY_CAST("offset" AS BIGINT),
                'reading': CASE WHEN regexp_full_match(reading, '-?[0-9.]+') AND reading <> value
                THEN ' ' || reading ELSE '' END}}) AS first
            FROM entries JOIN phrases USING (path, value)
            WHERE coalesce(cancelled, '0') <> '1' GROUP BY stay_id, phrase
        )
        SELECT stay_id, {rank}, {literal(section.title)} || ': '
        || string_agg(phrase || first.reading, '; ' ORDER BY first.at, phrase) || '.'
        FROM items GROUP BY stay_id"""
    )
