"""A model's weights on disk: changed by rows and head alone, and compared bit by bit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steu.unlearning.sparse_edit import SparseEdit

CHUNK = 2**22  # values of a tensor that are compared at once
# What opens a model, beside its weights. A folder of a training may hold anything: the weights in
# other formats, which would still be the original's, code, or the documents themselves.
OPENS = {
    *("config.json", "generation_config.json", "classifier.json", "model.safetensors.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "chat_template.jinja"),
    *("tokenizer.model", "spiece.model", "spm.model", "sentencepiece.bpe.model"),
}


def as_stored(
    edit: SparseEdit, source: list[Path], *, embedding: str, head: Mapping[str, str]
) -> SparseEdit:
    """The edit in the precision of a model's files, so that what is audited is what they get."""
    with _opened(source) as stored:
        known = {
            name: stored[name][:0].dtype for name in (embedding, *head.values()) if name in stored
        }

    def rounded(value: torch.Tensor, name: str) -> torch.Tensor:
        return value.to(known.get(name, value.dtype)).to(value.dtype)

    values = {name: rounded(value, head[name]) for name, value in edit.head.items()}
    return replace(edit, rows=rounded(edit.rows, embedding), head=values)


def write_edited(
    source: list[Path], target: Path, edit: SparseEdit, *, embedding: str, head: Mapping[str, str]
) -> None:
    """Copy a model with the edit's values in its safetensors, and byte for byte what opens it.

    Parameters
    ----------
    source : list of Path
        Its files of weights.
    embedding : str
        Name of the token embedding's weight in them.
    head : dict
        The edit's names of head parameters to theirs.

    Raises
    ------
    ValueError
        If the weights bear other names.
    """
    _check_names(source, [embedding, *(head[name] for name in edit.head)])
    target.mkdir()
    for path in source[0].parent.iterdir():
        if path.name in OPENS:
            shutil.copy2(path, target / path.name)
    for path in source:
        with safe_open(path, "pt") as stored:
            values = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            about = stored.metadata()
        if embedding in values:
            table = values[embedding]
            table[edit.token_ids.cpu()] = edit.rows.detach().cpu().to(table.dtype)
        for name, value in edit.head.items():
            if head[name] in values:
                values[head[name]] = value.detach().cpu().to(values[head[name]].dtype)
        save_file({n: v.contiguous() for n, v in values.items()}, target / path.name, about)


def n_values(path: Path) -> int:
    """How many values the tensors of a file hold."""
    with _opened([path]) as stored:
        return sum(math.prod(one.get_shape()) for one in stored.values())


def left_out(source: list[Path]) -> list[str]:
    """Names of what lies beside a model's weights and is not handed on with the edited one."""
    beside = (path.name for path in source[0].parent.iterdir() if path not in source)
    return sorted(set(beside) - OPENS)


def compare(
    before: list[Path],
    after: list[Path],
    edit: SparseEdit,
    *,
    embedding: str,
    head: Mapping[str, str],
) -> dict[str, int]:
    """Prove that two models differ in exactly the edit's rows and head values.

    Every value of every tensor is compared, by its bits.

    Returns
    -------
    dict
        How many values were "compared", and how many of "rows" and "head" values differ.

    Raises
    ------
    ValueError
        With the first place where something else differs, or where the edit's value is not there.
    """
    with _opened(before) as old, _opened(after) as new:
        if old.keys() != new.keys():
            odd = sorted(old.keys() ^ new.keys())
            raise ValueError(f"{odd[0]} is in one of the two models alone; they are not the same")
        _check_names(before, [embedding, *(head[name] for name in edit.head)])
        of_head = {head[name]: value for name, value in edit.head.items()}
        found = {"compared": 0, "rows": 0, "head": 0}
        for name, a in old.items():
            b = new[name]
            if (a.get_shape(), a.get_dtype()) != (b.get_shape(), b.get_dtype()):
                raise ValueError(f"{name} has another shape or type in the edited model")
            if name in of_head:
                value = b[:]
                _same(name, of_head[name].detach().cpu().to(value.dtype), value, "the edit's value")
                found["head"] += int((_bits(a[:]) != _bits(value)).sum())
                found["compared"] += value.numel()
                continue
            rows = edit.token_ids.cpu() if name == embedding else torch.empty(0, dtype=torch.int64)
            found["compared"] += _compare_rows(name, a, b, rows)
            if name == embedding:
                table, stood = b[:], a[:]
                wanted = edit.rows.detach().cpu().to(table.dtype)
                _same(f"{name}, edited rows", wanted, table[rows], "the edit's value")
                found["rows"] += int((_bits(stood[rows]) != _bits(table[rows])).any(dim=1).sum())
    return found


def _compare_rows(name: str, a: Any, b: Any, edited: torch.Tensor) -> int:
    """Compare two tensors but for the edited rows, a part at a time; how many values."""
    shape = a.get_shape()
    if not shape:
        _same(name, a[...], b[...], "the original's value")
        return 1
    width = max(1, math.prod(shape[1:]))
    step, total = max(1, CHUNK // width), 0
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        left, right = a[start:stop], b[start:stop]
        inside = edited[(edited >= start) & (edited < stop)] - start
        if len(inside):
            right = right.clone()
            right[inside] = left[inside]
        _same(name, left, right, "the original's value", offset=start)
        total += left.numel()
    return total


def _same(
    name: str, wanted: torch.Tensor, found: torch.Tensor, whose: str, offset: int = 0
) -> None:
    differ = _bits(wanted) != _bits(found)
    if bool(differ.any()):
        place = [int(i) for i in torch.nonzero(differ)[0]]
        place = [place[0] + offset, *place[1:]] if place else place
        raise ValueError(
            f"{name}{place} is not {whose}: found {_at(found, differ)}, expected "
            f"{_at(wanted, differ)}; {int(differ.sum())} such values there"
        )


def _at(values: torch.Tensor, differ: torch.Tensor) -> str:
    return f"{values[differ][0].item()!r}"


def _bits(values: torch.Tensor) -> torch.Tensor:
    """The values as integers of the same width, so that NaN equals itself and -0 is not 0."""
    widths = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return values.contiguous().view(widths[values.element_size()])


def _check_names(files: list[Path], wanted: list[str]) -> None:
    with _opened(files) as stored:
        known = set(stored)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"{files[0].parent}: no weights called {name}; load the model once and write it "
                "with save_pretrained, so that they bear the names of its modules"
            )


@contextmanager
def _opened(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Slices of all tensors of a model, by name; values are read when they are asked for."""
    with ExitStack() as stack:
        slices: dict[str, Any] = {}
        for path in files:
            try:
                stored = stack.enter_context(safe_open(path, "pt"))
            except FileNotFoundError:
                raise ValueError(
                    f"{path}, a part of the model's weights, is not there: get the file, or the "
                    "model again"
                ) from None
            except SafetensorError as error:
                raise ValueError(
                    f"{path} holds no weights ({error}); a file of Git LFS that was not fetched "
                    "looks like this: get the file itself"
                ) from error
            slices |= {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118
        yield slices
