"""Whole words for word pieces, and pieces for stop words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from transformers import PreTrainedTokenizerBase

from steu.data.encoding import EncodedNotes


def stop_word_ids(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> tuple[int, ...]:
    """Ids of words that are one token each, as the tokenizer cuts them, ascending.

    Raises
    ------
    ValueError
        If it cuts a word into several pieces, each of which is of other words too, or knows none.
    """
    vocabulary, special = tokenizer.get_vocab(), set(tokenizer.all_special_ids)
    found: set[int] = set()
    for word in words:
        # Byte-level vocabularies know a word in two forms: at the beginning of a text, and later.
        forms = [tokenizer.encode(form, add_special_tokens=False) for form in (word, f" {word}")]
        forms.append([vocabulary[word]] if word in vocabulary else [])  # or a piece, "##itis"
        whole = {ids[0] for ids in forms if len(ids) == 1} - special
        if not whole:
            pieces = ", ".join(tokenizer.convert_ids_to_tokens(forms[0])) or "nothing"
            raise ValueError(
                f"stop_words: expected words of one token, but this tokenizer makes {pieces} of "
                f"{word!r}: leave it out, or name those pieces that are not to be chosen"
            )
        found |= whole
    return tuple(sorted(found))


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

    A word is a piece with all the continuations that follow it in the note; the first of a note is
    one, marked or not. Words of fewer than
    `minimum` patients are left out. `patients` has shape (N,), one a note.
    """
    spelt = tokenizer.convert_ids_to_tokens(list(range(notes.vocab_size)))
    pieces = np.array([piece or "" for piece in spelt])  # an id that is no token's has none
    begins = begins_word(pieces)
    wanted = np.isin(np.arange(notes.vocab_size), token_ids)
    found: dict[int, dict[str, set[str]]] = {int(token): {} for token in token_ids}
    spelled = cache(lambda word: tokenizer.convert_tokens_to_string(list(word)).strip())
    for i in index:
        ids = notes[i]
        special = np.isin(ids, notes.special_ids)
        first = np.r_[True, special[:-1]]  # what no space precedes bears no mark of a beginning
        starts = np.flatnonzero(begins[ids] | special | first)
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
