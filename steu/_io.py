"""Files that are either whole or absent: write beside, then rename."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

HALF = ".steu-half-"  # with what the name of a folder begins in which something is being made


@contextmanager
def atomic_path(target: str | Path, *, keep: bool = False) -> Iterator[Path]:
    """Yield a path beside `target` that becomes `target` on success and vanishes on failure.

    The body may create a file or a folder there; an existing target is replaced, and of a link to a
    folder what it points to. With `keep` a folder that another process has put there meanwhile
    stays, and the body's own is dropped.

    Raises
    ------
    OSError
        If the disk is full; the message names `target`.
    """
    target = Path(target)
    if target.is_symlink() and not target.is_file():
        target = target.resolve()
    with naming_full_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(prefix=f"{HALF}{target.name[:40]}-", dir=target.parent))
        try:
            beside = workspace / target.name
            yield beside
            if keep:
                _rename_unless_there(beside, target)
            else:
                _replace(target, beside, aside=workspace / "replaced")
        finally:
            shutil.rmtree(workspace, ignore_errors=True)


def _replace(target: Path, beside: Path, *, aside: Path) -> None:
    """Put `beside` where `target` is; a folder has to go first, and comes back if that fails."""
    if not target.is_dir():
        beside.replace(target)
        return
    target.rename(aside)
    try:
        beside.replace(target)
    except BaseException:
        aside.rename(target)
        raise


def _rename_unless_there(folder: Path, target: Path) -> None:
    try:  # the file system decides who was first: a folder that holds something is not replaced
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise


@contextmanager
def naming_full_disk(target: Path) -> Iterator[None]:
    """Say of an error that comes of a full disk what was being written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC
        if not full and "No space left on device" not in str(error):  # safetensors has no errno
            raise
        raise OSError(
            errno.ENOSPC, f"no space left on disk for {target}; free some and rerun"
        ) from error


LOCKLESS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # as file systems of a network may be


class Busy(ValueError):
    """Another process holds a lock."""


@contextmanager
def alone(lock: Path, *, otherwise: str, wait: bool = False) -> Iterator[None]:
    """Hold a lock file while the block runs; it is free again when its process is gone.

    With `wait` another process is waited for. Where a file system locks nothing, nobody is held up.

    Raises
    ------
    Busy
        With the text `otherwise`, if another process holds it and is not waited for.
    """
    from filelock import FileLock, Timeout  # of the extras that run and withdraw

    held = FileLock(
        lock, fallback_to_soft=False
    )  # a file that stands for a lock outlives its maker
    try:
        held.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise Busy(otherwise) from None
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise
    try:
        yield
    finally:
        held.release()


def files_below(folder: str | Path) -> list[Path]:
    """All files below a folder, in order; links to folders are followed, each folder once."""
    found: list[Path] = []
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(here)) in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [Path(here, name) for name in names]
    return sorted(path for path in found if path.is_file())


def check_replaceable(folder: str | Path, own: Collection[str]) -> None:
    """Refuse to put a folder in the place of one that holds anything but the files `own`.

    Raises
    ------
    ValueError
        If it does, or there is a file of that name, or it is the folder that the process is in.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder")
    if folder.exists() and folder.samefile("."):
        raise ValueError(f"{folder} is the folder you are in; name one in it, which is made anew")
    others = sorted({path.name for path in folder.glob("*")} - set(own))
    if others:
        raise ValueError(f"{folder} holds {others[0]}, which would be lost; name another folder")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; non-finite numbers are refused."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read one JSON file; one that is missing, broken or has a key twice is named in the error."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist")
    try:
        return parse_json(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_json(text: str) -> Any:
    """Read JSON each of whose keys is written once; of two the last would win unsaid."""
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is written twice; leave one out")
    return found


def sha256(path: str | Path) -> str:
    """Hex digest of one file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
