"""Tables → one tidy validated frame (patient, stay, text, labels, split), split by patient."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steu.files import atomic_path, naming_full_disk, read_json, write_json
from steu.labels import RESERVED, check_labels, indicator_sql, label_index
from steu.layouts import LAYOUTS, Mimic, read_eicu, read_mimic
from steu.plain import read_plain
from steu.tables import identifier, naming, scratch_database

__all__ = [
    "SPLITS",
    "Cohort",
    "build_cohort",
    "iter_texts",
    "label_index",
    "split_patients",
    "write_cohort",
]

SPLITS = ("train", "validation", "test")
ROW_GROUP = 4096  # stays written at a time: some 40 MB of discharge summaries


@dataclass(frozen=True)
class Cohort:
    """One document a stay, with its labels and its part of the split.

    Parameters
    ----------
    frame
        Columns subject_id and stay_id (str), text (str), one bool column a label, and split
        ("train", "validation" or "test"), ordered by stay_id; RangeIndex.
    labels
        Names of the label columns, in the order of `targets`.
    name
        Name of the dataset, such as "eicu_demo".
    layout
        "mimic_iv", "mimic_iii", "eicu" or "table".
    restricted
        Whether the data are credentialed, so that no text of a note may be rendered.
    excluded
        Number of stays left out, by reason.

    Raises
    ------
    ValueError
        If the frame breaks one of these promises, a stay comes twice, a text is empty, a patient
        is in two splits or a label has no positive in a split.
    """

    frame: pd.DataFrame = field(repr=False)
    labels: tuple[str, ...]
    name: str
    layout: str
    restricted: bool
    excluded: Mapping[str, int] = field(default_factory=dict)
    _digest: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _validate(self.frame, self.labels, self.name)

    @property
    def targets(self) -> np.ndarray:
        """Labels as float32, (N, C)."""
        return self.frame[list(self.labels)].to_numpy(dtype=np.float32)

    @property
    def patients(self) -> np.ndarray:
        """Patient of each stay, str (N,)."""
        return self.frame["subject_id"].to_numpy(dtype=str)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over labels and rows; the same content gives the same value on any machine."""
        if self._digest:
            return self._digest
        return _fingerprint([self.frame], self.labels)

    def rows(self, split: str) -> np.ndarray:
        """Positions of one split's stays, int64 (n,)."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}; expected one of: {', '.join(SPLITS)}")
        return np.flatnonzero((self.frame["split"] == split).to_numpy())

    def describe(self) -> pd.DataFrame:
        """One row a label and split: stays, patients, positives, their patients and prevalence."""
        rows = []
        for label in self.labels:
            for split in SPLITS:
                part = self.frame[self.frame["split"] == split]
                with_label = part[part[label]]
                rows.append(
                    {
                        "label": label,
                        "split": split,
                        "stays": len(part),
                        "patients": part["subject_id"].nunique(),
                        "positives": len(with_label),
                        "positive_patients": with_label["subject_id"].nunique(),
                        "prevalence": len(with_label) / len(part),
                    }
                )
        return pd.DataFrame(rows)

    def write(self, folder: str | Path) -> None:
        """Write cohort.parquet and cohort.json into `folder`, each whole or not at all."""
        folder = Path(folder)
        with atomic_path(folder / "cohort.parquet") as beside:
            self.frame.to_parquet(beside, index=False)
            # Written first, so that a parquet file never stands beside another cohort's JSON.
            write_json(folder / "cohort.json", _summary(self, self.fingerprint))

    @classmethod
    def read(cls, folder: str | Path, *, text: bool = True) -> Cohort:
        """Read what `write` or `write_cohort` wrote.

        `text=False` leaves the column text out, for corpora larger than memory; `iter_texts`
        then streams it in the same order.
        """
        folder = Path(folder)
        about = read_json(folder / "cohort.json")
        labels = tuple(about["labels"])
        columns = ["subject_id", "stay_id", *(["text"] if text else []), *labels, "split"]
        path = folder / "cohort.parquet"
        if not path.is_file():
            raise ValueError(f"{path} does not exist; run notebooks/01_cohort first")
        cohort = cls(
            pd.read_parquet(path, columns=columns),
            labels,
            about["name"],
            about["layout"],
            about["restricted"],
            about["excluded"],
        )
        if text and cohort.fingerprint != about["fingerprint"]:
            raise ValueError(
                f"{path} differs from the fingerprint in cohort.json beside it; run "
                "notebooks/01_cohort again"
            )
        object.__setattr__(cohort, "_digest", about["fingerprint"])
        return cohort


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
    fractions: Sequence[float] = (0.6, 0.15, 0.25),
    sections: Sequence[str] | None = None,
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
        Name of a label → ICD prefixes with dots; for "table" see `steu.plain.read_plain`.
    seed, fractions
        Of the split by patient into train, validation and test.
    sections
        eICU only: which tables are rendered, in which order.
    **options
        Of the layout: `text_source`, `notes` (`steu.layouts.read_mimic`); `text`, `id`,
        `subject`, `group_by` (`steu.plain.read_plain`).
    """
    folder, path = Path(folder), Path(path)
    _check_fractions(fractions)
    if sections is not None:
        options = options | {"sections": sections}
    with (
        naming_full_disk(folder),
        _no_empty_folder(folder),
        naming(path),
        tempfile.TemporaryDirectory(prefix=".tables-", dir=folder) as scratch,
        scratch_database(Path(scratch)) as connection,
    ):
        names, excluded = _tabulate(connection, layout, path, labels, options)
        _assign_splits(connection, names, fractions, seed)
        rows = _ordered_rows(connection, names)
        cohort = Cohort(rows, names, name, layout, restricted, excluded)
        with atomic_path(folder / "cohort.parquet") as beside:
            frames = _with_texts(connection, rows, Path(scratch) / "texts")
            fingerprint = _fingerprint(_written(frames, names, beside), names)
            write_json(folder / "cohort.json", _summary(cohort, fingerprint))


def iter_texts(folder: str | Path, *, batch_size: int = 1024) -> Iterator[list[str]]:
    """Yield the texts of a written cohort in order, a batch at a time."""
    for frame in _stream(Path(folder) / "cohort.parquet", batch_size=batch_size):
        yield frame["text"].tolist()


def split_patients(positives: np.ndarray, *, fractions: Sequence[float], seed: int) -> np.ndarray:
    """Distribute patients over the splits by iterative stratification.

    Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data" (2011),
    algorithm 1: the rarest label is shared out first, each time to the split that lacks it most.

    Parameters
    ----------
    positives
        Whether a patient has a label in any stay, bool (P, C).
    fractions
        Wanted share of each split (S,).

    Returns
    -------
    np.ndarray
        Split of each patient, int64 (P,).
    """
    rng = np.random.default_rng(seed)
    shares = np.asarray(fractions, dtype=float)
    wanted = shares * len(positives)  # (S,) patients still wanted
    wanted_label = np.outer(shares, positives.sum(axis=0))  # (S, C)
    split = np.full(len(positives), -1)
    open_patients = rng.permutation(len(positives))

    def place(patient: int, need: np.ndarray) -> None:
        # Ties go to the split that wants most patients altogether, then to a random one.
        chosen = np.lexsort((rng.random(len(shares)), wanted, need))[-1]
        split[patient] = chosen
        wanted[chosen] -= 1
        wanted_label[chosen] -= positives[patient]

    while True:
        left = positives[open_patients].sum(axis=0)
        if not left.any():
            break
        label = int(np.where(left > 0, left, len(positives) + 1).argmin())
        for patient in open_patients[positives[open_patients, label]]:
            place(patient, wanted_label[:, label])
        open_patients = open_patients[split[open_patients] < 0]
    for patient in open_patients:
        place(patient, wanted)
    return split


def _tabulate(
    connection: duckdb.DuckDBPyConnection,
    layout: str,
    path: Path,
    labels: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Leave `documents` and `indicators` in the connection; return labels and excluded counts."""
    if layout == "table":
        _check_options(layout, read_plain, options)
        names = read_plain(connection, path, labels, **options)
        return names, _count_excluded(connection)
    if layout not in LAYOUTS:
        known = ", ".join([*LAYOUTS, "table"])
        raise ValueError(f"unknown layout {layout!r}; expected one of: {known}")
    parsed = check_labels(labels)
    record = LAYOUTS[layout]
    if isinstance(record, Mimic):
        _check_options(layout, read_mimic, options)
        read_mimic(connection, record, path, **options)
    else:
        _check_options(layout, read_eicu, options)
        read_eicu(connection, record, path, **options)
    columns = ", ".join(
        f"{indicator_sql(prefixes)} AS {identifier(label)}" for label, prefixes in parsed.items()
    )
    connection.execute(
        f"CREATE TABLE indicators AS SELECT stay_id, {columns} FROM codes GROUP BY stay_id"
    )
    return tuple(parsed), _count_excluded(connection)


def _check_options(layout: str, reader: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(reader).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    unknown = sorted(set(options) - set(known))
    missing = [
        n for n, default in known.items() if default is inspect.Parameter.empty and n not in options
    ]
    if unknown or missing:
        wrong = f"unknown option {unknown[0]!r}" if unknown else f"option {missing[0]!r} is missing"
        raise ValueError(f"layout {layout!r}: {wrong}; its options are: {', '.join(known)}")


def _count_excluded(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the stays that a cohort leaves out: no text, or a text but no diagnosis row.

    Leaves `written(subject_id, stay_id)`, the documents with a text, in the connection: whoever
    needs only these two reads no text, which is nearly all there is to read.
    """
    connection.execute(
        "CREATE TABLE written AS SELECT subject_id, stay_id FROM documents WHERE text <> ''"
    )
    tables = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
    every = " UNION ".join(
        f"SELECT stay_id FROM {table}"
        for table in ("stays", "documents", "indicators")
        if table in tables
    )
    without_text, without_diagnosis = connection.execute(
        f"""SELECT count(*) FILTER (written.stay_id IS NULL),
        count(*) FILTER (written.stay_id IS NOT NULL AND indicators.stay_id IS NULL)
        FROM ({every}) AS every LEFT JOIN written USING (stay_id)
        LEFT JOIN indicators ON indicators.stay_id = every.stay_id
        WHERE every.stay_id IS NOT NULL"""
    ).fetchone()
    return {"without_text": without_text, "without_diagnosis": without_diagnosis}


def _assign_splits(
    connection: duckdb.DuckDBPyConnection,
    labels: Sequence[str],
    fractions: Sequence[float],
    seed: int,
) -> None:
    """Leave `splits(subject_id, split)` in the connection."""
    columns = ", ".join(f"bool_or({identifier(label)})" for label in labels)
    patients = connection.execute(
        f"""SELECT subject_id, {columns} FROM written JOIN indicators USING (stay_id)
        WHERE subject_id IS NOT NULL GROUP BY subject_id ORDER BY subject_id"""
    ).df()
    if patients.empty:
        raise ValueError("no stay has both a text and a diagnosis row; check that the tables match")
    positives = patients.iloc[:, 1:].fillna(False).to_numpy(dtype=bool)  # (P, C)
    chosen = split_patients(positives, fractions=fractions, seed=seed)
    splits = pd.DataFrame(
        {"subject_id": patients["subject_id"], "split": np.array(SPLITS)[chosen]}, dtype=str
    )
    connection.register("chosen", splits)
    connection.execute("CREATE TABLE splits AS SELECT * FROM chosen")
    connection.unregister("chosen")


def _ordered_rows(connection: duckdb.DuckDBPyConnection, labels: Sequence[str]) -> pd.DataFrame:
    """All of the cohort but its text, ordered by stay."""
    columns = ", ".join(f"coalesce({identifier(n)}, false) AS {identifier(n)}" for n in labels)
    return connection.execute(
        f"""SELECT subject_id, stay_id, {columns}, split FROM written
        JOIN indicators USING (stay_id) JOIN splits USING (subject_id) ORDER BY stay_id"""
    ).df()


def _with_texts(
    connection: duckdb.DuckDBPyConnection, rows: pd.DataFrame, scratch: Path
) -> Iterator[pd.DataFrame]:
    """Yield `rows` with their texts, `ROW_GROUP` at a time.

    The texts lie in the file `scratch` meanwhile, in the order in which they come. A database that
    sorts them with the rows has to hold more of them than fits in memory.
    """
    with scratch.open("w+b") as stream:
        spans = _spool(connection, rows["stay_id"], stream)
        for start in range(0, len(rows), ROW_GROUP):
            part = rows.iloc[start : start + ROW_GROUP]
            texts = [_text_at(stream, *span) for span in spans[start : start + ROW_GROUP]]
            # As objects, the texts are neither copied nor looked through.
            yield part.assign(text=pd.Series(texts, index=part.index, dtype=object))


def _spool(
    connection: duckdb.DuckDBPyConnection, stays: Iterable[str], stream: BinaryIO
) -> list[tuple[int, int]]:
    """Append the texts of the given stays to `stream`; where each begins, and its bytes."""
    spans = dict.fromkeys(stays, (0, 0))
    end = 0
    found = connection.execute("SELECT stay_id, text FROM documents WHERE text <> ''")
    while batch := found.fetchmany(1024):
        for stay, text in batch:
            if stay in spans:
                spans[stay] = (end, stream.write(text.encode()))
                end += spans[stay][1]
    return list(spans.values())


def _text_at(stream: BinaryIO, start: int, size: int) -> str:
    stream.seek(start)
    return stream.read(size).decode()


def _written(
    frames: Iterable[pd.DataFrame], labels: Sequence[str], target: Path
) -> Iterator[pd.DataFrame]:
    """Write the frames to one Parquet file, a row group each, and hand them on."""
    names = ["subject_id", "stay_id", "text", *labels, "split"]
    schema = pa.schema([(n, pa.bool_() if n in labels else pa.string()) for n in names])
    # Hardly a text comes twice: looking for repeated ones would take most of the time.
    repeated = [name for name in names if name != "text"]
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=repeated) as writer:
        for frame in frames:
            table = pa.Table.from_pandas(frame[names], schema=schema, preserve_index=False)
            writer.write_table(table)
            yield frame


def _stream(path: Path, *, batch_size: int) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=batch_size):
            yield batch.to_pandas()


def _fingerprint(frames: Iterable[pd.DataFrame], labels: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(tuple(labels)).encode())
    columns = ["subject_id", "stay_id", "text", "split", *labels]
    for frame in frames:
        if "text" not in frame:
            raise ValueError("a cohort without text has no fingerprint; read it with text=True")
        for row in frame[columns].itertuples(index=False):
            fields = [*row[:4], "".join("01"[bool(value)] for value in row[4:])]
            for part in fields:
                # The length in front keeps "ab", "c" apart from "a", "bc".
                data = part.encode()
                digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _summary(cohort: Cohort, fingerprint: str) -> dict[str, Any]:
    return {
        "name": cohort.name,
        "layout": cohort.layout,
        "restricted": cohort.restricted,
        "labels": list(cohort.labels),
        "stays": len(cohort.frame),
        "patients": int(cohort.frame["subject_id"].nunique()),
        "excluded": dict(cohort.excluded),
        "fingerprint": fingerprint,
    }


def _check_fractions(fractions: Sequence[float]) -> None:
    positive = len(fractions) == len(SPLITS) and all(share > 0 for share in fractions)
    if not positive or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            f"fractions are {tuple(fractions)}; expected three positive shares that sum to 1, for "
            f"{', '.join(SPLITS)}"
        )


def _validate(frame: pd.DataFrame, labels: Sequence[str], name: str) -> None:
    expected = [c for c in RESERVED if c != "text"] + list(labels)
    missing = [column for column in expected if column not in frame]
    if missing:
        raise ValueError(
            f"cohort {name}: no column {', '.join(missing)}; found {', '.join(frame.columns)}"
        )
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(
            f"cohort {name}: rows must be numbered 0, 1, …; use reset_index(drop=True)"
        )
    twice = frame.loc[frame["stay_id"].duplicated(), "stay_id"]
    if len(twice):
        raise ValueError(
            f"cohort {name}: {len(twice)} stays come more than once, first {twice.iloc[0]!r}; "
            "expected one document a stay"
        )
    if "text" in frame:
        empty = np.flatnonzero(frame["text"].fillna("").str.strip().eq("").to_numpy())
        if len(empty):
            raise ValueError(
                f"cohort {name}: {len(empty)} stays have an empty text, first in row {empty[0]}; "
                "leave them out"
            )
    _validate_split(frame, labels, name)


def _validate_split(frame: pd.DataFrame, labels: Sequence[str], name: str) -> None:
    odd = sorted(set(frame["split"]) - set(SPLITS))
    if odd:
        raise ValueError(f"cohort {name}: unknown split {odd[0]!r}; expected {', '.join(SPLITS)}")
    splits = frame.groupby("subject_id")["split"].nunique()
    shared = splits.index[splits > 1]
    if len(shared):
        raise ValueError(
            f"cohort {name}: {len(shared)} patients are in more than one split, first "
            f"{shared[0]!r}; split by patient, not by stay"
        )
    for label in labels:
        for split in SPLITS:
            if not frame.loc[frame["split"] == split, label].any():
                raise ValueError(
                    f"cohort {name}: label {label!r} has no positive in the {split} split "
                    f"({int(frame[label].sum())} of {len(frame)} stays have it); give a broader "
                    "label, another seed or a larger share to that split"
                )


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """Make `folder`; take it away again if it is left empty by an error."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()
