"""Encoding notes, as a share of the speed of the bare `tokenizers` library on the same texts.

The package also takes a digest of the texts and writes the ids to a file; in return it does not
tokenise far past the model's window, and does nothing at all the second time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corpus import CHARACTERS, draw_texts
from measure import Goal, Rows, multiples, options, report, row, summarise, take_turns

from steu.data.encoding import EncodedNotes, encode_notes, window_tokenizer
from steu.models.loading import load_tokenizer

os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
BARE, FAST, OURS = "encode_batch", "encode_batch_fast", "encode_notes"
WINDOWS = (128, 256, 512)
LENGTHS = (1_000, CHARACTERS)  # characters a note: the embedded corpus's, and MIMIC-IV's
N_NOTES = 2_000
ROUNDS = 7
GOALS = (Goal(OURS, f"speed of {BARE}", least=0.9),)


def variants(texts: list[str], window: int, scratch: Path) -> dict[str, Callable[[], list]]:
    """Three ways from texts to ids; ours into a new folder each time, or it would find its own."""
    tokenizer = load_tokenizer("minilm")
    fast = window_tokenizer(tokenizer, window)

    def ours() -> EncodedNotes:
        folder = tempfile.mkdtemp(dir=scratch)
        return encode_notes(texts, tokenizer, max_length=window, folder=folder)

    return {
        BARE: lambda: [encoding.ids for encoding in fast.encode_batch(texts)],
        FAST: lambda: [encoding.ids for encoding in fast.encode_batch_fast(texts)],
        OURS: ours,
    }


def measure(texts: list[str], window: int, *, rounds: int) -> Rows:
    """Notes a second of each, and how our speed compares in the same round."""
    characters = sum(map(len, texts)) / len(texts)
    setting = f"{window} tokens, notes of {round(characters, -2):,.0f} characters"
    with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
        ways = variants(texts, window, Path(scratch))
        if not np.array_equal(np.concatenate(ways[BARE]()), ways[OURS]().ids):
            raise ValueError(f"{setting}: the two encodings differ; a speed would mean nothing")
        times = take_turns(ways, rounds=rounds)
    found = summarise(len(texts) / times, setting=setting, quantity="notes a second")
    for other in (BARE, FAST):
        ratio = 1 / multiples(times, of=other)[OURS]
        found.append(row(ratio, setting=setting, variant=OURS, quantity=f"speed of {other}"))
    return found


def run(
    folder: Path,
    *,
    n_notes: int = N_NOTES,
    windows: tuple[int, ...] = WINDOWS,
    lengths: tuple[int, ...] = LENGTHS,
    rounds: int = ROUNDS,
) -> Path:
    """Measure every window on every length and write encoding.json into `folder`."""
    rows: Rows = []
    for characters in lengths:
        texts = list(draw_texts(n_notes, characters=characters))
        for window in windows:
            rows += measure(texts, window, rounds=rounds)
    settings = {"notes": n_notes, "rounds": rounds}
    return report("encoding", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, n_notes=100, windows=(128,), rounds=2)
    else:
        run(chosen.output)
