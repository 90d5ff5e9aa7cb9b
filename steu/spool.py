"""Texts in one file beside the database: too large to be sorted there, they are found by place."""

from __future__ import annotations

from collections.abc import Iterable
from io import BufferedRandom, BytesIO

import duckdb
import numpy as np
import pyarrow as pa

from steu.aside import behind

BLANK = np.isin(np.arange(256), list(b" \t\n\r\f"))
SLICE = 2**20  # bytes of a write: for larger ones the kernel looks long for free pages in a row
BETWEEN = b"\n\n"  # pieces of one text


class Spool:
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

        ``place`` and ``size`` count bytes, without white space around; a text that is missing or
        only white space has size 0. No text is held once it is written. Rows that do not satisfy
        the SQL condition `where` on the other columns are not written.
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

    def read(self, places: pa.ListArray, sizes: pa.ListArray) -> pa.LargeStringArray:
        """Texts of several pieces each, with an empty line between.

        Parameters
        ----------
        places, sizes : list<int64>, one list a text, at least one piece in each

        Raises
        ------
        pa.ArrowInvalid
            If a text is not UTF-8.
        """
        place, size = (x.flatten().to_numpy() for x in (places, sizes))
        last = np.cumsum(places.value_lengths().to_numpy()) - 1  # piece of each text
        gaps = np.full(len(size), len(BETWEEN))
        gaps[last] = 0
        ends = np.cumsum(size + gaps)
        letters = pa.allocate_buffer(int(ends[-1]))
        view = memoryview(letters).cast("B")
        for at, n, end, gap in zip(place, size, ends, gaps, strict=True):
            self._stream.seek(at)
            self._stream.readinto(view[end - gap - n : end - gap])
            view[end - gap : end] = BETWEEN[:gap]
        offsets = pa.py_buffer(np.concatenate([[0], ends[last]]))
        texts = pa.Array.from_buffers(pa.large_string(), len(places), [None, offsets, letters])
        texts.validate(full=True)
        return texts


def _wanted(
    connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, where: str
) -> tuple[pa.RecordBatch, pa.StringArray]:
    """The rows that satisfy `where`, and their texts; the database is not shown the texts."""
    others, texts = batch.drop_columns(["text"]), batch.column("text")
    numbered = others.append_column("_row", pa.array(np.arange(len(batch))))
    connection.register("arrived", pa.Table.from_batches([numbered]))
    found = connection.sql(f"SELECT _row FROM arrived WHERE {where}").fetchnumpy()["_row"]
    rows = pa.array(np.sort(found))
    # What is taken is copied: left as it came, a column can keep the whole batch in memory.
    return others.take(rows), texts if len(rows) == len(batch) else texts.take(rows)


def _extents(texts: pa.StringArray) -> tuple[memoryview, np.ndarray, np.ndarray]:
    """All bytes of B texts, and where in them each starts and ends without blanks around, (B,)."""
    texts = texts.cast(pa.large_string())
    _, offsets, letters = texts.buffers()
    limits = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = memoryview(letters or b"")[limits[0] : limits[-1]]
    starts, ends = limits[:-1] - limits[0], limits[1:] - limits[0]
    ends = np.where(texts.is_valid().to_numpy(False), ends, starts)
    characters = np.frombuffer(data, np.uint8)
    for edge, step, inside in ((starts, 1, 0), (ends, -1, -1)):
        left = np.arange(len(texts))
        while len(left := left[starts[left] < ends[left]]):
            left = left[BLANK[characters[edge[left] + inside]]]
            edge[left] += step
    return data, starts, ends
