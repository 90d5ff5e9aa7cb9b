"""Reading one CSV or Parquet table into DuckDB, out of core, with errors that name the file."""

from __future__ import annotations

import errno
import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unicodedata import category, normalize

import duckdb
import pyarrow as pa

from steu._errors import shown
from steu.data.readers.background import ahead
from steu.data.readers.mending import mend_missing
from steu.data.readers.record_batches import BLOCK, read_batches
from steu.data.readers.sql import identifier, literal
from steu.data.readers.table_files import (
    BROKEN_GZIP,
    DAMAGED,
    as_text,
    delimiter_of,
    first_line,
    header,
    is_list,
    is_parquet,
    kinds_of,
)
from steu.data.readers.text_store import TextStore

IDS = ("id", "key", "subject", "subject_id", "stay_id")  # what tables call columns of ids
_QUOTED = re.compile(r"""(["']).*\1""")
_ODD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")  # in Arrow's words


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


def load(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    *,
    into: str,
    where: str = "true",
    store: TextStore | None = None,
) -> None:
    """Copy columns of one table, as text, into a new DuckDB table.

    Parameters
    ----------
    columns
        Name in `into` → name in the file, which is matched in any case, whatever blanks are around
        it and however its letters are composed.
    where
        SQL condition on the new names, but not on a stored text; other rows are never stored.
    store
        Takes the column called text, whose place and size the table holds instead.

    Raises
    ------
    ValueError
        If a column is missing or holds what it cannot, or the file is truncated, not UTF-8 or not
        a comma-separated table.
    OSError
        If the disk is full.
    """
    wanted = names_in(path, columns)
    with naming(path):
        if store is None and is_parquet(path):
            kinds = kinds_of(path)
            picked = (f"{as_text(n, kinds)} AS {identifier(alias)}" for alias, n in wanted.items())
            connection.execute(
                f"CREATE OR REPLACE TABLE {identifier(into)} AS SELECT * FROM "
                f"(SELECT {', '.join(picked)} FROM {_parquet(path)}) "
                f"WHERE {where}"
            )
        else:
            schema = pa.schema([(alias, pa.string()) for alias in wanted])
            between = None if is_parquet(path) else delimiter_of(path)
            parts = read_batches(path, list(wanted.values()), schema, delimiter=between)
            if store is None:
                _fill(connection, ahead(parts), schema, into=into, where=where)
            else:
                store.take(connection, ahead(parts), schema, into=identifier(into), where=where)


def names_in(path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """Columns as the file's header writes them, each once and of a type that it can have."""
    names = header(path)
    by_name = {folded(name): name for name in names}
    for column in dict.fromkeys(columns.values()):
        times = [folded(name) for name in names].count(folded(column))
        if times > 1:
            raise ValueError(
                f"{path}: {times} columns are called {column} (any case); rename all but one"
            )
    missing = [c for c in dict.fromkeys(columns.values()) if folded(c) not in by_name]
    if missing:
        raise ValueError(_missing_columns(path, missing, names))
    wanted = {alias: by_name[folded(column)] for alias, column in columns.items()}
    _refuse_kinds(path, wanted)
    return wanted


def load_published(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    columns: Mapping[str, str],
    **how: Any,
) -> None:
    """`load` a table as a publisher ships it: blank is what is missing, whoever saved it again."""
    load(connection, path, columns, **how)
    table = identifier(how["into"])
    if "where" not in how and not connection.execute(f"FROM {table} LIMIT 1").fetchone():
        raise ValueError(
            f"{path} has a header and no rows: use the publisher's file, or leave out what is "
            "read of it"
        )
    stored = {"text"} if how.get("store") else set()
    mend_missing(connection, how["into"], *(name for name in columns if name not in stored))


def kind_of(path: Path, column: str) -> pa.DataType:
    """Type of a Parquet file's column, found as `load` finds it; null of a CSV file's."""
    kinds = {folded(name): kind for name, kind in kinds_of(path).items()}
    return kinds.get(folded(column), pa.null())


def _refuse_kinds(path: Path, columns: Mapping[str, str]) -> None:
    """Refuse columns of a Parquet file whose type cannot be what they are for."""
    for alias, column in columns.items():
        kind = kind_of(path, column)
        if pa.types.is_nested(kind) and not alias.startswith("label"):
            raise ValueError(
                f"{path}: column {column} holds {kind}; expected one text or number in each row: "
                "join or choose among them yourself"
            )
        of_list = pa.types.is_nested(kind) and not is_list(kind)
        if of_list or (is_list(kind) and pa.types.is_nested(kind.value_type)):
            raise ValueError(
                f"{path}: column {column} holds {kind}; expected names of labels, or lists of them"
            )
        if alias in IDS and kind in (pa.float16(), pa.float32()):
            raise ValueError(
                f"{path}: column {column} holds {kind}, in which ids of more than seven digits are "
                "rounded: export ids as text or as whole numbers"
            )


def folded(name: str) -> str:
    """A column's name as it is looked for: in any case, whatever its blanks and letters are.

    Characters that show nothing, as a mark of the byte order or of a break, are none of it.
    """
    seen = (letter for letter in normalize("NFC", name) if category(letter) != "Cf")
    return "".join(seen).strip().lower()


def _parquet(path: Path) -> str:
    """One Parquet file in SQL: its name is no pattern, and folders above it add no columns."""
    return f"read_parquet({literal(glob.escape(str(path)))}, hive_partitioning = false)"


def _fill(
    connection: duckdb.DuckDBPyConnection,
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    into: str,
    where: str,
) -> None:
    """Create the table `into` of those rows of the batches that satisfy `where`."""
    columns = ", ".join(f"{identifier(name)} VARCHAR" for name in schema.names)
    connection.execute(f"CREATE OR REPLACE TABLE {identifier(into)} ({columns})")
    for batch in batches:
        connection.register("arrived", pa.Table.from_batches([batch]))
        connection.execute(f"INSERT INTO {identifier(into)} SELECT * FROM arrived WHERE {where}")
        connection.unregister("arrived")


def set_apart(connection: duckdb.DuckDBPyConnection, table: str, *, where: str = "true") -> None:
    """Take rows without a stay out of a table; `unnamed` counts those that satisfy `where`."""
    connection.execute("CREATE TABLE IF NOT EXISTS unnamed (source VARCHAR)")
    without = f"FROM {identifier(table)} WHERE coalesce(trim(stay_id), '') = ''"
    connection.execute(f"INSERT INTO unnamed SELECT {literal(table)} {without} AND {where}")
    connection.execute(f"DELETE {without}")


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
            f"{path}: {twice} values of {columns[key]} come {found}, first {shown(first)}; {mend}"
        )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn a reader's error into one line that names the file; never its rows, which are notes."""
    try:
        yield
    except DAMAGED:  # pyrefly: ignore[not-a-type]  # a stub says that IsalError is an object
        raise ValueError(f"{path}: {BROKEN_GZIP}") from None
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's own; Arrow's have no number
        message, first = str(error), first_line(error)
        if "No space left" in message or "not enough space" in message.lower():
            raise OSError(
                errno.ENOSPC, f"no space left on disk while reading {path}; free some and rerun"
            ) from None
        if any(word in message.lower() for word in ("gzip", "zlib", "compressed stream")):
            raise ValueError(f"{path}: {BROKEN_GZIP}") from None
        if any(word in message.lower() for word in ("unicode", "utf-8", "utf8")):
            raise ValueError(f"{path} is not UTF-8; convert it to UTF-8") from None
        if message.startswith("Out of Memory Error"):
            raise MemoryError(f"{path} needs more than DuckDB was given: {first}") from None
        if "straddling" in first:
            first = f"a row is longer than {BLOCK:,} bytes; is a quotation mark missing?"
        if row := _ODD_ROW.search(message):
            first = f"row {row[1]} has {row[3]} columns and the header {row[2]}; is a quotation "
            first += "mark or a delimiter missing before it?"
        elif "CSV parse error" in first:  # and then the row, which may hold a note
            first = ":".join(first.split(":")[:2])
        first = _QUOTED.sub("…", first)  # a value, which may be a note
        raise ValueError(f"{path} cannot be read as a table: {first}") from None


LONGEST_NAME = 64  # characters of a column's name


def _missing_columns(path: Path, missing: list[str], names: list[str]) -> str:
    longest = max(map(len, names), default=0)
    if longest > LONGEST_NAME:  # a row, then, which may hold a note; messages go into log files
        return (
            f"{path}: no column {', '.join(missing)} (any case), and its first line has a cell of "
            f"{longest} characters, as a row has and no header: begin it with the columns' names"
        )
    found = ", ".join(filter(None, names)) or "none"
    return (
        f"{path}: no column {', '.join(missing)} (any case); found {found}. "
        "Name the file's own columns or use the publisher's file"
    )
