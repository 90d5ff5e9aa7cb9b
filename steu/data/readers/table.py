"""Any one CSV or Parquet table of texts and labels → documents and indicator columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from steu._errors import shown
from steu.data.readers.finding import SUFFIXES
from steu.data.readers.mending import known, mend_ids, refuse_errors
from steu.data.readers.sql import bare, identifier, literal, stripped
from steu.data.readers.table_labels import indicator_columns, listed_labels
from steu.data.readers.tables import folded, load, refuse_duplicates
from steu.data.splits import SPLITS

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
    if labels.get("delimiter") == "":
        raise ValueError("labels: delimiter is ''; expected what stands between them, or none")
    path = only_table(path)
    columns = columns_of(labels, text=text, id=id, subject=subject, group_by=group_by, split=split)
    by_text = folded(columns["key"]) == folded(text)
    connection.execute(f"SET preserve_insertion_order = {bool(group_by) and not by_text}")
    load(connection, path, columns, into="entries")
    _refuse_second_header(connection, path, columns)
    names = [ids for ids in ("id", "key", "subject") if folded(columns[ids]) != folded(text)]
    for name in ("text", *names):
        refuse_errors(connection, "entries", name, path=path, name=columns[name])
    mend_ids(connection, "entries", *names, path=path)
    ids = ", ".join(f"{known(name)} AS {name}" for name in ("id", "key", "subject"))
    connection.execute(  # `line`, for a table that is made of another may hold it in another order
        f"""CREATE TABLE keyed AS SELECT rowid AS line,
        * REPLACE (coalesce({known("text")}, '') AS text, {ids}) FROM entries"""
    )
    if id or group_by:
        connection.execute("CREATE TABLE unnamed AS FROM keyed WHERE key IS NULL AND text <> ''")
    connection.execute("SET preserve_insertion_order = false")
    _name_rows(connection, by_text=by_text, subject=bool(subject))
    _refuse_duplicates(connection, path, columns, grouped=bool(group_by))
    connection.execute(
        """CREATE TABLE documents AS SELECT min(subject_id) AS subject_id, key AS stay_id,
        string_agg(text, E'\\n\\n' ORDER BY first) AS text
        FROM (SELECT key, text, min(subject) AS subject_id, min(line) AS first
            FROM keyed WHERE key IS NOT NULL GROUP BY key, text) GROUP BY key"""
    )
    if not connection.execute("FROM documents WHERE trim(text) <> '' LIMIT 1").fetchone():
        raise ValueError(f"{path}: no cell of column {text} holds text: name the column that does")
    if not subject:
        _join_alike(connection)
    if split:
        _given_splits(connection, path, split, subject=subject)
    if "columns" in labels:
        return indicator_columns(connection, path, list(labels["columns"]))
    return listed_labels(connection, path, labels)


def columns_of(
    labels: Mapping[str, Any],
    *,
    text: str,
    id: str | None = None,
    subject: str | None = None,
    group_by: str | None = None,
    split: str | None = None,
) -> dict[str, str]:
    """Columns of the file that `read_plain` reads, by what they are for.

    Raises
    ------
    ValueError
        If the labels are to be read from the texts, whose values no message may show.
    """
    columns = {"text": text, "id": id or text, "subject": subject or id or text}
    columns |= {"key": group_by or id or text}
    named = labels.get("columns") or [labels["column"]]
    if folded(text) in map(folded, named):
        raise ValueError(f"labels: {text} is the column of the texts; name that of the labels")
    columns |= {f"label{i}": name for i, name in enumerate(named)}
    return columns | ({"split": split} if split else {})


def _name_rows(connection: duckdb.DuckDBPyConnection, *, by_text: bool, subject: bool) -> None:
    """Give each row of `keyed` the document and the patient that it is of, where none is named."""
    # A blank text is no document, but each one that is left out counts.
    hashed = "CASE text WHEN '' THEN 'blank ' || line ELSE left(sha256(text), 16) END"
    key = hashed if by_text else "key"
    connection.execute(f"UPDATE keyed SET key = {key}")
    if not subject:
        connection.execute("UPDATE keyed SET subject = key")


def _join_alike(connection: duckdb.DuckDBPyConnection) -> None:
    """Make one patient of documents of one text: it is no second one to be judged by."""
    connection.execute(
        """UPDATE documents SET subject_id = first FROM (
            SELECT text, min(stay_id) AS first FROM documents WHERE text <> '' GROUP BY text
        ) AS alike WHERE documents.text = alike.text"""
    )
    connection.execute("UPDATE keyed SET subject = subject_id FROM documents WHERE key = stay_id")


def only_table(path: Path) -> Path:
    """The file itself, or the one table of a folder."""
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


def _refuse_second_header(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Mapping[str, str]
) -> None:
    """Two files that were joined as text: the header of the second would be a document."""
    same = " AND ".join(
        f"lower(nfc_normalize({stripped(identifier(alias))})) = {literal(folded(name))}"
        for alias, name in columns.items()
    )
    if connection.execute(f"SELECT EXISTS (FROM entries WHERE {same})").fetchall()[0][0]:
        raise ValueError(
            f"{path}: a row repeats the header, as where two files were joined: take it out"
        )


def _refuse_duplicates(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Mapping[str, str], *, grouped: bool
) -> None:
    mend = f"set group_by={columns['key']!r} to join the rows, or name another id column"
    mend = f"expected one row a document: {mend}"
    if grouped:
        mend = "expected one patient a document: name another column to group by, or as subject"
    of = "subject" if grouped else None
    refuse_duplicates(connection, "keyed", "key", of=of, path=path, columns=columns, mend=mend)


def _given_splits(
    connection: duckdb.DuckDBPyConnection, path: Path, column: str, *, subject: str | None
) -> None:
    """Leave `given(subject_id, split)`: one split for whoever has a document."""
    connection.execute(
        f"""CREATE TABLE given AS SELECT subject AS subject_id,
        lower({bare("split")}) AS split, min(key) AS key FROM keyed
        WHERE text <> '' AND key IS NOT NULL AND subject IS NOT NULL GROUP BY ALL"""
    )
    odd = connection.execute(
        f"SELECT key, split FROM given WHERE split IS NULL OR split NOT IN {SPLITS} ORDER BY key"
    ).fetchone()
    if odd:
        raise ValueError(
            f"{path}: column {column} of {shown(odd[0])} holds {shown(odd[1])}; expected "
            f"{', '.join(SPLITS)}"
        )
    both = connection.execute(
        """SELECT string_agg(split, ' and ' ORDER BY split) FROM given
        GROUP BY subject_id HAVING count(*) > 1 ORDER BY subject_id"""
    ).fetchone()
    if both and not subject:
        raise ValueError(
            f"{path}: the same text is in {both[0]}, and no column says whose it is; name one as "
            "subject, that of the ids if all are of different patients, or take the copies out"
        )
    if both:
        raise ValueError(
            f"{path}: documents of one patient are in {both[0]}; expected every patient in one "
            "split"
        )
    there = {row[0] for row in connection.execute("SELECT split FROM given").fetchall()}
    lacking = [name for name in SPLITS if name not in there]
    if lacking:
        raise ValueError(
            f"{path}: column {column} names no document {' and none '.join(lacking)}; expected "
            f"some in each of {', '.join(SPLITS)}"
        )
