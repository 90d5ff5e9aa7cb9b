"""How much of a run is done, and about how long the rest takes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import mean

from steu._io import read_json
from steu.workflow.jobs import Grid
from steu.workflow.profiles import Profile

REPLACED = ("job_started", "job_finished", "progress")  # Snakemake's events


def remaining(
    seconds: Mapping[str, list[float]], left: Mapping[str, int], *, at_once: int
) -> float | None:
    """Estimate how long the jobs that are left will take, in seconds of wall time.

    Each takes as long as its stage took on average so far. The sum is shared by the jobs that run
    at once, but no estimate is shorter than the longest job left. Nothing is known of a stage that
    has not run yet: without its jobs the estimate is a lower bound.

    Parameters
    ----------
    seconds
        For each stage the wall times of its finished jobs.
    left
        For each stage the number of jobs that are not finished.
    at_once
        Jobs that run beside each other.

    Returns
    -------
    float or None
        None if nothing is known of any job that is left.
    """
    usual = {s: mean(seconds[s]) for s, jobs in left.items() if jobs and seconds.get(s)}
    if not usual:
        return None
    work = sum(left[stage] * usual[stage] for stage in usual)
    return max(work / at_once, *usual.values())


def jobs_at_once(profile: Profile, *, cores: int, gpus: int | None = None) -> int:
    """Jobs that this machine runs beside each other; `gpus` is None where none are counted."""
    by_cores = cores // profile.threads
    by_gpus = by_cores if gpus is None or not profile.gpus else gpus // profile.gpus
    return max(1, min(by_cores, by_gpus))


def describe(done: int, total: int, seconds: float | None, *, complete: bool = True) -> str:
    """One line for the terminal: ``12 of 34 done, about 18 min left``.

    An estimate that is not `complete` is a lower bound, and called so.
    """
    text = f"{done} of {total} done"
    if seconds is None or done == total:
        return text
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{text}, less than a minute left" if complete else text
    about = "about" if complete else "more than"
    left = f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
    return f"{text}, {about} {left} left"


def durations(grid: Grid) -> dict[str, list[float]]:
    """Wall times in seconds of the finished jobs of each stage, from their provenance.

    Those of an earlier run count too: they tell how long a job takes that now runs again.
    """
    found: dict[str, list[float]] = {}
    for stage in grid.stages:
        for metrics in grid.metrics(stage):
            with suppress(ValueError, KeyError, TypeError):  # absent or damaged: no reason to stop
                record = read_json(Path(metrics).with_name("provenance.json"))
                seconds = float(record["seconds"])
                found.setdefault(stage.name, []).append(seconds)
    return found


def watch(
    logger: logging.Logger, grid: Grid, left: Mapping[str, int], *, at_once: int | None
) -> None:
    """Let Snakemake's `logger` show one line a finished job in place of its own four.

    `left` is the number of jobs of each rule that this run has to do. Without `at_once`, as on a
    cluster, where waiting in the queue cannot be foreseen, the line only counts. Snakemake's
    complete log file stays as it is.
    """
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_worth_reading)
    logger.addHandler(Progress(grid, left, at_once=at_once))


def _worth_reading(record: logging.LogRecord) -> bool:
    event = str(getattr(record, "event", ""))
    return event not in REPLACED and not record.getMessage().startswith("Select jobs")


class Progress(logging.Handler):
    """Listens to Snakemake and prints a line to stderr whenever a job has finished."""

    def __init__(self, grid: Grid, left: Mapping[str, int], *, at_once: int | None) -> None:
        super().__init__()
        self._grid = grid
        self._stages = {stage.name for stage in grid.stages}
        self._left = {rule: jobs for rule, jobs in left.items() if rule in self._stages}
        self._total = sum(self._left.values())
        self._at_once = at_once
        self._rule_of: dict[int, str] = {}  # Snakemake's number of a job
        self._show()

    def emit(self, record: logging.LogRecord) -> None:
        """Remember which job is of which rule; count it when it has finished."""
        event = str(getattr(record, "event", ""))
        if event == "job_info":
            self._rule_of[record.jobid] = record.rule_name  # pyrefly: ignore[missing-attribute]
        elif event == "job_finished":
            rule = self._rule_of.get(record.job_id)  # pyrefly: ignore[missing-attribute]
            if rule in self._left:
                self._left[rule] -= 1
                self._show()

    def _show(self) -> None:
        known, estimate = durations(self._grid), None
        if self._at_once is not None:
            estimate = remaining(known, self._left, at_once=self._at_once)
        done = self._total - sum(self._left.values())
        complete = all(stage in known for stage, jobs in self._left.items() if jobs)
        line = describe(done, self._total, estimate, complete=complete)
        print(line, file=sys.stderr, flush=True)
