"""Counting tokens and scoring them, beside scikit-learn's CountVectorizer; time and memory.

Once from ids that are there already, and once from the texts. Both ways end in the same counts,
which is checked, and in the same scores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from corpus import CHARACTERS, draw_texts
from measure import (
    Goal,
    Rows,
    forget_peak,
    in_child,
    multiples,
    options,
    peak_memory,
    report,
    row,
    summarise,
    take_turns,
)
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from steu.data.encoding import EncodedNotes, encode_notes, window_tokenizer
from steu.models.loading import load_tokenizer
from steu.selection.counts import count_tokens
from steu.selection.scores import pmi_scores

WINDOW = 512
SIZES = (500, 5_000)
ROUNDS = 3
PAIRS = {  # ours → scikit-learn's way from the same start
    "count_tokens": "CountVectorizer on ids",
    "encode_notes and count_tokens": "CountVectorizer on texts",
}
GOALS = tuple(Goal(ours, "times scikit-learn", most=1.0) for ours in PAIRS)

Way = Callable[[], sparse.csr_matrix]


def ways(n: int, scratch: Path, *, window: int, characters: int) -> dict[str, Way]:
    """Four ways to the counts (n, V); what each starts from is in memory before."""
    texts = list(draw_texts(n, characters=characters))
    tokenizer = load_tokenizer("minilm")
    fast = window_tokenizer(tokenizer, window)
    notes = encode_notes(texts, tokenizer, max_length=window, folder=scratch / f"encoded{n}")
    special = set(notes.special_ids)

    def text_ids(text: str) -> Iterator[int]:
        return (i for i in fast.encode(text).ids if i not in special)

    def note_ids(span: tuple[int, int]) -> Iterator[int]:
        return (i for i in notes.ids[slice(*span)].tolist() if i not in special)

    def again() -> EncodedNotes:
        folder = tempfile.mkdtemp(dir=scratch)
        return encode_notes(texts, tokenizer, max_length=window, folder=folder)

    def theirs(analyzer: Callable, documents: list) -> sparse.csr_matrix:
        vocabulary = {i: i for i in range(notes.vocab_size)}
        return CountVectorizer(analyzer=analyzer, vocabulary=vocabulary).transform(documents)

    spans = list(pairwise(notes.offsets))
    return {
        "count_tokens": lambda: count_tokens(notes),
        "CountVectorizer on ids": lambda: theirs(note_ids, spans),
        "encode_notes and count_tokens": lambda: count_tokens(again()),
        "CountVectorizer on texts": lambda: theirs(text_ids, texts),
    }


def scored(way: Way) -> Callable[[], np.ndarray]:
    """The way and the scores of its counts, for a class that every third note carries."""

    def count_and_score() -> np.ndarray:
        counts = way()
        return pmi_scores(counts, np.arange(counts.shape[0]) % 3 == 0)

    return count_and_score


def memory(name: str, n: int, scratch: Path, window: int, characters: int) -> int:
    """Bytes that one way takes at most beyond what it starts from; runs in a process of its own."""
    way = scored(ways(n, scratch, window=window, characters=characters)[name])
    before = forget_peak()
    way()
    return max(0, peak_memory() - before)  # the kernel counts pages in batches


def measure(n: int, scratch: Path, *, rounds: int, window: int, characters: int) -> Rows:
    """Seconds, their ratio and memory at `n` notes."""
    made = ways(n, scratch, window=window, characters=characters)
    setting = f"{n:,} notes, {window} tokens"
    for ours, theirs in PAIRS.items():
        if (made[ours]() != made[theirs]()).nnz:
            raise ValueError(f"{setting}: {ours} and {theirs} differ; a time would mean nothing")
    times = take_turns({name: scored(way) for name, way in made.items()}, rounds=rounds)
    found = summarise(times, setting=setting, quantity="seconds")
    for ours, theirs in PAIRS.items():
        ratio = multiples(times, of=theirs)[ours]
        found.append(row(ratio, setting=setting, variant=ours, quantity="times scikit-learn"))
    for name in made:
        taken, *_ = in_child(memory, name, n, scratch, window, characters)
        found.append(row([taken], setting=setting, variant=name, quantity="more bytes at most"))
    return found


def run(
    folder: Path,
    *,
    sizes: tuple[int, ...] = SIZES,
    rounds: int = ROUNDS,
    window: int = WINDOW,
    characters: int = CHARACTERS,
) -> Path:
    """Measure every size and write counting.json into `folder`."""
    rows: Rows = []
    with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
        for n in sizes:
            rows += measure(n, Path(scratch), rounds=rounds, window=window, characters=characters)
    settings = {"sizes": sizes, "rounds": rounds, "window": window, "characters": characters}
    return report("counting", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, sizes=(200,), rounds=2, window=128, characters=1_000)
    else:
        run(chosen.output)
