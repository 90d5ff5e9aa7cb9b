"""Tensors with facts on disk: one safetensors file, and one JSON file that vouches for it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from steu._io import atomic_path, read_json, sha256, write_json

TENSORS, FACTS = "edit.safetensors", "edit.json"
FILES = (TENSORS, FACTS, "README.md")  # of an edit; the last says in words what it is


def write_tensors(
    folder: str | Path,
    tensors: dict[str, torch.Tensor],
    facts: dict[str, Any],
) -> None:
    """Write both files, whole or not at all.

    Raises
    ------
    ValueError
        If a fact is no JSON, or bears a name of what vouches for the rest.
    """
    _check_facts(facts)
    with atomic_path(folder) as beside:
        beside.mkdir()
        values = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(values, beside / TENSORS)
        facts = facts | {"tensors": sha256(beside / TENSORS)}
        write_json(beside / FACTS, facts | {"seal": _seal(facts)})


def read_tensors(folder: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    ValueError
        If a file is missing, or the tensors or the facts were altered.
    """
    folder = Path(folder)
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or facts.pop("seal", None) != _seal(facts):
        raise ValueError(
            f"{folder / FACTS} is not as the edit was saved: it was altered, or written by an "
            "older version; take a sound copy, or save the edit again"
        )
    if not (folder / TENSORS).is_file():
        raise ValueError(f"{folder / TENSORS} does not exist; the edit is not whole: save it again")
    if facts["tensors"] != sha256(folder / TENSORS):
        raise ValueError(
            f"{folder / TENSORS} is not the file that {FACTS} describes: it was altered; take a "
            "sound copy"
        )
    return load_file(folder / TENSORS), facts


def _check_facts(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if name in ("seal", "tensors"):
            raise ValueError(
                f"no fact can be named {name!r}: the file says it of itself; rename it"
            )
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:  # of numpy, a path; not finite, or in itself
            raise ValueError(
                f"the fact {name!r} is no JSON ({error}); give finite numbers, text, or lists and "
                "dicts of them: float(number), array.tolist(), str(path)"
            ) from error


def _seal(facts: dict[str, Any]) -> str:
    """SHA-256 of the facts, however a file sets them."""
    as_read = json.loads(json.dumps(facts))  # keys that are numbers come back as text
    text = json.dumps(as_read, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
