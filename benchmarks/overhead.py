"""What notebooks and workflow cost around the work: python benchmarks/overhead.py runs/demo

From the provenance of a run that was not interrupted, of all jobs that its profile asks for. A
notebook starts until its imports are done; everything after is work. Between notebooks the workflow
decides, starts processes, and waits where one job needs the result of another.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from measure import RESULTS, Goal, Rows, kind_of_machine, report, row

from steu._io import read_json
from steu.workflow.profiles import load_profile

GOALS = (Goal("run", "share not in work", most=0.10),)


def jobs_of(run: Path, profile: str = "") -> list[Path]:
    """Provenance of each job of a run; the folder may also hold jobs of what the profile was."""
    asked = load_profile(profile or run.name)
    folders = (folder for stage in asked.all_stages for folder in asked.folders_of(stage))
    files = (run / folder / "provenance.json" for folder in folders)
    return [file for file in files if file.is_file()]


def measure(run: Path, *, jobs: int, profile: str = "") -> Rows:
    """Shares of the time of `jobs` slots over the whole of a run."""
    records = {path: read_json(path) for path in jobs_of(run, profile)}
    if not records:
        raise ValueError(f"{run} holds no provenance.json; run a profile first: make grid")
    old = [path for path, record in records.items() if record.get("seconds_working") is None]
    if old:
        raise ValueError(
            f"{old[0]}: expected seconds_working, found none; it was written by an older version: "
            "remove the run and make it again"
        )
    ends = {path: path.stat().st_mtime for path in records}
    began = min(ends[path] - record["seconds"] for path, record in records.items())
    wall = jobs * (max(ends.values()) - began)
    notebooks = sum(record["seconds"] for record in records.values())
    work = sum(record["seconds_working"] for record in records.values())
    shares = {
        "share starting notebooks": (notebooks - work) / wall,
        "share between notebooks": 1 - notebooks / wall,
        "share not in work": 1 - work / wall,
    }
    setting = f"{run.name}, {len(records)} notebooks, {jobs} at once"
    rows = [row([v], setting=setting, variant="run", quantity=q) for q, v in shares.items()]
    starts = [record["seconds"] - record["seconds_working"] for record in records.values()]
    rows.append(row(starts, setting=setting, variant="run", quantity="seconds to start a notebook"))
    return rows


def main(run: Path, folder: Path, *, jobs: int, profile: str = "") -> Path:
    """Measure a run and write overhead.json into `folder`."""
    rows = measure(run, jobs=jobs, profile=profile)
    commit = read_json(jobs_of(run, profile)[0]).get("commit")
    settings = {"jobs": jobs}
    return report("overhead", rows, folder=folder, settings=settings, goals=GOALS, commit=commit)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="notebooks at once")
    parser.add_argument("--profile", default="", help="if the run's folder is called otherwise")
    parser.add_argument("--output", type=Path, default=RESULTS / kind_of_machine())
    chosen = parser.parse_args()
    main(chosen.run, chosen.output, jobs=chosen.jobs, profile=chosen.profile)
