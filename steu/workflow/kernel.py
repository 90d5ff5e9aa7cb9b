"""Execute one notebook in a private kernel: this interpreter, quiet, the same at every run."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from traitlets.config import Config

from steu.workflow.warm import KERNEL_ENVIRONMENT, kernel_command, private_folder

# CRITICAL only: a kernel that is told to stop says so as if it were an error.
KERNEL_ARGUMENTS = ["-f", "{connection_file}", "--log-level=50"]


class PrivateKernel(AsyncKernelManager):
    """Starts the running interpreter, quiet and repeatable, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """This interpreter; the user's settings of IPython and matplotlib stay out of it."""
        root = str(Path.cwd())  # papermill has gone there; its package goes before an installed one
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        folder = os.path.dirname(self.connection_file)
        own = {
            "IPYTHONDIR": folder,
            "MPLCONFIGDIR": folder,  # with the list of fonts, which another program may have spoilt
            "PYTHONPATH": os.pathsep.join(paths),
        }
        return KernelSpec(
            argv=kernel_command(KERNEL_ARGUMENTS),
            env={**KERNEL_ENVIRONMENT, **own},
            display_name="Python 3",
            language="python",
        )


def _connection(folder: Path) -> Config:
    """Sockets in a folder of its own: kernels that share a machine race for TCP ports."""
    connection_file = str(folder / "kernel.json")
    private = {"transport": "ipc", "ip": str(folder / "s"), "connection_file": connection_file}
    return Config({"KernelManager": private})


def execute(
    path: Path, given: Mapping[str, Any], *, root: Path
) -> tuple[nbformat.NotebookNode, Exception | None]:
    """Run the cells; return the notebook as far as it came, and the failure if there was one."""
    with private_folder() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill's and zmq's own, none of the notebook's
        failure = _papermill(path, folder, given, root=root)
        return nbformat.read(folder / "notebook.ipynb", as_version=4), failure


def _papermill(
    path: Path, folder: Path, given: Mapping[str, Any], *, root: Path
) -> Exception | None:
    import papermill  # slow to import, and warns as it is

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it checks parameters less well
    try:
        papermill.execute_notebook(
            path,
            folder / "notebook.ipynb",
            parameters=dict(given),
            kernel_name="python3",
            language="python",
            cwd=root,
            progress_bar=False,
            kernel_manager_class=PrivateKernel,
            config=_connection(folder),
        )
    except (papermill.PapermillExecutionError, DeadKernelError) as error:
        return error
    return None
