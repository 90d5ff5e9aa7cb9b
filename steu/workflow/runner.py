"""Run one notebook strictly: checked parameters, a private kernel, and provenance at its foot."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from steu._io import HALF, atomic_path, write_json
from steu.workflow.executed import NotebookError, explain, seconds_of_work, tidy
from steu.workflow.kernel import execute
from steu.workflow.parameters import check_parameters
from steu.workflow.provenance import provenance, provenance_cell
from steu.workflow.stages import STAGES

__all__ = ["NotebookError", "run_notebook"]


def run_notebook(
    notebook: str | Path,
    *,
    parameters: Mapping[str, Any],
    root: str | Path | None = None,
) -> Path:
    """Execute a notebook and keep it, executed, in the folder its parameter ``output`` names.

    Parameters
    ----------
    notebook
        Path of the notebook, relative to `root` or absolute.
    parameters
        Values in place of the defaults. Absolute paths are recorded relative to `root`.
    root
        The kernel's working directory; default: the nearest folder above the notebook that holds
        ``pyproject.toml``, else the current one.

    Returns
    -------
    Path
        ``<output>/notebook.ipynb``; ``<output>/provenance.json`` stands beside it.

    Raises
    ------
    ValueError
        If a parameter is unknown or mistyped, if an earlier stage has left no results in a folder
        that the notebook reads, or if a cell raised ValueError or ran out of disk space: the
        message names the notebook and the code cell.
    NotebookError
        If a cell failed otherwise or the kernel died. The executed notebook is kept.
    """
    root = Path(root) if root is not None else project_root(notebook)
    path = Path(os.path.relpath(root / notebook))
    given = {name: _relative(value, root) for name, value in parameters.items()}
    values = check_parameters(path, given)
    if "output" not in values:
        raise ValueError(f"{path}: needs a parameter 'output: str', the folder it writes to")
    _check_earlier(path, values, root=root)
    output = root / values["output"]
    for name in ("metrics.json", "provenance.json"):  # those of an earlier run
        (output / name).unlink(missing_ok=True)
    for left in output.glob(f"{HALF}*/"):  # by a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    started = time.monotonic()
    executed, failure = execute(path, {name: values[name] for name in given}, root=root)
    seconds, working = time.monotonic() - started, seconds_of_work(executed)
    tidy(executed, root=root)
    if failure is None:
        record = provenance(path, values, root=root, seconds=seconds, working=working)
        executed.cells.append(provenance_cell(record))
        write_json(output / "provenance.json", record)
    with atomic_path(output / "notebook.ipynb") as beside:
        nbformat.write(executed, beside)
    if failure is not None:
        (output / "metrics.json").unlink(missing_ok=True)
        kept = output / "notebook.ipynb"
        raise explain(failure, executed, path=path, kept=kept, root=root)
    return Path(os.path.relpath(output / "notebook.ipynb"))


def project_root(start: str | Path) -> Path:
    """Nearest folder above `start` that holds ``pyproject.toml``, else the current one."""
    folders = Path(start).resolve().parents
    return next((f for f in folders if (f / "pyproject.toml").is_file()), Path.cwd())


def _relative(value: Any, root: Path) -> Any:
    """Write an absolute path relative to the project, so that no page shows where it lies."""
    if isinstance(value, dict):
        return {name: _relative(one, root) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_relative(one, root) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        folder, name = os.path.split(os.path.normpath(value))  # a link keeps its own name
        return os.path.relpath(os.path.join(os.path.realpath(folder), name), root.resolve())
    return value


def _check_earlier(path: Path, values: Mapping[str, Any], *, root: Path) -> None:
    """Refuse to start a stage of the project before the results that it reads are there."""
    name = os.path.relpath(path, root)
    stage = next((stage for stage in STAGES.values() if stage.path == name), None)
    reads = {**stage.reads, **stage.first} if stage else {}
    for parameter, earlier in reads.items():
        folder = values.get(parameter)
        if folder and not (root / folder / "metrics.json").is_file():
            raise ValueError(
                f"{name}: {parameter}={folder!r} holds no results; "
                f"run {STAGES[earlier].path} first, or all with make grid"
            )
