"""Each stage, killed at random moments: nothing half-written is taken for whole. `make nightly`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
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

NIGHTLY = settings().max_examples > 100  # hypothesis's profile says how much is tried
KILLS = 50
RUN = Path("runs/smoke")
STAGES = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())["stages"]
pytestmark = pytest.mark.skipif(not NIGHTLY, reason="make nightly kills each stage 50 times")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_project(tmp_path_factory.mktemp("kills"))
    done = steu(root, "workflow", "smoke", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.mark.parametrize("name", ["cohort", "classifier", "pmi", *STAGES, "reproduction"])
def test_a_killed_stage_leaves_nothing_half_and_ends_as_if_it_had_not_been(
    undisturbed: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(undisturbed)
    grid = Grid.of("smoke")
    stage = next(stage for stage in grid.stages if stage.name == name)
    cell = grid._first_cell(stage)
    folder = Path(grid.folder(stage, cell))
    before = contents(folder)
    command = [sys.executable, "-m", "steu.workflow.cli", "run", stage.path]
    command += ["--parameters", grid.command(stage, cell)]
    forget_what_was_trained()
    started = time.monotonic()
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    lasting = time.monotonic() - started
    moments, whole = Random(name), 0
    for _ in range(KILLS):
        if moments.random() < 0.2:
            forget_what_was_trained()
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(moments.uniform(0, lasting))
        whole += process.poll() is not None
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        check_whole(RUN)
    print(f"\n{name}: {KILLS} kills within {lasting:.1f} s; {whole} runs were done before")
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL)
    assert contents(folder) == before


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def forget_what_was_trained() -> None:
    """So that a stage has to train again, and may be killed while it does."""
    for place in RUN.glob("*/*/trained"):
        shutil.rmtree(place, ignore_errors=True)


def check_whole(run: Path) -> None:
    """Every file that bears its final name can be read to its end."""
    for path in run.rglob("*"):
        if any(part.startswith(".") for part in path.parts) or not path.is_file():
            continue
        if path.suffix == ".json" or (path.suffix == ".ipynb" and path.stat().st_size):
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
        elif path.suffix == ".safetensors":
            with safe_open(path, "numpy") as tensors:
                assert all(tensors.get_tensor(key) is not None for key in tensors.keys())  # noqa: SIM118


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
