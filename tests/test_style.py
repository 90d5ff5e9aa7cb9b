"""Style, formatting, types and imports, as `make lint` checks them, beside the other tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stubs import ROOT

CHECKS = {  # as in the Makefile
    "style": "ruff check .",
    "formatting": "ruff format --check .",
    "types": "mypy",
    "imports": "lint-imports --no-cache --no-logo",
}


@pytest.mark.long
@pytest.mark.parametrize("what", CHECKS)
def test_the_code_is_as_it_should_be(what: str) -> None:
    program, *arguments = CHECKS[what].split()
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_lint_checks_the_same() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    asked = [line.removeprefix("\t@$(BIN)/") for line in recipe.splitlines()[1:]]
    assert asked == list(CHECKS.values())
