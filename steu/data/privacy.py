"""What keeps credentialed data in: small-cell suppression, and a scan of output for note text."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

import pandas as pd

_MARKUP = re.compile(r"<[^<>]*>|\x1b\[[0-9;:?]*[A-Za-z]")  # tags, and colours of a terminal
# As JSON, JavaScript and Python write what is not plain ASCII, however often it was quoted.
_ESCAPE = re.compile(r"\\+(?:[nrt]|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")
_MARKED = str.maketrans("ĠĊ▁", "   ")
_WORD = re.compile(r"[^\W_]+")
# Letters of scripts that set no spaces: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
SMALLEST_CELL = 10  # patients: a smaller count of restricted data is shown to nobody
LETTERS = 2  # of such a script that count as a word


class Suppressed(NamedTuple):
    """A frame fit to be shown, and how many of its cells were hidden."""

    frame: pd.DataFrame
    hidden: int


class Found(NamedTuple):
    """Words of a note found in a rendered file; the words themselves are not repeated."""

    path: str
    note: int  # position of the note
    word: int  # position of the first of the words in the rendered file


def suppress_small_cells(
    frame: pd.DataFrame,
    columns: Sequence[str],
    *,
    of: str | None = None,
    minimum: int = SMALLEST_CELL,
) -> Suppressed:
    """Replace every count under `minimum` by NA, zeros too, in a copy of `frame`.

    A zero is hidden because beside a total it tells as much as a one.

    Parameters
    ----------
    columns
        Columns of counts of patients.
    of
        Column of how many patients these are among, if that is shown too: a count is also hidden
        where those who are left are 1 to `minimum` - 1.

    Raises
    ------
    ValueError
        If a column is missing or is not a count, or `minimum` is under 1.
    """
    if minimum < 1:
        raise ValueError(f"minimum is {minimum}; expected at least 1 patient")
    shown, hidden = frame.copy(), 0
    for column in columns:
        if column not in frame:
            raise ValueError(f"no column {column!r} to suppress; found {', '.join(frame.columns)}")
        counts = pd.to_numeric(frame[column], errors="coerce").astype("Float64")
        if not pd.api.types.is_numeric_dtype(frame[column]) or (counts.dropna() % 1 != 0).any():
            raise ValueError(f"column {column!r} holds {frame[column].dtype}; expected counts")
        small = (counts < minimum).fillna(False)
        if of:
            small |= (frame[of] - counts).between(1, minimum - 1).fillna(False)
        shown[column] = counts.astype("Int64").mask(small)
        hidden += int(small.sum())
    return Suppressed(shown, hidden)


def note_text_in(
    rendered_texts: Mapping[str, str], notes: Iterable[str], *, words: int = 8
) -> list[Found]:
    """Find every `words` consecutive words of a note that stand in rendered output.

    Case, punctuation and HTML entities are set aside on both sides, and of the rendered one also
    markup and escapes. Where a script sets no spaces, `LETTERS` of its letters count as a word,
    whatever stands between them. The runs of the rendered side, which is small, are held in
    memory; the notes are streamed past them.

    Parameters
    ----------
    rendered_texts
        Path of a page or notebook → its content.
    notes
        Texts of the notes, in any number.

    Returns
    -------
    list of Found
        The first finding for each pair of a file and a note; empty when nothing leaked.
    """
    if words < 1:
        raise ValueError(f"words is {words}; expected at least 1")
    places: dict[int, list[tuple[str, int]]] = {}
    for path, content in rendered_texts.items():
        first: dict[int, int] = {}  # most runs stand in each reading; one place a file is enough
        for reading in _readings(content):
            for position, run in enumerate(_runs(reading, words)):
                first.setdefault(hash(run), position)
        for run_hash, position in first.items():
            places.setdefault(run_hash, []).append((path, position))
    found: dict[tuple[str, int], Found] = {}
    for number, note in enumerate(notes):
        for run in _runs(note, words):
            for path, position in places.get(hash(run), ()):
                found.setdefault((path, number), Found(path, number, position))
    return list(found.values())


def _readings(content: str) -> dict[str, None]:
    """What may be meant by the content of a page, each once."""
    # A page may hold a page, as the text of a script or as entities; a note may hold a backslash.
    # A tag is a gap between words or stands within one (bold syllables); a note may hold "<5 … >".
    told = _unescaped(content)
    # Tokenizers mark a space before a word, or a piece that goes on with one.
    pieces = re.sub(r"\W*##(?=\w)", "", told.translate(_MARKED))
    texts = [content, told, html.unescape(told), unquote(told), pieces]
    stripped = [_MARKUP.sub(gap, text) for text in texts for gap in (" ", "")]
    return dict.fromkeys(texts + stripped)


def _unescaped(content: str) -> str:
    """The characters that escapes stand for, and a space for those of lines and tabs."""

    def character(found: re.Match[str]) -> str:
        return chr(int(found[1] or found[2] or "20", 16))

    # A letter beyond 16 bits is written as two halves.
    halves = _ESCAPE.sub(character, content).encode("utf-16", "surrogatepass")
    return halves.decode("utf-16", "replace")


def _runs(text: str, words: int) -> Iterator[tuple[str, ...]]:
    plain = html.unescape(text).lower()
    if not plain.isascii():  # as tokenizers strip accents, and whichever way they were written
        letters = unicodedata.normalize("NFKD", plain)
        bare = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
        plain = unicodedata.normalize("NFC", bare)
    for pattern, length in ((_WORD, words), (_UNSPACED, LETTERS * words)):
        tokens = pattern.findall(plain)
        yield from zip(*(tokens[start:] for start in range(length)), strict=False)
