"""Whom a cohort leaves out, counted by reason, and what of its labels nobody has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from steu.data.labels import parse_prefix
from steu.data.privacy import SMALLEST_CELL
from steu.data.readers.sql import literal


def tables_of(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Names of the tables that are there."""
    return {row[0] for row in connection.execute("SHOW TABLES").fetchall()}


def rare_prefixes(
    connection: duckdb.DuckDBPyConnection, labels: Mapping[str, Sequence[str]]
) -> list[str]:
    """Those of the labels that codes of hardly anybody begin with, in their order."""
    prefixes = [prefix for some in labels.values() for prefix in some]
    counts = ", ".join(
        f"count(DISTINCT subject_id) FILTER "
        f"(system = {system} AND starts_with(code, {literal(stem)}))"
        for system, stem in map(parse_prefix, prefixes)
    )
    patients = connection.execute(f"SELECT {counts} FROM codes").fetchall()[0]
    return [p for p, n in zip(prefixes, patients, strict=True) if n < SMALLEST_CELL]


def count_excluded(connection: duckdb.DuckDBPyConnection, *, unlabelled: str) -> dict[str, int]:
    """Count the stays that a cohort leaves out, each by the first thing that it lacks.

    That is a text, a row of labels or diagnoses, a patient to split by; and rows that hold
    something but no id, which are not of any stay.

    Leaves `written(subject_id, stay_id)`, the stays with a text, in the connection.
    """
    connection.execute(
        """CREATE TABLE written AS SELECT max(subject_id) AS subject_id, stay_id FROM pieces
        WHERE size > 0 GROUP BY stay_id"""  # one note of several may not name the patient
    )
    tables = tables_of(connection)
    every = " UNION ".join(
        f"SELECT stay_id FROM {table}"
        for table in ("stays", "pieces", "indicators")
        if table in tables
    )
    without_text, without_labels, without_patient = connection.execute(
        f"""SELECT count(*) FILTER (written.stay_id IS NULL),
        count(*) FILTER (written.stay_id IS NOT NULL AND indicators.stay_id IS NULL),
        count(*) FILTER (indicators.stay_id IS NOT NULL AND written.stay_id IS NOT NULL
        AND written.subject_id IS NULL)
        FROM ({every}) AS every LEFT JOIN written USING (stay_id)
        LEFT JOIN indicators ON indicators.stay_id = every.stay_id
        WHERE every.stay_id IS NOT NULL"""
    ).fetchone()
    without_id = 0
    if "unnamed" in tables:
        without_id = connection.execute("SELECT count(*) FROM unnamed").fetchone()[0]
    return {
        "without_text": without_text,
        unlabelled: without_labels,
        "without_patient": without_patient,
        "rows_without_id": without_id,
    }
