"""Texts in one file beside the database: too large to be sorted there, they are found by place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Spool:
    """Appends the texts of queries to a stream and reads each one back by where it lies.

    Parameters
    ----------
    stream : binary file, open for writing and reading
    """

    def __init__(self, stream: BinaryIO) -> None:
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

        ``place`` and ``size`` count bytes; a text that is missing or only white space has size 0.
        No batch is held once it is written. Rows that do not satisfy the SQL condition `where` on
        the other columns are not written.
        """
        columns = [f for f in schema if f.name != "text"]
        columns += [pa.field("place", pa.int64()), pa.field("size", pa.int64())]
        connection.register("arrived", pa.schema(columns).empty_table())
        connection.execute(f"CREATE OR REPLACE TABLE {into} AS SELECT * FROM arrived")
        for batch in batches:
            # Into the table at once: what is left of a batch would keep its texts in memory.
            rows = self._append(self._wanted(connection, batch, where))
            connection.register("arrived", pa.Table.from_batches([rows]))
            connection.execute(f"INSERT INTO {into} SELECT * FROM arrived")
        connection.unregister("arrived")

    @staticmethod
    def _wanted(
        connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, where: str
    ) -> pa.RecordBatch:
        """The rows that satisfy `where`; the texts themselves are not shown to the database."""
        others = batch.drop_columns(["text"]).append_column("_row", pa.array(range(len(batch))))
        connection.register("arrived", pa.Table.from_batches([others]))
        found = connection.sql(f"SELECT _row FROM arrived WHERE {where}").fetchnumpy()["_row"]
        return batch if len(found) == len(batch) else batch.take(pa.array(np.sort(found)))

    def _append(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = batch.column("text").cast(pa.large_string())
        _, offsets, letters = texts.buffers()
        starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        place = self._end + starts[:-1] - starts[0]
        if letters is not None:
            self._stream.seek(self._end)
            self._end += self._stream.write(memoryview(letters)[starts[0] : starts[-1]])
        says = pc.fill_null(pc.match_substring_regex(texts, r"\S"), False).to_numpy(False)
        size = np.where(says, np.diff(starts), 0)
        others = batch.drop_columns(["text"])
        columns = {"place": pa.array(place), "size": pa.array(size)}
        return pa.record_batch(
            [*others.columns, *columns.values()], names=[*others.schema.names, *columns]
        )

    def read(self, pieces: Iterable[tuple[int, int]]) -> str:
        """Texts by (place, size), without white space around, joined with an empty line between."""
        return "\n\n".join(self._read(place, size) for place, size in pieces)

    def _read(self, place: int, size: int) -> str:
        self._stream.seek(place)
        return self._stream.read(size).strip(b" \t\n\r\f").decode()
