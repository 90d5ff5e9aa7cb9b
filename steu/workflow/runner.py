"""Run one notebook strictly: checked parameters, a private kernel, and provenance at its foot."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from steu._io import HALF, alone, atomic_path, read_json, write_json
from steu.workflow.executed import NotebookError, explain, seconds_of_work, tidy
from steu.workflow.kernel import execute
from steu.workflow.parameters import check_parameters
from steu.workflow.profiles import check_dataset
from steu.workflow.provenance import provenance, provenance_cell
from steu.workflow.stages import STAGES, Stage

__all__ = ["NotebookError", "run_notebook"]

WRITTEN = ("output", "encoded", "trained")  # parameters that name folders which a page writes to


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
        that the notebook reads, if ``output`` holds what is not this page's to replace, or if a
        cell raised ValueError or ran out of disk space: the message names the notebook and the
        code cell.
    NotebookError
        If a cell failed otherwise or the kernel died. The executed notebook is kept.
    """
    root = Path(root) if root is not None else project_root(notebook)
    path = Path(os.path.relpath(root / notebook))
    given = {name: _relative(value, root) for name, value in parameters.items()}
    values = check_parameters(path, given)
    if "output" not in values:
        raise ValueError(f"{path}: needs a parameter 'output: str', the folder it writes to")
    name = os.path.relpath(path, root)
    stage = next((stage for stage in STAGES.values() if stage.path == name), None)
    if stage:
        _check_earlier(stage, values, root=root)
    if stage and stage.name == "cohort":
        check_dataset(values, where=name)
    _check_output(name, values, root=root, read=_read_by(stage, values) if stage else {})
    _make_folders(name, values, root=root)
    output = root / values["output"]
    busy = f"{values['output']}: this page is being run there by another process: wait until it "
    busy += "has ended, or name another output"  # as a job whose workflow was killed is
    with alone(output / ".lock", otherwise=busy):
        return _run(path, given, values, root=root)


def _run(path: Path, given: Mapping[str, Any], values: Mapping[str, Any], *, root: Path) -> Path:
    """Execute what was checked, and leave the page and its provenance, or what came of it."""
    output = root / values["output"]
    for name in ("metrics.json", "provenance.json", "notebook.ipynb"):  # those of an earlier run
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
    with atomic_path(output / "notebook.ipynb") as beside:
        nbformat.write(executed, beside)
    if failure is None:
        write_json(output / "provenance.json", record)  # last: with it the page is whole
    else:
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


def _check_earlier(stage: Stage, values: Mapping[str, Any], *, root: Path) -> None:
    """Refuse to start a stage of the project before the results that it reads are there."""
    for parameter, earlier in {**stage.reads, **stage.first}.items():
        folder = values.get(parameter)
        if folder and not (root / folder / "metrics.json").is_file():
            raise ValueError(
                f"{stage.path}: {parameter}={folder!r} holds no results; "
                f"run {STAGES[earlier].path} first, or all with make grid"
            )


def _read_by(stage: Stage, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Files and folders that a page of the project is told to read, by the parameter."""
    paths = {name: [values.get(name)] for name in (*stage.reads, *stage.first, *stage.sources)}
    paths["options"] = [values.get("options", {}).get("notes")]
    if stage.gathers:
        paths[stage.gathers] = values.get(stage.gathers, [])
    return {name: [p for p in given if p and isinstance(p, str)] for name, given in paths.items()}


def _check_output(
    name: str, values: Mapping[str, Any], *, root: Path, read: Mapping[str, list[str]]
) -> None:
    """Refuse to write where something lies that is not this page's to replace.

    That is the project itself, where git would take notes along; what the page reads, by
    parameter in `read`; and the results of another page.
    """
    found, output = values["output"], (root / values["output"]).resolve()
    mend = f"{name}: output={found!r} {{}}; name a folder for this page alone, as in runs/scratch/"
    if root.resolve().is_relative_to(output) or _holds_source(output):
        raise ValueError(mend.format("holds a project or notebooks"))
    for parameter, paths in read.items():
        places = [(root / path).resolve() for path in paths]
        if output in (place.parent if place.is_file() else place for place in places):
            raise ValueError(mend.format(f"is where the page reads from ({parameter})"))
    record = output / "provenance.json"
    earlier = read_json(record).get("notebook") if record.is_file() else name
    if earlier != name:
        raise ValueError(mend.format(f"holds the results of {earlier}"))


def _make_folders(name: str, values: Mapping[str, Any], *, root: Path) -> None:
    """Make what the page writes to: where that is not possible, it is said before it computes."""
    for parameter in WRITTEN:
        if folder := values.get(parameter):
            try:
                (root / folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ValueError(
                    f"{name}: {parameter}={folder!r} cannot be made a folder: {error.strerror}; "
                    "name another"
                ) from error


def _holds_source(folder: Path) -> bool:
    """Whether a folder holds a project, or notebooks that are not what a run left."""
    others = (path for path in folder.glob("*.ipynb") if path.name != "notebook.ipynb")
    return (folder / "pyproject.toml").is_file() or any(others)
