"""An edit on disk: one safetensors file and one JSON file that says what it belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from steu._io import atomic_path, read_json, sha256, write_json
from steu.models.loading import Classifier
from steu.unlearning.sparse_edit import SparseEdit


def model_hash(model: Classifier) -> str:
    """SHA-256 over the names and bytes of all parameters, in order."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_edit(edit: SparseEdit, folder: str | Path, *, model: Classifier, **facts: Any) -> None:
    """Write `edit` with the hash of the model it was trained for and any JSON `facts`."""
    tensors = {"token_ids": edit.token_ids, "rows": edit.rows}
    tensors |= {f"head.{name}": value for name, value in edit.head.items()}
    with atomic_path(folder) as beside:
        beside.mkdir()
        save_file(
            {name: value.cpu().contiguous() for name, value in tensors.items()},
            beside / "edit.safetensors",
        )
        facts |= {"model": model_hash(model), "tensors": sha256(beside / "edit.safetensors")}
        write_json(beside / "edit.json", facts)


def load_edit(folder: str | Path, *, model: Classifier) -> SparseEdit:
    """Read an edit for `model`.

    Raises
    ------
    ValueError
        If the tensors were altered, or the edit was trained for another model.
    """
    folder = Path(folder)
    facts = read_json(folder / "edit.json")
    if facts["tensors"] != sha256(folder / "edit.safetensors"):
        raise ValueError(f"{folder / 'edit.safetensors'} is not the file that edit.json describes")
    if facts["model"] != (found := model_hash(model)):
        raise ValueError(
            f"{folder} belongs to the model {facts['model'][:12]}…; this one is {found[:12]}…: "
            "load the classifier it was trained on, without any edit merged"
        )
    tensors = load_file(folder / "edit.safetensors")
    head = {key.removeprefix("head."): v for key, v in tensors.items() if key.startswith("head.")}
    device = next(model.parameters()).device
    edit = SparseEdit(tensors["token_ids"], tensors["rows"], head)
    return SparseEdit(
        edit.token_ids.to(device),
        edit.rows.to(device),
        {name: value.to(device) for name, value in edit.head.items()},
    )
