"""Where a page comes from: what one needs to know to run its notebook again and get the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat

from steu._io import read_json, sha256


def provenance(
    notebook: Path,
    parameters: Mapping[str, Any],
    *,
    root: Path,
    seconds: float,
    working: float | None = None,
) -> dict[str, Any]:
    """Gather what one needs to know to run this notebook again and get the same.

    `seconds` is the wall time of the run, `working` what of it went into cells after the imports.
    ``data`` and ``device`` come from the run's ``metrics.json``; None where it wrote none.
    """
    metrics_path = root / parameters["output"] / "metrics.json"
    metrics = read_json(metrics_path) if metrics_path.is_file() else {}
    return {
        "notebook": os.path.relpath(notebook, root),
        **state_of_repository(root),
        "data": metrics.get("data"),
        "device": metrics.get("device"),
        "seed": parameters.get("seed"),
        "seconds": round(seconds, 1),
        "seconds_working": None if working is None else round(working, 1),
        "versions": {name: _version(name) for name in ("steu", "python", "torch")},
        "parameters": dict(parameters),
    }


def state_of_repository(root: Path) -> dict[str, Any]:
    """The commit, whether anything differs from it, and the digest of the lock."""
    lock = root / "requirements.lock"
    return {
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": _dirty(root),
        "lock": sha256(lock) if lock.is_file() else None,
    }


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _dirty(root: Path) -> bool | None:
    """Whether anything differs from the commit; None outside a repository."""
    status = _git(root, "status", "--porcelain")
    return None if status is None else bool(status)


def _version(name: str) -> str | None:
    if name == "python":
        return sys.version.split()[0]
    if name == "steu":
        from steu import __version__

        return __version__
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def provenance_cell(record: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Markdown cell with the table that stands at the foot of the page."""
    rows = _rows(record)
    lines = [f"| {name} | {'–' if v is None else v} |" for name, v in rows.items()]
    text = "\n".join(["**Provenance of this page**", "", "| what | value |", "|---|---|", *lines])
    cell = nbformat.v4.new_markdown_cell(text, metadata={"tags": ["provenance"]})
    cell["id"] = "provenance"
    return cell


def _rows(record: Mapping[str, Any]) -> dict[str, str | None]:
    commit = record["commit"][:12] if record["commit"] else "not under version control"
    return {
        "commit": commit + (" with changes that are not committed" if record["dirty"] else ""),
        "requirements.lock": _short(record["lock"]),
        "data": _short(record["data"]),
        "device": record["device"],
        "seed": record["seed"],
        "duration": f"{record['seconds']:.1f} s",
        "versions": ", ".join(f"{name} {v}" for name, v in record["versions"].items() if v),
        **{f"`{name}`": f"`{_cell_text(v)}`" for name, v in record["parameters"].items()},
    }


def _short(digest: str | None) -> str | None:
    return f"`{digest[:12]}`" if digest else None


def _cell_text(value: Any) -> str:
    """Write a parameter's value so that it stays in one table cell."""
    text = repr(value).replace("|", "¦").replace("`", "'")
    return text if len(text) <= 120 else f"{text[:119]}…"
