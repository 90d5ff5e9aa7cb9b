"""What one page leaves for later ones: a ranking of tokens, edits, every method's log-odds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu._errors import check_choice
from steu._io import atomic_path
from steu.models.edits import Edit
from steu.models.serialisation import FACTS, read_tensors
from steu.models.weights import tokenizer_hash
from steu.unlearning.concept_scrubbing import ScrubbedLayers
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.leace import ErasedFeatures
from steu.unlearning.low_rank_edit import LowRankEdit
from steu.unlearning.sparse_edit import SparseEdit

if TYPE_CHECKING:  # a study keeps its edits by this module
    from steu.experiments.study import Study

EDITS = "edits"
KINDS: tuple[type[Edit], ...] = (
    SparseEdit, LayerEdit, LowRankEdit, ErasedFeatures, ScrubbedLayers
)  # fmt: skip
LOG_ODDS = "log_odds.safetensors"
ABOUT = "about"  # entry of its header: what the answers rest on, as JSON
RANKING = "scores.parquet"
TRIALS = "trials.parquet"
DIGEST = 64  # characters of a SHA-256


def write_ranking(
    folder: str | Path,
    table: pd.DataFrame,
    *,
    data: str,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> None:
    """Write a table of tokens, best first, with columns token_id and forget_label.

    `data` is the fingerprint of the cohort whose notes were counted, within `max_length` tokens.
    """
    table = table.copy(deep=False)
    table.attrs = {  # Parquet keeps them with the table
        "the cohort": data,
        "the tokenizer": tokenizer_hash(tokenizer),
        "the window": max_length,
    }
    with atomic_path(Path(folder) / RANKING) as beside:
        table.to_parquet(beside, index=False)


def read_ranking(folder: str | Path, study: Study) -> np.ndarray:
    """Token ids, best first, as `write_ranking` left them for the class of a study, int64.

    Raises
    ------
    ValueError
        If the folder holds no ranking, or one for another class, cohort, tokenizer or window.
    """
    path, label = Path(folder) / RANKING, study.labels[study.forget]
    if not path.is_file():
        raise ValueError(f"{path} does not exist: rank the tokens of {label!r} first")
    ranking = pd.read_parquet(path, columns=["token_id", "forget_label"])
    expected = {
        "forget_label": label,
        "the cohort": study.cohort.fingerprint,
        "the tokenizer": tokenizer_hash(study.tokenizer),
        "the window": study.notes.max_length,
    }
    found = {str(name): fact for name, fact in ranking.attrs.items()}
    found["forget_label"] = ranking["forget_label"].iloc[0]
    _check_rests_on(found, expected, path=path, again="rank the tokens")
    return ranking["token_id"].to_numpy()


def write_log_odds(folder: str | Path, methods: Mapping[str, np.ndarray], study: Study) -> None:
    """Write the log-odds (N, C) of each method on all notes of a study, as float32; no text."""
    values = {name: np.ascontiguousarray(z, dtype=np.float32) for name, z in methods.items()}
    about = {ABOUT: json.dumps(_about(study))}  # one entry: of several, safetensors draws the order
    with atomic_path(Path(folder) / LOG_ODDS) as beside:
        save_file(values, beside, metadata=about)


def read_log_odds(folder: str | Path, study: Study) -> dict[str, np.ndarray]:
    """Read what `write_log_odds` wrote of this study, methods in the order of their names.

    Raises
    ------
    ValueError
        If there is no such file or it is about another classifier, cohort or class.
    """
    path = Path(folder) / LOG_ODDS
    if not path.is_file():
        raise ValueError(f"{path} does not exist: compare the methods first")
    with safe_open(path, framework="np") as stored:
        found = json.loads((stored.metadata() or {}).get(ABOUT, "{}"))
        _check_rests_on(found, _about(study), path=path, again="compare the methods")
        return {name: stored.get_tensor(name) for name in sorted(stored.keys())}


def write_trials(folder: str | Path, trials: pd.DataFrame, study: Study, **settings: Any) -> None:
    """Write what a search tried: columns method, rate, head_rate, chosen, …; a row a setting.

    Rates are multiples of a default, and mean nothing beside other `settings`.
    """
    trials = trials.copy(deep=False)
    trials.attrs = {**_searched(study, settings)}
    with atomic_path(Path(folder) / TRIALS) as beside:
        trials.to_parquet(beside, index=False)


def read_trials(folder: str | Path, study: Study, **settings: Any) -> pd.DataFrame:
    """Read what `write_trials` wrote, of whatever seed's classifier.

    Raises
    ------
    ValueError
        If there is none, or it is of another class, cohort or settings.
    """
    path = Path(folder) / TRIALS
    if not path.is_file():
        raise ValueError(f"{path} does not exist; name a folder that a search wrote, or ''")
    trials = pd.read_parquet(path)
    found = {str(name): fact for name, fact in trials.attrs.items()}
    _check_rests_on(found, _searched(study, settings), path=path, again="search the rates")
    return trials


def _searched(study: Study, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What rates were searched for: all but the classifier, of which each seed has its own."""
    about = {name: fact for name, fact in _about(study).items() if name != "the classifier"}
    return about | dict(settings)


def _about(study: Study) -> dict[str, str]:
    """What methods that were compared rest on, as it is kept with their answers and edits."""
    return {
        "forget_label": study.labels[study.forget],
        "the classifier": study.origin.model,
        "the cohort": study.cohort.fingerprint,
    }


def _check_rests_on(
    found: Mapping[str, Any], expected: Mapping[str, Any], *, path: Path, again: str
) -> None:
    """Refuse what an earlier page left about another class, cohort or model than is asked for."""
    for name, value in expected.items():
        if found.get(name) != value:
            old = _short(found[name]) if name in found else "none, as an older version wrote it"
            raise ValueError(
                f"{path} is of another study: expected {name} {_short(value)}, found {old}: "
                f"{again} again, on what is asked about here"
            )


def _short(value: Any) -> str:
    """A value as messages show it; of a digest its beginning."""
    return f"{value[:12]}…" if isinstance(value, str) and len(value) == DIGEST else str(value)


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
        If the files were altered or written by something else, or the edit belongs to another
        model.
    """
    _, facts = read_tensors(folder)
    kinds = {kind.__name__: kind for kind in KINDS}
    if facts.get("kind") not in kinds:
        raise ValueError(
            f"{Path(folder) / FACTS} is of the kind {facts.get('kind')!r}; expected "
            f"{', '.join(kinds)}, as a page of the book writes it"
        )
    edit = kinds[facts["kind"]].from_pretrained(folder, model=model, tokenizer=tokenizer)
    return edit, facts


def write_edits(folder: str | Path, edits: Mapping[str, Edit], study: Study) -> None:
    """Write the edits of several methods below `folder`, for later pages, in place of earlier ones.

    None of another run of the page stays among them: it would be read as one of this.
    """
    with atomic_path(Path(folder, EDITS)) as beside:
        for name, edit in edits.items():
            write_edit(beside / name, edit, study=_about(study))


def read_edits(folder: str | Path, names: Sequence[str], study: Study) -> dict[str, Edit]:
    """The edits of the named methods that `write_edits` left in `folder`, in the order given.

    Raises
    ------
    ValueError
        If there is none of that name, or it belongs to another model, cohort or class.
    """
    there = sorted(path.parent.name for path in Path(folder, EDITS).glob(f"*/{FACTS}"))
    edits = {}
    for name in names:
        check_choice(name, there, what=f"edit in {folder}")
        path = Path(folder, EDITS, name)
        edits[name], facts = read_edit(path, model=study.model)
        _check_rests_on(
            facts.get("study", {}), _about(study), path=path, again="compare the methods"
        )
    return edits
