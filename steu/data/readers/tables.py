"""Reading one CSV or Parquet table into DuckDB, out of core, with errors that name the file."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip
from isal.igzip_lib import IsalError

from steu.data.readers.background import ahead
from steu.data.readers.record_batches import BLOCK, read_batches
from steu.data.readers.text_store import TextStore

SUFFIXES = (".csv", ".csv.gz", ".parquet")


@contextmanager
def scratch_database(folder: Path, *, memory: str = "1GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open DuckDB in memory; tables larger than `memory` spill into `folder`."""
    connection = duckdb.connect()
    try:
        connection.execute(f"SET memory_limit = '{memory}'")
        connection.execute(f"SET temp_directory = {literal(str(folder / 'spill'))}")
        # Rows are ordered once, at the end; keeping the files' order would hold tables in memory.
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET threads = 2")
        yield connection
    finally:
        connection.close()


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def stripped(text: str) -> str:
    """Strip white space around `text`, in SQL; on long notes much faster than SQL's trim."""
    return rf"regexp_replace(regexp_replace({text}, '^\s+', ''), '\s+$', '')"


def identifier(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def find_table(folder: Path, table: str) -> Path | None:
    """Path of `table` ("hosp/diagnoses_icd") in `folder` in any case and known format, or None."""
    for part in table.split("/")[:-1]:
        # A table may also lie flat in `folder`, without the publisher's subfolder.
        folder = next((p for p in _entries(folder) if p.name.lower() == part), folder)
    names = {table.split("/")[-1].lower() + suffix for suffix in SUFFIXES}
    files = (path for path in _entries(folder) if path.is_file())
    return next((path for path in files if path.name.lower() in names), None)


def require_table(folder: Path, table: str, *, purpose: str) -> Path:
    """Like `find_table`; ValueError saying what the folder holds where the table is missing."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; expected one that holds {table}.csv.gz")
    found = find_table(folder, table)
    if found is None:
        names = ", ".join(path.name for path in _entries(folder)[:12]) or "nothing: it is empty"
        raise ValueError(
            f"{folder}: no table {table} (.csv, .csv.gz or .parquet, any case), which holds "
            f"{purpose}; the folder holds {names}"
        )
    return found


def load(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    *,
    into: str,
    where: str = "true",
    store: TextStore | None = None,
) -> int:
    """Copy columns of one table, as text, into a new DuckDB table and return its rows.

    Parameters
    ----------
    columns
        Name in `into` → name in the file, which is matched in any case.
    where
        SQL condition on the new names, but not on a stored text; other rows are never stored.
    store
        Takes the column called text, whose place and size the table holds instead.

    Raises
    ------
    ValueError
        If a column is missing, or the file is truncated, not UTF-8 or not a comma-separated table.
    OSError
        If the disk is full.
    """
    names = header(path)
    by_name = {name.lower(): name for name in names}
    for column in dict.fromkeys(columns.values()):
        times = [name.lower() for name in names].count(column.lower())
        if times > 1:
            raise ValueError(
                f"{path}: {times} columns are called {column} (any case); rename all but one"
            )
    missing = [c for c in dict.fromkeys(columns.values()) if c.lower() not in by_name]
    if missing:
        raise ValueError(_missing_columns(path, missing, names))
    kinds = _kinds(path)
    picked = ", ".join(
        f"{_as_text(by_name[column.lower()], kinds)} AS {identifier(alias)}"
        for alias, column in columns.items()
    )
    with naming(path):
        if store is None:
            connection.execute(
                f"CREATE OR REPLACE TABLE {identifier(into)} AS "
                f"SELECT * FROM (SELECT {picked} FROM {_source(path, names)}) WHERE {where}"
            )
        else:
            wanted = {alias: by_name[column.lower()] for alias, column in columns.items()}
            schema = pa.schema([(alias, pa.string()) for alias in wanted])
            between = None if is_parquet(path) else delimiter_of(path)
            parts = read_batches(path, list(wanted.values()), schema, delimiter=between)
            batches = ahead(parts)
            store.take(connection, batches, schema, into=identifier(into), where=where)
    return connection.execute(f"SELECT count(*) FROM {identifier(into)}").fetchall()[0][0]


def mend_ids(connection: duckdb.DuckDBPyConnection, table: str, *columns: str) -> None:
    """Whole numbers that went through a float, such as 900000.0, are read as what they were."""
    for column in map(identifier, columns):
        connection.execute(
            f"UPDATE {identifier(table)} SET {column} = regexp_replace({column}, '\\.0*$', '') "
            f"WHERE regexp_full_match({column}, '\\s*\\d+\\.0*\\s*')"
        )


def refuse_duplicates(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    key: str,
    *,
    path: Path,
    columns: Mapping[str, str],
    mend: str,
    of: str | None = None,
) -> None:
    """Raise ValueError if a value of `key` comes in several rows or, with `of`, with several `of`.

    Parameters
    ----------
    table, path, columns
        The table that `load` made, of which file and with which names in it.
    mend
        What the user can do.
    """
    several = f"count(DISTINCT {of})" if of else "count(*)"
    twice, first = connection.execute(
        f"SELECT count(*), min({key}) FROM (SELECT {key} FROM {table} WHERE {key} IS NOT NULL "
        f"GROUP BY {key} HAVING {several} > 1)"
    ).fetchone()
    if twice:
        found = f"with more than one {columns[of]}" if of else "in more than one row"
        raise ValueError(
            f"{path}: {twice} values of {columns[key]} come {found}, first {first!r}; {mend}"
        )


def header(path: Path) -> list[str]:
    """Column names of one table, as written in it."""
    if is_parquet(path):
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    try:
        with _open_text(path) as stream:
            names = next(csv.reader(stream, delimiter=delimiter_of(path)), [])
    except _DAMAGED as error:  # type: ignore[misc]
        raise ValueError(f"{path}: {_BROKEN_GZIP}") from error
    if not names:
        raise ValueError(f"{path} is empty; expected a header line of column names")
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(names)):
        raise ValueError(f"{path}: the header is not UTF-8; convert the file to UTF-8")
    return names


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn a reader's error into one line that names the file; never its rows, which are notes."""
    try:
        yield
    except _DAMAGED:  # type: ignore[misc]  # a stub says that IsalError is an object
        raise ValueError(f"{path}: {_BROKEN_GZIP}") from None
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's own; Arrow's have no number
        message, first = str(error), _first_line(error)
        if "No space left" in message or "not enough space" in message.lower():
            raise OSError(
                errno.ENOSPC, f"no space left on disk while reading {path}; free some and rerun"
            ) from None
        if any(word in message.lower() for word in ("gzip", "zlib", "compressed stream")):
            raise ValueError(f"{path}: {_BROKEN_GZIP}") from None
        if any(word in message.lower() for word in ("unicode", "utf-8", "utf8")):
            raise ValueError(f"{path} is not UTF-8 ({first}); convert it to UTF-8") from None
        if message.startswith("Out of Memory Error"):
            raise MemoryError(f"{path} needs more than DuckDB was given: {first}") from None
        if "straddling" in first:
            first = f"a row is longer than {BLOCK:,} bytes; is a quotation mark missing?"
        if "CSV parse error" in first:  # and then the row, which may hold a note
            first = ":".join(first.split(":")[:2])
        raise ValueError(f"{path} cannot be read as a table: {first}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


DELIMITERS = (",", ";", "\t", "|")
LINE = 2**20  # characters of a header that are looked at
ITEM = "\x1f"  # between the items of a list: ASCII's unit separator
_DAMAGED = (EOFError, igzip.BadGzipFile, IsalError)
_BROKEN_GZIP = (
    "the gzip stream is truncated or damaged; download the file again and compare its SHA-256 "
    "with the publisher's SHA256SUMS.txt"
)


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _open_text(path: Path) -> io.TextIOBase:
    # The stream decodes beyond the header; DuckDB names the line where a row is not UTF-8.
    options: Any = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    if is_gzip(path):
        return igzip.open(path, "rt", **options)
    return path.open(**options)


def is_parquet(path: Path) -> bool:
    """By the suffix, in any case."""
    return path.suffix.lower() == ".parquet"


def is_gzip(path: Path) -> bool:
    """By the suffix, in any case."""
    return path.suffix.lower() == ".gz"


def delimiter_of(path: Path) -> str:
    """What stands between the columns of a CSV file: the commonest in its first line; a comma."""
    with _open_text(path) as stream:
        first = stream.readline(LINE)
    return max(DELIMITERS, key=first.count)  # of equals the first, a comma


def _kinds(path: Path) -> dict[str, pa.DataType]:
    """Types of a Parquet file's columns; none of a CSV file, where all are text."""
    if not is_parquet(path):
        return {}
    schema = pq.read_schema(path)
    return dict(zip(schema.names, schema.types, strict=True))


def _as_text(column: str, kinds: dict[str, pa.DataType]) -> str:
    """A column as text, in SQL: bytes are UTF-8, the items of a list stand between `ITEM`s."""
    name, kind = identifier(column), kinds.get(column)
    if kind is not None and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return f"decode({name})"
    if kind is not None and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return f"array_to_string({name}, chr({ord(ITEM)}))"
    return f"CAST({name} AS VARCHAR)"


def _source(path: Path, names: list[str]) -> str:
    if is_parquet(path):
        return f"read_parquet({literal(str(path))})"
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in _told_apart(names))
    packed = "gzip" if is_gzip(path) else "none"
    # Everything is stated and nothing sniffed: a sample of a file of multi-line notes can mislead.
    # One thread reads it, since a quoted line break may stand where a parallel reader would cut.
    # The buffer, of which several are held at once, is by default 16 times the longest line.
    return (
        f"read_csv({literal(str(path))}, columns = {{{columns}}}, auto_detect = false, "
        f"header = true, delim = {literal(delimiter_of(path))}, quote = '\"', escape = '\"', "
        f"parallel = false, compression = '{packed}', max_line_size = 16777216, "
        "buffer_size = 16777216)"
    )


def _told_apart(names: list[str]) -> list[str]:
    """Names that an engine can take: an index or a trailing comma has none, some come twice."""
    seen: set[str] = set()
    told = []
    for i, name in enumerate(names):
        own = name if name and name.lower() not in seen else f"{name}:{i}"
        seen.add(own.lower())
        told.append(own)
    return told


def _missing_columns(path: Path, missing: list[str], names: list[str]) -> str:
    found = ", ".join(filter(None, names))
    return (
        f"{path}: no column {', '.join(missing)} (any case); found {found}. "
        "Name the file's own columns or use the publisher's file"
    )
