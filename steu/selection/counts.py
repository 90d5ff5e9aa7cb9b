"""Which tokens speak of a class: sparse counts, the paper's PMI score, selection."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from transformers import PreTrainedTokenizerBase

from steu.data.encoding import EncodedNotes

Counting = Literal["occurrences", "notes"]


def count_tokens(notes: EncodedNotes, *, counting: Counting = "occurrences") -> sparse.csr_matrix:
    """Sparse counts of every token in every note, shape (N, V), special tokens left out.

    `counting` ``"occurrences"`` counts each appearance, ``"notes"`` a note at most once.
    """
    if counting not in ("occurrences", "notes"):
        raise ValueError(f"counting must be 'occurrences' or 'notes'; found {counting!r}")
    shape = (len(notes), notes.vocab_size)
    ones = np.ones(len(notes.ids), dtype=np.int32)
    counts = sparse.csr_matrix((ones, notes.ids.astype(np.int32), notes.offsets), shape=shape)
    counts.sum_duplicates()
    counts.data[np.isin(counts.indices, notes.special_ids)] = 0
    counts.eliminate_zeros()
    if counting == "notes":
        counts.data[:] = 1
    return counts


def pmi_scores(
    counts: sparse.csr_matrix, forget: np.ndarray, *, smoothing: float = 0.0
) -> np.ndarray:
    """Frequency-weighted pointwise mutual information of each token with the class, in bits.

    Following the secondary account of arXiv 2603.19302 (grade [D]),
    ``log2(P(t | forget) / P(t | all)) * ln(1 + n_forget(t))``; a token that never occurs in a
    forget note scores 0, the limit of the product.

    Parameters
    ----------
    counts : sparse array of shape (N, V)
        Token counts of the training notes only.
    forget : array of shape (N,), bool
        Which of them carry the class.
    smoothing : float
        Added to every count of both distributions. 0 by default: the factor ``ln(1 + n)`` already
        silences tokens seen once or twice, which is what smoothing is for.

    Returns
    -------
    array of shape (V,), float64, in bits times a natural-log count weight
    """
    forget = _checked(counts, forget)
    if smoothing < 0:
        raise ValueError(f"smoothing must be 0 or more; found {smoothing}")
    n_all = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    n_forget = np.asarray(counts[forget].sum(axis=0), dtype=np.float64).ravel()
    p_all = (n_all + smoothing) / (n_all + smoothing).sum()
    p_forget = (n_forget + smoothing) / (n_forget + smoothing).sum()
    scores = np.zeros(counts.shape[1])
    seen = n_forget > 0
    scores[seen] = np.log2(p_forget[seen] / p_all[seen]) * np.log1p(n_forget[seen])
    return scores


def rank_tokens(
    scores: np.ndarray,
    counts: sparse.csr_matrix,
    *,
    min_count: int = 1,
    excluded: tuple[int, ...] = (),
) -> np.ndarray:
    """Ids of all tokens that can be chosen, best score first, ties by id; int64.

    Only tokens seen at least `min_count` times in `counts` and not `excluded` can be chosen.
    """
    eligible = np.asarray(counts.sum(axis=0)).ravel() >= max(min_count, 1)
    eligible[list(excluded)] = False
    candidates = np.flatnonzero(eligible)
    return candidates[np.argsort(-scores[candidates], kind="stable")]


def select_tokens(ranked: np.ndarray, n_tokens: int) -> np.ndarray:
    """The first `n_tokens` of a ranking, shape (k,).

    Raises
    ------
    ValueError
        If `n_tokens` is not positive or exceeds the number of tokens that can be chosen.
    """
    if n_tokens < 1:
        raise ValueError(f"n_tokens must be at least 1; found {n_tokens}")
    if n_tokens > len(ranked):
        raise ValueError(
            f"n_tokens must not exceed the {len(ranked):,} tokens seen often enough in the "
            f"training notes; found {n_tokens:,}: lower n_tokens or min_count"
        )
    return ranked[:n_tokens]


def stop_word_ids(tokenizer: PreTrainedTokenizerBase, words: list[str]) -> tuple[int, ...]:
    """Ids of the words that are one token of the vocabulary; the others cannot be excluded."""
    vocabulary = tokenizer.get_vocab()
    return tuple(sorted(vocabulary[word] for word in words if word in vocabulary))


def token_table(
    token_ids: np.ndarray,
    scores: np.ndarray,
    counts: sparse.csr_matrix,
    forget: np.ndarray,
    patients: np.ndarray,
) -> pd.DataFrame:
    """What the chosen tokens rest on, a row a token in the order given.

    Columns: token_id, score (bits × log count), lift (P(t | forget) / P(t | all)), n_forget and
    n_all (occurrences), patients (in all training notes) and forget_patients (patients with a
    forget note that holds the token).
    """
    forget = _checked(counts, forget)
    chosen = counts[:, token_ids]
    n_all = np.asarray(chosen.sum(axis=0)).ravel()
    n_forget = np.asarray(chosen[forget].sum(axis=0)).ravel()
    total_all, total_forget = counts.sum(), counts[forget].sum()
    return pd.DataFrame(
        {
            "token_id": token_ids,
            "score": scores[token_ids],
            "lift": (n_forget / total_forget) / (n_all / total_all),
            "n_forget": n_forget,
            "n_all": n_all,
            "patients": _patients_with(chosen, patients),
            "forget_patients": _patients_with(chosen[forget], patients[forget]),
        }
    )


def words_with_token(
    notes: EncodedNotes,
    rows: np.ndarray,
    tokenizer: PreTrainedTokenizerBase,
    token_ids: np.ndarray,
    *,
    patients: np.ndarray,
    minimum: int = 1,
    most: int = 3,
) -> list[str]:
    """The whole words in which each token occurs for most patients, "word (patients)", joined.

    A word is a word piece with all the continuations ("##…") that follow it in the note. Words
    of fewer than `minimum` patients are left out. `patients` has shape (N,), one a note.
    """
    pieces = np.array(tokenizer.convert_ids_to_tokens(list(range(notes.vocab_size))))
    continues = np.char.startswith(pieces, "##")
    bare = np.where(continues, np.char.lstrip(pieces, "#"), pieces)
    wanted = np.isin(np.arange(notes.vocab_size), token_ids)
    found: dict[int, dict[str, set[str]]] = {int(token): {} for token in token_ids}
    for row in rows:
        ids = notes.ids[notes.offsets[row] : notes.offsets[row + 1]]
        starts = np.flatnonzero(~continues[ids])
        hits = np.flatnonzero(wanted[ids])
        for hit in hits:
            word = np.searchsorted(starts, hit, side="right") - 1
            end = starts[word + 1] if word + 1 < len(starts) else len(ids)
            whole = "".join(bare[ids[starts[word] : end]])
            found[int(ids[hit])].setdefault(whole, set()).add(patients[row])
    return [_most_frequent(found[int(token)], minimum, most) for token in token_ids]


def _most_frequent(words: dict[str, set[str]], minimum: int, most: int) -> str:
    counted = [(len(patients), word) for word, patients in words.items()]
    ranked = sorted((-n, word) for n, word in counted if n >= minimum)
    return ", ".join(f"{word} ({-n:,})" for n, word in ranked[:most])


def _patients_with(chosen: sparse.csr_matrix, patients: np.ndarray) -> np.ndarray:
    """Distinct patients in whose notes each column occurs."""
    codes, names = pd.factorize(patients)
    member = sparse.csr_matrix(
        (np.ones(len(codes), dtype=np.int32), (codes, np.arange(len(codes)))),
        shape=(len(names), len(codes)),
    )
    return np.asarray(((member @ (chosen > 0)) > 0).sum(axis=0)).ravel()


def _checked(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    forget = np.asarray(forget, dtype=bool)
    if forget.shape != (counts.shape[0],):
        raise ValueError(f"forget must have shape ({counts.shape[0]},); found {forget.shape}")
    if not forget.any():
        raise ValueError("no training note carries the class to forget: choose another label")
    return forget


def read_ranking(folder: str | Path, *, forget_label: str) -> np.ndarray:
    """Token ids, best first, as 03_pmi wrote them for this class, int64.

    Raises
    ------
    ValueError
        If the folder holds no ranking, or one for another class.
    """
    path = Path(folder) / "scores.parquet"
    if not path.is_file():
        raise ValueError(f"{path} does not exist; run notebooks/03_pmi.ipynb first")
    ranking = pd.read_parquet(path, columns=["token_id", "forget_label"])
    found = ranking["forget_label"].iloc[0]
    if found != forget_label:
        raise ValueError(
            f"{path} ranks tokens for {found!r}; expected {forget_label!r}: run "
            f"notebooks/03_pmi.ipynb with -p forget_label {forget_label}"
        )
    return ranking["token_id"].to_numpy()
