"""What is kept and said of an executed notebook: nothing of this machine, and why it failed."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import DeadKernelError

from steu.workflow.parameters import tags


class NotebookError(RuntimeError):
    """A notebook failed for a reason that is not the user's input; the traceback is the message."""


def tidy(notebook: nbformat.NotebookNode, *, root: Path) -> None:
    """Take out what differs between two equal runs, and where on this machine they took place."""
    notebook.cells = [c for c in notebook.cells if "papermill-error-cell-tag" not in tags(c)]
    notebook.metadata.pop("papermill", None)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in tags(cell):
            cell["id"] = "injected-parameters"
        for output in cell.get("outputs", []):
            _tidy_output(output, root)


def _tidy_output(output: nbformat.NotebookNode, root: Path) -> None:
    if output.output_type == "stream":
        output["text"] = _without_places(output["text"], root)
    elif output.output_type == "error":
        output["traceback"] = [_without_places(line, root) for line in output["traceback"]]


def seconds_of_work(notebook: nbformat.NotebookNode) -> float:
    """Seconds in cells after the last one that imports; before it a notebook only starts."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    importing = [
        i for i, cell in enumerate(code) if re.search(r"^(from|import) ", cell.source, re.M)
    ]
    later = code[importing[-1] + 1 :] if importing else code
    return sum(cell.metadata.get("papermill", {}).get("duration") or 0.0 for cell in later)


def _without_places(text: str, root: Path) -> str:
    return text.replace(f"{root.resolve()}/", "").replace(sys.prefix, ".venv")


def explain(
    failure: Exception, executed: nbformat.NotebookNode, *, path: Path, kept: Path, root: Path
) -> Exception:
    """Make the error that the user sees from the one that ended the run."""
    name = os.path.relpath(path, root)
    where = f"{name}, cell {_code_cell(executed, getattr(failure, 'cell_index', None))}"
    kept_as = f"the notebook as far as it came, traceback included: {os.path.relpath(kept, root)}"
    kind, message = getattr(failure, "ename", ""), str(getattr(failure, "evalue", failure))
    message = _without_places(" ".join(message.split()), root)
    full = kind == "OSError" and f"[Errno {errno.ENOSPC}]" in message
    if kind in ("ValueError", "Diverged") or full:
        return ValueError(f"{where}: {message}")
    if kind == "OutOfMemoryError":  # a GPU's; of the machine's own memory the kernel dies
        mend = "lower the batch size or max_length, or compute on the CPU (CUDA_VISIBLE_DEVICES=)"
        return ValueError(f"{where}: {mend}: {message}")
    if isinstance(failure, DeadKernelError):
        return NotebookError(f"{name}: the kernel died, perhaps for lack of memory; {kept_as}")
    return NotebookError(f"{where} failed: {kind}: {message}; {kept_as}")


def _code_cell(executed: nbformat.NotebookNode, executed_index: int | None) -> int | str:
    """Number of the code cell in the notebook as written: papermill's own is not counted."""
    if executed_index is None:
        return "?"
    cells = executed.cells[: executed_index + 1]
    return sum(c.cell_type == "code" and "injected-parameters" not in tags(c) for c in cells)
