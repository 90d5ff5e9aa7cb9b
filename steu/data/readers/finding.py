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
    for part in table.split("/")[:-1]:
        # A table may also lie flat in `folder`, without the publisher's subfolder.
        folder = next((p for p in _entries(folder) if p.name.lower() == part), folder)
    names = {table.split("/")[-1].lower() + suffix for suffix in SUFFIXES}
    found = [p for p in _entries(folder) if p.is_file() and p.name.lower() in names]
    if len(found) > 1:
        raise ValueError(
            f"{folder}: expected the table {table} once; found "
            f"{', '.join(path.name for path in found)}: move all but one away"
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
