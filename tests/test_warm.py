"""A kernel that was forked from a warm interpreter does what one does that was started alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import nbformat
import psutil
import pytest
from stubs import ROOT, write_notebook

from steu.workflow import warm
from steu.workflow.runner import NotebookError, run_notebook

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")

STARTED = "import sys\nprint('torch' in sys.modules)"
SEEN = (
    "import os, sys\nprint(os.getcwd(), sys.argv[0].rpartition('/')[2], __name__)",
    "import torch\nprint(torch.get_num_threads(), hash('steu'))",
    "import pandas as pd\npd.DataFrame([[*range(30)]], columns=list(map(str, range(30))))",
    "import matplotlib.pyplot as plt\nplt.rcParams['svg.hashsalt'] = 'steu'\n"
    "from matplotlib_inline.backend_inline import set_matplotlib_formats\n"
    "set_matplotlib_formats('svg', metadata={'Date': None})\nplt.plot([1, 2])\nplt.title('$x^2$')",
    "import steu\nprint(steu.__file__)",
    "sorted(n for n in os.environ if n not in ('STEU_WARM', 'KMP_INIT_AT_FORK'))",
    "print('to the error stream', file=sys.stderr)",
)
METRICS = "open('metrics.json', 'w').close()"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    with warm.warm_interpreter(threads=1) as variables:
        yield variables[warm.ADDRESS]
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "steu").mkdir()
    (tmp_path / "steu" / "__init__.py").touch()  # a project's own package goes before ours
    for name in warm.THREADS:
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv(warm.ADDRESS)  # of the interpreter that serves all tests
    return tmp_path


def outputs(project: Path, *cells: str) -> list[list[nbformat.NotebookNode]]:
    path = write_notebook(project / "x.ipynb", "output: str = 'out'", *cells)
    done = nbformat.read(run_notebook(path, parameters={}), as_version=4)
    return [
        [{k: v for k, v in o.items() if k != "execution_count"} for o in cell.outputs]
        for cell in done.cells[:-1]
        if cell.cell_type == "code"
    ]


def test_a_forked_kernel_shows_what_another_one_shows(
    project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = outputs(project, STARTED, *SEEN)
    monkeypatch.setenv(warm.ADDRESS, address)
    forked = outputs(project, STARTED, *SEEN)
    assert (alone[1][0]["text"], forked[1][0]["text"]) == ("False\n", "True\n")
    assert forked[2:] == alone[2:]


@pytest.mark.parametrize("there", [True, False], ids=["forked", "alone"])
def test_whoever_runs_a_notebook_is_forked_too(address: str, tmp_path: Path, there: bool) -> None:
    """It cannot import papermill here, and need not where it is forked."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "requirements.lock").touch()
    write_notebook(tmp_path / "x.ipynb", "output: str = 'out'", "print(1)")
    broken = tmp_path / "broken"
    (broken / "papermill").mkdir(parents=True)
    (broken / "papermill" / "__init__.py").write_text("raise ImportError('no papermill')")
    environment = os.environ | dict.fromkeys(warm.THREADS, "1")
    environment |= {"PYTHONPATH": f"{broken}{os.pathsep}{ROOT}", "COLUMNS": "200"}
    environment[warm.ADDRESS] = address if there else "nowhere"

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", warm.__file__, "run", "x.ipynb", *given]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    refused, done = run("-p", "outptu", "a"), run()
    assert refused.returncode == 2 and "no parameter 'outptu'" in refused.stderr.splitlines()[-1]
    if there:
        assert (done.returncode, done.stdout) == (0, "out/notebook.ipynb\n")
    else:
        assert done.returncode != 0 and "no papermill" in done.stderr


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA"])
def test_where_imports_would_have_read_other_settings_it_starts_alone(
    variable: str, project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(warm.ADDRESS, address)
    monkeypatch.setenv(variable, "2")
    assert outputs(project, STARTED)[1][0]["text"] == "False\n"


def test_where_nobody_answers_it_starts_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(warm.ADDRESS, str(project / "nobody"))
    assert outputs(project, STARTED)[1][0]["text"] == "False\n"


def test_where_imports_fail_it_starts_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = project / "broken"
    (broken / "pandas").mkdir(parents=True)
    (broken / "pandas" / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    with warm.warm_interpreter(threads=1) as variables:
        monkeypatch.setenv(warm.ADDRESS, variables[warm.ADDRESS])
        assert outputs(project, STARTED)[1][0]["text"] == "False\n"


@pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), 9)"])
def test_a_forked_kernel_that_dies_is_named(
    end: str, project: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(warm.ADDRESS, address)
    with pytest.raises(NotebookError, match="the kernel died, perhaps for lack of memory"):
        outputs(project, f"import os\n{end}")


@pytest.fixture
def kernel(
    address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Whoever asked for a kernel, told that `request.param` started it, and the kernel's number."""
    program = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    environment = os.environ | warm.KERNEL_ENVIRONMENT | dict.fromkeys(warm.THREADS, "1")
    with subprocess.Popen(
        [sys.executable, "-c", KERNEL_RUNS, str(Path(warm.__file__)), program],
        env=environment | {warm.ADDRESS: address, "JPY_PARENT_PID": str(request.param)},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as asked:
        try:
            told = tmp_path / "pid"
            yield asked, int(wait_for(lambda: told.is_file() and told.read_text()))
        finally:
            asked.kill()


@pytest.mark.parametrize("kernel", [os.getpid()], ids=["starter lives"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_forked_kernel_ends_with_the_one_who_asked_for_it(
    number: int, kernel: tuple[subprocess.Popen[bytes], int]
) -> None:
    asked, pid = kernel
    asked.send_signal(number)
    wait_for(lambda: not psutil.pid_exists(pid))
    assert asked.wait(10) != 0


@pytest.mark.parametrize("kernel", [2**22], ids=["starter gone"], indirect=True)
def test_a_forked_kernel_ends_where_its_starter_was_gone_before_it_asked(
    kernel: tuple[subprocess.Popen[bytes], int],
) -> None:
    asked, pid = kernel
    wait_for(lambda: not psutil.pid_exists(pid))
    assert asked.wait(10) == 1


def test_a_forked_kernel_ends_with_whoever_was_killed_before_it_knew(
    address: str, tmp_path: Path
) -> None:
    """What was sent and not read makes a connection end by an error and not by its end."""
    program = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    (tmp_path / "ipykernel_launcher.py").write_text(program)
    environment = os.environ | warm.KERNEL_ENVIRONMENT | dict.fromkeys(warm.THREADS, "1")
    request = {
        "module": warm.KERNEL,
        "arguments": [],
        "environment": environment | {"PYTHONPATH": str(tmp_path)},
        "folder": str(tmp_path),
    }
    with socket.socket(socket.AF_UNIX) as asked, Path(os.devnull).open("r+b") as nothing:
        asked.connect(address)
        socket.send_fds(asked, [b"+"], [nothing.fileno()] * 3)
        asked.sendall(f"{json.dumps(request)}\n".encode())
        told = tmp_path / "pid"
        pid = int(wait_for(lambda: told.is_file() and told.read_text()))
    wait_for(lambda: not psutil.pid_exists(pid))


# The client as it is; what it asks for is replaced by a module that runs a program.
KERNEL_RUNS = """
import os, runpy, sys
path, program = sys.argv[1:]
open('ipykernel_launcher.py', 'w').write(program)
os.environ['PYTHONPATH'] = os.getcwd()
sys.argv = [path, 'kernel']
runpy.run_path(path, run_name='__main__')
"""


def wait_for(what):
    end = time.monotonic() + 60  # PyTorch may just be imported, on a machine that tests all else
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_the_interpreter_ends_with_whoever_started_it(tmp_path: Path) -> None:
    start = (
        "import time\nfrom steu.workflow import warm\n"
        "with warm.warm_interpreter(threads=1):\n    print('on', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE) as starter:
        assert starter.stdout and starter.stdout.readline() == b"on\n"
        (server,) = psutil.Process(starter.pid).children()
        starter.kill()
    Thread(target=server.wait, daemon=True).start()
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
