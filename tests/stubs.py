"""A project with the real workflow and stub notebooks, for tests of what runs when."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]

CODE = """import json
from pathlib import Path
{imports}
folder = Path(output)
folder.mkdir(parents=True, exist_ok=True)
with Path("ran.txt").open("a") as log:
    log.write(output + "\\n")
metrics = {{"data": "d1", "device": "cpu", "records": []}}
(folder / "metrics.json").write_text(json.dumps(metrics))"""

COMMON = "dataset: str = 'x'  # name\noutput: str = 'runs/scratch/{name}'  # folder to write to\n"
STUBS = {  # notebook -> (parameters, imports)
    "01_cohort": (
        "layout: str = ''\npath: str = ''\nlabels: dict = {}\nn_stays: int = 1\n",
        "first",
    ),
    "02_classifier": (
        "cohort: str = ''\nencoded: str = ''\nbackbone: str = ''\nepochs: int = 1\nseed: int = 0\n",
        "second",
    ),
    "03_pmi": ("cohort: str = ''\nbackbone: str = ''\nn_tokens: int = 4\n", "first"),
    "04_unlearning": (
        "cohort: str = ''\nclassifier: str = ''\nscores: str = ''\n"
        "n_tokens: int = 4\nseed: int = 0\n",
        "third",
    ),
    "09_reproduction": ("run: str = ''\nprofile: str = ''\nmetrics: list[str] = []\n", "first"),
}
PROFILE = """
datasets:
  toy: {layout: mimic_iv, path: synthetic, n_stays: 9, restricted: false, forget_label: a,
        labels: {a: ["428"]}}
backbones: {tiny: {model: random-bert}, other: {model: random-distilbert}}
seeds: [0, 1]
max_length: 8
stages: [unlearning]
parameters: {02_classifier: {epochs: 2}}
"""


TREE = ("book", "notebooks", "profiles", "steu", "workflow")
FILES = ("_config.yml", "_toc.yml", "pyproject.toml", "requirements.lock")


def copy_project(root: Path) -> Path:
    """Copy what a run of this project needs into `root`."""
    for name in TREE:
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, root / name)
    return root


def write_notebook(path: Path, parameters: str, *cells: str) -> Path:
    """Write a notebook with one parameters cell and some code cells."""
    v4 = nbformat.v4
    notebook = v4.new_notebook()
    notebook.cells = [v4.new_markdown_cell("# Title")]
    notebook.cells.append(v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    notebook.cells += [v4.new_code_cell(source) for source in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_project(root: Path) -> Path:
    """Write a project with the real Snakefile and package, stub notebooks and a profile."""
    shutil.copytree(ROOT / "steu", root / "steu", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "workflow", root / "workflow")
    (root / "pyproject.toml").touch()
    (root / "steu" / "first.py").write_text("ONE = 1\n")
    (root / "steu" / "second.py").write_text("from steu.deep import ONE\n")
    (root / "steu" / "deep.py").write_text("ONE = 1\n")
    (root / "steu" / "third.py").write_text("from steu.first import ONE\n")
    for name, (parameters, module) in STUBS.items():
        code = CODE.format(imports=f"from steu.{module} import ONE")
        declared = parameters + COMMON.format(name=name)
        write_notebook(root / "notebooks" / f"{name}.ipynb", declared, code)
    (root / "profiles").mkdir()
    (root / "profiles" / "toy.yaml").write_text(PROFILE)
    return root


def run_on_layouts(root: Path) -> None:
    """Run the real notebooks on made-up tables in two layouts; the smoke run reads MIMIC-IV's."""
    copy_project(root)
    profile = yaml.safe_load((root / "profiles" / "smoke.yaml").read_text())
    (dataset,) = profile["datasets"].values()
    profile |= {
        "datasets": {layout: {**dataset, "layout": layout} for layout in ("mimic_iii", "eicu")},
        "backbones": {"random_distilbert": {"model": "random-distilbert"}},
        "stages": ["unlearning"],
    }
    (root / "profiles" / "layouts.yaml").write_text(yaml.safe_dump(profile))
    done = steu(root, "workflow", "layouts", "--cores", "2")
    assert done.returncode == 0, done.stderr[-3000:]


def steu(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a project; a package that lies in it goes before this one."""
    return subprocess.run(
        [sys.executable, "-m", "steu.workflow.cli", *arguments],
        cwd=root,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def ran(root: Path) -> list[str]:
    """Folders that notebooks wrote to since the last call, below the run."""
    log = root / "ran.txt"
    lines = log.read_text().split() if log.is_file() else []
    log.unlink(missing_ok=True)
    return sorted(line.removeprefix("runs/toy/") for line in lines)
