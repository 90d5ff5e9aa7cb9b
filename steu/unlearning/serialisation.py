"""Tensors with facts on disk: one safetensors file, and one JSON file that vouches for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from steu._io import atomic_path, read_json, sha256, write_json

TENSORS, FACTS = "edit.safetensors", "edit.json"


def write_tensors(
    folder: str | Path, tensors: dict[str, torch.Tensor], facts: dict[str, Any]
) -> None:
    """Write both files, whole or not at all."""
    with atomic_path(folder) as beside:
        beside.mkdir()
        values = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(values, beside / TENSORS)
        write_json(beside / FACTS, {**facts, "tensors": sha256(beside / TENSORS)})


def read_tensors(folder: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    ValueError
        If a file is missing or the tensors were altered.
    """
    folder = Path(folder)
    facts = read_json(folder / FACTS)
    if not (folder / TENSORS).is_file():
        raise ValueError(f"{folder / TENSORS} does not exist; the edit is not whole: save it again")
    if not isinstance(facts, dict) or facts.get("tensors") != sha256(folder / TENSORS):
        raise ValueError(
            f"{folder / TENSORS} is not the file that {FACTS} describes: it was altered; take a "
            "sound copy"
        )
    return load_file(folder / TENSORS), facts
