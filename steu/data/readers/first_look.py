"""What a dataset's tables say at a glance, before a run begins: are they there, and named so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from steu.data.readers.eicu import Eicu
from steu.data.readers.finding import require_table
from steu.data.readers.label_values import check_named, refuse_flags
from steu.data.readers.mimic import LAYOUTS, Mimic, notes_table
from steu.data.readers.sql import bare, literal
from steu.data.readers.table import columns_of, only_table
from steu.data.readers.table_files import ITEM
from steu.data.readers.tables import load, names_in


def look_at(
    layout: str, path: str | Path, labels: Mapping[str, Any], *, forget: str, **options: Any
) -> None:
    """Refuse what reading would refuse later: a table, a column or a label that is not there.

    Of a table of one's own only the column of labels is read. `labels` and `options` are those of
    `write_cohort`; `forget` is the class to forget.

    Raises
    ------
    ValueError
        If a table is missing, a column is, or no cell of the column of labels names a label that
        is asked for; the nearest is offered.
    """
    path = Path(path)
    if layout == "table":
        _look_at_table(only_table(path), labels, forget=forget, **options)
        return
    known = LAYOUTS[layout]
    for folder, table in tables_read(known, path, **options):
        if isinstance(known, Mimic) and table == known.notes:
            notes_table(known, folder)
        else:
            require_table(folder, table, purpose="what the profile reads of it")


def tables_read(
    layout: Mimic | Eicu,
    folder: Path,
    *,
    text_source: str = "notes",
    notes: str = "",
    sections: Sequence[str] | None = None,
) -> list[tuple[Path, str]]:
    """Folder and name of each table that is read, with the options of the layout."""
    if isinstance(layout, Mimic):
        orders = [(folder, layout.prescriptions), (folder, layout.procedures)]
        texts = orders if text_source == "orders" else [(Path(notes or folder), layout.notes)]
        return [(folder, layout.diagnoses), *texts]
    sections = sections or layout.default_sections
    tables = [layout.stays, layout.diagnoses, *(layout.sections[name].table for name in sections)]
    return [(folder, table) for table in tables]


def _look_at_table(path: Path, labels: Mapping[str, Any], *, forget: str, **options: Any) -> None:
    names_in(path, columns_of(labels, **options))
    column = labels.get("column")
    if column is None:
        return
    with duckdb.connect() as connection:
        load(connection, path, {"label0": column}, into="entries")
        parts = f"unnest(string_split(label0, {literal(labels.get('delimiter') or ITEM)}))"
        found = connection.execute(
            f"""SELECT {bare("label")} AS name, count(*) FROM (SELECT {parts} AS label FROM entries)
            WHERE {bare("label")} <> '' GROUP BY name ORDER BY count(*) DESC, name"""
        ).fetchall()
    where = f"{path}: column {column}"
    kept = [one.strip() for one in labels.get("keep") or ()]
    refuse_flags([name for name, _ in found], kept, column=where)
    for name in [*kept, *([forget] if forget else [])]:
        check_named(name, dict(found), column=where)
