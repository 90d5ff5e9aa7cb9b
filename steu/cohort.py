"""One tidy validated frame (patient, stay, text, labels, split), in memory and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steu.files import atomic_path, read_json, write_json
from steu.labels import RESERVED, label_index
from steu.splits import SPLITS

BATCH = 512  # stays whose texts are taken together


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
        if "text" not in self.frame:
            raise ValueError("a cohort without text has no fingerprint; read it with text=True")
        digest = new_digest(self.labels)
        for start in range(0, len(self.frame), BATCH):
            rows = self.frame.iloc[start : start + BATCH]
            table = pa.Table.from_pandas(rows, schema_of(self.labels), preserve_index=False)
            for batch in table.to_batches():
                add_rows(digest, batch, self.labels)
        return digest.hexdigest()

    def index_of(self, label: str) -> int:
        """Column of a label in `targets`; an unknown one is refused, with the nearest named."""
        return label_index(self.labels, label)

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
            write_json(folder / "cohort.json", summary_of(self, self.fingerprint))

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
        cohort = cls(
            pd.read_parquet(_stored(folder), columns=columns),
            labels,
            about["name"],
            about["layout"],
            about["restricted"],
            about["excluded"],
        )
        if text:
            _check_digest(cohort.fingerprint, folder, about)
        object.__setattr__(cohort, "_digest", about["fingerprint"])
        return cohort


def iter_texts(folder: str | Path, *, rows: np.ndarray | None = None) -> Iterator[str]:
    """Yield the texts of a written cohort in order, holding few at a time.

    Parameters
    ----------
    rows
        Positions of the stays whose texts are wanted, ascending; by default all.

    Raises
    ------
    ValueError
        If `rows` do not ascend; after the last text, if the file is not the one in cohort.json.
    """
    if rows is not None and (np.diff(rows) <= 0).any():
        raise ValueError("rows must be positions in ascending order, each once; sort them")
    folder = Path(folder)
    about = read_json(folder / "cohort.json")
    labels, start = about["labels"], 0
    digest = new_digest(labels)
    with pq.ParquetFile(_stored(folder)) as file:
        for batch in file.iter_batches(BATCH, columns=schema_of(labels).names):
            add_rows(digest, batch, labels)
            texts, end = batch.column("text"), start + len(batch)
            if rows is not None:
                texts = texts.take(pa.array(rows[(start <= rows) & (rows < end)] - start))
            yield from texts.to_pylist()
            start = end
    _check_digest(digest.hexdigest(), folder, about)


def _stored(folder: Path) -> Path:
    path = folder / "cohort.parquet"
    if not path.is_file():
        raise ValueError(f"{path} does not exist; run notebooks/01_cohort first")
    return path


def _check_digest(found: str, folder: Path, about: Mapping[str, Any]) -> None:
    if found != about["fingerprint"]:
        raise ValueError(
            f"{folder / 'cohort.parquet'} differs from the fingerprint in cohort.json beside it; "
            "run notebooks/01_cohort again"
        )


def schema_of(labels: Sequence[str]) -> pa.Schema:
    """Columns of cohort.parquet."""
    names = ["subject_id", "stay_id", "text", *labels, "split"]
    return pa.schema([(n, pa.bool_() if n in labels else pa.string()) for n in names])


def new_digest(labels: Sequence[str]) -> hashlib._Hash:
    """SHA-256 over the label names; once all rows are added it is a cohort's fingerprint."""
    return hashlib.sha256(repr(tuple(labels)).encode())


def add_rows(digest: hashlib._Hash, rows: pa.RecordBatch, labels: Sequence[str]) -> None:
    """Go on with the digest over the next rows of a cohort, with the columns of `schema_of`."""
    for part in _fields(rows, labels):
        digest.update(part)


def _fields(batch: pa.RecordBatch, labels: Sequence[str]) -> Iterator[bytes | memoryview]:
    """Four texts a row and its flags, each with its length in front: "ab", "c" is not "a", "bc"."""
    flags = np.array([batch.column(name).to_numpy(False) for name in labels]) + np.uint8(ord("0"))
    columns = [_encoded(batch.column(name)) for name in ("subject_id", "stay_id", "text", "split")]
    for row in zip(*columns, (one.tobytes() for one in flags.T), strict=True):
        for part in row:
            yield len(part).to_bytes(8, "big")
            yield part


def _encoded(texts: pa.StringArray) -> Iterator[memoryview]:
    """The bytes of each text as they lie in memory: long ones are not copied."""
    texts = texts.cast(pa.large_string())
    _, offsets, letters = texts.buffers()
    limits = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = memoryview(letters or b"")
    return (data[start:end] for start, end in pairwise(limits))


def summary_of(cohort: Cohort, fingerprint: str) -> dict[str, Any]:
    """What cohort.json says of a cohort."""
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
    stays = frame["stay_id"].to_numpy()
    late = stays[1:][stays[1:] < stays[:-1]]
    if len(late):
        raise ValueError(
            f"cohort {name}: stay {late[0]!r} comes after a later one; expected rows ordered by "
            "stay_id; sort them"
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
