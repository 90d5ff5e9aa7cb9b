"""The command line is thin and quick, and a user's mistake is one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from stubs import ROOT, steu, write_notebook

from steu.workflow import cli
from steu.workflow.cli import parse_value

PARAMETERS = (
    "n_tokens: int = 256  # rows\nrate: float = 0.1\nname: str = 'a'\noutput: str = 'runs/x'"
)

OBJECT = """--parameters: expected a JSON object such as '{"n_tokens": 64}', or a file of one"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    write_notebook(tmp_path / "x.ipynb", PARAMETERS, "print(n_tokens, rate, name)")
    write_notebook(tmp_path / "bad.ipynb", PARAMETERS, "raise ValueError('expected a, found b')")
    write_notebook(tmp_path / "bug.ipynb", PARAMETERS, "1 / 0")
    return tmp_path


def test_runs_a_notebook_with_parameters(project: Path) -> None:
    (project / "given.json").write_text('{"n_tokens": 3, "rate": 0.5}')
    values = ["-p", "n_tokens", "64", "-p", "rate", "1e-4", "-p", "name", "12"]
    done = steu(project, "run", "x.ipynb", "--parameters", "given.json", *values)
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/x/notebook.ipynb\n", "")
    assert "64 0.0001 12\\n" in (project / "runs/x/notebook.ipynb").read_text()


def test_takes_json_and_an_output_folder(project: Path) -> None:
    assert (
        steu(
            project, "run", "x.ipynb", "--parameters", '{"n_tokens": 7}', "--output", "y"
        ).returncode
        == 0
    )
    assert "7 0.1 a\\n" in (project / "y/notebook.ipynb").read_text()


def test_lists_the_parameters(project: Path) -> None:
    assert steu(project, "parameters", "x.ipynb").stdout.startswith("n_tokens: int = 256  # rows\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run x.ipynb -p n_tokns 64", "no parameter 'n_tokns'; did you mean n_tokens?"),
        ("run x.ipynb -p n_tokens 6.5", "expected int, found 6.5 (float)"),
        ("run x.ipynb -p n_tokens", "expected -p NAME VALUE, found '-p n_tokens'"),
        ("run x.ipynb n_tokens 6 7", "expected -p NAME VALUE, found 'n_tokens 6 7'"),
        ("run y.ipynb", "no such notebook; did you mean x.ipynb?"),
        ("run x.ipynb --parameters none.json", "none.json does not exist"),
        ("run bad.ipynb", "bad.ipynb, cell 2: expected a, found b"),
        ("workflow none", "profiles/none.yaml: no such profile"),
        ("data fetch eicu-dmo here", "no dataset 'eicu-dmo'; did you mean eicu-demo?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(project: Path, arguments: str, message: str) -> None:
    done = steu(project, *arguments.split())
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("steu: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "n_tokens", "{a: ["], "-p n_tokens: expected int as JSON or YAML; found '{a: ['"),
        (["-p", "rate", "&a [*a]"], "-p rate: expected float as JSON or YAML; found '&a [*a]'"),
        (["-p", "rate", "[" * 999 + "]" * 999], "a value holds lists or mappings one in another"),
        (["-p", "rate", "2150-13-45"], "-p rate: expected float as JSON or YAML"),
        (["--parameters", '{"n_tokens": }'], f"{OBJECT}; Expecting value: line 1 column 14"),
        (["--parameters", "[64]"], f"{OBJECT}; found [64] (list)"),
        (["--parameters", "list.json"], f"{OBJECT}; found [64] (list)"),
        (["--parameters", "cut.json"], f"{OBJECT}; cut.json is not valid JSON"),
    ],
)
def test_a_value_that_cannot_be_read_names_the_option(
    project: Path, arguments: list[str], message: str
) -> None:
    (project / "list.json").write_text("[64]")
    (project / "cut.json").write_text('{"n_tokens": ')
    done = steu(project, "run", "x.ipynb", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"steu: {message}") and done.stderr.count("\n") == 1
    assert not (project / "runs").exists()


def test_a_source_that_cannot_be_reached_is_one_line(project: Path) -> None:
    # Port 9 of this machine refuses: no packet leaves it.
    source = "http://127.0.0.1:9/files/"
    done = steu(project, "data", "fetch", "eicu-demo", "here", "--source", source)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"steu: {source}SHA256SUMS.txt cannot be reached")
    assert done.stderr.count("\n") == 1 and not (project / "here").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("t.csv needs more than DuckDB was given"), "t.csv needs more than DuckDB"),
        (MemoryError(), "this machine has too little memory for it"),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nMore"),
            r"lower --max-length, or .* memory\.",
        ),
    ],
)
def test_too_little_memory_is_one_line(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert re.fullmatch(rf"steu: {told}.*\n", capsys.readouterr().err)


def test_a_bug_shows_its_traceback_and_exit_code_1(project: Path) -> None:
    done = steu(project, "run", "bug.ipynb")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
    assert "runs/x/notebook.ipynb" in done.stderr


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("64", "int", 64), ("1e-4", "float", 1e-4), ("true", "bool", True), ("True", "bool", True),
        ("64", "str", "64"), ("none", "str | None", "none"), ("None", "str | None", None),
        ("null", "int | None", None), ("None", "int | None", None), ("[1, 2]", "list[int]", [1, 2]),
        ('{"a": 1}', "dict", {"a": 1}), ("a", "Literal['a', 'b']", "a"),
        ("0400", "int", "0400"), ("1:30", "int", "1:30"), ("0x10", "int", "0x10"),
        ("1_000", "int", "1_000"), ("+5", "int", 5), ("1.", "float", 1.0), (".5", "float", 0.5),
    ],
)  # fmt: skip
def test_values_are_read_by_type(text: str, annotation: str, value: object) -> None:
    assert parse_value(text, annotation, name="x") == value


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["workflow", "smoke", "--cores", "-1"], "'--cores': Input should be greater than or equ"),
        (["withdraw", "a", "--seed", "x"], "'--seed': Input should be a valid integer"),
        (
            ["witdraw"],
            "steu: No such command 'witdraw'. Did you mean 'withdraw'? (see steu --help)",
        ),
        (["run"], "steu: Missing argument 'notebook' (see steu run --help)"),
        (["edit", "show", "a", "b"], "unexpected extra argument"),
        (["workflow", "smoke", "demo"], "steu: expected one profile, found 'smoke demo'; run one"),
        (["workflow", "smoke", "demo", "--", "--forceall"], "expected one profile, found 'smoke d"),
        (["workflow", "smoke", "--core", "4"], "No such option: --core (Possible options: --cores"),
    ],
)
def test_a_slip_on_the_command_line_is_the_last_line(arguments: list[str], told: str) -> None:
    done = steu(ROOT, *arguments)
    assert done.returncode == 2 and not done.stdout
    assert told in done.stderr.splitlines()[-1] and len(done.stderr.splitlines()) == 1


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("steu.workflow.parameters.notebook_parameters", stop)
    monkeypatch.setattr("sys.argv", ["steu", "parameters", "notebooks/01_cohort.ipynb"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("steu: interrupted; what is finished is kept")


def test_what_is_given_twice_is_refused(tmp_path: Path) -> None:
    notebook = str(write_notebook(tmp_path / "a.ipynb", PARAMETERS))
    with pytest.raises(ValueError, match="-p n_tokens is given twice; leave one out"):
        cli._pairs(notebook, ["-p", "n_tokens", "1", "-p", "n_tokens", "2"])
    with pytest.raises(ValueError, match="'n_tokens' is written twice; leave one out"):
        cli._mapping('{"n_tokens": 64, "n_tokens": 128}')
    file = tmp_path / "p.json"
    file.write_text('{"n_tokens": 64, "n_tokens": 128}')
    with pytest.raises(ValueError, match="p.json: 'n_tokens' is written twice"):
        cli._mapping(str(file))
    with pytest.raises(ValueError, match="'a' is written twice: leave one out"):
        parse_value('{"a": [1], "a": [2]}', "dict", name="labels")


def test_starting_imports_nothing_heavy() -> None:
    heavy = {"torch", "pandas", "papermill", "snakemake", "pydantic", "pooch", "requests"}
    code = f"import sys, steu.workflow.cli; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_every_command_has_help() -> None:
    for command in ("run", "parameters", "workflow", "book", "data fetch"):
        done = steu(ROOT, *command.split(), "--help")
        assert done.returncode == 0 and "Usage" in done.stdout
