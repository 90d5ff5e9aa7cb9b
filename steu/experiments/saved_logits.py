"""What each method answers on every note, kept for later pages; logits, no text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from steu._io import atomic_path

FILE = "answers.safetensors"


def write_answers(folder: str | Path, answers: dict[str, np.ndarray]) -> None:
    """Write the logits (N, C) of each method on all notes of a cohort, as float32."""
    values = {name: np.ascontiguousarray(z, dtype=np.float32) for name, z in answers.items()}
    with atomic_path(Path(folder) / FILE) as beside:
        save_file(values, beside)


def read_answers(folder: str | Path, *, n_notes: int) -> dict[str, np.ndarray]:
    """Read what `write_answers` wrote, methods in the order of their names.

    Raises
    ------
    ValueError
        If there is no such file or it is about another number of notes.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise ValueError(f"{path} does not exist; run notebooks/05_baselines.ipynb first")
    answers = load_file(path)
    for name, logits in answers.items():
        if len(logits) != n_notes:
            raise ValueError(
                f"{path} holds answers of {name!r} to {len(logits):,} notes; expected {n_notes:,}: "
                "run notebooks/05_baselines.ipynb on this cohort"
            )
    return dict(sorted(answers.items()))
