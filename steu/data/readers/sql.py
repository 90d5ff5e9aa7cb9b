"""Text and names as SQL has them."""

from __future__ import annotations


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def stripped(text: str) -> str:
    """Strip white space around `text`, in SQL; on long notes much faster than SQL's trim."""
    return rf"regexp_replace(regexp_replace({text}, '^\s+', ''), '\s+$', '')"


def identifier(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'
