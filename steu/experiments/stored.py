"""What one page leaves for later ones: a ranking of tokens, and every method's log-odds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from steu._io import atomic_path

LOG_ODDS = "log_odds.safetensors"
RANKING = "scores.parquet"


def write_ranking(folder: str | Path, table: pd.DataFrame) -> None:
    """Write a table of tokens, best first, with columns token_id and forget_label."""
    with atomic_path(Path(folder) / RANKING) as beside:
        table.to_parquet(beside, index=False)


def read_ranking(folder: str | Path, *, forget_label: str) -> np.ndarray:
    """Token ids, best first, as `write_ranking` left them for this class, int64.

    Raises
    ------
    ValueError
        If the folder holds no ranking, or one for another class.
    """
    path = Path(folder) / RANKING
    if not path.is_file():
        raise ValueError(f"{path} does not exist: rank the tokens of {forget_label!r} first")
    ranking = pd.read_parquet(path, columns=["token_id", "forget_label"])
    found = ranking["forget_label"].iloc[0]
    if found != forget_label:
        raise ValueError(
            f"{path} ranks tokens for {found!r}; expected {forget_label!r}: rank them with "
            f"forget_label {forget_label}"
        )
    return ranking["token_id"].to_numpy()


def write_log_odds(folder: str | Path, methods: dict[str, np.ndarray]) -> None:
    """Write the log-odds (N, C) of each method on all notes of a cohort, as float32; no text."""
    values = {name: np.ascontiguousarray(z, dtype=np.float32) for name, z in methods.items()}
    with atomic_path(Path(folder) / LOG_ODDS) as beside:
        save_file(values, beside)


def read_log_odds(folder: str | Path, *, n_notes: int) -> dict[str, np.ndarray]:
    """Read what `write_log_odds` wrote, methods in the order of their names.

    Raises
    ------
    ValueError
        If there is no such file or it is about another number of notes.
    """
    path = Path(folder) / LOG_ODDS
    if not path.is_file():
        raise ValueError(f"{path} does not exist: compare the methods first")
    methods = load_file(path)
    for name, values in methods.items():
        if len(values) != n_notes:
            raise ValueError(
                f"{path} holds {name!r} for {len(values):,} notes; expected {n_notes:,}: compare "
                "the methods on this cohort"
            )
    return dict(sorted(methods.items()))
