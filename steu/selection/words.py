"""Whole words for word pieces, and pieces for stop words."""

from __future__ import annotations

from functools import cache

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

    A word is a piece with all the continuations that follow it in the note. Words of fewer than
    `minimum` patients are left out. `patients` has shape (N,), one a note.
    """
    pieces = np.array(tokenizer.convert_ids_to_tokens(list(range(notes.vocab_size))))
    begins = begins_word(pieces)
    wanted = np.isin(np.arange(notes.vocab_size), token_ids)
    found: dict[int, dict[str, set[str]]] = {int(token): {} for token in token_ids}
    spelled = cache(lambda word: tokenizer.convert_tokens_to_string(list(word)).strip())
    for i in index:
        ids = notes[i]
        starts = np.flatnonzero(begins[ids] | np.isin(ids, notes.special_ids))
        for hit in np.flatnonzero(wanted[ids]):
            word = np.searchsorted(starts, hit, side="right") - 1
            end = starts[word + 1] if word + 1 < len(starts) else len(ids)
            whole = spelled(tuple(pieces[ids[starts[word] : end]].tolist()))
            found[int(ids[hit])].setdefault(whole, set()).add(patients[i])
    return [_most_frequent(found[int(token)], minimum, most) for token in token_ids]


def begins_word(pieces: np.ndarray) -> np.ndarray:
    """Which pieces of a vocabulary begin a word, bool (V,).

    WordPiece marks those that go on ("##"), byte-level and SentencePiece vocabularies those that
    begin ("Ġ", "▁"); where nothing is marked every piece is a word.
    """
    if (goes_on := np.char.startswith(pieces, "##")).any():
        return ~goes_on
    marked = np.char.startswith(pieces, "Ġ") | np.char.startswith(pieces, "▁")
    return marked if marked.any() else np.ones(len(pieces), dtype=bool)


def _most_frequent(words: dict[str, set[str]], minimum: int, most: int) -> str:
    counted = [(len(patients), word) for word, patients in words.items()]
    ranked = sorted((-n, word) for n, word in counted if n >= minimum)
    return ", ".join(f"{word} ({-n:,})" for n, word in ranked[:most])
