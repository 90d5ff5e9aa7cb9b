"""What was trained once is found again by what it was made from, on whatever page."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib

import steu
from steu._io import alone

COMPUTES = (  # what a training's numbers depend on, beside the package itself
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "scikit-learn",
    "concept-erasure",
    "peft",
)
ABOVE = ("workflow", "withdrawal", "reporting", "synthetic")  # rooms that no training can import


def place_of(folder: str | Path, **made_from: Any) -> Path:
    """Where a thing made from these values is kept below `folder`, whether it is there or not.

    Its name is a digest of the values, of the package's code and of the versions it computes with.
    Whoever changes any of these finds nothing.

    Parameters
    ----------
    **made_from
        Arrays, numbers, strings, dataclasses and containers of them; equal values, equal names.
    """
    versions = {name: _version(name) for name in COMPUTES}
    return Path(folder, joblib.hash({"code": _code(), "versions": versions, **made_from}))


def making(place: Path, *, wait: bool = True) -> AbstractContextManager[None]:
    """Hold the making of one thing, so that no other process makes it too; see `alone`.

    Where two make it all the same, the first one's stays.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = place.with_name(f".{place.name}.lock")
    return alone(lock, otherwise=f"{place} is being made by another process", wait=wait)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # of an extra: nothing was made with it
        return None


@cache
def _code() -> str:
    """Digest of every module that a training may depend on."""
    root = Path(steu.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        if name.parts[0] not in ABOVE:
            digest.update(f"{name.as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
