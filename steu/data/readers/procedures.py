"""Codes of procedures and their titles: written in one way, and refused where zeros were lost."""

from __future__ import annotations

from pathlib import Path

import duckdb

from steu.data.readers.sql import bare, identifier

_MEND = "use the publisher's file unchanged, or read codes as text when you save it"


def mend_codes(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Write codes without dots and marks: of 96.04, ="9604", and 9604.0, which was a number."""
    name, code = identifier(table), f"upper({bare('code')})"
    whole = rf"regexp_replace({code}, '^(\d{{3,4}})\.0*$', '\1')"
    connection.execute(f"UPDATE {name} SET code = replace({whole}, '.', '')")


def refuse_lost_zeros(
    connection: duckdb.DuckDBPyConnection, path: Path, titles: Path | None
) -> None:
    """Refuse ICD-9 codes of `done` or `titles` that were numbers for a while.

    Raises
    ------
    ValueError
        If no code begins with 0 and one gets a title only with a zero before it, or if a code has
        two titles: '0744' is a repair of the adrenal gland, '744' a delivery.
    """
    (short,) = connection.execute(
        """SELECT min(done.code) FROM done
        LEFT JOIN titles AS own USING (code, version)
        JOIN titles AS other ON other.version = done.version
        AND other.code IN ('0' || done.code, '00' || done.code)
        WHERE done.version = '9' AND own.code IS NULL AND NOT EXISTS (
            FROM done AS other_done WHERE other_done.version = '9'
            AND starts_with(other_done.code, '0'))"""
    ).fetchall()[0]
    if short is not None:
        raise ValueError(
            f"{path}: the ICD-9 code {short!r} has no title and has one with a zero before it, so "
            f"leading zeros were lost ('0331', spinal tap, becomes '331', another procedure): "
            f"{_MEND}"
        )
    (twice,) = connection.execute(
        """SELECT min(code) FROM (SELECT code FROM titles WHERE version = '9'
        GROUP BY code HAVING count(DISTINCT title) > 1)"""
    ).fetchall()[0]
    if twice is not None:
        raise ValueError(
            f"{titles}: the ICD-9 code {twice!r} has two titles, so leading zeros were lost "
            f"('0744', repair of the adrenal gland, becomes '744', a delivery): {_MEND}"
        )
