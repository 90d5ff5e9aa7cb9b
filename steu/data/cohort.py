"""One tidy validated frame (patient, stay, text, labels, split), in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from steu._errors import check_choice
from steu._io import atomic_path, read_json, sha256, write_json
from steu.data.blank import blank
from steu.data.labels import RESERVED, label_index
from steu.data.privacy import SMALLEST_CELL
from steu.data.splits import SPLITS
from steu.data.texts import digest_of

BATCH = 512  # stays whose texts are taken together: some 5 MB of discharge summaries


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
    texts
        Digest of the texts, where the frame is without them.
    rare_prefixes
        Of the labels, those that codes of fewer than `SMALLEST_CELL` patients begin with: misspelt,
        or of another system than the data.

    Raises
    ------
    ValueError
        If the frame breaks one of these promises, a stay comes twice, a text is empty, a patient
        is in two splits or a split has no stay.
    """

    frame: pd.DataFrame = field(repr=False)
    labels: tuple[str, ...]
    name: str
    layout: str
    restricted: bool
    excluded: Mapping[str, int] = field(default_factory=dict)
    texts: str | None = field(default=None, repr=False, compare=False)
    rare_prefixes: Sequence[str] = field(default=(), repr=False, compare=False)

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
    def texts_digest(self) -> str:
        """SHA-256 over the texts in order, under which their encoding is kept."""
        if "text" in self.frame:
            return digest_of(self.frame["text"])
        if self.texts is None:
            raise ValueError("a cohort without text has no digest of it; read it with text=True")
        return self.texts

    @property
    def fingerprint(self) -> str:
        """SHA-256 over labels and rows; the same content gives the same value on any machine."""
        return fingerprint_of(self.frame, self.labels, self.texts_digest)

    def index_of(self, label: str) -> int:
        """Column of a label in `targets`; an unknown one is refused, with the nearest named."""
        return label_index(self.labels, label)

    def check_for_unlearning(self, forget_label: str = "") -> None:
        """Refuse what no later page could use: known at the start, and not after a training.

        Raises
        ------
        ValueError
            If there is one label alone, a label is 1 in every document of a split, or there is no
            such label to forget (the nearest is offered).
        """
        if len(self.labels) < 2:
            raise ValueError(
                f"{self.name}: the only label is {self.labels[0]!r}; expected one to forget and at "
                "least one to keep: name more labels"
            )
        for label in self.labels:
            with_label = self.frame.groupby("split")[label].mean()
            if (with_label == 1).any():
                split = with_label.index[with_label == 1][0]
                raise ValueError(
                    f"{self.name}: {label!r} is 1 in every {split} document, so nothing can be "
                    "learned of it; leave it out of the labels"
                )
        if forget_label:
            self.index_of(forget_label)

    def check_sizes_may_be_told(self) -> None:
        """Refuse restricted data of which no page may say how many patients a split holds.

        Raises
        ------
        ValueError
            If they are fewer than `SMALLEST_CELL`.
        """
        patients = self.frame.groupby("split", sort=False)["subject_id"].nunique()
        if self.restricted and patients.min() < SMALLEST_CELL:
            raise ValueError(
                f"{self.name}: the {patients.idxmin()} split is of fewer than {SMALLEST_CELL} "
                "patients, and of restricted data no page may say of how many; take more stays or "
                "other fractions"
            )

    def check_positives(self, labels: Sequence[str] | None = None) -> None:
        """Refuse labels, by default all, that no stay of a split has.

        Raises
        ------
        ValueError
            Naming the first.
        """
        for label in self.labels if labels is None else labels:
            for split in SPLITS:
                if not self.frame.loc[self.frame["split"] == split, label].any():
                    raise ValueError(
                        f"cohort {self.name}: label {label!r} has no positive in the {split} split "
                        f"({int(self.frame[label].sum())} of {len(self.frame)} stays have it); "
                        "give a broader label, another seed or a larger share to that split"
                    )

    def index(self, split: str) -> np.ndarray:
        """Positions of one split's stays, int64 (n,)."""
        check_choice(split, SPLITS, what="split")
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
        table = pa.Table.from_pandas(self.frame, schema_of(self.labels), preserve_index=False)
        with atomic_path(folder / "cohort.parquet") as beside:
            pq.write_table(table, beside)
            # Killed in between, the two do not belong together, and `read` refuses them.
            write_json(folder / "cohort.json", summary_of(self, self.texts_digest, beside))

    @classmethod
    def read(cls, folder: str | Path, *, text: bool = True) -> Cohort:
        """Read what `write` or `write_cohort` wrote.

        `text=False` leaves the column text out, for corpora larger than memory; `iter_texts`
        then streams it in the same order.
        """
        folder = Path(folder)
        about, path = read_json(folder / "cohort.json"), stored(folder)
        if sha256(path) != about.get("sha256"):
            raise ValueError(
                f"{path} is not the file that cohort.json beside it speaks of; write "
                "the cohort again"
            )
        labels = tuple(about["labels"])
        columns = ["subject_id", "stay_id", *(["text"] if text else []), *labels, "split"]
        return cls(
            pd.read_parquet(path, columns=columns),
            labels,
            about["name"],
            about["layout"],
            about["restricted"],
            about["excluded"],
            None if text else about["texts"],
            tuple(about.get("rare_prefixes", ())),
        )


def iter_texts(folder: str | Path, *, index: np.ndarray | None = None) -> Iterator[str]:
    """Yield the texts of a written cohort in order, holding few at a time.

    Parameters
    ----------
    index
        Positions of the stays whose texts are wanted, ascending; by default all.

    Raises
    ------
    ValueError
        If `index` does not ascend or there is no such stay.
    """
    start = 0
    with pq.ParquetFile(stored(Path(folder))) as file:
        n = file.metadata.num_rows
        index = np.arange(n) if index is None else index
        if (np.diff(index, prepend=-1, append=n) <= 0).any():
            raise ValueError(f"index must hold positions from 0 to {n - 1} in ascending order")
        for batch in file.iter_batches(BATCH, columns=["text"]):
            first, last = np.searchsorted(index, [start, start + len(batch)])
            yield from batch.column("text").take(pa.array(index[first:last] - start)).to_pylist()
            start += len(batch)


def stored(folder: Path) -> Path:
    """The file of a written cohort; ValueError if there is none."""
    path = folder / "cohort.parquet"
    if not path.is_file():
        raise ValueError(f"{path} does not exist; write the cohort first")
    return path


def schema_of(labels: Sequence[str]) -> pa.Schema:
    """Columns of cohort.parquet."""
    names = ["subject_id", "stay_id", "text", *labels, "split"]
    return pa.schema([(n, pa.bool_() if n in labels else pa.string()) for n in names])


def fingerprint_of(frame: pd.DataFrame, labels: Sequence[str], texts_digest: str) -> str:
    """SHA-256 over the label names, the rows of a cohort without its texts, and their digest."""
    ids = (json.dumps(frame[name].tolist()) for name in ("subject_id", "stay_id", "split"))
    flags = frame[list(labels)].to_numpy(dtype=int)
    return digest_of([json.dumps([*labels, texts_digest]), *ids, json.dumps(flags.tolist())])


def summary_of(cohort: Cohort, texts_digest: str, parquet: Path) -> dict[str, Any]:
    """What cohort.json says of a cohort, whose frame may lack the texts, and of its file."""
    return {
        "name": cohort.name,
        "layout": cohort.layout,
        "restricted": cohort.restricted,
        "labels": list(cohort.labels),
        "stays": len(cohort.frame),
        "patients": int(cohort.frame["subject_id"].nunique()),
        "excluded": dict(cohort.excluded),
        "rare_prefixes": list(cohort.rare_prefixes),
        "sha256": sha256(parquet),
        "texts": texts_digest,
        "fingerprint": fingerprint_of(cohort.frame, cohort.labels, texts_digest),
    }


def _validate(frame: pd.DataFrame, labels: Sequence[str], name: str) -> None:
    expected = [c for c in RESERVED if c != "text"] + list(labels)
    missing = [column for column in expected if column not in frame]
    if missing:
        raise ValueError(
            f"cohort {name}: no column {', '.join(missing)}; found {', '.join(frame.columns)}"
        )
    unset = [column for column in ("subject_id", "stay_id", "split") if frame[column].isna().any()]
    if unset:
        raise ValueError(f"cohort {name}: rows without {unset[0]}; leave them out")
    flags = [label for label in labels if frame[label].dtype != bool]
    if flags:
        raise ValueError(
            f"cohort {name}: label {flags[0]!r} holds {frame[flags[0]].dtype}; expected bool"
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
        empty = np.flatnonzero(blank(pa.array(frame["text"].fillna(""), pa.large_string())))
        if len(empty):
            raise ValueError(
                f"cohort {name}: {len(empty)} stays have an empty text, first in row {empty[0]}; "
                "leave them out"
            )
    _validate_split(frame, name)


def _validate_split(frame: pd.DataFrame, name: str) -> None:
    for split in sorted(set(frame["split"])):
        check_choice(split, SPLITS, what="split", where=f"cohort {name}")
    splits = frame.groupby("subject_id")["split"].nunique()
    shared = splits.index[splits > 1]
    if len(shared):
        raise ValueError(
            f"cohort {name}: {len(shared)} patients are in more than one split, first "
            f"{shared[0]!r}; split by patient, not by stay"
        )
    for split in SPLITS:
        if not (frame["split"] == split).any():
            raise ValueError(f"cohort {name}: the {split} split has no stay; give more, or a share")
