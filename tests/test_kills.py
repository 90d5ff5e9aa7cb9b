"""A stage killed at random moments leaves nothing half; `make nightly` tries each fifty times."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import settings
from safetensors import safe_open
from stubs import ROOT, copy_project, steu

from steu.workflow.agreement import COSTS
from steu.workflow.jobs import Grid
from steu.workflow.warm import THREADS, warm_interpreter

NIGHTLY = settings().max_examples > 100  # hypothesis's profile says how much is tried
SMOKE = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())["stages"]
nightly = pytest.mark.skipif(not NIGHTLY, reason="make nightly kills each stage 50 times")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run that nobody has disturbed."""
    root = copy_project(tmp_path_factory.mktemp("kills"))
    done = steu(root, "workflow", "smoke", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """What a stage of a run finds: kernels are forked from one interpreter."""
    with warm_interpreter(threads=1) as warm:
        yield os.environ | warm | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(ROOT)}


@nightly
@pytest.mark.parametrize("name", ["cohort", "classifier", "pmi", *SMOKE, "reproduction"])
def test_a_killed_stage_leaves_nothing_half_and_ends_as_if_it_had_not_been(
    smoke: Path, name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(smoke)
    kill_and_go_on("smoke", name, iter(Random(name).random, None), environment, kills=50)


@pytest.mark.parametrize("name", ["cohort", "unlearning"])
def test_a_stage_that_is_killed_now_and_then_ends_as_if_it_had_not_been(
    layouts: Path, name: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(layouts)
    kill_and_go_on("layouts", name, cycle([0.4, 0.8]), environment, kills=2)


def kill_and_go_on(
    profile: str,
    name: str,
    moments: Iterator[float],
    environment: Mapping[str, str],
    *,
    kills: int,
) -> None:
    """Kill a stage of a finished run so often, at shares of the time it takes; then let it end.

    It takes longer where it has to train. One that had ended before counts for nothing, and is
    expected to end sooner from then on.
    """
    grid = Grid.of(profile)
    run = Path(grid.run)
    stage = next(stage for stage in grid.stages if stage.name == name)
    cell = grid.first_cell(stage)
    folder = Path(grid.folder(stage, cell))
    before = contents(folder)
    command = [sys.executable, "-m", "steu.workflow.cli", "run", stage.path]
    command += ["--parameters", grid.command(stage, cell)]
    whole_run = partial(
        subprocess.run, command, check=True, env=environment, stdout=subprocess.DEVNULL
    )
    forget_what_was_trained(run)
    started = time.monotonic()
    whole_run()
    lasting = dict.fromkeys((True, False), time.monotonic() - started)  # by: has to train
    assert contents(folder) == before  # nothing of it is chance
    tried = killed = 0
    while killed < kills:
        if trains := tried % 5 == 0:
            forget_what_was_trained(run)
        tried += 1
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(next(moments) * lasting[trains])
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        else:
            lasting[trains] *= 0.9
        process.wait()
        check_whole(run)
    print(f"\n{name}: {killed} kills; {tried - killed} had ended before")
    whole_run()
    assert contents(folder) == before
    assert {path.name for path in folder.glob(".*")} == {".lock"}  # what was half made is gone


def forget_what_was_trained(run: Path) -> None:
    """So that a stage has to train again, and may be killed while it does."""
    for place in run.glob("*/*/trained"):
        shutil.rmtree(place, ignore_errors=True)


def check_whole(run: Path) -> None:
    """Every file that bears its final name can be read to its end."""
    for path in finished(run):
        if path.suffix == ".json" or (path.suffix == ".ipynb" and path.stat().st_size):
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy") as tensors:
                assert all(tensors.get_tensor(key) is not None for key in tensors.keys())  # noqa: SIM118


def finished(folder: Path) -> Iterator[Path]:
    """The files that bear their final name; who was killed may still be clearing up the others."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in names if not name.startswith("."))


def contents(folder: Path) -> dict[str, Any]:
    """What a stage has found: its results but for costs, and its other files byte for byte."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.name in ("provenance.json", "notebook.ipynb") or not path.is_file():
            continue
        if path.name == "metrics.json":
            metrics = json.loads(path.read_text())
            rows = metrics.pop("records", [])
            found[path.name] = metrics, [row for row in rows if row["metric"] not in COSTS]
        elif path.suffix in (".safetensors", ".parquet") and path.stem != "results":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found
