"""Values that other software wrote otherwise: put right where it is certain, else refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from unicodedata import normalize

import duckdb
import pyarrow as pa

from steu._errors import shown
from steu.data.labels import ALIKE
from steu.data.missing import MISSING, NO_VALUE, NOBODY
from steu.data.readers.sql import bare, identifier, literal, stripped

# How a value is written, in small letters → what is meant. A blank flag means no.
FLAGS = dict.fromkeys(("", "0", "false", "f", "no", "n"), "0")
FLAGS |= dict.fromkeys(("1", "true", "t", "yes", "y"), "1")
VERSIONS = dict.fromkeys(("9", "icd9", "icd-9"), "9")
VERSIONS |= dict.fromkeys(("10", "icd10", "icd-10"), "10")

# What a spreadsheet shows instead of a value that it could not compute, or that was too wide.
_SPREADSHEET = r"#(NAME\?|REF!|VALUE!|NUM!|NULL!|DIV/0!|#+)"
# DuckDB reads 09:00 PM as 9 in the morning, and passes over what else follows.
_TIME = r"\s*[12]\d{3}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]00(:?00)?)?)?\s*"
MANY_CODES = 300  # distinct ICD-9 codes, of which some begin with 0 in any real table
_EXPONENT = r"-?(\d[.,]\d+[eE]\+?\d+|\d[eE]\+\d+)"  # not 3e12, which may be of a hash
_ODD_IDS = pa.schema([("id", pa.string()), ("plain", pa.string())])
_HELD = 15  # digits that a spreadsheet holds of a number; zeros stand for the others


def known(column: str) -> str:
    """A column without white space around it, in SQL; NULL where its value is missing."""
    plain = stripped(identifier(column))
    missing = ", ".join(map(literal, MISSING))
    return f"CASE WHEN lower({plain}) IN ({missing}) THEN NULL ELSE {plain} END"


def mend_missing(connection: duckdb.DuckDBPyConnection, table: str, *columns: str) -> None:
    """NULL where a publisher's value is missing: saved again by R, NA is no name of a drug."""
    for name in map(identifier, columns):
        connection.execute(
            f"UPDATE {identifier(table)} SET {name} = NULL WHERE lower({name}) IN {NO_VALUE}"
        )


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

    None is also -1 or "unknown": all whom nobody knew would be one patient.

    White space and marks of a spreadsheet around them go, and letters are written with the same
    bytes everywhere.

    Raises
    ------
    ValueError
        If some were rounded, which cannot be undone: 1.23457E+11, or more digits than a float has;
        if 1,000 may be one or a thousand; or if two are one but for their case, blanks or zeros
        before them, and may be of one patient.
    """
    for column in columns:
        name = identifier(column)
        plain = f"nfc_normalize({bare(name)})"
        connection.execute(
            f"UPDATE {identifier(table)} SET {name} = {plain} WHERE {name} <> {plain}"
        )
        _refuse_unsure_numbers(connection, table, name, path=path)
        _mend_numbers(connection, table, column)
        _mend_exponents(connection, table, column)
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
            f"WHERE {name} IS NOT NULL AND (({known(column)}) IS NULL "
            f"OR regexp_full_match(lower({name}), '{NOBODY}'))"
        )
        _refuse_alike(connection, table, name, path=path)


def _refuse_alike(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, *, path: Path
) -> None:
    distinct = f"SELECT DISTINCT {name} AS id FROM {identifier(table)} WHERE {name} IS NOT NULL"
    other = f"FROM ({distinct}) WHERE NOT regexp_full_match(id, '[ -~]*')"
    odd = [id for (id,) in connection.execute(other).fetchall()]
    plain = [normalize("NFKC", id).translate(ALIKE) for id in odd]  # full-width digits, dashes
    connection.register("odd_ids", pa.table({"id": odd, "plain": plain}, _ODD_IDS))
    alike = connection.execute(
        rf"""WITH plain AS (SELECT id, regexp_replace(coalesce(plain, id),
            '^\+(\d+)$|[ T]00:00(:00(\.0+)?)?$', '\1') AS plain
            FROM ({distinct}) LEFT JOIN odd_ids USING (id))
        SELECT min(id), max(id) FROM plain
        GROUP BY lower(ltrim(regexp_replace(plain, '[\s\pZ\pC]+', '', 'g'), '0'))
        HAVING count(*) > 1 ORDER BY 1 LIMIT 1"""
    ).fetchall()
    connection.unregister("odd_ids")
    for one, other in alike:
        raise ValueError(
            f"{path}: the ids {shown(one)} and {shown(other)} differ in case, blanks, "
            "dashes, zeros before them or how a number or a date is written, and may be of one: "
            "write each id in one way"
        )


def _refuse_unsure_numbers(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, *, path: Path
) -> None:
    """1,000 is a thousand, or one, as others are written; a float has some sixteen digits."""
    long, cut = rf"-?[1-9]\d{{{_HELD},}}", rf"-?[1-9]\d{{{_HELD - 1}}}0+"
    thousand, others, rounded, n_long, n_cut, one = connection.execute(
        rf"""SELECT min({name}) FILTER (regexp_full_match({name}, '\d{{1,3}}[.,]000')),
        count(*) FILTER (NOT regexp_full_match({name}, '\d+[.,]000|')),
        min({name}) FILTER (regexp_full_match({name}, '-?\d{{16,}}[.,]0*')),
        count(DISTINCT {name}) FILTER (regexp_full_match({name}, '{long}')),
        count(DISTINCT {name}) FILTER (regexp_full_match({name}, '{cut}')),
        min({name}) FILTER (regexp_full_match({name}, '{cut}'))
        FROM {identifier(table)}"""
    ).fetchall()[0]
    if n_long == n_cut and n_cut > 2:  # all of three end in 0 by chance one time in a thousand
        rounded = one
    if thousand is not None and others:
        raise ValueError(
            f"{path}: an id is {thousand!r}, which may be {thousand[:-4]} or a thousand times that:"
            " export ids as text, without separators"
        )
    if rounded is not None:
        raise ValueError(
            f"{path}: an id is {rounded!r}, and no float or spreadsheet can hold so many digits of "
            "a number; the ids of others may be the same now: export ids as text from where they "
            "came"
        )


def _mend_numbers(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    name = identifier(column)
    connection.execute(
        rf"UPDATE {identifier(table)} SET {name} = regexp_extract({name}, '-?\d+') "
        rf"WHERE regexp_full_match({stripped(name)}, '-?\d+([.,]0*)?') "
        rf"AND NOT regexp_full_match({name}, '-?\d+')"
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
        f"OR NOT regexp_full_match({column}, {literal(_TIME)}))"
    ).fetchall()[0][0]
    if odd is not None:
        raise ValueError(
            f"{path}: column {name} holds {shown(odd)}; expected times such as "
            "2150-10-02 14:00:00: use the publisher's file unchanged"
        )
    connection.execute(f"UPDATE {table} SET {column} = TRY_CAST({column} AS TIMESTAMP)")


def refuse_lost_zeros(
    connection: duckdb.DuckDBPyConnection, path: Path, *, found: str = ""
) -> None:
    """ICD-9 codes that were numbers for a while have lost their zeros, and mean something else.

    `found` is what the caller has seen of them.
    """
    distinct, with_zero = connection.execute(
        """SELECT count(DISTINCT code), count(DISTINCT code) FILTER (starts_with(code, '0'))
        FROM codes WHERE system = 9 AND regexp_matches(code, '^[0-9]')"""
    ).fetchall()[0]
    if distinct >= MANY_CODES and not with_zero:
        found = f"none of {distinct:,} ICD-9 codes begins with 0"
    if found:
        raise ValueError(
            f"{path}: {found}, so leading zeros were lost "
            "('0389', sepsis, becomes '389', hearing loss): use the publisher's file unchanged, or "
            "read codes as text when you save it"
        )
