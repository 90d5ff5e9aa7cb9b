"""Whole words for word pieces, and pieces for stop words."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from steu.data.encoding import EncodedNotes


def stop_word_ids(tokenizer: PreTrainedTokenizerBase, words: list[str]) -> tuple[int, ...]:
    """Ids of the words that are one token of the vocabulary; the others cannot be excluded."""
    vocabulary = tokenizer.get_vocab()
    return tuple(sorted(vocabulary[word] for word in words if word in vocabulary))


def words_with_token(
    notes: EncodedNotes,
    index: np.ndarray,
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
    for i in index:
        ids = notes[i]
        starts = np.flatnonzero(~continues[ids])
        hits = np.flatnonzero(wanted[ids])
        for hit in hits:
            word = np.searchsorted(starts, hit, side="right") - 1
            end = starts[word + 1] if word + 1 < len(starts) else len(ids)
            whole = "".join(bare[ids[starts[word] : end]])
            found[int(ids[hit])].setdefault(whole, set()).add(patients[i])
    return [_most_frequent(found[int(token)], minimum, most) for token in token_ids]


def _most_frequent(words: dict[str, set[str]], minimum: int, most: int) -> str:
    counted = [(len(patients), word) for word, patients in words.items()]
    ranked = sorted((-n, word) for n, word in counted if n >= minimum)
    return ", ".join(f"{word} ({-n:,})" for n, word in ranked[:most])
