"""Files that are either whole or absent: write beside, then rename."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a path beside `target` that becomes `target` on success and vanishes on failure.

    The body may create a file or a folder there; an existing target is replaced.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        beside = workspace / target.name
        yield beside
        if target.is_dir() and not target.is_symlink():
            target.rename(workspace / "replaced")
        beside.replace(target)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; non-finite numbers are refused."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read one JSON file; a missing or broken one is named in the error."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; run the notebook that writes it first")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def sha256(path: str | Path) -> str:
    """Hex digest of one file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
