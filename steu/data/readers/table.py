"""Any one CSV or Parquet table of texts and labels → documents and indicator columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from steu.data.labels import check_names, label_index, refuse_alike
from steu.data.readers.finding import SUFFIXES
from steu.data.readers.mending import MISSING, known, mend_ids, refuse_errors
from steu.data.readers.sql import identifier, literal, stripped
from steu.data.readers.table_files import ITEM, is_list, kinds_of
from steu.data.readers.tables import load, refuse_duplicates
from steu.data.splits import SPLITS

MOST_LABELS, LONGEST_LABEL = 1000, 200  # of a column that names them, and characters of one
_LABEL_KEYS = ("columns", "column", "delimiter", "top_n", "keep")


def read_plain(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    labels: Mapping[str, Any],
    *,
    text: str,
    id: str | None = None,
    subject: str | None = None,
    group_by: str | None = None,
    split: str | None = None,
) -> tuple[str, ...]:
    """Leave `documents` and `indicators(stay_id, label, …)` in the connection; return the labels.

    With `split`, `given(subject_id, split)` too.

    Parameters
    ----------
    labels
        Either {"columns": [...]}: one column of 0/1 or true/false a label, and a document for
        which all cells of a label are blank is left out; or {"column": name}:
        one column naming the label of a row, or several with "delimiter"; "top_n" keeps the most
        frequent, or "keep" the listed ones. Labels are called what the file calls them.
    text, id, subject
        Columns of the text, of its id and of the patient to split by (default: each document by
        itself, or beside those of the same text). Without `id` and `group_by` a document's id is a
        hash of its text.
    group_by
        Column whose equal values make one document with the labels of all its rows, its texts in
        the order of the file: an id column, or the text column where the same text is listed once
        a label.
    split
        Column that says train, validation or test, for a split that was made already: that of a
        model's own training, or a published one.

    Raises
    ------
    ValueError
        If a column is missing or, but for labels, holds lists, an id comes twice without
        `group_by`, one group has two subjects, one subject is in two splits, or no label is left.
    """
    labels = {key: value for key, value in labels.items() if value is not None}
    unknown = sorted(set(labels) - set(_LABEL_KEYS))
    if "keep" in labels and "top_n" in labels:
        raise ValueError("labels: 'keep' names labels and 'top_n' counts them: leave one out")
    if unknown or ("columns" in labels) == ("column" in labels):
        raise ValueError(
            "the labels of a table are {'columns': [...]} or {'column': name} with any of "
            f"delimiter, top_n, keep; found {dict(labels)!r}"
        )
    path = _only_table(path)
    label_columns = list(labels.get("columns", [labels.get("column")]))
    columns = {"text": text, "id": id or text, "subject": subject or id or text}
    columns |= {"key": group_by or id or text}
    columns |= {f"label{i}": name for i, name in enumerate(label_columns)}
    columns |= {"split": split} if split else {}
    by_text = columns["key"].lower() == text.lower()  # columns are found in any case
    connection.execute(f"SET preserve_insertion_order = {bool(group_by) and not by_text}")
    load(connection, path, columns, into="entries")
    _refuse_kinds(path, columns)
    names = [ids for ids in ("id", "key", "subject") if columns[ids].lower() != text.lower()]
    for name in ("text", *names):
        refuse_errors(connection, "entries", name, path=path, name=columns[name])
    mend_ids(connection, "entries", *names, path=path)
    ids = ", ".join(f"{known(name)} AS {name}" for name in ("id", "key", "subject"))
    connection.execute(
        f"""CREATE TABLE keyed AS SELECT
        * REPLACE (coalesce({known("text")}, '') AS text, {ids}) FROM entries"""
    )
    if id or group_by:
        connection.execute("CREATE TABLE unnamed AS FROM keyed WHERE key IS NULL AND text <> ''")
    connection.execute("SET preserve_insertion_order = false")
    # A blank text is no document, but each one that is left out counts.
    hashed = "CASE text WHEN '' THEN 'blank ' || rowid ELSE left(sha256(text), 16) END"
    key = hashed if by_text else "key"
    connection.execute(f"UPDATE keyed SET key = {key}")
    if not subject:
        connection.execute("UPDATE keyed SET subject = key")
    if not subject and not group_by:  # the same text twice is no second document to be judged by
        connection.execute(
            """UPDATE keyed SET subject = first FROM (
                SELECT text, min(key) AS first FROM keyed WHERE text <> '' GROUP BY text
            ) AS alike WHERE keyed.text = alike.text AND key IS NOT NULL"""
        )
    _refuse_duplicates(connection, path, columns, grouped=bool(group_by))
    connection.execute(
        """CREATE TABLE documents AS SELECT min(subject_id) AS subject_id, key AS stay_id,
        string_agg(text, E'\\n\\n' ORDER BY first) AS text
        FROM (SELECT key, text, min(subject) AS subject_id, min(rowid) AS first
            FROM keyed WHERE key IS NOT NULL GROUP BY key, text) GROUP BY key"""
    )
    if split:
        _given_splits(connection, path, split)
    if "columns" in labels:
        return _indicator_columns(connection, path, label_columns)
    return _listed_labels(connection, path, labels)


def _only_table(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ValueError(f"{path} does not exist; expected a CSV or Parquet file, or its folder")
    found = [p for p in sorted(path.iterdir()) if p.name.lower().endswith(SUFFIXES) and p.is_file()]
    if len(found) != 1:
        names = ", ".join(entry.name for entry in found) or "none"
        raise ValueError(
            f"{path}: expected one table ({', '.join(SUFFIXES)}), found {names}; name the file"
        )
    return found[0]


def _refuse_kinds(path: Path, columns: Mapping[str, str]) -> None:
    kinds = {name.lower(): kind for name, kind in kinds_of(path).items()}
    for alias, column in columns.items():
        kind = kinds.get(column.lower(), pa.null())
        if pa.types.is_nested(kind) and not alias.startswith("label"):
            raise ValueError(
                f"{path}: column {column} holds {kind}; expected one text or number in each row: "
                "join or choose among them yourself"
            )
        of_list = pa.types.is_nested(kind) and not is_list(kind)
        if of_list or (is_list(kind) and pa.types.is_nested(kind.value_type)):
            raise ValueError(
                f"{path}: column {column} holds {kind}; expected names of labels, or lists of them"
            )
        if alias in ("id", "key", "subject") and kind in (pa.float16(), pa.float32()):
            raise ValueError(
                f"{path}: column {column} holds {kind}, in which ids of more than seven digits are "
                "rounded: export ids as text or as whole numbers"
            )


def _refuse_duplicates(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Mapping[str, str], *, grouped: bool
) -> None:
    mend = f"set group_by={columns['key']!r} to join the rows, or name another id column"
    mend = f"expected one row a document: {mend}"
    if grouped:
        mend = "expected one patient a document: name another column to group by, or as subject"
    of = "subject" if grouped else None
    # Rows without a text make no document; told apart by their text, they would seem to be one.
    rows = "(FROM keyed WHERE text <> '')" if columns["key"] == columns["text"] else "keyed"
    refuse_duplicates(connection, rows, "key", of=of, path=path, columns=columns, mend=mend)


def _given_splits(connection: duckdb.DuckDBPyConnection, path: Path, column: str) -> None:
    """Leave `given(subject_id, split)`: one split for whoever has a document."""
    connection.execute(
        f"""CREATE TABLE given AS SELECT subject AS subject_id,
        lower({stripped("split")}) AS split, min(key) AS key FROM keyed
        WHERE text <> '' AND key IS NOT NULL AND subject IS NOT NULL GROUP BY ALL"""
    )
    odd = connection.execute(
        f"SELECT key, split FROM given WHERE split IS NULL OR split NOT IN {SPLITS} ORDER BY key"
    ).fetchone()
    if odd:
        raise ValueError(
            f"{path}: column {column} of {odd[0]} holds {str(odd[1] or '')[:40]!r}; expected "
            f"{', '.join(SPLITS)}"
        )
    both = connection.execute(
        """SELECT subject_id, string_agg(split, ' and ' ORDER BY split) FROM given
        GROUP BY subject_id HAVING count(*) > 1 ORDER BY subject_id"""
    ).fetchone()
    if both:
        raise ValueError(
            f"{path}: documents of {both[0]} are in {both[1]}; expected every patient in one split"
        )
    there = {row[0] for row in connection.execute("SELECT split FROM given").fetchall()}
    lacking = [name for name in SPLITS if name not in there]
    if lacking:
        raise ValueError(
            f"{path}: column {column} names no document {' and none '.join(lacking)}; expected "
            f"some in each of {', '.join(SPLITS)}"
        )


def _indicator_columns(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Sequence[str]
) -> tuple[str, ...]:
    names = tuple(column.strip() for column in columns)
    check_names(names)
    for i, column in enumerate(columns):
        odd = connection.execute(
            f"SELECT any_value(label{i}) FROM keyed WHERE trim(label{i}) <> '' "
            f"AND TRY_CAST(label{i} AS DOUBLE) IS DISTINCT FROM 0 "
            f"AND TRY_CAST(label{i} AS DOUBLE) IS DISTINCT FROM 1 "
            f"AND lower(trim(label{i})) NOT IN ('true', 'false')"
        ).fetchone()[0]
        if odd is not None:
            raise ValueError(
                f"{path}: column {column} holds {str(odd)[:40]!r}; expected 0, 1, true or false"
            )
    cells = [f"nullif({stripped(f'label{i}')}, '')" for i in range(len(names))]
    picked = ", ".join(
        f"bool_or(coalesce(lower({cell}) = 'true' OR TRY_CAST({cell} AS DOUBLE) = 1, false)) "
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


def _listed_labels(
    connection: duckdb.DuckDBPyConnection, path: Path, labels: Mapping[str, Any]
) -> tuple[str, ...]:
    delimiter, column = labels.get("delimiter"), labels["column"]
    kinds = {name.lower(): kind for name, kind in kinds_of(path).items()}
    of_lists = is_list(kinds.get(column.lower(), pa.null()))
    if of_lists and delimiter:
        raise ValueError(f"{path}: column {column} holds lists already: leave delimiter out")
    # A column of lists comes with its items apart; a delimiter is for what is one text.
    parts = f"unnest(string_split(label0, {literal(delimiter or ITEM)}))"
    connection.execute(
        f"""CREATE TABLE listed AS SELECT DISTINCT key, {stripped("label")} AS label
        FROM (SELECT key, {parts} AS label FROM keyed WHERE label0 IS NOT NULL)
        WHERE trim(label) <> ''"""
    )
    counted = connection.execute(
        "SELECT label FROM listed JOIN documents ON key = stay_id WHERE text <> '' "
        "GROUP BY label ORDER BY count(*) DESC, label"
    ).fetchall()
    found = [label for (label,) in counted]
    kept = [name.strip() for name in labels.get("keep", ())]
    _refuse_values(found, kept, column=f"{path}: column {column}")
    names = (kept if "keep" in labels else found)[: labels.get("top_n")]
    if not names:
        raise ValueError(f"{path}: column {column} names no label")
    if "top_n" not in labels and len(names) > MOST_LABELS:
        raise ValueError(
            f"{path}: column {column} names {len(names):,} labels; expected a column of "
            f"classes, or of more than {MOST_LABELS:,} the most frequent ones (top_n)"
        )
    check_names(names)
    refuse_alike(names, found)  # it would count among those without the label
    for name in kept:
        label_index(found, name)
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


def _refuse_values(found: Sequence[str], kept: Sequence[str], *, column: str) -> None:
    """Refuse values that are no names of labels: texts, and missing ones that nobody asked for."""
    longest = max(map(len, found), default=0)
    if longest > LONGEST_LABEL:
        raise ValueError(
            f"{column} holds values of up to {longest:,} characters; expected names of labels, of "
            f"at most {LONGEST_LABEL}: name the column of the labels, or its delimiter"
        )
    known_ones = set(found)
    for value in found:
        parts = [part.strip() for part in re.split(r"[;|,\n]", value)]
        if value.startswith("[") and value.endswith("]"):
            raise ValueError(
                f"{column} holds {value!r}, a list that was written as text: write its items with "
                "one character between them, and name that as delimiter"
            )
        if len(parts) > 1 and value not in kept and known_ones.issuperset(parts):
            raise ValueError(
                f"{column} holds {value!r}, whose parts are labels too: name what stands between "
                "them as delimiter, or keep it by name if it is one label"
            )
    missing = next((v for v in found if v.lower() in MISSING and v not in kept), None)
    if missing is not None:
        raise ValueError(
            f"{column} holds {missing!r}: leave such cells blank if the label is not known, or "
            "name it in keep if it is a label"
        )
