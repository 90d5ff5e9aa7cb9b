"""Labels of a table of one's own: a column each, or one column that names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from steu._errors import shown
from steu.data.labels import check_names, refuse_alike
from steu.data.missing import NO_VALUE
from steu.data.readers.label_values import check_named, refuse_values, refuse_written_out
from steu.data.readers.sql import bare, identifier, literal, stripped
from steu.data.readers.table_files import ITEM, is_list
from steu.data.readers.tables import kind_of

MOST_LABELS = 1000  # of a column that names them


def indicator_columns(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]
) -> tuple[str, ...]:
    """Leave `indicators` of columns of 0 and 1, or true and false; return their names."""
    names = tuple(column.strip() for column in columns)
    check_names(names)
    cells = [flag(f"label{i}") for i in range(len(names))]
    for i, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        odd = connection.execute(
            f"SELECT any_value(label{i}) FROM keyed WHERE {cell} IS NOT NULL "
            f"AND TRY_CAST({cell} AS DOUBLE) IS DISTINCT FROM 0 "
            f"AND TRY_CAST({cell} AS DOUBLE) IS DISTINCT FROM 1 "
            f"AND {cell} NOT IN ('true', 'false')"
        ).fetchone()[0]
        if odd is not None:
            raise ValueError(
                f"{path}: column {column} holds {shown(odd)}; expected 0, 1, true or false"
            )
    picked = ", ".join(
        f"bool_or(coalesce({cell} = 'true' OR TRY_CAST({cell} AS DOUBLE) = 1, false)) "
        f"AS {identifier(name)}"
        for cell, name in zip(cells, names, strict=True)
    )
    # A blank cell says neither yes nor no; a document may have the others of its rows.
    told = " AND ".join(f"count({cell}) > 0" for cell in cells)
    connection.execute(
        f"CREATE TABLE indicators AS SELECT key AS stay_id, {picked} FROM keyed "
        f"GROUP BY key HAVING {told}"
    )
    return names


def flag(column: str) -> str:
    """A cell of yes and no in SQL, in small letters; NULL where nothing is said, as by R's NA."""
    cell = f"lower({stripped(column)})"
    return f"CASE WHEN {cell} NOT IN {('', *NO_VALUE)} THEN {cell} END"


def listed_labels(
    connection: duckdb.DuckDBPyConnection, path: Path, labels: Mapping[str, Any]
) -> tuple[str, ...]:
    """Leave `indicators` of a column that names the labels of a row; return those that are kept."""
    _refuse_odd_choice(labels)
    delimiter, column = labels.get("delimiter"), labels["column"]
    of_lists = is_list(kind_of(path, column))
    if of_lists and delimiter:
        raise ValueError(f"{path}: column {column} holds lists already: leave delimiter out")
    where = f"{path}: column {column}"
    if delimiter:
        has = f"SELECT coalesce(bool_or(contains(label0, {literal(delimiter)})), false) FROM keyed"
        (there,) = connection.execute(has).fetchone()
        refuse_written_out(delimiter, column=where, there=there)
    # A column of lists comes with its items apart; a delimiter is for what is one text.
    parts = f"unnest(string_split(label0, {literal(delimiter or ITEM)}))"
    connection.execute(
        f"""CREATE TABLE listed AS SELECT DISTINCT key, {bare("label")} AS label
        FROM (SELECT key, {parts} AS label FROM keyed WHERE label0 IS NOT NULL)
        WHERE {bare("label")} <> ''"""
    )
    counted = connection.execute(
        "SELECT label, count(*) FROM listed JOIN documents ON key = stay_id WHERE text <> '' "
        "GROUP BY label ORDER BY count(*) DESC, label"
    ).fetchall()
    found = [label for label, _ in counted]
    kept = [name.strip() for name in labels.get("keep", ())]
    refuse_values(found, kept, column=where, delimiter=delimiter)
    names = (kept if "keep" in labels else found)[: labels.get("top_n")]
    if not names:
        raise ValueError(f"{where} names no label")
    if "top_n" not in labels and len(names) > MOST_LABELS:
        raise ValueError(
            f"{where} names {len(names):,} labels; expected a column of "
            f"classes, or of more than {MOST_LABELS:,} the most frequent ones (top_n)"
        )
    check_names(names)
    refuse_alike(names, found)  # it would count among those without the label
    for name in kept:
        check_named(name, dict(counted), column=where)
    picked = ", ".join(f"bool_or(label = {literal(n)}) AS {identifier(n)}" for n in names)
    # A blank cell says neither yes nor no, but where a cell lists labels: there it lists none.
    told = "label0 IS NOT NULL" if of_lists else f"{stripped('label0')} <> ''"
    told = "true" if delimiter else told
    # Starting from the documents keeps those with none of the labels.
    connection.execute(
        f"""CREATE TABLE indicators AS SELECT stay_id, {picked} FROM documents
        JOIN (SELECT DISTINCT key AS stay_id FROM keyed WHERE {told}) USING (stay_id)
        LEFT JOIN listed ON listed.key = stay_id GROUP BY stay_id"""
    )
    return tuple(names)


def _refuse_odd_choice(labels: Mapping[str, Any]) -> None:
    """Refuse numbers and texts that Python would take for a part of a list."""
    top_n, keep = labels.get("top_n", 1), labels.get("keep", [])
    if not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1:
        raise ValueError(
            f"labels: top_n is {top_n!r}; expected how many of the most frequent labels to keep, "
            "1 or more"
        )
    if isinstance(keep, str):
        raise ValueError(f"labels: keep is {keep!r}; expected a list, such as [{keep!r}]")
