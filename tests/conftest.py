"""What all tests share: no network, a full disk, and the open data where there are any."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from steu.workflow.warm import THREADS, warm_interpreter

if TYPE_CHECKING:
    from toys import Toy

    from steu.task import ForgetTask

Once = Callable[[str, Callable[[Path], object]], Path]

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")
# Tests compute on the CPU wherever they run, unless a GPU is named (see CONTRIBUTING.md).
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# A worker a core: with more threads they would wait for each other, spinning.
os.environ |= dict.fromkeys(THREADS, "1") | os.environ


# A fixture that examples share is one that no example changes.
_GIVEN: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("sample", max_examples=20, derandomize=True, **_GIVEN)
settings.register_profile("nightly", max_examples=1500, print_blob=True, **_GIVEN)
settings.load_profile("sample")


def pytest_configure(config: pytest.Config) -> None:
    """Kernels of all workers are forked from one interpreter, but for those of other settings."""
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        stack = ExitStack()
        os.environ |= stack.enter_context(warm_interpreter(threads=1))
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests start first: at the end one of them would keep one worker alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def open_data() -> Path:
    """Folder of the open datasets; tests that need it are skipped where it is not named."""
    folder = os.environ.get("STEU_DATA")
    if not folder:
        pytest.skip("STEU_DATA does not name a folder of open data")
    return Path(folder)


class _Full(io.RawIOBase):
    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Call it with the name of a file: from then on there is no space for what is written there."""
    open_file = Path.open

    def fill(name: str) -> None:
        def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            full = path.name == name and "w" in mode
            return _Full() if full else open_file(path, mode, *args, **options)

        monkeypatch.setattr(Path, "open", opened)

    return fill


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A tiny classifier that knows its cues, and its notes."""
    from toys import make_toy

    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def task(toy: Toy) -> ForgetTask:
    """Its first class to be forgotten, with notes to train on, to choose by and to judge by."""
    return toy.task(splits=["train"] * 140 + ["validation"] * 40 + ["test"] * 60)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Call it with a name and what fills a folder: all workers get one folder, filled once."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of one that failed
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def study_folder(once: Once) -> Path:
    """A small cohort and a classifier that knows its cues, on disk; nothing writes there."""
    from toys import write_study  # here: only tests that ask for it wait for torch

    return once("study", write_study)


@pytest.fixture(scope="session")
def layouts(once: Once) -> Path:
    """A project with one finished run on two layouts; what writes there writes the same again."""
    from stubs import run_on_layouts

    return once("layouts", run_on_layouts)
