"""One interpreter that has imported what notebooks import, and forks their kernels from itself.

To import PyTorch and transformers takes longer than most pages compute. A run of many notebooks
pays for it once: `warm_interpreter` starts a process that imports them and waits at a socket. A
kernel is then started as before, only that its command is this file: it hands its arguments,
environment and streams over, passes signals on, and ends as the forked kernel ends. Where nobody
answers, or imports would have read other settings, it becomes an ordinary kernel. So is whatever
runs a notebook (``steu run``), whose own imports take a second or two.

Only the standard library is imported here, and this file is run by its path, so that a kernel finds
the package that lies in its own folder.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

# What a kernel sees beside the caller's environment: quiet, and the same at every run.
KERNEL_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # an editor's would not be found
    "MPL_IGNORE_SYSTEM_FONTS": "1",  # the same letters on every machine: those matplotlib brings
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm misses its widgets; nobody else does
}

ADDRESS = "STEU_WARM"  # where the interpreter listens, for kernels that are started below
KERNEL, RUNNER = "ipykernel_launcher", "steu.workflow.cli"
IMPORTED = (
    "ipykernel.kernelapp",
    "matplotlib.figure",
    "matplotlib.font_manager",
    "pandas",
    "papermill",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sympy",
    "torch",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "typer",
)
# What these read of the environment while they are imported, so that it has to be the same; but for
# what PyTorch sets in whoever has imported it.
READ = re.compile(
    "^(OMP|KMP(?!_INIT_AT_FORK|_DUPLICATE_LIB_OK)|MKL|GOMP|DNNL|ONEDNN|OPENBLAS|ATEN"
    "|TORCH(?!INDUCTOR_CACHE_DIR)|PYTORCH|CUDA|HF_|HUGGINGFACE|TRANSFORMERS|TOKENIZERS"
    "|PYTHON(?!PATH)|MPL(?!CONFIGDIR)|LANG|LC_)"
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # Snakemake's, for a job
TICK = 0.05  # seconds between two looks at whether a kernel has ended


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder with a short name: a socket's path may have about 100 characters."""
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="steu-", dir=usual if len(usual) < 60 else "/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def warm_interpreter(*, threads: int) -> Iterator[dict[str, str]]:
    """Variables for programs whose kernels shall be forked; the interpreter ends with the block.

    `threads` is what the kernels will be given. Nothing where forking is not safe, as on macOS,
    whose system libraries do not allow it.
    """
    if sys.platform != "linux":
        yield {}
        return
    with private_folder() as folder, socket.socket(socket.AF_UNIX) as at:
        path = str(folder / "warm")
        at.bind(path)
        at.listen(64)
        command = [sys.executable, "-P", __file__, "serve", str(at.fileno())]
        own = os.environ | KERNEL_ENVIRONMENT | {"MPLCONFIGDIR": str(folder)}
        own |= dict.fromkeys(THREADS, str(threads))
        with subprocess.Popen(
            command,
            env=own,
            pass_fds=[at.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C is not for it
        ) as server:
            at.close()  # if the server should fail, nobody is to wait for it
            try:
                yield {ADDRESS: path}
            finally:
                server.kill()  # kernels that still run are not its business


def kernel_command(arguments: list[str]) -> list[str]:
    """The command that starts a kernel: from a warm interpreter where there is one."""
    if ADDRESS in os.environ:
        return [sys.executable, "-P", __file__, "kernel", *arguments]
    return [sys.executable, "-m", KERNEL, *arguments]


def serve(descriptor: int) -> None:
    """Import, then fork for whoever asks, until the one who started this is gone."""
    settings = _settings(os.environ)  # as they were read: some packages add to them
    with socket.socket(fileno=descriptor) as listener:
        gc.disable()  # it would look through half a million objects, none of which goes, many times
        for name in IMPORTED:
            if _closed(sys.stdin):  # whoever started this did not wait for it
                return
            importlib.import_module(name)
        gc.freeze()  # nor do kernels look there, so that they share these pages
        gc.enable()
        sys.modules["pandas"].set_option("display.max_columns", 20)  # it took this for a terminal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who tend a kernel
        while True:
            select.select([listener, sys.stdin], [], [])
            if _closed(sys.stdin):
                return
            asked, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _tend(asked, settings)
            asked.close()


def _closed(pipe: IO[str]) -> bool:
    """Whether the other end of a pipe is closed into which nobody writes."""
    return bool(select.select([pipe], [], [], 0)[0])


def _tend(asked: socket.socket, settings: dict[str, str]) -> NoReturn:
    """Fork one kernel, pass signals on, and say how it ended; it ends with whoever asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(asked, 1, 3)
    lines = asked.makefile("rw")
    request = json.loads(lines.readline())
    # Whoever runs notebooks computes with none of what was imported.
    same = request["module"] == RUNNER or _settings(request["environment"]) == settings
    print("warm" if same else "cold", file=lines, flush=True)
    if not same:
        os._exit(0)
    kernel = os.fork()
    if kernel == 0:
        asked.close()
        _become(request, streams)
    with suppress(OSError):  # it has been quicker
        os.setpgid(kernel, kernel)
    for stream in streams:
        os.close(stream)
    while True:
        ready, _, _ = select.select([asked], [], [], TICK)
        if ready:
            os.killpg(kernel, _told(asked))
        ended, status = os.waitpid(kernel, os.WNOHANG)
        if ended:
            with suppress(OSError):
                print(os.waitstatus_to_exitcode(status), file=lines, flush=True)
            os._exit(0)


def _told(asked: socket.socket) -> int:
    """The signal that is to be passed on; that which kills where the other end is gone."""
    try:
        number = asked.recv(1)
    except ConnectionError:  # gone before it had read all that it was sent
        number = b""
    return number[0] if number else signal.SIGKILL


def _become(request: dict[str, Any], streams: list[int]) -> NoReturn:  # pyrefly: ignore[bad-return]
    """Be the program that was asked for, as if this interpreter had been started for it."""
    os.setpgid(0, 0)
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"], JPY_PARENT_PID=str(os.getppid()))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [request["folder"], *filter(None, paths)]  # the first is taken out again
    sys.argv = [request["module"], *request["arguments"]]
    status: Any = 1
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:  # nothing of this may go on into what serves the others
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else 1)


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if READ.search(name)}


def forked(module: str, arguments: list[str]) -> NoReturn:
    """Have a module run in a fork and end as it ends; where that cannot be, run it here."""
    # A kernel is told its starter, who may be gone before this looks; whoever has it then stays.
    told = os.environ.get("JPY_PARENT_PID", "") if module == KERNEL else ""
    parent = int(told or os.getppid())
    try:
        server, lines = _ask(module, arguments)
    except OSError:
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    _wait(server, parent)
    try:
        _end(int(lines.readline() or -signal.SIGKILL))
    except ConnectionError:  # who tended it was killed
        _end(-signal.SIGKILL)


def _ask(module: str, arguments: list[str]) -> tuple[socket.socket, IO[str]]:
    """Ask for a fork; the connection on which to wait for its end. OSError if there is none."""
    server = socket.socket(socket.AF_UNIX)
    server.connect(os.environ.get(ADDRESS, ""))  # "" is nowhere
    socket.send_fds(server, [b"+"], [0, 1, 2])
    lines = server.makefile("rw")
    environment, folder = dict(os.environ), str(Path.cwd())
    request = {"module": module, "arguments": arguments}
    request |= {"environment": environment, "folder": folder}
    print(json.dumps(request), file=lines, flush=True)
    if lines.readline().strip() != "warm":
        raise ConnectionRefusedError("it was started with other settings, or is gone")
    return server, lines


def _wait(server: socket.socket, parent: int) -> None:
    """Until the server has something to say, or whoever started the kernel is gone."""
    while not select.select([server], [], [], 1.0)[0]:
        if os.getppid() != parent:
            sys.exit(1)


def _end(status: int) -> NoReturn:
    """End as the kernel did: with its status, or by the signal that ended it."""
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    part, *given = sys.argv[1:]
    if part == "serve":
        serve(int(given[0]))
    forked(*((KERNEL, given) if part == "kernel" else (RUNNER, [part, *given])))
