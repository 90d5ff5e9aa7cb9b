"""What `make lint` checks, beside the other tests: style, formatting, types and imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stubs import ROOT

RECIPE = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0].splitlines()[1:]
CHECKS = [line.removeprefix("\t@$(BIN)/") for line in RECIPE]


@pytest.mark.parametrize("check", CHECKS)
def test_the_code_is_as_it_should_be(check: str) -> None:
    program, *arguments = check.split()
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_four_programs_look_at_it() -> None:
    programs = [check.split()[0] for check in CHECKS]
    assert programs == ["ruff", "ruff", "pyrefly", "lint-imports"]


def test_a_tensor_comes_to_the_cpu_before_it_becomes_an_array() -> None:
    """On a GPU `tensor.numpy()` fails, and no test on a CPU would see it."""
    files = [*ROOT.glob("steu/**/*.py"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.md")]
    lines = [line.strip() for path in files for line in path.read_text("utf-8").splitlines()]
    found = [line for line in lines if ".numpy()" in line and ".cpu()" not in line]
    assert found == ["return not bool(mask.numpy().all())"]  # the host's own
