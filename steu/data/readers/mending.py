"""Values that other software wrote otherwise: put right where it is certain, else refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from steu.data.readers.sql import identifier, literal, stripped

# How a value is written, in small letters → what is meant. A blank flag means no.
FLAGS = dict.fromkeys(("", "0", "false", "f", "no", "n"), "0")
FLAGS |= dict.fromkeys(("1", "true", "t", "yes", "y"), "1")
VERSIONS = dict.fromkeys(("9", "icd9", "icd-9"), "9")
VERSIONS |= dict.fromkeys(("10", "icd10", "icd-10"), "10")


# How software writes that a value is missing; pandas and R, when they made text of it.
MISSING = ("", "NA", "N/A", "NaN", "nan", "None", "NULL", "null", "<NA>", "\\N")


def known(column: str) -> str:
    """A column without white space around it, in SQL; NULL where its value is missing."""
    plain = stripped(identifier(column))
    return f"CASE WHEN {plain} IN ({', '.join(map(literal, MISSING))}) THEN NULL ELSE {plain} END"


def mend_ids(connection: duckdb.DuckDBPyConnection, table: str, *columns: str, path: Path) -> None:
    """Ids as they were: whole numbers that went through a float, such as 900000.0; NULL for none.

    Raises
    ------
    ValueError
        If a spreadsheet rounded some, which cannot be undone: 1.23457E+11.
    """
    for column in columns:
        _mend_numbers(connection, table, column)
        name = identifier(column)
        rounded = connection.execute(
            rf"SELECT min({name}) FROM {identifier(table)} "
            rf"WHERE regexp_full_match({name}, '\s*\d(\.\d+)?[eE]\+\d+\s*')"
        ).fetchall()[0][0]
        if rounded is not None:
            raise ValueError(
                f"{path}: an id is {rounded.strip()!r}, which a spreadsheet has rounded; the ids "
                "of others may be the same now: export ids as text from where they came"
            )
        connection.execute(
            f"UPDATE {identifier(table)} SET {name} = NULL "
            f"WHERE {name} IS NOT NULL AND ({known(column)}) IS NULL"
        )


def _mend_numbers(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    name = identifier(column)
    connection.execute(
        rf"UPDATE {identifier(table)} SET {name} = regexp_extract({name}, '\d+') "
        rf"WHERE regexp_full_match({name}, '\s*\d+(\.0*)?\s*') "
        rf"AND NOT regexp_full_match({name}, '\d+')"
    )


def mend_choice(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    column: str,
    meanings: Mapping[str, str],
    *,
    path: Path,
    name: str,
) -> None:
    """Write what the values of a column mean, such as 1 for yes, instead of them.

    Parameters
    ----------
    meanings
        `FLAGS` or `VERSIONS`.
    path, name
        File that the table came from, and what the column is called there.

    Raises
    ------
    ValueError
        If a value is none of `meanings`: taken for no, it would go unnoticed.
    """
    _mend_numbers(connection, table, column)
    plain = f"lower(coalesce({stripped(column)}, ''))"
    connection.execute(
        f"UPDATE {table} SET {column} = {plain} WHERE {column} IS DISTINCT FROM {plain}"
    )
    found = connection.execute(f"SELECT DISTINCT {column} FROM {table} ORDER BY 1").fetchall()
    odd = [value for (value,) in found if value not in meanings]
    if odd:
        raise ValueError(
            f"{path}: column {name} holds {odd[0][:40]!r}; expected "
            f"{', '.join(filter(None, meanings))}: use the publisher's file unchanged"
        )
    for value in set(meanings) - set(meanings.values()):
        meant = [meanings[value], value]
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", meant)


def mend_times(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, *, path: Path, name: str
) -> None:
    """Write the times of a column in one way, which sorts as text; arguments as `mend_choice`.

    Raises
    ------
    ValueError
        If a value is no time that is certain: 10/2/2150 may be of October or of February.
    """
    odd = connection.execute(
        f"SELECT min({column}) FROM {table} WHERE trim({column}) <> '' "
        f"AND TRY_CAST({column} AS TIMESTAMP) IS NULL"
    ).fetchall()[0][0]
    if odd is not None:
        raise ValueError(
            f"{path}: column {name} holds {odd[:40]!r}; expected times such as "
            "2150-10-02 14:00:00: use the publisher's file unchanged"
        )
    connection.execute(f"UPDATE {table} SET {column} = TRY_CAST({column} AS TIMESTAMP)")
