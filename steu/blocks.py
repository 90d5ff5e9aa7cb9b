"""One large table of texts, block by block in bounded memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

BLOCK = 2**24  # bytes that are read at a time; no row may be longer


def read_blocks(path: Path, columns: list[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Columns of a table as text, in the order and under the names of `schema`, block by block.

    Arrow reads them, since DuckDB keeps every quoted value that holds a quote until the file ends.

    Raises
    ------
    ValueError
        If the file ends between quotation marks; Arrow would take that for the end of the value.
    """
    if path.suffix == ".parquet":
        parts = pq.ParquetFile(path).iter_batches(columns=columns)
    else:
        quotes = _Quotes(path)
        parts = open_csv(
            pa.PythonFile(quotes, mode="r"),
            read_options=ReadOptions(block_size=BLOCK, use_threads=False),
            parse_options=ParseOptions(newlines_in_values=True),
            convert_options=ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        )
    for part in parts:
        yield pa.record_batch([part.column(c).cast(pa.string()) for c in columns], schema)
    if path.suffix != ".parquet" and quotes.count % 2:
        raise ValueError(
            f"{path} cannot be read as a table: it ends between quotation marks, so a part is "
            "missing; get the whole file again"
        )


class _Quotes(io.RawIOBase):
    """Reads a file, unpacked if need be, and counts its quotes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._stream = pa.input_stream(path, compression="gzip" if path.suffix == ".gz" else None)
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.count += data.count(b'"')
        return data
