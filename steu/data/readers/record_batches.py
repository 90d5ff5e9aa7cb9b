"""One table as text, block by block in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, open_csv

from steu.data.readers.quotes import CheckedQuotes
from steu.data.readers.table_files import is_gzip

ROWS = 1024  # of a Parquet file that are read at a time
BLOCK = 2**23  # bytes of a block, of which Arrow unpacks up to 32 ahead; no row may be longer


def read_batches(
    path: Path, columns: list[str], schema: pa.Schema, *, delimiter: str | None = None
) -> Iterator[pa.RecordBatch]:
    """Columns of a table as text, in the order and under the names of `schema`, block by block.

    Without a `delimiter` it is a Parquet file, with one a CSV file, packed or not.

    Arrow reads them: DuckDB takes no lines that end in several ways, leaves out a last row whose
    quotation mark is missing, and keeps every quoted value that holds a quote until the file ends.

    Raises
    ------
    ValueError
        If a quotation mark has no partner; Arrow would take the end of the row for its partner, or
        join rows.
    """
    parts = _csv(path, columns, delimiter) if delimiter else _parquet(path, columns)
    for part in parts:
        yield pa.record_batch([part.column(c).cast(pa.string()) for c in columns], schema)


def _parquet(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for part in file.iter_batches(ROWS, columns=columns):
            part.validate(full=True)  # that texts are UTF-8, which Arrow believes of Parquet
            yield part


def _csv(path: Path, columns: list[str], delimiter: str) -> Iterator[pa.RecordBatch]:
    unpacked = igzip.open if is_gzip(path) else open
    with unpacked(path, "rb") as file:
        checked = CheckedQuotes(file, path=path, delimiter=delimiter)
        with open_csv(
            pa.PythonFile(checked, mode="r"),
            read_options=ReadOptions(block_size=BLOCK, use_threads=False),
            parse_options=ParseOptions(newlines_in_values=True, delimiter=delimiter),
            convert_options=ConvertOptions(
                include_columns=list(dict.fromkeys(columns)),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=False,
            ),
        ) as parts:
            yield from parts
