"""Texts that run down a table: of each row one cell, or of each record one field."""

from __future__ import annotations

import re
from collections import defaultdict

MARKUP = re.compile(r"<[^<>]*>|\x1b\[[0-9;:?]*[A-Za-z]")  # tags, and colours of a terminal
WIDEST = 16  # cells of a row that are told apart; beside them the last
LINE = 150  # characters; a longer one without cells is of no table
FIRST = 2  # words of a row that are told apart: a word, or its number and a word
_TABLE_ROW = re.compile(r"</?tr\b[^<>]*>")
_TABLE_CELL = re.compile(r"<t[dh]\b[^<>]*>")
_ROW = re.compile(r"\n|[\])}]\s*,\s*(?=[\[({])")  # lines, and records that follow one another
# Wide gaps, lines that are drawn, commas without a blank, and commas beside a quoted text.
_CELL = re.compile(r"""\s{2,}|\t|[|│┃;]|,(?!\s)|(?<=["']),\s*|,\s*(?=\\*["'])""")
# Looked for within values too, as a page may hold a page; the words of a column are short.
_FIELD = re.compile(r"""["'](\w+)\\*["']\s*:\s*\\*(?=(["'])((?:(?!\2).){1,99}))""")


def columns(page: str) -> str:
    """The texts of all columns of what is laid out in rows, and of all fields of records.

    The rows of a page are read as those of one table, by the cells and by the first words of each:
    so are words beside tags, and the lines of two texts that stand side by side.
    """
    read = defaultdict(list)
    for row in filter(None, map(str.strip, _ROW.split(_in_lines(page)))):
        cells = _CELL.split(row)
        if len(cells) == 1 and len(row) > LINE:
            continue
        for k, cell in enumerate(cells[:WIDEST]):
            read["cell", k].append(cell)
        read["cell", -1].append(cells[-1])
        for k, word in enumerate(row.split(maxsplit=FIRST)[:FIRST]):
            read["word", k].append(word)
    for name, _, value in _FIELD.findall(page):
        read["field", name].append(value)
    return "\n".join(map(" ".join, read.values()))


def _in_lines(page: str) -> str:
    """The page without tags, each row of an HTML table in a line of its own."""
    parts = _TABLE_ROW.split(page)
    for i, part in enumerate(parts):
        if _TABLE_CELL.search(part):
            parts[i] = _TABLE_CELL.sub("\t", " ".join(part.split()))
    return MARKUP.sub("", "\n".join(parts))
