"""Long notes for the benchmarks: the embedded corpus with summaries as long as the real ones.

A discharge summary of MIMIC-IV has about 10,000 characters, much of them laboratory values; the
embedded ones are kept short, so that the book is. Here the values are put in. They matter for more
than length: a file of nothing but recurring sentences is unpacked far too fast.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from steu._io import atomic_path
from steu.synthetic.admissions import draw_stays
from steu.synthetic.corpus import write_corpus
from steu.synthetic.note_text import compose

CHARACTERS = 10_000
WORDS = 600  # of sentences at most, as in `write_corpus`; values fill the rest
LINES = 40_000  # of values to draw from: more than any packer's window holds
SEED = 0
TESTS = {  # mean and spread; a tenth of them is flagged
    "BLOOD": {
        "WBC": (8.1, 2.5), "RBC": (3.9, 0.6), "Hgb": (11.6, 1.8), "Hct": (35.0, 5.0),
        "MCV": (90.0, 6.0), "MCHC": (33.0, 1.2), "RDW": (14.2, 1.7), "Plt Ct": (226.0, 80.0),
        "Glucose": (118.0, 40.0), "UreaN": (19.0, 9.0), "Creat": (1.1, 0.5), "Na": (139.0, 3.5),
        "K": (4.1, 0.5), "Cl": (103.0, 4.0), "HCO3": (25.0, 3.5), "AnGap": (13.0, 3.0),
    },
    "URINE": {"RBC": (4.0, 3.0), "WBC": (6.0, 4.0), "Epi": (1.0, 1.0), "SpGr": (1.02, 0.01)},
}  # fmt: skip


def draw_texts(n: int, *, characters: int = CHARACTERS) -> Iterator[str]:
    """Summaries of the corpus's first `n` admissions, of about `characters` each."""
    pen = Random(f"{SEED} long")
    words = min(WORDS, characters // 7)
    pool = [_values(pen) for _ in range(min(LINES, n * characters // 100))]
    for stay in islice(draw_stays(SEED), n):
        lines = [compose(stay, pen, words), "", "Laboratory values:"]
        length = len(lines[0])
        wanted = characters * (0.7 + 0.6 * pen.random())
        while length < wanted:
            lines.append(pool[int(len(pool) * pen.random())])
            length += len(lines[-1])
        yield "\n".join(lines)


def _values(pen: Random) -> str:
    source = "BLOOD" if pen.random() < 0.9 else "URINE"
    values = (
        f"{name}-{max(0.0, pen.gauss(*usual)):.1f}{'*' * (pen.random() < 0.1)}"
        for name, usual in TESTS[source].items()
    )
    clock = (
        f"{int(1 + 11 * pen.random()):02}:{int(60 * pen.random()):02}{'AP'[pen.random() < 0.5]}M"
    )
    return f"___ {clock} {source} {' '.join(values)}"


def write_long(folder: Path, n: int, *, characters: int = CHARACTERS) -> Path:
    """Write `n` admissions in the layout of MIMIC-IV with long notes; a folder that is there stays.

    Memory does not grow with `n`.
    """
    if folder.is_dir():
        return folder
    with atomic_path(folder) as beside:
        write_corpus(beside, layout="mimic_iv", n_stays=n, seed=SEED, words=60)
        notes = beside / "note" / "discharge.csv.gz"
        with atomic_path(notes) as longer, gzip.open(notes, "rt", newline="") as short:
            rows = csv.reader(short)
            with gzip.open(longer, "wt", newline="", compresslevel=1) as stream:
                write = csv.writer(stream, lineterminator="\n").writerow
                write(next(rows))
                for row, text in zip(rows, draw_texts(n, characters=characters), strict=True):
                    write([*row[:-1], text])
    return folder
