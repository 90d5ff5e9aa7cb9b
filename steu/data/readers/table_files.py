"""What one CSV or Parquet file is made of: its columns, their types, what stands between."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip
from isal.igzip_lib import IsalError

from steu.data.readers.sql import identifier

DELIMITERS = (",", ";", "\t", "|")
LINE = 2**20  # characters of a header that are looked at
ITEM = "\x1f"  # between the items of a list: ASCII's unit separator
DAMAGED = (EOFError, igzip.BadGzipFile, IsalError)
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of an old kind",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
}
_JSON = re.compile(r'[\s\ufeff]*(\[\s*)?\{\s*"')  # a list, a line each, indented or not
_MEND = "save it as CSV in UTF-8, as it is or as .csv.gz"
OPEN_QUOTE = (
    "the header does not end with its line: a quotation mark in it has no partner, or the name of "
    "a column is broken into lines"
)
BROKEN_GZIP = (
    "the gzip stream is truncated or damaged; download the file again and compare its SHA-256 "
    "with the publisher's SHA256SUMS.txt"
)


def header(path: Path) -> list[str]:
    """Column names of one table, as written in it."""
    if is_parquet(path):
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path} cannot be read as Parquet: {first_line(error)}") from error
    _refuse_others(path)
    try:
        with _open_text(path) as stream:
            if _JSON.match(stream.read(1024)):
                raise ValueError(f"{path} is JSON: {_MEND}")
        with _open_text(path) as stream:
            rows = csv.reader(stream, delimiter=delimiter_of(path))
            names = next((row for row in rows if row), [])
    except DAMAGED as error:  # pyrefly: ignore[not-a-type]
        raise ValueError(f"{path}: {BROKEN_GZIP}") from error
    except csv.Error as error:  # a field that does not end
        raise ValueError(f"{path}: {OPEN_QUOTE}") from error
    if not names:
        raise ValueError(f"{path} is empty; expected a header line of column names")
    if names[0].lower().startswith("sep="):
        raise ValueError(
            f"{path} begins with a line that tells a spreadsheet what separates its cells: delete "
            "that line, so that it begins with the names of its columns"
        )
    if any("\0" in name for name in names):
        raise ValueError(f"{path} is in UTF-16, or no text: save it as CSV in UTF-8")
    if any("\n" in name or "\r" in name for name in names):  # those would be rows, with their notes
        raise ValueError(f"{path}: {OPEN_QUOTE}")
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(names)):
        raise ValueError(f"{path}: the header is not UTF-8; convert the file to UTF-8")
    return names


def first_line(error: Exception) -> str:
    """Of an engine's message; the lines after it may show a row."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _open_text(path: Path) -> io.TextIOBase:
    # The stream decodes beyond the header; DuckDB names the line where a row is not UTF-8.
    options: Any = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    if is_gzip(path):
        return igzip.open(path, "rt", **options)
    return path.open(**options)


def is_parquet(path: Path) -> bool:
    """By the suffix, in any case, or by its first bytes."""
    return path.suffix.lower() == ".parquet" or _start(path).startswith(b"PAR1")


def is_gzip(path: Path) -> bool:
    """By its first bytes; a browser may have unpacked what is called .gz."""
    start = _start(path)
    return start.startswith(b"\x1f\x8b") or (path.suffix.lower() == ".gz" and b"\0" in start)


def _start(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(1024)


def _refuse_others(path: Path) -> None:
    """Refuse what is no table as text, and say what it is."""
    for start, what in _OTHERS.items():
        if _start(path).startswith(start):
            raise ValueError(f"{path} is {what}: {_MEND}")


def delimiter_of(path: Path) -> str:
    """What stands between the columns of a CSV file: the commonest in its first line; a comma."""
    with _open_text(path) as stream:
        first = stream.readline(LINE)
        while first.isspace():  # an empty line before the header
            first = stream.readline(LINE)
    return max(DELIMITERS, key=first.count)  # of equals the first, a comma


def kinds_of(path: Path) -> dict[str, pa.DataType]:
    """Types of a Parquet file's columns; none of a CSV file, where all are text."""
    if not is_parquet(path):
        return {}
    schema = pq.read_schema(path)
    return dict(zip(schema.names, schema.types, strict=True))


def as_text(column: str, kinds: dict[str, pa.DataType]) -> str:
    """A column as text, in SQL: bytes are UTF-8, the items of a list stand between `ITEM`s."""
    name, kind = identifier(column), kinds.get(column, pa.null())
    if _is_bytes(kind):
        return f"decode({name})"
    if is_list(kind):
        items = (
            f"list_transform({name}, lambda x: decode(x))" if _is_bytes(kind.value_type) else name
        )
        return f"array_to_string({items}, chr({ord(ITEM)}))"
    return f"CAST({name} AS VARCHAR)"


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds a list in each row."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    lists += (pa.types.is_list_view, pa.types.is_large_list_view)
    return any(is_such(kind) for is_such in lists)


def _is_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    some = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(is_such(kind) for is_such in (*some, pa.types.is_binary_view))
