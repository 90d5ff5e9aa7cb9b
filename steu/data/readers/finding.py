"""Where a table lies in a folder, in any case and known format; the standard library alone."""

from __future__ import annotations

from pathlib import Path

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def find_table(folder: Path, table: str) -> Path | None:
    """Path of `table` ("hosp/diagnoses_icd") in `folder` in any case and known format, or None.

    Raises
    ------
    ValueError
        If it is there more than once, since the two may differ.
    """
    *parts, last = table.split("/")
    places = [folder]  # a table may also lie flat in it, without the publisher's subfolder
    for part in parts:
        places += [p for f in places for p in _entries(f) if p.is_dir() and p.name.lower() == part]
    names = {last.lower() + suffix for suffix in SUFFIXES}
    beside = [p for place in places for p in _entries(place) if p.name.lower() in names]
    found = [path for path in beside if path.is_file()]
    if len(found) > 1:
        raise ValueError(
            f"{folder}: expected the table {table} once; found "
            f"{', '.join(str(path.relative_to(folder)) for path in found)}: move all but one away"
        )
    return found[0] if found else None


def require_table(folder: Path, table: str, *, purpose: str) -> Path:
    """Like `find_table`; ValueError saying what the folder holds where the table is missing."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; expected one that holds {table}.csv.gz")
    found = find_table(folder, table)
    if found is None:
        names = ", ".join(path.name for path in _entries(folder)[:12]) or "nothing: it is empty"
        raise ValueError(
            f"{folder}: no table {table} (.csv, .csv.gz or .parquet, any case), which holds "
            f"{purpose}; the folder holds {names}"
        )
    return found


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
