"""What one page leaves for later ones: a ranking of tokens, edits, every method's log-odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu._errors import check_choice
from steu._io import atomic_path, read_json
from steu.models.edits import Edit
from steu.models.serialisation import FACTS
from steu.unlearning.concept_scrubbing import ScrubbedLayers
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.leace import ErasedFeatures
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.sparse_edit import SparseEdit

EDITS = "edits"
KINDS: tuple[type[Edit], ...] = (
    SparseEdit, LayerEdit, LowRankEdit, ErasedFeatures, ScrubbedLayers
)  # fmt: skip
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


def write_edit(folder: str | Path, edit: Edit, **facts: Any) -> None:
    """Write one edit, with its kind and history among its facts."""
    known = {"kind": type(edit).__name__, "history": list(edit.history)}
    edit.save_pretrained(folder, **known, **facts)


def read_edit(
    folder: str | Path,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> tuple[Edit, dict[str, Any]]:
    """Read what `write_edit` wrote for this model: the edit and its facts.

    Raises
    ------
    ValueError
        If the files were altered, or the edit belongs to another model.
    """
    facts = read_json(Path(folder) / FACTS)
    kind = next(kind for kind in KINDS if kind.__name__ == facts["kind"])
    return kind.from_pretrained(folder, model=model, tokenizer=tokenizer), facts


def write_edits(folder: str | Path, edits: Mapping[str, Edit]) -> None:
    """Write the edits of several methods below `folder`, for later pages."""
    for name, edit in edits.items():
        write_edit(Path(folder, EDITS, name), edit)


def read_edits(
    folder: str | Path, names: Sequence[str], *, model: PreTrainedModel
) -> dict[str, Edit]:
    """The edits of the named methods that `write_edits` left in `folder`, in the order given.

    Raises
    ------
    ValueError
        If there is none of that name, or it belongs to another model.
    """
    there = sorted(path.parent.name for path in Path(folder, EDITS).glob(f"*/{FACTS}"))
    for name in names:
        check_choice(name, there, what=f"edit in {folder}")
    return {name: read_edit(Path(folder, EDITS, name), model=model)[0] for name in names}
