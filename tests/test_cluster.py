"""A cluster runs the same jobs; SLURM is asked for the GPUs, memory and time that they need."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from stubs import PROFILE, ROOT, ran, steu, write_project

from steu.workflow.jobs import Grid
from steu.workflow.profiles import load_profile

PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
SLURM = "workflow/slurm"

SUBMIT = """#!/bin/sh
echo "$1" >> asked.txt
sh "$2" > "$2.out" 2>&1 &
echo $!
"""
LOCAL = """
executor: cluster-generic
jobs: 4
seconds-between-status-checks: 1
cluster-generic-submit-cmd: "./submit '{rule} {threads} {resources.gpu}'"
"""
SBATCH = f"""#!{sys.executable}
import json, sys
with open("asked.jsonl", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit("this queue is closed")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def write_command(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_a_cluster_runs_the_whole_grid(project: Path) -> None:
    text = PROFILE.replace(", other: {model: random-distilbert}", "").replace("[0, 1]", "[0]")
    (project / "profiles/toy.yaml").write_text(text + "gpus: 1\nthreads: 3\n")
    write_command(project / "submit", SUBMIT)
    (project / "workflow/local").mkdir()
    (project / "workflow/local/config.yaml").write_text(LOCAL)
    done = steu(project, "workflow", "toy", "--cores", "1", "--cluster", "workflow/local")
    assert done.returncode == 0, done.stderr
    seed = ["toy/tiny/pmi", "toy/tiny/seed0/classifier", "toy/tiny/seed0/unlearning"]
    assert ran(project) == ["reproduction", "toy/cohort", *seed]
    for folder in ("reproduction", "toy/cohort", *seed):
        assert (project / "runs/toy" / folder / "provenance.json").is_file()
    # the threads of the profile, though this machine was said to have one core
    asked = sorted((project / "asked.txt").read_text().splitlines())
    without = ["cohort 3 0", "pmi 3 0", "reproduction 3 0"]
    assert asked == sorted([*without, "classifier 3 1", "unlearning 3 1"])
    assert "5 of 5 done" in done.stderr.splitlines()


def submissions(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Options of each call of sbatch, which refuses them all, by name."""
    write_command(folder / "sbatch", SBATCH)
    for name in ("squeue", "sacct", "sacctmgr", "sinfo", "scontrol"):
        write_command(folder / name, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    quick = ("--", "--slurm-init-seconds-before-status-checks", "1")
    done = steu(project, "workflow", "toy", "--cluster", SLURM, *quick)
    assert done.returncode == 1 and "this queue is closed" in done.stderr
    lines = (project / "asked.jsonl").read_text().splitlines()
    return [_options(json.loads(line)) for line in lines]


def _options(arguments: list[str]) -> dict[str, str]:
    """Read ``--name=value``, ``--name value`` and flags alike."""
    found, name = {}, ""
    for argument in arguments:
        if argument.startswith("-"):
            name, _, value = argument.lstrip("-").partition("=")
            found[name] = value
        else:
            found[name] = argument
    return found


def test_slurm_is_asked_for_gpus_memory_and_time_and_again_for_more(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "profiles/toy.yaml").write_text(PROFILE + "gpus: 1\nthreads: 64\n")
    (project / "runs/toy/toy/cohort").mkdir(parents=True)
    (project / "runs/toy/toy/cohort/metrics.json").write_text("{}")
    asked = submissions(project, tmp_path / "bin", monkeypatch)
    classifiers = [options for options in asked if "classifier" in options["comment"]]
    others = [options for options in asked if "pmi" in options["comment"]]
    assert len(classifiers) + len(others) == len(asked)
    assert (classifiers[0]["array"], others[0]["array"]) == ("1-4", "1-2")
    assert {options.get("gpus") for options in classifiers} == {"1"}
    assert not any("gpus" in options for options in others)
    assert {options["cpus-per-task"] for options in asked} == {"64"}
    for kind in (classifiers, others):
        attempts = {int(options["t"]) // 240: int(options["mem"]) for options in kind}
        assert attempts.keys() == {1, 2, 3}  # two retries, with more time and memory
        assert all(mem >= 16000 * attempt for attempt, mem in attempts.items())
    for options in asked:  # a node starts this interpreter and learns which run it works for
        assert options["wrap"].startswith(f"{sys.executable} -m snakemake")
        assert "--config 'grid=profile=toy&data=&run='" in options["wrap"]


def copy_profile(project: Path, profile: str) -> None:
    """Put a profile into the project, with all notebooks and empty folders for its data."""
    shutil.copytree(ROOT / "notebooks", project / "notebooks", dirs_exist_ok=True)
    shutil.copy(ROOT / "profiles" / f"{profile}.yaml", project / "profiles")
    for dataset in load_profile(profile, root=ROOT).datasets.values():
        (project / "data" / dataset.path).mkdir(parents=True, exist_ok=True)


def number_of_jobs(project: Path, profile: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        grid = Grid.of(profile, data="data")
        return sum(len(grid.metrics(stage)) for stage in grid.stages)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_array_is_ever_cut(project: Path, profile: str) -> None:
    # The plugin for SLURM (2.8) submits an array only when Snakemake hands it all jobs of a rule
    # that are ready, and forgets them otherwise; so there may be no limit that they could reach.
    copy_profile(project, profile)
    settings = yaml.safe_load((ROOT / SLURM / "config.yaml").read_text())
    assert number_of_jobs(project, profile) < settings["jobs"]
    assert settings["slurm-array-jobs"] == "all" and "resources" not in settings
    # It names the tasks of an array as squeue does; sacct would give them other numbers.
    assert settings["slurm-status-command"] == "squeue"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("toi", "profiles/toi.yaml: no such profile; did you mean toy?"),
        (
            "toy --cluster workflow/slrm",
            "workflow/slrm: expected a folder with a config.yaml for a cluster, found none; "
            "did you mean workflow/slurm?",
        ),
    ],
)
def test_a_mistyped_name_is_one_line(project: Path, arguments: str, message: str) -> None:
    done = steu(project, "workflow", *arguments.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"steu: {message}\n")
