"""How much of a run is done and how long the rest takes: estimates with known answers."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import write_project

from steu.workflow.jobs import Grid
from steu.workflow.profiles import Profile
from steu.workflow.progress import describe, durations, jobs_at_once, remaining, watch


@given(st.floats(1, 1e4), st.integers(1, 50), st.integers(1, 8))
def test_equal_jobs_share_what_runs_at_once(each: float, jobs: int, at_once: int) -> None:
    expected = max(each * jobs / at_once, each)
    assert remaining({"a": [each]}, {"a": jobs}, at_once=at_once) == pytest.approx(expected)


def test_each_stage_counts_with_its_own_mean() -> None:
    seconds = {"short": [1.0, 3.0], "long": [100.0]}
    assert remaining(seconds, {"short": 5, "long": 2}, at_once=1) == 5 * 2 + 2 * 100


def test_nothing_is_guessed_about_a_stage_that_never_ran() -> None:
    assert remaining({"a": [4.0]}, {"a": 2, "new": 2}, at_once=1) == 2 * 4
    assert remaining({"a": [4.0]}, {"a": 0, "new": 2}, at_once=1) is None


def test_many_workers_do_not_shorten_the_longest_job() -> None:
    assert remaining({"a": [1.0], "b": [60.0]}, {"a": 10, "b": 1}, at_once=100) == 60


def test_nothing_is_known_before_the_first_job_and_nothing_is_left_after_the_last() -> None:
    assert remaining({}, {"a": 3}, at_once=2) is None
    assert remaining({"a": [7.0]}, {"a": 0}, at_once=2) is None


@pytest.mark.parametrize(
    ("cores", "threads", "free", "gpus", "at_once"),
    [(8, 1, None, 0, 8), (8, 4, None, 1, 2), (2, 4, None, 0, 1), (64, 4, 2, 1, 2), (8, 1, 2, 0, 8)],
)
def test_jobs_at_once_follow_cores_threads_and_gpus(
    cores: int, threads: int, free: int | None, gpus: int, at_once: int
) -> None:
    profile = Profile.model_construct(threads=threads, gpus=gpus)
    assert jobs_at_once(profile, cores=cores, gpus=free) == at_once


@pytest.mark.parametrize(
    ("done", "seconds", "line"),
    [
        (0, None, "0 of 34 done"),
        (12, 1080, "12 of 34 done, about 18 min left"),
        (33, 20, "33 of 34 done, less than a minute left"),
        (1, 9 * 3600, "1 of 34 done, about 9.0 h left"),
        (34, 0, "34 of 34 done"),
    ],
)
def test_the_line_says_what_is_done_and_left(done: int, seconds: float | None, line: str) -> None:
    assert describe(done, 34, seconds) == line


def test_a_lower_bound_is_called_one() -> None:
    assert describe(3, 34, 1080, complete=False) == "3 of 34 done, more than 18 min left"
    assert describe(3, 34, 20, complete=False) == "3 of 34 done"


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Grid:
    monkeypatch.chdir(write_project(tmp_path))
    return Grid.of("toy")


def write_provenance(folder: str, text: str) -> None:
    Path("runs/toy", folder).mkdir(parents=True)
    Path("runs/toy", folder, "provenance.json").write_text(text)


def test_durations_are_those_of_the_grid_and_a_damaged_file_is_no_reason_to_stop(
    grid: Grid,
) -> None:
    write_provenance("toy/cohort", json.dumps({"seconds": 30}))
    write_provenance("toy/tiny/seed1/classifier", json.dumps({"seconds": 60}))
    write_provenance("toy/tiny/seed7/classifier", json.dumps({"seconds": 1e9}))  # of another grid
    write_provenance("toy/tiny/pmi", "{")
    write_provenance("reproduction", "[]")
    assert durations(grid) == {"cohort": [30.0], "classifier": [60.0]}


def event(logger: logging.Logger, name: str, text: str = "text", **values: object) -> None:
    logger.info(text, extra={"event": name, **values})


def test_a_line_a_finished_job_takes_the_place_of_snakemakes_own(
    grid: Grid, capsys: pytest.CaptureFixture[str]
) -> None:
    write_provenance("toy/tiny/seed1/classifier", json.dumps({"seconds": 120}))
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler())
    watch(logger, grid, {"classifier": 2, "all": 1}, at_once=1)
    event(logger, "job_info", "Job 5: classifier", jobid=5, rule_name="classifier")
    event(logger, "job_finished", "Finished jobid 5", job_id=5)
    event(logger, "progress", "1 of 3 steps")
    event(logger, "job_info", "Job 0: all", jobid=0, rule_name="all")
    event(logger, "job_finished", "Finished jobid 0", job_id=0)
    lines = capsys.readouterr().err.splitlines()
    shown = ["0 of 2 done, about 4 min left", "1 of 2 done, about 2 min left"]
    assert lines == [shown[0], "Job 5: classifier", shown[1], "Job 0: all"]


def test_on_a_cluster_jobs_are_only_counted(grid: Grid, capsys: pytest.CaptureFixture[str]) -> None:
    write_provenance("toy/cohort", json.dumps({"seconds": 120}))
    watch(logging.Logger("snakemake"), grid, {"classifier": 2}, at_once=None)
    assert capsys.readouterr().err == "0 of 2 done\n"
