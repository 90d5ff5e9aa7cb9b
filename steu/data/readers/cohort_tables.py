"""A folder of tables → a cohort on disk, in bounded memory."""

from __future__ import annotations

import errno
import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from steu._errors import check_choice
from steu._io import Busy, alone, atomic_path, naming_full_disk, write_json
from steu.data.cohort import BATCH, Cohort, schema_of, summary_of
from steu.data.labels import check_labels
from steu.data.readers.left_out import count_excluded, rare_prefixes, tables_of
from steu.data.readers.mimic import LAYOUTS, Mimic, read_eicu, read_mimic
from steu.data.readers.sql import identifier, indicator_sql, literal
from steu.data.readers.table import read_plain
from steu.data.readers.tables import naming, scratch_database
from steu.data.readers.text_store import TextStore, letters_of
from steu.data.splits import FRACTIONS, SPLITS, check_fractions, split_patients
from steu.data.texts import TextDigest

SCRATCH, LOCK = ".tables-", "lock"  # what a folder for tables in the making begins with, and holds
ROW_GROUP = 2048  # stays DuckDB may gather before it writes; by default they would fill its memory


def build_cohort(layout: str, path: str | Path, **settings: Any) -> Cohort:
    """Read a folder of tables into a cohort, with its text in memory; settings of `write_cohort`.

    A corpus that does not fit in memory is written by `write_cohort` and read without its text.
    """
    with tempfile.TemporaryDirectory(prefix="steu-") as scratch:
        folder = Path(scratch) / "cohort"
        write_cohort(folder, layout, path, **settings)
        return Cohort.read(folder)


def write_cohort(
    folder: str | Path,
    layout: str,
    path: str | Path,
    *,
    labels: Mapping[str, Any],
    name: str,
    restricted: bool,
    seed: int = 0,
    fractions: Sequence[float] = FRACTIONS,
    needed: Sequence[str] | None = None,
    **options: Any,
) -> None:
    """Read a folder of tables into a cohort on disk, with at most about 1 GB in memory.

    Parameters
    ----------
    layout
        "mimic_iv", "mimic_iii", "eicu" or "table".
    path
        Folder of the publisher's files; for "table" the file or the folder that holds only it.
    labels
        Name of a label → ICD prefixes with dots; for "table" see `read_plain`.
    seed, fractions
        Of the split by patient into train, validation and test.
    needed
        Labels that some stay of each split has to have; default: all.
    **options
        Of the layout: `text_source`, `notes` (`read_mimic`); `sections` (`read_eicu`); `text`,
        `id`, `subject`, `group_by`, `split` (`read_plain`).
    """
    folder, path = Path(folder), Path(path)
    check_fractions(fractions)
    with (
        naming_full_disk(folder),
        _no_empty_folder(folder),
        naming(path),
        _scratch(folder) as scratch,
        scratch_database(scratch) as connection,
        (scratch / "texts").open("w+b") as stream,
    ):
        store = TextStore(stream)
        names, excluded = _tabulate(connection, layout, path, labels, options, store)
        rare = rare_prefixes(connection, labels) if layout in LAYOUTS else []
        _assign_splits(connection, names, fractions, seed)
        rows, schema = _ordered_rows(connection, names), schema_of(names)
        frame = rows.drop_columns(["text"]).to_pandas()
        cohort = Cohort(frame, names, name, layout, restricted, excluded, rare_prefixes=rare)
        cohort.check_positives(needed)
        with atomic_path(folder / "cohort.parquet") as beside:
            digest = _write_rows(connection, schema, _with_texts(rows, store, schema), beside)
            write_json(folder / "cohort.json", summary_of(cohort, digest, beside))


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder for what is read, with texts of notes; those that killed processes left go first."""
    for left in folder.glob(f"{SCRATCH}*"):
        with suppress(Busy), alone(left / LOCK, otherwise="its process is at work"):
            shutil.rmtree(left, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as made,
        alone(Path(made, LOCK), otherwise="nobody knows of it yet"),
    ):
        yield Path(made)


def _tabulate(
    connection: duckdb.DuckDBPyConnection,
    layout: str,
    path: Path,
    labels: Mapping[str, Any],
    options: Mapping[str, Any],
    store: TextStore,
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Leave `pieces` and `indicators` in the connection; return labels and excluded counts."""
    if layout == "table":
        _check_options(layout, read_plain, options)
        names = read_plain(connection, path, labels, **options)
        store_documents(connection, store)
        return names, count_excluded(connection, unlabelled="without_label")
    check_choice(layout, [*LAYOUTS, "table"], what="layout")
    parsed = check_labels(labels)
    record = LAYOUTS[layout]
    if isinstance(record, Mimic):
        _check_options(layout, read_mimic, options)
        read_mimic(connection, record, path, store, **options)
    else:
        _check_options(layout, read_eicu, options)
        read_eicu(connection, record, path, **options)
    store_documents(connection, store)
    columns = ", ".join(
        f"{indicator_sql(prefixes)} AS {identifier(label)}" for label, prefixes in parsed.items()
    )
    connection.execute(
        f"CREATE TABLE indicators AS SELECT stay_id, {columns} FROM codes GROUP BY stay_id"
    )
    return tuple(parsed), count_excluded(connection, unlabelled="without_diagnosis")


def store_documents(connection: duckdb.DuckDBPyConnection, store: TextStore) -> None:
    """Make `pieces` of `documents`, one each, unless the reader has stored its texts itself."""
    if "pieces" not in tables_of(connection):
        query = "SELECT subject_id, stay_id, 1 AS nth, text FROM documents"
        reader = connection.cursor().sql(query).to_arrow_reader(BATCH)
        store.take(connection, reader, reader.schema, into="pieces")


def _check_options(layout: str, reader: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(reader).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in options:
        check_choice(name, known, what="option", where=f"layout {layout!r}")
    missing = [
        n for n, default in known.items() if default is inspect.Parameter.empty and n not in options
    ]
    if missing:
        raise ValueError(
            f"layout {layout!r}: option {missing[0]!r} is missing; its options are: "
            f"{', '.join(known)}"
        )


def _assign_splits(
    connection: duckdb.DuckDBPyConnection,
    labels: Sequence[str],
    fractions: Sequence[float],
    seed: int,
) -> None:
    """Leave `splits(subject_id, split)` in the connection, as given or made here."""
    if "given" in tables_of(connection):
        connection.execute("CREATE TABLE splits AS SELECT subject_id, split FROM given")
        return
    columns = ", ".join(f"bool_or(indicators.{identifier(label)})" for label in labels)
    patients = connection.execute(
        f"""SELECT subject_id, {columns} FROM written JOIN indicators USING (stay_id)
        WHERE subject_id IS NOT NULL GROUP BY subject_id ORDER BY subject_id"""
    ).df()
    if patients.empty:
        raise ValueError(
            "no stay has both a text and a diagnosis row, or a cell for each label; check that the "
            "tables match and the columns are filled"
        )
    positives = patients.iloc[:, 1:].fillna(False).to_numpy(dtype=bool)  # (P, C)
    chosen = split_patients(positives, fractions=fractions, seed=seed)
    splits = pd.DataFrame(
        {"subject_id": patients["subject_id"], "split": np.array(SPLITS)[chosen]}, dtype=str
    )
    connection.register("chosen", splits)
    connection.execute("CREATE TABLE splits AS SELECT * FROM chosen")
    connection.unregister("chosen")


def _ordered_rows(connection: duckdb.DuckDBPyConnection, labels: Sequence[str]) -> pa.Table:
    """The cohort ordered by stay; its text is the list of places and sizes of its pieces."""
    columns = ", ".join(
        f"coalesce(indicators.{identifier(n)}, false) AS {identifier(n)}" for n in labels
    )
    return connection.sql(
        f"""SELECT subject_id, stay_id, texts.text, {columns}, splits.split FROM written
        JOIN indicators USING (stay_id) JOIN splits USING (subject_id) JOIN (
            SELECT stay_id, list({{place: place, size: size}} ORDER BY nth, place) AS text
            FROM pieces WHERE size > 0 GROUP BY stay_id
        ) AS texts USING (stay_id) ORDER BY stay_id"""
    ).to_arrow_table()


def _with_texts(rows: pa.Table, store: TextStore, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield `rows` with their texts instead of the pieces, `BATCH` at a time."""
    at = schema.get_field_index("text")
    for start in range(0, len(rows), BATCH):
        part = rows.slice(start, BATCH).combine_chunks()
        texts = store.read(part.column(at).chunk(0))
        yield from part.set_column(at, "text", texts).cast(schema).to_batches()


def _write_rows(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    target: Path,
) -> str:
    """Write the rows to one Parquet file, in order, and return the digest of their texts."""
    digest, causes = TextDigest(), list[BaseException]()

    def digested() -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                letters, limits = letters_of(batch.column("text"))
                for start, end in pairwise(limits):
                    digest.add(letters[start:end])
                yield batch
        except (Exception, KeyboardInterrupt) as error:  # DuckDB hands on no more than its words
            causes.append(error)
            raise

    connection.execute("SET preserve_insertion_order = true")
    connection.register("rows", pa.RecordBatchReader.from_batches(schema, digested()))
    try:
        connection.execute(
            f"""COPY (FROM rows) TO {literal(str(target))} (
            FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP})"""
        )
    except duckdb.Error as error:
        if causes:
            raise causes[0] from error
        if isinstance(error, duckdb.IOException):
            raise OSError(errno.EIO, str(error)) from error
        raise
    return digest.hexdigest()


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """Make `folder`; take it away again if it is left empty by an error."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()
