"""Run one notebook strictly: checked parameters, a private kernel, and provenance at its foot."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from traitlets.config import Config

from steu._io import atomic_path, read_json, sha256, write_json
from steu.workflow.parameters import Parameter, check_parameters, notebook_parameters

__all__ = ["NotebookError", "Parameter", "notebook_parameters", "provenance", "run_notebook"]

# What a kernel sees beside the caller's environment: quiet, and the same at every run.
KERNEL_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm misses its widgets; nobody else does
}

# CRITICAL only: a kernel that is told to stop says so as if it were an error.
KERNEL_COMMAND = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=50"]


class NotebookError(RuntimeError):
    """A notebook failed for a reason that is not the user's input; the traceback is the message."""


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
        If a parameter is unknown or mistyped, or if a cell raised ValueError or ran out of disk
        space: the message names the notebook and the code cell.
    NotebookError
        If a cell failed otherwise or the kernel died. The executed notebook is kept.
    """
    root = Path(root) if root is not None else project_root(notebook)
    path = Path(os.path.relpath(root / notebook))
    given = {name: _relative(value, root) for name, value in parameters.items()}
    values = check_parameters(path, given)
    if "output" not in values:
        raise ValueError(f"{path}: needs a parameter 'output: str', the folder it writes to")
    output = root / values["output"]
    (output / "metrics.json").unlink(missing_ok=True)
    started = time.monotonic()
    executed, failure = _execute(path, {name: values[name] for name in given}, root=root)
    working = _seconds_of_work(executed)
    _tidy(executed, root=root)
    if failure is None:
        seconds = time.monotonic() - started
        record = provenance(path, values, root=root, seconds=seconds, working=working)
        executed.cells.append(_provenance_cell(record))
        write_json(output / "provenance.json", record)
    with atomic_path(output / "notebook.ipynb") as beside:
        nbformat.write(executed, beside)
    if failure is not None:
        (output / "metrics.json").unlink(missing_ok=True)
        kept = output / "notebook.ipynb"
        raise _explain(failure, executed, path=path, kept=kept, root=root)
    return Path(os.path.relpath(output / "notebook.ipynb"))


def project_root(start: str | Path) -> Path:
    """Nearest folder above `start` that holds ``pyproject.toml``, else the current one."""
    folders = Path(start).resolve().parents
    return next((f for f in folders if (f / "pyproject.toml").is_file()), Path.cwd())


def _relative(value: Any, root: Path) -> Any:
    """Write an absolute path relative to the project, so that no page shows where it lies."""
    if isinstance(value, Path) or (isinstance(value, str) and os.path.isabs(value)):
        return os.path.relpath(os.path.realpath(value), root.resolve())
    return value


class PrivateKernel(AsyncKernelManager):
    """Starts the running interpreter, quiet and repeatable, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """This interpreter; IPython's settings of the user stay out of it."""
        root = str(Path.cwd())  # papermill has gone there; its package goes before an installed one
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        own = {
            "IPYTHONDIR": os.path.dirname(self.connection_file),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return KernelSpec(
            argv=[sys.executable, *KERNEL_COMMAND],
            env={**KERNEL_ENVIRONMENT, **own},
            display_name="Python 3",
            language="python",
        )


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Yield a folder with a short name: a socket's path may have about 100 characters."""
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="steu-", dir=usual if len(usual) < 60 else "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _connection(folder: Path) -> Config:
    """Sockets in a folder of its own: kernels that share a machine race for TCP ports."""
    connection_file = str(folder / "kernel.json")
    private = {"transport": "ipc", "ip": str(folder / "s"), "connection_file": connection_file}
    return Config({"KernelManager": private})


def _execute(
    path: Path, given: Mapping[str, Any], *, root: Path
) -> tuple[nbformat.NotebookNode, Exception | None]:
    """Run the cells; return the notebook as far as it came, and the failure if there was one."""
    with _private_folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's and zmq's own, none of the notebook's
        import papermill

        logging.getLogger("papermill").setLevel(logging.ERROR)  # it checks parameters less well

        kept = folder / "notebook.ipynb"
        try:
            papermill.execute_notebook(
                path,
                kept,
                parameters=dict(given),
                kernel_name="python3",
                language="python",
                cwd=root,
                progress_bar=False,
                kernel_manager_class=PrivateKernel,
                config=_connection(folder),
            )
            failure = None
        except (papermill.PapermillExecutionError, DeadKernelError) as error:
            failure = error
        return nbformat.read(kept, as_version=4), failure


def _tidy(notebook: nbformat.NotebookNode, *, root: Path) -> None:
    """Take out what differs between two equal runs, and where on this machine they took place."""
    notebook.cells = [c for c in notebook.cells if "papermill-error-cell-tag" not in _tags(c)]
    notebook.metadata.pop("papermill", None)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in _tags(cell):
            cell["id"] = "injected-parameters"
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output["text"] = _without_places(output["text"], root)
            elif output.output_type == "error":
                output["traceback"] = [_without_places(t, root) for t in output["traceback"]]


def _seconds_of_work(notebook: nbformat.NotebookNode) -> float:
    """Seconds in cells after the last one that imports; before it a notebook only starts."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    importing = [
        i for i, cell in enumerate(code) if re.search(r"^(from|import) ", cell.source, re.M)
    ]
    later = code[importing[-1] + 1 :] if importing else code
    return sum(cell.metadata.get("papermill", {}).get("duration") or 0.0 for cell in later)


def _without_places(text: str, root: Path) -> str:
    return text.replace(f"{root.resolve()}/", "").replace(sys.prefix, ".venv")


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _explain(
    failure: Exception, executed: nbformat.NotebookNode, *, path: Path, kept: Path, root: Path
) -> Exception:
    """Make the error that the user sees from the one that ended the run."""
    name = os.path.relpath(path, root)
    where = f"{name}, cell {_code_cell(executed, getattr(failure, 'cell_index', None))}"
    kept_as = f"the notebook as far as it came: {os.path.relpath(kept, root)}"
    kind, message = getattr(failure, "ename", ""), str(getattr(failure, "evalue", failure))
    full = kind == "OSError" and f"[Errno {errno.ENOSPC}]" in message
    if kind == "ValueError" or full:
        return ValueError(f"{where}: {' '.join(message.split())}")
    if isinstance(failure, DeadKernelError):
        return NotebookError(f"{name}: the kernel died, perhaps for lack of memory\n{kept_as}")
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(getattr(failure, "traceback", [])))
    return NotebookError(f"{where} failed\n{_without_places(trace, root)}\n{kept_as}")


def _code_cell(executed: nbformat.NotebookNode, executed_index: int | None) -> int | str:
    """Number of the code cell in the notebook as written: papermill's own is not counted."""
    if executed_index is None:
        return "?"
    cells = executed.cells[: executed_index + 1]
    return sum(c.cell_type == "code" and "injected-parameters" not in _tags(c) for c in cells)


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
    ``data`` and ``device`` come from the run's
    ``metrics.json`` and are None where it wrote none.
    """
    metrics_path = root / parameters["output"] / "metrics.json"
    metrics = read_json(metrics_path) if metrics_path.is_file() else {}
    lock = root / "requirements.lock"
    return {
        "notebook": os.path.relpath(notebook, root),
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": _dirty(root),
        "lock": sha256(lock) if lock.is_file() else None,
        "data": metrics.get("data"),
        "device": metrics.get("device"),
        "seed": parameters.get("seed"),
        "seconds": round(seconds, 1),
        "seconds_working": None if working is None else round(working, 1),
        "versions": {name: _version(name) for name in ("steu", "python", "torch")},
        "parameters": dict(parameters),
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


def _provenance_cell(record: Mapping[str, Any]) -> nbformat.NotebookNode:
    commit = record["commit"][:12] if record["commit"] else "not under version control"
    rows = {
        "commit": commit + (" with changes that are not committed" if record["dirty"] else ""),
        "requirements.lock": _short(record["lock"]),
        "data": _short(record["data"]),
        "device": record["device"],
        "seed": record["seed"],
        "duration": f"{record['seconds']:.1f} s",
        "versions": ", ".join(f"{name} {v}" for name, v in record["versions"].items() if v),
        **{f"`{name}`": f"`{_cell_text(v)}`" for name, v in record["parameters"].items()},
    }
    lines = [f"| {name} | {'–' if v is None else v} |" for name, v in rows.items()]
    text = "\n".join(["**Provenance of this page**", "", "| what | value |", "|---|---|", *lines])
    cell = nbformat.v4.new_markdown_cell(text, metadata={"tags": ["provenance"]})
    cell["id"] = "provenance"
    return cell


def _short(digest: str | None) -> str | None:
    return f"`{digest[:12]}`" if digest else None


def _cell_text(value: Any) -> str:
    """Write a parameter's value so that it stays in one table cell."""
    text = repr(value).replace("|", "¦").replace("`", "'")
    return text if len(text) <= 120 else f"{text[:119]}…"
