"""A scan of what was rendered for words of notes: credentialed text may not leave."""

from __future__ import annotations

import html
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from steu.data.readings import readings

PER_WORD = 2  # letters of a script that sets no spaces that count as a word
_UNSPACED = (  # Thai to Khmer, Tai scripts, Balinese, kana, Han, Yi, Javanese, Cham
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1980, 0x19DF), (0x1A20, 0x1AAF)),
    *((0x1B00, 0x1B7F), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xA4CF)),
    *((0xA980, 0xA9DF), (0xAA00, 0xAADF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)
STEPS = (1, 2, 3)  # from one word to the next, where words of something else may stand between
CHUNK = 100  # notes that are compared at a time: a megabyte
BITS = 24  # of a run's hash, by which all but few of the notes' runs are passed over
_BASE = 0x9E3779B97F4A7C15  # odd, so that multiplying by it loses nothing modulo 2⁶⁴


class Found(NamedTuple):
    """Words of a note found in a rendered file; the words themselves are not repeated."""

    path: str
    note: int  # position of the note
    word: int  # position of the first of the words in the rendered file


class _Places(NamedTuple):
    """Where in the rendered files each run of words stands first, sorted by the runs' hashes."""

    hashes: np.ndarray  # (R,) uint64
    files: np.ndarray  # (R,) int
    positions: np.ndarray  # (R,) int
    seen: np.ndarray  # (2 ** BITS,) bool: whether a hash begins with these bits


def note_text_in(
    rendered_texts: Mapping[str, str], notes: Iterable[str], *, words: int = 8
) -> list[Found]:
    """Find every `words` consecutive words of a note that stand in rendered output.

    Case, punctuation and HTML entities are set aside on both sides, and of the rendered one also
    markup and escapes; then it is looked for once more with what holds digits left out, since
    tables number their rows and put scores beside words. It is also looked for in every second and
    every third word, down columns and in ciphers (see `readings`). A run without any letter is
    none: eight numbers stand on every axis. Where a script sets no spaces,
    `PER_WORD` of its letters count as a word, whatever stands between them. The runs of the
    rendered side, which is small, are held in memory as hashes of 64 bits; the notes are streamed
    past them.

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
    paths = list(rendered_texts)
    places = _places([rendered_texts[path] for path in paths], words)
    found: dict[tuple[str, int], Found] = {}
    hits = _hits(notes, places, words) if len(places.hashes) else ()
    for number, run in hits:
        first, end = (np.searchsorted(places.hashes, run, side) for side in ("left", "right"))
        for i in range(int(first), int(end)):
            path = paths[places.files[i]]
            found.setdefault((path, number), Found(path, number, int(places.positions[i])))
    return list(found.values())


def _places(contents: Sequence[str], words: int) -> _Places:
    runs, files, positions = [], [], []
    for file, content in enumerate(contents):
        # Most runs stand in each reading; one place a file is enough.
        read = [
            _runs([reading], words, steps=STEPS if among else (1,))
            for reading, among in readings(content).items()
        ]
        of_all = np.concatenate([run for run, _, _ in read])
        at = np.concatenate([at for _, _, at in read])
        once, where = np.unique(of_all, return_index=True)
        runs.append(once)
        files.append(np.full(len(once), file))
        positions.append(at[where])
    hashes = np.concatenate(runs or [np.empty(0, dtype=np.uint64)])
    order = np.argsort(hashes, kind="stable")
    seen = np.zeros(2**BITS, dtype=bool)
    seen[hashes >> np.uint64(64 - BITS)] = True
    file, at = (np.concatenate(p or [np.empty(0, dtype=int)]) for p in (files, positions))
    return _Places(hashes[order], file[order], at[order], seen)


def _hits(notes: Iterable[str], places: _Places, words: int) -> Iterator[tuple[int, np.uint64]]:
    """Position of a note and the hash of one of its runs that is among the places."""
    left, start = iter(notes), 0
    while texts := list(islice(left, CHUNK)):
        runs, of_text, _ = _runs(texts, words)
        maybe = np.flatnonzero(places.seen[runs >> np.uint64(64 - BITS)])
        at = np.minimum(np.searchsorted(places.hashes, runs[maybe]), len(places.hashes) - 1)
        for i in maybe[places.hashes[at] == runs[maybe]]:
            yield start + int(of_text[i]), runs[i]
        start += len(texts)


def _runs(
    texts: Sequence[str], words: int, *, steps: Sequence[int] = (1,)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All runs of words in some texts: hashes, (R,) uint64, of which text, and at which word.

    A run takes every word, every second, and so on, as the steps say.

    A word's hash is Σ cⱼ Bʲ over its characters, modulo 2⁶⁴. With the sums from the first character
    of all on, S, that of the characters from i to j is (S_j − S_i) B⁻ⁱ: no word is ever cut out. A
    run is hashed in the same way from the hashes of its words.
    """
    plain = [_plain(text) for text in texts]
    starts_at = np.cumsum([0, *(len(text) + 1 for text in plain)])
    joined = "\n".join(plain)
    if joined.isascii():
        characters = np.frombuffer(joined.encode(), dtype=np.uint8)
    else:
        characters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sums = _sums(characters.astype(np.uint64))
    letters = np.zeros(len(sums), dtype=np.int64)  # how many stand before each place
    np.cumsum(_table("letters", joined.isascii())[characters], out=letters[1:])
    found = []
    for kind, length in (("word", words), ("letters", words), ("unspaced", PER_WORD * words)):
        inside = _table(kind, joined.isascii())[characters]
        if kind == "unspaced":
            start = np.flatnonzero(inside)
            end = start + 1
        else:
            edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
            start, end = edges[::2], edges[1::2]
        of_text = np.searchsorted(starts_at, start, side="right") - 1
        hashes = _mixed(_between(sums, start, end))
        for step in steps:
            word = np.concatenate([np.arange(o, len(start), step) for o in range(step)])
            words_sums = _sums(hashes[word])
            at = np.arange(max(len(word) - length + 1, 0))
            first, last = word[at], word[at + length - 1]
            kept = (
                (of_text[first] == of_text[last])  # not from text to text
                & (last - first == step * (length - 1))
                & (letters[end[last]] > letters[start[first]])
            )
            runs = _mixed(_between(words_sums, at[kept], at[kept] + length))
            found.append((runs, of_text[first[kept]], first[kept]))
    hashes, of_text, at = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return hashes, of_text, at


def _sums(values: np.ndarray) -> np.ndarray:
    """Σ of the first i values, each times Bʲ, (n + 1,) uint64."""
    sums = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * _powers(_BASE, len(values)), out=sums[1:])
    return sums


def _between(sums: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Hashes of what lies between two places each."""
    return (sums[end] - sums[start]) * _powers(pow(_BASE, -1, 2**64), len(sums))[start]


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """The same with every bit depending on all, one to one (the end of splitmix64)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


_POWERS: dict[int, np.ndarray] = {}  # by base, as far as they were asked for


def _powers(base: int, n: int) -> np.ndarray:
    """Powers of an odd base modulo 2⁶⁴, (n,)."""
    if len(_POWERS.get(base, ())) < n:
        factors = np.full(1 << n.bit_length(), base, dtype=np.uint64)
        factors[0] = 1
        _POWERS[base] = np.multiply.accumulate(factors)
    return _POWERS[base][:n]


@cache
def _table(kind: Literal["word", "letters", "unspaced"], ascii_only: bool) -> np.ndarray:
    """Whether a character is part of a word, of one without digits, or a word of its own."""
    n = 128 if ascii_only else sys.maxunicode + 1
    if kind == "unspaced":
        codes = np.arange(n)
        return np.any([(low <= codes) & (codes <= high) for low, high in _UNSPACED], axis=0)
    table = np.fromiter(map(str.isalnum, map(chr, range(n))), dtype=bool, count=n)
    if kind == "letters":
        table &= ~np.fromiter(map(str.isdecimal, map(chr, range(n))), dtype=bool, count=n)
    return table


def _plain(text: str) -> str:
    plain = html.unescape(text).casefold()  # ß is written SS in capitals
    if plain.isascii():
        return plain
    # As tokenizers strip accents, whichever way they were written; soft hyphens are not seen.
    plain = unicodedata.normalize("NFKD", plain)
    for character in set(plain):  # of few of which there is one to take out
        if unicodedata.category(character) in ("Mn", "Cf"):
            plain = plain.replace(character, "")
    return unicodedata.normalize("NFC", plain)
