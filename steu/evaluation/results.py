"""The one tidy table of measured numbers, in pieces (metrics.json) and whole."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from steu._errors import check_choice
from steu._io import read_json, write_json

COLUMNS = (
    "dataset",
    "backbone",
    "seed",
    "forget_label",
    "method",
    "n_tokens",
    "n_rows",
    "head",
    "split",
    "metric",
    "label",
    "value",
    "low",
    "high",
    "n",
    "defined",
)
BESIDE = "_beside_"  # in the name of a metric: of a method minus that of the one named after it
READER = "reader_auroc_head"  # the metric of the strongest reader, where the head reads
READER_UNSEEN = "reader_auroc_unseen"  # there too, fitted on notes that no edit was trained on
#: The columns that hold what came out; the others say of what.
MEASURED = ("value", "low", "high", "n", "defined")


def tagged(records: Iterable[dict[str, Any]], **tags: Any) -> list[dict[str, Any]]:
    """The records with the same tags (dataset, method, …) added to each.

    Raises
    ------
    ValueError
        If a name is not a column of the table.
    """
    out = [{**tags, **record} for record in records]
    for name in {name for record in out for name in record}:
        check_choice(name, COLUMNS, what="column of the results")
    return out


def write_metrics(
    folder: str | Path, records: Iterable[dict[str, Any]], *, data: str, device: str = "cpu"
) -> None:
    """Write a stage's metrics.json: its last act, so that the file means the stage is done.

    Raises
    ------
    ValueError
        If a name is not a column of the table, or two records are of the same thing.
    """
    table = [{name: _plain(one.get(name)) for name in COLUMNS} for one in tagged(records)]
    counted = Counter(tuple(one[name] for name in COLUMNS if name not in MEASURED) for one in table)
    what, times = counted.most_common(1)[0] if counted else ((), 0)
    if times > 1:
        said = ", ".join(str(part) for part in what if part is not None)
        raise ValueError(
            f"{times} records of {folder} are all of ({said}); give each what tells it from the"
            " others (a label, a seed, …)"
        )
    write_json(Path(folder) / "metrics.json", {"data": data, "device": device, "records": table})


def collect(files: str | Path | Sequence[str | Path]) -> pd.DataFrame:
    """Every record of the given metrics.json files, columns in `COLUMNS`, sorted by path.

    Parameters
    ----------
    files
        The files of one run, or its folder: then all that lie below it.

    Raises
    ------
    ValueError
        If a file is missing or there is no record in any.
    """
    records = [record for stage in _stages(files) for record in stage["records"]]
    if not records:
        raise ValueError(
            f"{files} holds no metrics.json with records; gather a run that has finished"
        )
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    for name in ("value", "low", "high", "defined"):
        frame[name] = frame[name].astype(float)
    for name in ("seed", "n_tokens", "n_rows", "n"):
        frame[name] = frame[name].astype("Int64")
    return frame


def data_of(files: str | Path | Sequence[str | Path]) -> str:
    """SHA-256 over the fingerprints of all data that the results come from."""
    fingerprints = sorted({stage["data"] for stage in _stages(files)})
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()


def _stages(files: str | Path | Sequence[str | Path]) -> list[dict[str, Any]]:
    below = Path(files).rglob("metrics.json") if isinstance(files, (str, Path)) else files
    return [read_json(file) for file in sorted(below, key=str)]


def _plain(value: Any) -> Any:
    """A JSON value; numpy scalars unwrapped, NaN and infinities as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
