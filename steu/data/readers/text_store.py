"""Texts in one file beside the database: too large to be sorted there, they are found by place."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from io import BufferedRandom, BytesIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steu.data.blank import blank
from steu.data.missing import NO_VALUE
from steu.data.readers.background import behind
from steu.data.texts import BLANK

SLICE = 2**20  # bytes of a write; larger ones were measured to be slower
SHORT = 256  # bytes of a text that may be no text; no longer one is looked at for that
BETWEEN = b"\n\n"  # pieces of one text


class TextStore:
    """Appends the texts of queries to a stream and reads each one back by where it lies.

    Parameters
    ----------
    stream : binary file, open for writing and reading, or its like in memory
    """

    def __init__(self, stream: BufferedRandom | BytesIO) -> None:
        self._stream = stream
        self._end = 0

    def take(
        self,
        connection: duckdb.DuckDBPyConnection,
        batches: Iterable[pa.RecordBatch],
        schema: pa.Schema,
        *,
        into: str,
        where: str = "true",
    ) -> None:
        """Create the table `into` of the batches, with place and size of their ``text`` instead.

        ``place`` and ``size`` count bytes, without white space around; a text that is missing, also
        as `NO_VALUE` writes it, or shows nothing has size 0. No text is held once it is written.
        Rows that do not satisfy the SQL condition `where` on the other columns are not written.
        """
        columns = [f for f in schema if f.name != "text"]
        columns += [pa.field("place", pa.int64()), pa.field("size", pa.int64())]
        rows = []
        self._stream.seek(self._end)
        with behind() as write:
            for batch in batches:
                others, texts = _wanted(connection, batch, where)
                letters, starts, ends = _extents(texts)
                write(self._append, letters)
                others = others.append_column("place", pa.array(self._end + starts))
                rows.append(others.append_column("size", pa.array(ends - starts)))
                self._end += len(letters)
        connection.register("arrived", pa.Table.from_batches(rows, pa.schema(columns)))
        connection.execute(f"CREATE OR REPLACE TABLE {into} AS SELECT * FROM arrived")
        connection.unregister("arrived")

    def _append(self, letters: memoryview) -> None:
        for start in range(0, len(letters), SLICE):
            self._stream.write(letters[start : start + SLICE])

    def read(self, pieces: pa.ListArray) -> pa.LargeStringArray:
        """Texts of several pieces each, with an empty line between.

        Parameters
        ----------
        pieces : list<struct<place: int64, size: int64>>, at least one in each list

        Raises
        ------
        OSError
            If the stream ends before a piece does.
        pa.ArrowInvalid
            If a text is not UTF-8.
        """
        flat = pieces.flatten()
        place, size = (flat.field(name).to_numpy() for name in ("place", "size"))
        last = np.cumsum(pieces.value_lengths().to_numpy()) - 1  # piece of each text
        gaps = np.full(len(size), len(BETWEEN))
        gaps[last] = 0
        ends = np.cumsum(size + gaps)
        letters = pa.allocate_buffer(int(ends[-1]))
        view = memoryview(letters).cast("B")
        for at, n, end, gap in zip(place, size, ends, gaps, strict=True):
            self._stream.seek(at)
            if self._stream.readinto(view[end - gap - n : end - gap]) != n:
                raise OSError(errno.EIO, "the file of texts ended early")
            view[end - gap : end] = BETWEEN[:gap]
        limits = pa.py_buffer(np.concatenate([[0], ends[last]]))
        texts = pa.Array.from_buffers(pa.large_string(), len(pieces), [None, limits, letters])
        texts.validate(full=True)
        return texts


def _wanted(
    connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, where: str
) -> tuple[pa.RecordBatch, pa.StringArray]:
    """The rows that satisfy `where`, and their texts; the database is not shown the texts."""
    others, texts, found = batch.drop_columns(["text"]), batch.column("text"), np.arange(len(batch))
    if where != "true":
        numbered = others.append_column("_row", pa.array(found))
        connection.register("arrived", pa.Table.from_batches([numbered]))
        found = connection.sql(f"SELECT _row FROM arrived WHERE {where}").fetchnumpy()["_row"]
    rows = pa.array(np.sort(found))
    # What is taken is copied: left as it came, a column can keep the whole batch in memory.
    return others.take(rows), texts if len(rows) == len(batch) else texts.take(rows)


def _extents(texts: pa.StringArray) -> tuple[memoryview, np.ndarray, np.ndarray]:
    """All bytes of B texts, and where in them each starts and ends without blanks around, (B,)."""
    letters, limits = letters_of(texts)
    inner = pc.ascii_ltrim(texts.fill_null(""), BLANK)
    starts = limits[1:] - _lengths(inner)
    starts = np.where(texts.is_valid().to_numpy(False), starts, limits[:-1])
    inner = pc.ascii_rtrim(inner, BLANK)
    sizes = _lengths(inner)
    short = np.flatnonzero(sizes <= SHORT)
    brief = pc.utf8_lower(inner.take(pa.array(short)))
    none = pc.is_in(brief, value_set=pa.array(NO_VALUE)).to_numpy(False)
    sizes[short[none | blank(brief)]] = 0
    return letters, starts, starts + sizes


def letters_of(texts: pa.StringArray) -> tuple[memoryview, np.ndarray]:
    """All bytes of B texts as they lie in memory, and the limits of each in them, (B + 1,)."""
    texts = texts.cast(pa.large_string())
    _, limits, letters = texts.buffers()
    limits = np.frombuffer(limits, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(letters or b"")[limits[0] : limits[-1]], limits - limits[0]


def _lengths(texts: pa.StringArray) -> np.ndarray:
    return pc.binary_length(texts).to_numpy(False).astype(np.int64)
