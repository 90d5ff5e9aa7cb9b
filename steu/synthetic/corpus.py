"""The embedded corpus: seeded, invented admissions in the publishers' own file layouts.

It exists so that the readers of the real databases run on any machine; nothing in it describes a
real person and no text of it was taken from anywhere.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random
from typing import Literal, get_args

from steu._errors import check_choice
from steu._io import atomic_path
from steu.synthetic.admissions import draw_stays
from steu.synthetic.eicu import write_eicu
from steu.synthetic.mimic import write_mimic_iii, write_mimic_iv
from steu.synthetic.tables import open_tables

Layout = Literal["mimic_iv", "mimic_iii", "eicu"]


def write_corpus(
    folder: str | Path, *, layout: Layout, n_stays: int, seed: int = 0, words: int = 150
) -> None:
    """Write `n_stays` invented admissions as the tables of one database, csv.gz files.

    The same arguments give the same bytes; the first stays of a longer corpus are a shorter one.
    Memory does not grow with `n_stays`.

    Parameters
    ----------
    folder
        Where the tables go, named as the publisher names them; replaced whole or left untouched.
    layout
        Whose tables to write.
    n_stays
        Number of admissions, at least 1; about 1.7 to a patient.
    words
        Approximate mean length of a discharge summary in words, 60 to 600 (unused in "eicu").

    Raises
    ------
    ValueError
        For an unknown layout, no stays, or a length outside 60 to 600 words.
    """
    _check(layout, n_stays, words)
    stays = islice(draw_stays(seed), n_stays)
    pen = Random(f"{seed} writing")
    # The tables are closed before the folder is renamed: the last bytes belong to it.
    with atomic_path(folder) as beside, open_tables(beside, layout) as put:
        if layout == "mimic_iv":
            write_mimic_iv(put, stays, pen=pen, words=words)
        elif layout == "mimic_iii":
            write_mimic_iii(put, stays, pen=pen, words=words)
        else:
            write_eicu(put, stays, pen=pen)


def _check(layout: str, n_stays: int, words: int) -> None:
    known = get_args(Layout)
    check_choice(layout, known, what="layout")
    if n_stays < 1:
        raise ValueError(f"n_stays must be at least 1, found {n_stays}; ask for 100 or more")
    if not 60 <= words <= 600:
        raise ValueError(f"words must lie between 60 and 600, found {words}; 150 is the default")
