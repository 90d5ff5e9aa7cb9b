"""Text and names as SQL has them."""

from __future__ import annotations

from collections.abc import Sequence

from steu.data.blank import NOTHING
from steu.data.labels import System


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def stripped(text: str) -> str:
    """Strip white space, and characters that show nothing, around `text`, in SQL.

    On long notes much faster than SQL's trim.
    """
    return f"regexp_replace(regexp_replace({text}, '^{NOTHING}+', ''), '{NOTHING}+$', '')"


def bare(text: str) -> str:
    """The same, and without marks of a spreadsheet around: ="12", '12."""
    plain = stripped(text)
    return rf"""regexp_replace({plain}, '^=?"([^"]*)"$|^''(\d+)$', '\1\2')"""


def identifier(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def indicator_sql(prefixes: Sequence[tuple[System, str]]) -> str:
    """SQL over rows (system, code), true where any row starts with a prefix of its own system."""
    tests = [
        f"(system = {system} AND starts_with(code, {literal(stem)}))" for system, stem in prefixes
    ]
    return f"bool_or({' OR '.join(tests)})"
