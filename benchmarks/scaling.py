"""How reading, encoding, counting and scoring grow with the number of notes.

The slope is that of the time over the number of notes, both as logarithms: 1 is proportional.
Every stage runs in a process of its own and takes what the one before it left on disk.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd
from corpus import CHARACTERS, write_long
from measure import Goal, Rows, in_child, options, report, row, slope, summarise
from reading import ALL_NOTES, read

from steu.data.cohort import Cohort, iter_texts

WINDOW = 512
SIZES = (1_000, 3_000, 10_000, 30_000)
LARGE = (100_000, ALL_NOTES)
ROUNDS = 3
GOALS = tuple(Goal(stage, "slope", most=1.1) for stage in ("read", "encode", "count and score"))


def read_tables(tables: Path, scratch: Path, _window: int) -> float:
    """Seconds from the tables to the cohort."""
    started = time.perf_counter()
    read(tables, scratch / "cohort")
    return time.perf_counter() - started


def encode(_tables: Path, scratch: Path, window: int) -> float:
    """Seconds from the cohort to the file of ids; its texts are read as they are needed."""
    from steu.data.encoding import encode_notes  # brings torch, which the reader must not hold
    from steu.models.loading import load_tokenizer

    tokenizer = load_tokenizer("minilm")
    started = time.perf_counter()
    digest = Cohort.read(scratch / "cohort", text=False).texts_digest
    where = {"max_length": window, "folder": scratch / "encoded", "digest": digest}
    encode_notes(iter_texts(scratch / "cohort"), tokenizer, **where)
    return time.perf_counter() - started


def count_and_score(_tables: Path, scratch: Path, _window: int) -> float:
    """Seconds from the file of ids to the scores of all tokens."""
    from steu.data.encoding import map_notes
    from steu.selection.counts import count_tokens
    from steu.selection.scores import pmi_scores

    targets = Cohort.read(scratch / "cohort", text=False).targets
    (encoded,) = (scratch / "encoded").iterdir()
    started = time.perf_counter()
    pmi_scores(count_tokens(map_notes(encoded)), targets[:, 0] > 0)
    return time.perf_counter() - started


STAGES = {"read": read_tables, "encode": encode, "count and score": count_and_score}


def one_round(tables: dict[int, Path], scratch: Path, window: int) -> Rows:
    """Seconds and peak bytes of every stage at every size, one after another."""
    found = []
    for n, folder in tables.items():
        for stage, function in STAGES.items():
            seconds, _, peak = in_child(function, folder, scratch, window)
            found.append({"n": n, "stage": stage, "seconds": seconds, "peak bytes": peak})
        shutil.rmtree(scratch / "cohort")
        shutil.rmtree(scratch / "encoded")
    return found


def run(
    folder: Path,
    *,
    sizes: tuple[int, ...] = SIZES,
    rounds: int = ROUNDS,
    window: int = WINDOW,
    characters: int = CHARACTERS,
) -> Path:
    """Measure every size and write scaling.json into `folder`."""
    with tempfile.TemporaryDirectory(prefix="steu-bench-") as name:
        scratch = Path(name)
        tables = {n: write_long(scratch / f"{n}", n, characters=characters) for n in sizes}
        turns = [pd.DataFrame(one_round(tables, scratch, window)) for _ in range(rounds)]
    rows: Rows = []
    values = pd.concat(turns, keys=range(rounds), names=["round", None]).reset_index("round")
    for quantity in ("seconds", "peak bytes"):
        for n, part in values.groupby("n"):
            wide = part.pivot(index="round", columns="stage", values=quantity)[list(STAGES)]
            rows += summarise(wide, setting=f"{n:,} notes", quantity=quantity)
    setting = f"{sizes[0]:,} to {sizes[-1]:,} notes"
    for stage in STAGES:
        own = [turn[turn["stage"] == stage] for turn in turns]
        slopes = [slope(part["n"], part["seconds"]) for part in own]
        rows.append(row(slopes, setting=setting, variant=stage, quantity="slope"))
    settings = {"sizes": sizes, "rounds": rounds, "window": window, "characters": characters}
    return report("scaling", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    chosen = options(__doc__, "--full")
    if chosen.quick:
        run(chosen.output, sizes=(400, 800), rounds=2, window=128, characters=1_000)
    else:
        # The largest sizes take minutes: one round, of which a slope has six points.
        full = {"sizes": SIZES + LARGE, "rounds": 1} if chosen.full else {}
        run(chosen.output, **full)
