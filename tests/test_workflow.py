"""The workflow runs each thing once, again only after a change, and can be resumed."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from functools import partial
from pathlib import Path
from threading import Timer
from typing import get_args
from urllib.parse import parse_qsl

import pytest
from conftest import Once
from filelock import FileLock
from snakemake.cli import parse_config
from snakemake_interface_executor_plugins.utils import format_cli_value
from stubs import COMMON, PROFILE, ROOT, STUBS, ran, steu, write_notebook, write_project

from steu.data.readers.eicu import EICU, read_eicu
from steu.data.readers.first_look import tables_read
from steu.data.readers.mimic import LAYOUTS, read_mimic
from steu.data.readers.table import read_plain
from steu.workflow.code_dependencies import PackageCode
from steu.workflow.datasets import OPTIONS, ColumnOfLabels, Section
from steu.workflow.jobs import Grid, digest_of_ends
from steu.workflow.launch import snakemake_command
from steu.workflow.profiles import load_profile
from steu.workflow.stages import STAGES
from steu.workflow.warm import ADDRESS

FIRST = ("classifier", "unlearning")
PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture(scope="session")
def finished(once: Once) -> Path:
    def run(root: Path) -> None:
        done = steu(write_project(root), "workflow", "toy", "--cores", "2")
        assert done.returncode == 0, done.stderr

    return once("finished", run)


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def again(root: Path, *arguments: str) -> list[str]:
    ran(root)
    done = steu(root, "workflow", "toy", "--cores", "2", *arguments)
    assert done.returncode == 0, done.stderr
    return ran(root)


def planned(root: Path) -> list[str]:
    """Folders that jobs would write to, below the run."""
    done = steu(root, "workflow", "toy", "--cores", "2", "--dry-run")
    assert done.returncode == 0, done.stderr
    return sorted(set(re.findall(r"writes runs/toy/(\S+)/metrics\.json", done.stdout)))


def grid(*stages: str) -> list[str]:
    cells = [
        f"toy/{b}/seed{s}/{stage}" for b in ("other", "tiny") for s in (0, 1) for stage in stages
    ]
    return sorted(cells)


def test_the_whole_grid_runs_once(finished: Path) -> None:
    pmi = ["toy/other/pmi", "toy/tiny/pmi"]
    everything = ["reproduction", "toy/cohort", *pmi, *grid("classifier", "unlearning")]
    assert ran(finished) == sorted(everything)
    assert (finished / "runs/toy/toy/tiny/seed1/unlearning/provenance.json").is_file()


def test_nothing_runs_again_after_it_is_done(project: Path) -> None:
    (project / "steu" / "deep.py").touch()
    assert again(project) == []


def test_a_changed_module_reruns_what_imports_it_and_what_follows(project: Path) -> None:
    (project / "steu" / "deep.py").write_text("ONE = 2\n")
    assert planned(project) == ["reproduction", *grid("classifier", "unlearning")]


def test_a_changed_parameter_reruns_what_depends_on_it(project: Path) -> None:
    text = PROFILE.replace("{epochs: 2}", "{epochs: 2}, 04_unlearning: {n_tokens: 5}")
    (project / "profiles" / "toy.yaml").write_text(text)
    assert planned(project) == ["reproduction", *grid("unlearning")]


def test_a_changed_notebook_reruns_itself_and_what_follows(project: Path) -> None:
    path = project / "notebooks" / "09_reproduction.ipynb"
    path.write_text(path.read_text().replace("# Title", "# Another title"))
    assert planned(project) == ["reproduction"]


def test_the_users_settings_for_all_workflows_stay_out(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("executor: none-that-exists\n")
    monkeypatch.setenv("SNAKEMAKE_PROFILE", str(tmp_path / "mine"))
    assert planned(project) == []


def test_a_new_seed_runs_alone(project: Path) -> None:
    (project / "profiles" / "toy.yaml").write_text(PROFILE.replace("[0, 1]", "[0, 1, 2]"))
    new = [f"toy/{b}/seed2/{s}" for b in ("other", "tiny") for s in ("classifier", "unlearning")]
    assert planned(project) == sorted(["reproduction", *new])


def test_a_long_stage_may_run_with_the_first_seed_only(project: Path, monkeypatch) -> None:
    path = project / "profiles" / "short.yaml"
    path.write_text(PROFILE + "first_seed_only: [unlearning]\n")
    monkeypatch.chdir(project)
    last = Grid.of("short").inputs(Grid.of("short").stages[-1], {})
    seeds = {stage: {f[f.index("seed") :][:5] for f in last if stage in f} for stage in FIRST}
    assert seeds == {"classifier": {"seed0", "seed1"}, "unlearning": {"seed0"}}


def test_a_profile_in_another_encoding_is_named(project: Path, monkeypatch) -> None:
    (project / "profiles" / "wide.yaml").write_bytes(PROFILE.encode("utf-16"))
    monkeypatch.chdir(project)
    with pytest.raises(ValueError, match=r"wide.yaml: not UTF-8; save it as UTF-8"):
        Grid.of("wide")


def test_the_first_seed_may_run_with_other_parameters(project: Path, monkeypatch) -> None:
    path = project / "profiles" / "searched.yaml"
    path.write_text(PROFILE + "first_seed_parameters: {02_classifier: {epochs: 9}}\n")
    monkeypatch.chdir(project)
    grid = Grid.of("searched")
    stage = next(stage for stage in grid.stages if stage.name == "classifier")
    cells = [{"dataset": "toy", "backbone": "tiny", "seed": seed} for seed in ("0", "1")]
    assert [grid.parameters(stage, cell)["epochs"] for cell in cells] == [9, 2]


def test_a_dataset_may_have_a_window_of_its_own(project: Path, monkeypatch) -> None:
    text = PROFILE.replace("forget_label: a,", "forget_label: a, max_length: 5,")
    (project / "profiles" / "narrow.yaml").write_text(text)
    write_notebook(
        project / "notebooks" / "02_classifier.ipynb",
        "cohort: str = ''\nbackbone: str = ''\nmax_length: int = 9\nepochs: int = 1\n"
        "output: str = ''",
    )
    monkeypatch.chdir(project)
    cell = {"dataset": "toy", "backbone": "tiny", "seed": "0"}
    for profile, window in (("toy", 8), ("narrow", 5)):
        grid = Grid.of(profile)
        stage = next(stage for stage in grid.stages if stage.name == "classifier")
        assert grid.parameters(stage, cell)["max_length"] == window


def test_a_failed_run_keeps_its_notebook_and_is_resumed(project: Path) -> None:
    path = project / "notebooks" / "09_reproduction.ipynb"
    whole = path.read_text()
    path.write_text(whole.replace("folder = Path", "raise ValueError('no claims')\\nfolder = Path"))
    done = steu(project, "workflow", "toy", "--cores", "2")
    assert done.returncode == 1
    *_, log, last = done.stderr.splitlines()
    assert last == "steu: notebooks/09_reproduction.ipynb, cell 2: no claims"
    assert "Exception" not in done.stderr
    assert "CalledProcessError" in Path(log.removeprefix("the engine's own lines: ")).read_text()
    folder = project / "runs" / "toy" / "reproduction"
    assert (folder / "notebook.ipynb").is_file() and not (folder / "metrics.json").exists()
    path.write_text(whole)
    assert again(project) == ["reproduction"]


BESIDE = """import os, signal, time
try:
    Path('first').touch(exist_ok=False)
    time.sleep(300)
except FileExistsError:
    {fault}
metrics = """


@pytest.mark.parametrize(
    ("fault", "status", "last"),
    [
        ("raise ValueError('no such row')", 1, "steu: notebooks/04_unlearning.ipynb, cell 2: no s"),
        ("os.kill(os.getppid(), 9)", 1, "steu: the stage unlearning ended without a word, as one "),
        ("os.kill(int(os.environ['STARTED']), signal.SIGINT)", 130, "steu: interrupted; what is f"),
        ("os.kill(int(os.environ['STARTED']), signal.SIGTERM)", 130, "steu: interrupted; what is "),
    ],
    ids=["fails", "is killed", "ctrl-c", "is asked to end"],
)
def test_what_stops_a_run_stops_what_runs_beside_and_is_said_last(
    project: Path, fault: str, status: int, last: str
) -> None:
    path = project / "notebooks" / "04_unlearning.ipynb"
    text = BESIDE.format(fault=fault).replace("\n", "\\n")
    path.write_text(path.read_text().replace("metrics = ", text))
    shell = "STARTED=$$ exec " + " ".join(
        [sys.executable, "-m", "steu.workflow.cli", "workflow", "toy", "--cores", "2"]
    )
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=project,
        env={k: v for k, v in os.environ.items() if k != ADDRESS} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,  # less than the one beside would take
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # in the background too
    )
    assert done.returncode == status, done.stderr
    assert done.stderr.splitlines()[-1].startswith(last)
    assert (project / "runs/toy/toy/other/seed0/classifier/metrics.json").is_file()


WAIT = """import time
(folder / 'metrics.json').write_text('{')
while 'other/seed1' in output and Path('wait').exists():
    time.sleep(0.1)
metrics = """


def test_a_killed_run_goes_on_and_repeats_nothing_finished(project: Path) -> None:
    path = project / "notebooks" / "04_unlearning.ipynb"
    path.write_text(path.read_text().replace("metrics = ", WAIT.replace("\n", "\\n")))
    (project / "wait").touch()
    ran(project)
    metrics = project / "runs/toy/toy/other/seed1/unlearning/metrics.json"
    kill_after(project, "3 of 5 done, less than a minute left", begun=metrics)
    assert metrics.read_text() == "{" and ran(project) == grid("unlearning")
    (project / "wait").unlink()
    assert again(project) == ["reproduction", "toy/other/seed1/unlearning"]
    for path in (project / "runs").rglob("metrics.json"):
        assert json.loads(path.read_text())["data"] == "d1"
    assert {path.name for path in (project / "runs").rglob(".*")} == {".lock"}


def kill_after(root: Path, line: str, *, begun: Path) -> None:
    """Run the workflow and kill all of it once it has printed `line` and has written `begun`."""
    command = [sys.executable, "-m", "steu.workflow.cli", "workflow", "toy", "--cores", "2"]
    begun.unlink()
    with subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        kill = partial(os.killpg, process.pid, signal.SIGKILL)
        limit = Timer(90, kill)  # a run that waits for ever is an error too
        limit.start()
        assert any(printed.strip() == line for printed in process.stderr or ())
        while limit.is_alive() and not begun.is_file():
            time.sleep(0.1)
        limit.cancel()
        kill()


def test_what_others_wait_for_begins_first_and_long_pages_before_short_ones(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    made = Grid.of("demo")
    first = {"dataset": "mimic_iv_synthetic", "backbone": "minilm", "seed": "0"}
    order = sorted(made.stages, key=lambda stage: made.priority(stage, first), reverse=True)
    names = [stage.name for stage in order]
    assert names[0] == "cohort" and set(names[1:3]) == {"classifier", "pmi"}
    assert names[3] == "baselines"
    assert names.index("withdraw") < names.index("audit") < names.index("unlearning")
    classifier, baselines = (
        next(s for s in order if s.name == n) for n in ("classifier", "baselines")
    )
    assert made.parameters(baselines, first)["chosen"] == ""
    another = first | {"seed": "1"}
    searched = f"{made.folder(baselines, first)}"
    assert made.parameters(baselines, another)["chosen"] == searched
    assert f"{searched}/metrics.json" in made.inputs(baselines, another)
    assert f"{searched}/metrics.json" not in made.inputs(baselines, first)
    later = made.priority(classifier, first | {"seed": "1"})
    assert made.priority(baselines, first) > later  # few wait for the other seeds


def test_two_runs_do_not_write_to_one_folder(project: Path) -> None:
    with FileLock(project / "runs" / "toy.lock"):
        second = steu(project, "workflow", "toy")
        elsewhere = steu(project, "workflow", "toy", "--run", "runs/other", "--dry-run")
    assert (second.returncode, elsewhere.returncode) == (2, 0)
    line = (
        "steu: runs/toy: another run is writing there; wait until it has ended, or write elsewhere"
    )
    assert second.stderr == f"{line} with --run FOLDER\n"


def test_a_home_that_is_gone_does_not_stop_a_run(project: Path, monkeypatch) -> None:
    (project / "file").touch()
    monkeypatch.setenv("HOME", str(project / "file" / "home"))  # where nothing can be made
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    shutil.rmtree(project / "runs" / "toy" / "reproduction")
    assert again(project) == ["reproduction"]


def test_a_dry_run_runs_nothing(project: Path) -> None:
    assert again(project, "--run", "runs/elsewhere", "--dry-run") == []
    assert not (project / "runs" / "elsewhere").exists()


def test_a_cluster_is_asked_for_jobs(project: Path) -> None:
    slurm = ["--", "--executor", "slurm", "--jobs", "5", "--default-resources", "mem_mb=4000"]
    assert again(project, "--run", "runs/elsewhere", "--dry-run", *slurm) == []


def stub_data(folder: Path, profile: str) -> None:
    """Files that have the names, and of a table the columns and labels, that a profile reads."""
    for dataset in load_profile(profile, root=ROOT).datasets.values():
        path, options = folder / dataset.path, dict(dataset.options)
        if dataset.layout == "table":
            label = dataset.labels["column"]
            rows = "".join(f"words,{name}\n" for name in dataset.labels["keep"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{options['text']},{label}\n{rows}")
        elif dataset.path != "synthetic":
            if "notes" in options:
                options["notes"] = folder / options["notes"]
            for place, table in tables_read(LAYOUTS[dataset.layout], path, **options):
                file = place / f"{table}.csv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_graph_of_each_profile(project: Path, profile: str, monkeypatch) -> None:
    for name in ("profiles", "notebooks"):
        shutil.copytree(ROOT / name, project / name, dirs_exist_ok=True)
    stub_data(project / "data", profile)
    # The paper's goes to a queue, which would be given the same jobs.
    queue = ("--cluster", "workflow/slurm") if profile == "paper" else ()
    shutil.rmtree(project / "runs")
    done = steu(project, "workflow", profile, "--data", "data", "--dry-run", *queue)
    assert done.returncode == 0, done.stderr
    assert not (project / "runs").exists()
    plan = load_profile(profile, root=ROOT)
    cells = len(plan.datasets) * len(plan.backbones)
    counts = dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)
    for stage in ("classifier", *plan.stages):
        seeds = plan.seeds_of(stage) if STAGES[stage].per == "seed" else [0]
        assert int(counts[stage]) == cells * len(seeds)
    assert int(counts["pmi"]) == cells and int(counts["cohort"]) == len(plan.datasets)
    monkeypatch.chdir(project)
    grid, asks_for_all = Grid.of(profile, data="data"), 1
    jobs = sum(len(grid.metrics(stage)) for stage in grid.stages)
    assert int(counts["total"]) == jobs + asks_for_all


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_fits_the_notebooks(profile: str, tmp_path: Path, monkeypatch) -> None:
    if not (ROOT / "notebooks").is_dir() or not list((ROOT / "notebooks").glob("*.ipynb")):
        pytest.skip("there are no notebooks yet")
    monkeypatch.chdir(ROOT)
    stub_data(tmp_path, profile)
    made = Grid.of(profile, data=str(tmp_path))
    cell = {
        "dataset": next(iter(made.profile.datasets)),
        "backbone": next(iter(made.profile.backbones)),
        "seed": "0",
    }
    for stage in made.stages:
        values = made.parameters(stage, cell)
        for parameter in made.declared[stage.name]:
            parameter.check(values.get(parameter.name, parameter.default), where=stage.path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds:", "seedz:", "wrong.yaml: seedz: unknown key; did you mean seeds?"),
        ("max_length: 8", "", "max_length: missing; it is of type int"),
        (
            "max_length: 8",
            "max_length: long",
            "max_length: expected a valid integer, found 'long' (str)",
        ),
        ("seeds: [0, 1]", "seeds: [0, 2]", "seeds: [0, 2] leave out 1"),
        ("seeds: [0, 1]", "seeds: [0, 1.5]", "seeds: 1: expected a valid integer, found 1.5"),
        ("seeds: [0, 1]", "seeds: []", "seeds: empty; name at least one"),
        ("[unlearning]", "[unlerning]", "stages: no stage 'unlerning'; did you mean unlearning?"),
        ("[unlearning]", "[]", "stages: expected 'unlearning' among them, which the last page is"),
        (
            "[unlearning]",
            "[unlearning]\nfirst_seed_only: [audit]",
            "'audit' is not among the stages",
        ),
        (
            "[unlearning]",
            "[unlearning]\nfirst_seed_parameters: {01_cohort: {n_stays: 3}}",
            "01_cohort does not run for each seed; set it under parameters",
        ),
        (
            "[unlearning]",
            "[unlearning]\nfirst_seed_parameters: {02_classifier: {epoch: 3}}",
            "no parameter 'epoch'; did you mean epochs?",
        ),
        ("  toy:", "  reports (2024):", "'reports (2024)' is the name of a folder: it may hold"),
        ("{tiny:", "{'{tiny}':", "'{tiny}' is the name of a folder: it may hold letters, digits"),
        (
            'labels: {a: ["428"]}',
            'labels: {NO: ["428"], a: ["428"]}',
            "the key 'NO' is not read as text: put it in quotes",
        ),
        ("{epochs: 2}", "{on: 2}", "the key 'on' is not read as text: put it in quotes"),
        ("seeds: [0, 1]", "seeds: [0, 1]\n2024: 3", "the key '2024' is not read as text"),
        (
            "{tiny:",
            "{TINY: {model: random-bert}, tiny:",
            "'TINY' and 'tiny' are one folder where case does not matter, as on macOS: rename one",
        ),
        ("seeds: [0, 1]", "name: ../../../x\nseeds: [0, 1]", "name: '../../../x' is the name"),
        ("seeds: [0, 1]", "seeds: [0]\nseeds: [0, 1]", "'seeds' is written twice: leave one out"),
        ("  toy:", "  toy: {}\n  toy:", "'toy' is written twice: leave one out"),
        ('["428"]', "428", "labels: a: expected a valid list, found 428 (int)"),
        ('["428"]', "[428]", "labels: a: 0: expected a valid string, found 428 (int); put"),
        ('["428"]', '["4-"]', "label 'a': '4-' is not an ICD prefix"),
        ("n_stays: 9", "n_stays: 9, options: {seed: 3}", "options: seed: unknown key; known"),
        ("n_stays: 9", "n_stays: 9, options: {text_source: x}", "text_source: expected 'notes'"),
        ("n_stays: 9", "n_stays: 9, max_length: -5", "expected greater than or equal to 3"),
        ("n_stays: 9", "n_stays: 0", "n_stays: expected greater than or equal to 1, found 0 (int)"),
        ("max_length: 8", "max_length: 0100", "max_length: expected a valid integer, found '0100'"),
        ("max_length: 8", "max_length: 1:30", "max_length: expected a valid integer, found '1:30'"),
        ("max_length: 8", "max_length: 2", "max_length: expected greater than or equal to 3"),
        ("model: random-bert", "model: random-bert, n_layers: 0", "n_layers: expected great"),
        ("model: random-bert", "model: /no/bert", "/no/bert: no such folder, but the back"),
        ("model: random-bert", "model: ./bert", "./bert: no such folder, but the back"),
        ("02_classifier", "02_clasifier", "no notebook '02_clasifier'; did you mean 02_class"),
        (
            "{epochs: 2}",
            "{seed: 3}",
            "sets 'seed' of 02_classifier among its parameters, which its datasets, backbones",
        ),
        ("{epochs: 2}", "{epoch: 2}", "no parameter 'epoch'; did you mean epochs?"),
        ("{epochs: 2}", "{epochs: two}", "parameter epochs: expected int, found 'two' (str)"),
        ("max_length: 8", "max_length: 8\nthreads: 0", "threads: expected greater than or equal"),
        ("max_length: 8", "max_length: true", "max_length: expected a valid integer, found True"),
        ("n_stays: 9", "n_stayz: 9", "datasets: toy: n_stayz: unknown key; did you mean n_stays?"),
        ("{epochs: 2}", "2", "02_classifier: expected a valid dictionary, found 2 (int)"),
        (
            "forget_label: a",
            "forget_label: b",
            "forget_label 'b' is not among the labels; known are a",
        ),
        ("forget_label: a", "forget_label: ''", "toy: forget_label: "),
        ("restricted: false, ", "", "datasets: toy: restricted: missing; it is of type bool"),
        ("{model: random-bert}", "random-bert", "tiny: expected a mapping with model, n_layers"),
        ("n_stays: 9, ", "", "n_stays goes with 'path: synthetic'"),
        (
            "path: synthetic, n_stays: 9",
            "path: mimic",
            "reads toy from 'mimic' below a data folder",
        ),
        ("datasets:", "datasets: [", "not valid YAML"),
        ("path: synthetic", "path: {{ DATA }}", "braces begin a mapping: put the whole value in"),
        ("{epochs: 2}", "{epochs: !!bool maybe}", "wrong.yaml: YAML that cannot be read (KeyErr"),
        ("{epochs: 2}", "{epochs: -2}", "epochs: expected no negative number, found -2"),
        ("{epochs: 2}", "{epochs: 0}", "parameter epochs: expected more than 0, found 0"),
        ("{model: random-bert}", "{model: ''}", "tiny: model: "),
        ("forget_label: a", "forget_label: 2024-13-45", "wrong.yaml: month must be in 1..12; put"),
        (
            "{epochs: 2}}",
            "{epochs: two}}\nfirst_seed_parameters: {02_classifier: {epochs: 2}}",
            "parameter epochs: expected int, found 'two' (str)",
        ),
    ],
)
def test_a_wrong_profile_is_one_clear_line(
    finished: Path, tmp_path: Path, monkeypatch, old: str, new: str, message: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(PROFILE.replace(old, new))
    monkeypatch.chdir(finished)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Grid.of(str(path))
    assert message in str(caught.value) and "\n" not in str(caught.value)


TABLE = "layout: table, path: t.csv, restricted: false, forget_label: a"


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ("{column: 2024}", "{text: t}", "column: expected a valid string, found 2024 (int); put"),
        ("{column: c}", "{text: 2024}", "text: expected a valid string, found 2024 (int); put"),
        ("{column: c}", "{}", "options: text: missing; it is of type str"),
        ("{column: c}", "{text: t, txet: u}", "options: txet: unknown key; did you mean text?"),
        ("{column: c, delimiter: 1}", "{text: t}", "labels: delimiter: expected a valid"),
        ("{column: c, top_n: '5'}", "{text: t}", "labels: top_n: expected a valid integer"),
        ("{column: c, top_n: -1}", "{text: t}", "top_n: expected greater than or equal"),
        ("{column: c, top_n: 1, keep: [a]}", "{text: t}", "'keep' names labels and 'top_n' cou"),
        ("{columns: []}", "{text: t}", "labels: columns: "),
        ("{column: c, keep: a}", "{text: t}", "labels: keep: expected a valid list"),
        ("{column: c, columns: [a]}", "{text: t}", "labels: column: unknown key; did"),
        ("{columns: [a, 5]}", "{text: t}", "labels: columns: 1: expected a valid string"),
        ("{delimiter: c}", "{text: t}", "labels: column: missing; it is of type str"),
    ],
)
def test_what_a_table_is_told_is_checked_before_it_is_read(
    tmp_path: Path, labels: str, options: str, message: str
) -> None:
    path = tmp_path / "wrong.yaml"
    toy = PROFILE[PROFILE.index("layout") : PROFILE.index("}}")]
    path.write_text(PROFILE.replace(toy, f"{TABLE}, options: {options}, labels: {labels[:-1]}"))
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load_profile(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reader", "layout"),
    [
        (read_plain, "table"),
        (read_mimic, "mimic_iv"),
        (read_mimic, "mimic_iii"),
        (read_eicu, "eicu"),
    ],
)
def test_a_profile_tells_a_reader_what_the_reader_can_be_told(reader, layout: str) -> None:
    parameters = inspect.signature(reader).parameters.values()
    known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert set(OPTIONS[layout].model_fields) == known
    assert get_args(Section) == tuple(EICU.sections)


def test_keys_that_are_merged_are_not_written_twice(tmp_path: Path) -> None:
    text = PROFILE.replace("{model: random-bert}", "&b {model: random-bert, n_layers: 1}")
    text = text.replace("{model: random-distilbert}", "{<<: *b, n_layers: 2}")
    (tmp_path / "merged.yaml").write_text(text)
    known = load_profile(str(tmp_path / "merged.yaml")).backbones
    assert [known[name].n_layers for name in ("tiny", "other")] == [1, 2]


@pytest.mark.parametrize("folder", ["2024", "a #2", "a: b", "it's", 'a "b"', "a\\b", "ä&=%20"])
def test_snakemake_is_told_of_any_folder_as_it_is_called(
    project: Path, monkeypatch, folder: str
) -> None:
    monkeypatch.chdir(project)
    *_, told = snakemake_command("toy", data=folder, run="runs/it's #2", dry_run=True)
    parsed = parse_config([ast.literal_eval(format_cli_value(told, quote=True))])
    assert dict(parse_qsl(parsed["grid"])) == {
        "profile": "toy",
        "data": folder,
        "run": "runs/it's #2",
    }
    of_a_shell = shlex.split(format_cli_value(told, quote=True))  # as on a cluster
    assert of_a_shell == [told]


@pytest.mark.parametrize(("data", "run"), [("2024", "runs/a: b #2"), ("it's #1: a", "2025")])
def test_a_run_is_read_from_and_written_to_folders_of_any_name(
    project: Path, data: str, run: str
) -> None:
    text = PROFILE.replace("path: synthetic, n_stays: 9", "path: mimic")
    (project / "profiles" / "real.yaml").write_text(text)
    (project / data / "mimic").mkdir(parents=True)
    for table in ("diagnoses_icd.csv", "discharge.csv"):
        (project / data / "mimic" / table).touch()
    done = steu(project, "workflow", "real", "--data", data, "--run", run, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"{run}/reproduction/metrics.json" in done.stdout


def test_a_run_is_not_written_to_a_folder_that_the_engine_takes_for_another(
    project: Path, monkeypatch
) -> None:
    monkeypatch.chdir(project)
    for named in ({"run": "runs/{b}"}, {"data": "{b}"}):
        with pytest.raises(ValueError, match=r"--(run|data): expected a path without braces"):
            Grid.of("toy", **named)
    shutil.copy(project / "profiles" / "toy.yaml", project / "profiles" / "{b}.yaml")
    with pytest.raises(ValueError, match=r"name: '\{b\}' is the name of a folder: it may hold"):
        Grid.of("{b}")


def test_a_named_file_is_watched_whatever_it_is_called(project: Path, monkeypatch) -> None:
    toy = PROFILE[PROFILE.index("layout") : PROFILE.index("}}")]
    told = TABLE.replace("t.csv", "t.TSV") + ", options: {text: t}, labels: {column: c"
    (project / "profiles" / "real.yaml").write_text(PROFILE.replace(toy, told))
    (project / "t.TSV").touch()
    monkeypatch.chdir(project)
    made = Grid.of("real", data=".")
    assert "t.TSV" in made.inputs(made.stages[0], {"dataset": "toy"})


def test_changed_tables_and_a_changed_model_folder_run_again(
    project: Path, tmp_path: Path, monkeypatch
) -> None:
    for name in ("mimic/hosp/diagnoses_icd.csv.gz", "mimic/notes.txt", "model/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    text = PROFILE.replace("path: synthetic, n_stays: 9", "path: mimic")
    path = project / "profiles" / "real.yaml"
    path.write_text(text.replace("{model: random-bert}", f"{{model: {tmp_path / 'model'}}}"))
    monkeypatch.chdir(project)
    made = Grid.of("real", data=str(tmp_path))
    cohort, classifier = made.stages[:2]
    read = made.inputs(cohort, {"dataset": "toy"})
    assert [Path(f).name for f in read if "mimic" in f] == ["diagnoses_icd.csv.gz"]
    for backbone, known in (("tiny", True), ("other", False)):
        cell = {"dataset": "toy", "backbone": backbone, "seed": "0"}
        assert (str(tmp_path / "model/config.json") in made.inputs(classifier, cell)) is known


def test_notes_of_another_download_are_found_below_the_data_and_watched(
    project: Path, tmp_path: Path, monkeypatch
) -> None:
    note = tmp_path / "mimic-iv-note" / "note" / "discharge.csv.gz"
    note.parent.mkdir(parents=True)
    note.touch()
    (tmp_path / "mimic").mkdir()
    declared = STUBS["01_cohort"][0] + "options: dict = {}\n" + COMMON.format(name="01_cohort")
    write_notebook(project / "notebooks" / "01_cohort.ipynb", declared)
    options = "path: mimic, options: {notes: mimic-iv-note}"
    path = project / "profiles" / "real.yaml"
    path.write_text(PROFILE.replace("path: synthetic, n_stays: 9", options))
    monkeypatch.chdir(project)
    made = Grid.of("real", data=str(tmp_path))
    cell, cohort = {"dataset": "toy"}, made.stages[0]
    where = made.parameters(cohort, cell)["options"]["notes"]
    assert not Path(where).is_absolute() and Path(where).resolve() == note.parents[1]
    assert any(Path(f).resolve() == note for f in made.inputs(cohort, cell))


def test_a_file_is_known_by_its_size_and_its_ends(tmp_path: Path) -> None:
    file, whole = tmp_path / "table.csv", bytearray(3_000_000)
    known = []
    for at in (None, 0, 2_999_999):
        changed = bytearray(whole)
        if at is not None:
            changed[at] = 1
        file.write_bytes(changed)
        known.append(digest_of_ends(file))
    file.write_bytes(whole + b"x")
    assert len({*known, digest_of_ends(file)}) == 4
    file.write_bytes(b"")
    assert digest_of_ends(file).startswith("0 ")


def test_tables_that_were_copied_are_not_new_and_changed_ones_are(project: Path) -> None:
    few = PROFILE.replace("path: synthetic, n_stays: 9", "path: mimic")
    few = few.replace(", other: {model: random-distilbert}", "").replace("[0, 1]", "[0]")
    (project / "profiles" / "toy.yaml").write_text(few)
    table = project / "data" / "mimic" / "hosp" / "diagnoses_icd.csv"
    table.parent.mkdir(parents=True)
    (table.parent.parent / "discharge.csv").touch()
    table.write_text("subject_id,hadm_id\n" + "1,2\n" * 500_000)  # more than a small file
    ran(project)
    given = ("workflow", "toy", "--cores", "2", "--data", "data")
    assert steu(project, *given).returncode == 0
    table.touch()
    assert "toy/cohort/metrics.json" not in steu(project, *given, "--dry-run").stdout
    table.write_text(table.read_text() + "3,4\n")
    assert "toy/cohort/metrics.json" in steu(project, *given, "--dry-run").stdout
    other = project / "corrected.csv"
    other.write_text(table.read_text().replace("1,2", "2,1"))
    os.utime(other, (0, 0))  # unpacked, or moved here: older than all results
    other.rename(table)
    assert "toy/cohort/metrics.json" in steu(project, *given, "--dry-run").stdout


def test_models_that_do_not_fit_on_the_disk_are_said_before_anything_runs(
    project: Path, monkeypatch
) -> None:
    monkeypatch.chdir(project)
    (project / "bert").mkdir()
    (project / "bert" / "model.safetensors").write_bytes(b"x" * 1000)
    text = PROFILE.replace("{model: random-bert}", "{model: bert}")
    (project / "profiles" / "big.yaml").write_text(text)
    needed = 9 * 1000 * 2  # models, bytes, seeds
    space = namedtuple("Space", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: space(needed))
    snakemake_command("big")
    monkeypatch.setattr("shutil.disk_usage", lambda _: space(needed - 1))
    with pytest.raises(
        ValueError, match=r"runs/big will take some 0 GB more \(9 models .* are free th"
    ):
        snakemake_command("big")
    snakemake_command("big", dry_run=True)
    (project / "runs" / "big" / "kept").write_bytes(b"x")  # a run that goes on needs less
    snakemake_command("big")


@pytest.mark.parametrize("where", ["there/x", "/proc/nothing"])
def test_a_folder_that_cannot_be_written_is_one_line_before_anything_runs(
    project: Path, where: str
) -> None:
    (project / "there").write_text("a file")
    done = steu(project, "workflow", "toy", "--run", where)
    assert done.returncode == 2
    assert re.fullmatch(
        r"steu: \S+: (Not a directory|No such file .*); name one that .* written\n", done.stderr
    )


def test_missing_data_lists_what_is_there(finished: Path, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "real.yaml"
    path.write_text(PROFILE.replace("path: synthetic, n_stays: 9", "path: mimic"))
    (tmp_path / "eicu").mkdir()
    monkeypatch.chdir(finished)
    with pytest.raises(ValueError, match=r"mimic: does not exist.*found in .*: eicu, real\.yaml"):
        Grid.of(str(path), data=str(tmp_path))


def test_notes_that_are_not_there_are_said_at_once(tmp_path: Path, finished: Path, monkeypatch):
    (tmp_path / "mimic").mkdir()
    told = "path: mimic, options: {notes: nowhere}"
    (tmp_path / "p.yaml").write_text(PROFILE.replace("path: synthetic, n_stays: 9", told))
    monkeypatch.chdir(finished)
    with pytest.raises(ValueError, match=r"nowhere: does not exist, but .*found in .*: mimic, p"):
        Grid.of(str(tmp_path / "p.yaml"), data=str(tmp_path))


def test_an_optional_dataset_that_is_absent_is_left_out_and_said_to_be(
    project: Path, tmp_path: Path, monkeypatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    more = "  more: {layout: table, path: more.csv, optional: true, restricted: false, "
    more += "forget_label: a, labels: {column: a}, options: {text: t}}\n"
    path = project / "profiles" / "two.yaml"
    path.write_text(PROFILE.replace("backbones:", f"{more}backbones:", 1))
    monkeypatch.chdir(project)
    assert list(Grid.of("two", data=str(data)).profile.datasets) == ["toy"]
    done = steu(project, "workflow", "two", "--data", str(data), "--dry-run")
    assert f"steu: {data} does not hold more; it is left out of this run" in done.stderr
    (data / "more.csv").touch()
    assert list(Grid.of("two", data=str(data)).profile.datasets) == ["toy", "more"]


def test_a_stage_that_another_needs_is_named(project: Path, monkeypatch) -> None:
    write_notebook(project / "notebooks/05b_references.ipynb", "output: str = ''")
    path = project / "profiles" / "short.yaml"
    path.write_text(PROFILE.replace("[unlearning]", "[unlearning, references]"))
    monkeypatch.chdir(project)
    with pytest.raises(ValueError, match="needs the stage 'baselines', which the profile short"):
        Grid.of("short")


def files_of(root: Path, source: str) -> list[str]:
    """What a notebook of such code depends on, asked in a project of its own."""
    write_notebook(root / "some.ipynb", "output: str = ''", source)
    asked = "from steu.workflow.code_dependencies import PackageCode as P; "
    asked += "print(*P().files_of('some.ipynb'))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "source",
    [
        "import steu.data.labels",
        "from steu.data import labels",
        "from steu.data.labels import check_labels as check",
        "%matplotlib inline\nimport steu\nsteu.data.labels.check_labels",
    ],
)
def test_modules_are_found_however_they_are_imported(finished: Path, source: str) -> None:
    found = files_of(finished, source)
    assert found == ["steu/_errors.py", "steu/data/__init__.py", "steu/data/labels.py"]


def test_a_change_in_any_room_is_seen_by_the_notebooks_that_use_it(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    code = PackageCode()
    users: dict[str, set[str]] = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for file in code.files_of(path):
            users.setdefault(file, set()).add(path.stem)
    every = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    without_model = {"01_cohort", "09_reproduction"}
    expected = {
        "steu/_io.py": every,
        "steu/data/splits.py": every - {"09_reproduction"},
        "steu/data/readers/eicu.py": {"01_cohort", "10_withdraw"},
        "steu/synthetic/lexicon.py": {"01_cohort"},
        "steu/evaluation/results.py": every,
        "steu/models/heads.py": every - without_model,
        "steu/selection/words.py": {"03_pmi"},
        "steu/unlearning/influence.py": {"05_baselines", "10_withdraw"},
        "steu/experiments/study.py": every - without_model - {"02_classifier", "03_pmi"},
        "steu/reporting/figures.py": every,
        "steu/reporting/ledger.py": {"09_reproduction"},
    }
    assert {file: users[file] for file in expected} == expected
    assert not any(file.startswith("steu/workflow") for file in users)
    assert "steu/__init__.py" not in users


def test_the_last_page_reads_the_results_of_its_profile_and_no_others(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    grid = Grid.of("smoke")
    last = next(stage for stage in grid.stages if stage.gathers)
    named = grid.parameters(last, {})["metrics"]
    assert named == [f for f in grid.inputs(last, {}) if f.endswith("metrics.json")]
    assert len(named) == len(set(named)) == len(grid.stages) - 1


@pytest.mark.parametrize("between", ["", None])
def test_a_delimiter_that_yaml_took_for_its_own_is_refused(between: str | None) -> None:
    with pytest.raises(ValueError, match=r"expected what stands between labels, in quotes \(YAML"):
        ColumnOfLabels.model_validate({"column": "kind", "delimiter": between})
