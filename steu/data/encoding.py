"""Notes as token ids: encoded once, kept in a memory-mapped file, read by every later stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from steu._io import atomic_path, read_json, write_json
from steu.data.given import check_text
from steu.data.texts import TextDigest, digest_of
from steu.data.windows import check_window, model_window, positions_of, vocabulary_of

CHUNK = 256  # notes a tokenizer call: enough to keep its threads busy; 100 MB for a window of 512
PAD_MULTIPLE = 16
CHARACTERS_PER_TOKEN = 12  # a first guess of the text that fills the window; checked, never trusted


@dataclass(frozen=True)
class EncodedNotes:
    """Token ids of N notes, end to end, each with its special tokens and cut at the window.

    Attributes
    ----------
    ids : array of shape (total,), unsigned integer
        All ids, memory-mapped in the smallest width that holds the vocabulary.
    offsets : array of shape (N + 1,), int64
        Note i is ``ids[offsets[i]:offsets[i + 1]]``.
    vocab_size, pad_id, max_length : int
    special_ids : tuple of int
        Ids that are not text ([CLS], [SEP], [UNK], …); never counted and never edited.
    """

    ids: np.ndarray
    offsets: np.ndarray
    vocab_size: int
    pad_id: int
    special_ids: tuple[int, ...]
    max_length: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        """Ids of one note, special ones included, (T,)."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens a note, special ones included, shape (N,)."""
        return np.diff(self.offsets)

    def padded(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Lengths of the given notes, rounded up to `PAD_MULTIPLE` within the window, (B,).

        Few distinct shapes keep the caches of matrix kernels, and with them memory, small.
        """
        rounded = -(-self.lengths[index] // PAD_MULTIPLE) * PAD_MULTIPLE
        return np.minimum(rounded, self.max_length)

    def batch(self, index: Sequence[int] | np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and attention mask of the given notes, (B, T); T is the longest, as `padded`."""
        notes = [self[i] for i in index]
        shape = (len(notes), int(self.padded(index).max()))
        ids = np.full(shape, self.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for position, note in enumerate(notes):
            ids[position, : len(note)] = note
            mask[position, : len(note)] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)

    def texts(self, tokenizer: PreTrainedTokenizerBase, index: Iterable[int]) -> Iterator[str]:
        """What of given notes lies within the window, as text again, without special tokens."""
        for i in index:
            yield str(tokenizer.decode(self[i].tolist(), skip_special_tokens=True))

    def contains_any(self, token_ids: np.ndarray) -> np.ndarray:
        """Whether each note holds at least one of the tokens, shape (N,) bool."""
        known = np.asarray(token_ids)[np.asarray(token_ids) < self.vocab_size]
        wanted = np.zeros(self.vocab_size, dtype=bool)
        wanted[known] = True  # the embedding may have rows that no token uses
        found = np.zeros(len(self), dtype=bool)
        found[np.searchsorted(self.offsets, np.flatnonzero(wanted[self.ids]), side="right") - 1] = 1
        return found


def encode_notes(
    texts: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    folder: str | Path,
    digest: str | None = None,
) -> EncodedNotes:
    """Encode `texts`, or map the file that already holds exactly this encoding.

    The file's name is a digest of the tokenizer, the window and the texts, so a stale encoding
    cannot be picked up and two processes that meet write the same thing: the first one's stays.

    Parameters
    ----------
    digest
        `TextDigest` of the texts, where it is known, as of a cohort. With it they are streamed, and
        not read where their encoding is there; without it they are held in memory.

    Raises
    ------
    ValueError
        If `max_length` leaves no room for text or exceeds the model's window, or `digest` turns
        out to be that of other texts.
    """
    check_window(max_length, model_window(tokenizer))
    fast = window_tokenizer(tokenizer, max_length)
    if digest is None:
        texts = list(texts)
        digest = digest_of(texts)
    else:
        texts = _checked(texts, digest)
    target = Path(folder) / digest_of([fast.to_str(), digest])[:24]
    if not (target / "encoding.json").is_file():
        # What is there already but not whole has to go; what appears from now on is whole.
        with atomic_path(target, keep=not target.exists()) as beside:
            beside.mkdir()
            _write(beside, texts, fast, tokenizer, max_length)
    return map_notes(target)


def encode_in_memory(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> EncodedNotes:
    """Encode `texts` without a file.

    Raises
    ------
    ValueError
        If `max_length` leaves no room for text or exceeds the model's window, there is no text, or
        one is none.
    """
    check_window(max_length, tokenizer.model_max_length)
    if not len(texts):
        raise ValueError("texts are empty; expected at least one document")
    for i, text in enumerate(texts):
        check_text(text, i)
    notes = list(encode_window(texts, window_tokenizer(tokenizer, max_length), max_length))
    for i, ids in enumerate(notes):
        _check_some(ids, i)
    return EncodedNotes(
        ids=np.concatenate(notes).astype(_dtype(tokenizer)),
        offsets=np.cumsum([0, *map(len, notes)], dtype=np.int64),
        **_facts(tokenizer, max_length),
    )


def check_encoded(
    notes: EncodedNotes, tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig
) -> None:
    """Refuse notes that were cut for another vocabulary, or for a longer window.

    Raises
    ------
    ValueError
        Either way: their ids would be other words, or run past the model's positions.
    """
    if notes.vocab_size != (known := vocabulary_of(tokenizer)):
        raise ValueError(
            f"the notes were encoded with {notes.vocab_size:,} tokens, and the tokenizer has "
            f"{known:,}: encode them with the model's own"
        )
    check_window(notes.max_length, positions_of(config) or notes.max_length)


def window_tokenizer(tokenizer: PreTrainedTokenizerBase, max_length: int) -> Tokenizer:
    """The Rust tokenizer alone, truncating to `max_length` and never padding.

    Raises
    ------
    ValueError
        If there is none, as in tokenizers that are written in Python.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} has no fast form; load it with AutoTokenizer, or convert "
            "it once and save tokenizer.json beside the model"
        )
    if tokenizer.truncation_side != "right":
        raise ValueError(
            "the tokenizer cuts long texts at their beginning; shorten them yourself and set "
            "tokenizer.truncation_side = 'right'"
        )
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    fast.enable_truncation(max_length)
    fast.no_padding()
    return fast


def encode_window(
    texts: Iterable[str], fast: Tokenizer, max_length: int
) -> Iterator[Sequence[int]]:
    """Ids of each text, without tokenising long texts far past the window.

    BERT's pre-tokenizer splits at white space and treats words one by one, so a prefix cut at
    white space that fills the window has the same first ids as the whole text. A prefix that does
    not fill it is done again in full.
    """
    limit, waiting = CHARACTERS_PER_TOKEN * max_length, iter(texts)
    while chunk := list(islice(waiting, CHUNK)):
        cut = [_head(text, limit) for text in chunk]
        ids = [encoding.ids for encoding in fast.encode_batch_fast(cut)]
        short = [i for i in range(len(chunk)) if len(cut[i]) < len(chunk[i])]
        short = [i for i in short if len(ids[i]) < max_length]
        again = fast.encode_batch_fast([chunk[i] for i in short])
        for i, encoding in zip(short, again, strict=True):
            ids[i] = encoding.ids
        yield from ids


def _head(text: str, limit: int) -> str:
    """The longest prefix of whole words within `limit` characters, or the text if there is none."""
    if len(text) <= limit:
        return text
    words = text[:limit].rsplit(None, 1)
    return words[0] if len(words) == 2 else text


def _checked(texts: Iterable[str], digest: str) -> Iterator[str]:
    """The texts; after the last one ValueError if their digest is another."""
    found = TextDigest()
    for text in texts:
        found.add(text.encode())
        yield text
    if found.hexdigest() != digest:
        raise ValueError("digest is that of other texts; give the digest of exactly these, or none")


def _write(
    folder: Path,
    texts: Iterable[str],
    fast: Tokenizer,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> None:
    dtype, lengths = _dtype(tokenizer), [0]
    with (folder / "ids.bin").open("wb") as stream:
        for i, ids in enumerate(encode_window(texts, fast, max_length)):
            _check_some(ids, i)
            stream.write(np.asarray(ids, dtype=dtype).tobytes())
            lengths.append(len(ids))
    np.cumsum(lengths, dtype=np.int64).tofile(folder / "offsets.bin")
    facts = {"dtype": np.dtype(dtype).name, **_facts(tokenizer, max_length)}
    write_json(folder / "encoding.json", facts)


def _check_some(ids: Sequence[int], row: int) -> None:
    if not len(ids):
        raise ValueError(
            f"the text in row {row} has no token, and the tokenizer adds none: leave it out"
        )


def _dtype(tokenizer: PreTrainedTokenizerBase) -> type[np.unsignedinteger]:
    """The smallest width that holds every id."""
    return np.uint16 if vocabulary_of(tokenizer) <= 2**16 else np.uint32


def _facts(tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict[str, Any]:
    """What `EncodedNotes` holds beside the ids."""
    return {
        "vocab_size": vocabulary_of(tokenizer),
        "pad_id": tokenizer.pad_token_id or 0,  # any will do: padding is masked
        "special_ids": tuple(sorted(tokenizer.all_special_ids)),
        "max_length": max_length,
    }


def map_notes(folder: Path) -> EncodedNotes:
    """The encoding that `encode_notes` left in `folder`, memory-mapped; no text is compared."""
    facts, ids = read_json(folder / "encoding.json"), folder / "ids.bin"
    offsets = np.fromfile(folder / "offsets.bin", dtype=np.int64)
    expected = int(offsets[-1]) * np.dtype(facts["dtype"]).itemsize if len(offsets) else 0
    if not expected or ids.stat().st_size != expected:
        raise ValueError(
            f"{ids} has {ids.stat().st_size:,} bytes; expected {expected:,}: a part of the folder "
            "is missing: copy all of it, or delete it and run the page again"
        )
    return EncodedNotes(
        ids=np.memmap(ids, dtype=facts["dtype"], mode="r"),
        offsets=offsets,
        vocab_size=facts["vocab_size"],
        pad_id=facts["pad_id"],
        special_ids=tuple(facts["special_ids"]),
        max_length=facts["max_length"],
    )
