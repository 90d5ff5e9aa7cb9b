"""How often each token occurs, in which notes and for how many patients."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy import sparse

from steu._errors import check_choice
from steu.data.encoding import EncodedNotes

Counting = Literal["occurrences", "notes"]


def count_tokens(notes: EncodedNotes, *, counting: Counting = "occurrences") -> sparse.csr_matrix:
    """Sparse counts of every token in every note, shape (N, V), special tokens left out.

    `counting` ``"occurrences"`` counts each appearance, ``"notes"`` a note at most once.
    """
    check_choice(counting, get_args(Counting), what="counting")
    shape = (len(notes), notes.vocab_size)
    ones = np.ones(len(notes.ids), dtype=np.int32)
    counts = sparse.csr_matrix((ones, notes.ids.astype(np.int32), notes.offsets), shape=shape)
    counts.sum_duplicates()
    counts.data[np.isin(counts.indices, notes.special_ids)] = 0
    counts.eliminate_zeros()
    if counting == "notes":
        counts.data[:] = 1
    return counts


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
    forget = checked_class(counts, forget)
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


def _patients_with(chosen: sparse.csr_matrix, patients: np.ndarray) -> np.ndarray:
    """Distinct patients in whose notes each column occurs."""
    codes, names = pd.factorize(patients)
    member = sparse.csr_matrix(
        (np.ones(len(codes), dtype=np.int32), (codes, np.arange(len(codes)))),
        shape=(len(names), len(codes)),
    )
    return np.asarray(((member @ (chosen > 0)) > 0).sum(axis=0)).ravel()


def checked_class(counts: sparse.csr_matrix, forget: np.ndarray) -> np.ndarray:
    """`forget` as bool (N,), if it fits the counts and any note carries the class.

    Raises
    ------
    ValueError
        If it does not.
    """
    forget = np.asarray(forget, dtype=bool)
    if forget.shape != (counts.shape[0],):
        raise ValueError(f"forget must have shape ({counts.shape[0]},); found {forget.shape}")
    if not forget.any():
        raise ValueError("no training note carries the class to forget: choose another label")
    return forget
