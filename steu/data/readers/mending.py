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


# How software writes that a value is missing, in small letters; pandas and R when they made text of
# it, a spreadsheet where it found none.
MISSING = ("", "na", "n/a", "#n/a", "nan", "nat", "none", "null", "<na>", "\\n")
MOST_SHOWN = 40  # characters of a cell: labels, ids and times have fewer
# What a spreadsheet shows instead of a value that it could not compute, or that was too wide.
_SPREADSHEET = r"#(NAME\?|REF!|VALUE!|NUM!|NULL!|DIV/0!|#+)"
_EXPONENT = r"\d[.,]\d+[eE]\+?\d+|\d[eE]\+\d+"  # not 3e12, which may be of a hash


def shown(cell: object) -> str:
    """A cell as messages show it: a longer one may be of a note, and they go into log files."""
    text = str(cell) if cell is not None else ""
    return repr(text) if len(text) <= MOST_SHOWN else f"a text of {len(text):,} characters"


def known(column: str) -> str:
    """A column without white space around it, in SQL; NULL where its value is missing."""
    plain = stripped(identifier(column))
    missing = ", ".join(map(literal, MISSING))
    return f"CASE WHEN lower({plain}) IN ({missing}) THEN NULL ELSE {plain} END"


def refuse_errors(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, *, path: Path, name: str
) -> None:
    """Raise ValueError where a spreadsheet has written #NAME? in the place of a value."""
    (odd,) = connection.execute(
        f"SELECT min({column}) FROM {table} WHERE starts_with(ltrim({column}), '#') "
        f"AND regexp_full_match({stripped(column)}, {literal(_SPREADSHEET)})"
    ).fetchall()[0]
    if odd is not None:
        raise ValueError(
            f"{path}: column {name} holds {odd.strip()!r}, which a spreadsheet shows in the place "
            "of a value: export the table from where it came"
        )


def mend_ids(connection: duckdb.DuckDBPyConnection, table: str, *columns: str, path: Path) -> None:
    """Ids as they were: whole numbers that went through a float, such as 900000.0; NULL for none.

    White space around them goes, and letters are written with the same bytes everywhere.

    Raises
    ------
    ValueError
        If a spreadsheet rounded some, which cannot be undone: 1.23457E+11; or if two are one but
        for their case or for zeros before them, and may be of one patient.
    """
    for column in columns:
        _mend_numbers(connection, table, column)
        _mend_exponents(connection, table, column)
        name = identifier(column)
        plain = f"nfc_normalize({stripped(name)})"
        connection.execute(
            f"UPDATE {identifier(table)} SET {name} = {plain} WHERE {name} <> {plain}"
        )
        rounded = connection.execute(
            f"SELECT min({name}) FROM {identifier(table)} "
            f"WHERE regexp_full_match({name}, '{_EXPONENT}')"
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
        _refuse_alike(connection, table, name, path=path)


def _refuse_alike(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, *, path: Path
) -> None:
    alike = connection.execute(
        f"""SELECT min(id), max(id) FROM (SELECT DISTINCT {name} AS id FROM {identifier(table)}
        WHERE {name} IS NOT NULL) GROUP BY lower(ltrim(id, '0')) HAVING count(*) > 1
        ORDER BY 1 LIMIT 1"""
    ).fetchone()
    if alike:
        raise ValueError(
            f"{path}: the ids {alike[0]!r} and {alike[1]!r} differ in case or in zeros before them "
            "alone, and may be of one: write each id in one way"
        )


def _mend_numbers(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    name = identifier(column)
    connection.execute(
        rf"UPDATE {identifier(table)} SET {name} = regexp_extract({name}, '\d+') "
        rf"WHERE regexp_full_match({stripped(name)}, '\d+([.,]0*)?') "
        rf"AND NOT regexp_full_match({name}, '\d+')"
    )


def _mend_exponents(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    """Whole numbers as Java writes them, 2.34567E7; with a plus it may have been rounded."""
    name = identifier(column)
    exponent = f"TRY_CAST(regexp_extract({name}, '[eE](\\d+)', 1) AS INTEGER)"
    whole = f"length(regexp_extract({name}, '[.,](\\d+)', 1)) <= {exponent} AND {exponent} <= 15"
    number = f"CAST(replace({stripped(name)}, ',', '.') AS DOUBLE)"
    connection.execute(
        f"UPDATE {identifier(table)} SET {name} = CAST(CAST({number} AS BIGINT) AS VARCHAR) "
        f"WHERE regexp_full_match({stripped(name)}, '\\d[.,]\\d+[eE]\\d+') AND {whole}"
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
            f"{path}: column {name} holds {shown(odd[0])}; expected "
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
        f"AND (TRY_CAST({column} AS TIMESTAMP) IS NULL "
        f"OR NOT regexp_matches({column}, '^\\s*[12]\\d{{3}}-'))"
    ).fetchall()[0][0]
    if odd is not None:
        raise ValueError(
            f"{path}: column {name} holds {shown(odd)}; expected times such as "
            "2150-10-02 14:00:00: use the publisher's file unchanged"
        )
    connection.execute(f"UPDATE {table} SET {column} = TRY_CAST({column} AS TIMESTAMP)")
