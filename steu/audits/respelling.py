"""The class in other words: selected words misspelt, written apart, or left out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Literal, get_args

import numpy as np
import torch

from steu._errors import check_choice
from steu.data.encoding import EncodedNotes, encode_in_memory, window_tokenizer
from steu.data.windows import window_of
from steu.models.inference import extract_features
from steu.models.outputs import log_odds
from steu.task import Edit, ForgetTask, about_task

WIDER = 8  # times the window: a word has seldom more letters than that for a token of its own
Spelling = Literal["hyphen", "letters apart", "letters swapped", "left out"]


def _hyphen(word: str) -> str:
    middle = len(word) // 2
    return f"{word[:middle]}-{word[middle:]}"


def _swapped(word: str) -> str:
    """The two letters in the middle change places, as fingers do it."""
    middle = len(word) // 2
    return word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


SPELLINGS: dict[Spelling, Callable[[str], str]] = {
    "hyphen": _hyphen,
    "letters apart": " ".join,
    "letters swapped": _swapped,
    "left out": lambda word: "",
}


def respelt(
    task: ForgetTask, token_ids: np.ndarray, index: np.ndarray, *, spelling: Spelling
) -> EncodedNotes:
    """The notes at `index` with every word that holds one of the tokens written another way.

    Words are what stands between spaces in what of the note lies within the window; one with fewer
    than four letters stays as it is, unless words are left out. A row edit knows a word by its
    tokens, and another spelling has others. More of them: the window of these notes is wider, as
    far as the encoder takes it, so that no other word is pushed out.

    Parameters
    ----------
    token_ids : array of int, shape (k,)
        Of the edit.
    spelling : {"hyphen", "letters apart", "letters swapped", "left out"}
        in-sulin, i n s u l i n, inuslin; or not at all.

    Raises
    ------
    ValueError
        If there is no such spelling.
    """
    check_choice(spelling, get_args(Spelling), what="spelling")
    change, chosen = SPELLINGS[spelling], set(np.asarray(token_ids).tolist())
    fast = window_tokenizer(task.tokenizer, task.notes.max_length)
    known: dict[str, str] = {}

    def rewritten(word: str) -> str:
        if word not in known:
            # Within a text, as a byte-level tokenizer knows it, and at its start.
            both = (fast.encode(said, add_special_tokens=False).ids for said in (f" {word}", word))
            ids = set().union(*both)
            long = sum(map(str.isalpha, word)) >= 4 or spelling == "left out"
            known[word] = change(word) if long and chosen.intersection(ids) else word
        return known[word]

    texts = [
        " ".join(map(rewritten, text.split())) for text in task.notes.texts(task.tokenizer, index)
    ]
    widest = min(window_of(task.tokenizer, task.model.config), WIDER * task.notes.max_length)
    return encode_in_memory(texts, task.tokenizer, max_length=max(widest, task.notes.max_length))


@about_task
@torch.no_grad()
def answers_to(task: ForgetTask, notes: EncodedNotes, edit: Edit | None = None) -> np.ndarray:
    """Log-odds (n, C) of notes that are not the task's own, under the edit."""
    head = task.head(edit)
    with nullcontext() if edit is None else edit.attached(task.model):
        everyone = np.arange(len(notes))
        features = extract_features(task.model, notes, everyone, precision=task.precision)
    return log_odds(head(features).cpu().numpy(), task.outputs)
