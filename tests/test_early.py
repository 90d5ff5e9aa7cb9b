"""What can be known before the first notebook runs is said before it."""

from __future__ import annotations

import csv
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from stubs import ROOT, steu

from steu._io import write_json
from steu.data.readers.first_look import look_at
from steu.data.readers.table import read_plain
from steu.data.readers.tables import scratch_database
from steu.synthetic.corpus import write_corpus
from steu.workflow.jobs import Grid
from steu.workflow.launch import snakemake_command
from steu.workflow.parameters import read_notebook
from steu.workflow.runner import run_notebook

TABLE = [
    ("text", "who", "specialty", "a", "b"),
    ("one two", "p1", "Urology / ward", "1", "0"),
    ("three", "p2", "30;>30", "0", "1"),
    ("four", "p3", "Urology / ward", "1", "1"),
]
TEXT = {"text": "text"}
OPEN = {
    "datasets": {
        "toy": {
            "layout": "mimic_iv",
            "path": "synthetic",
            "n_stays": 60,
            "restricted": False,
            "forget_label": "a",
            "labels": {"a": ["428"], "b": ["250"]},
        }
    },
    "backbones": {"tiny": {"model": "random-bert"}},
    "seeds": [0, 1],
    "max_length": 64,
    "stages": ["unlearning", "baselines", "references", "every_class", "audit", "recovery"],
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    with (tmp_path / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(TABLE)
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    ("labels", "forget", "options"),
    [
        ({"column": "Specialty", "delimiter": ";"}, ">30", TEXT),
        ({"column": "specialty", "keep": [" Urology / ward", "30;>30"]}, "Urology / ward", TEXT),
        ({"columns": ["a", "b"]}, "a", TEXT | {"subject": "WHO"}),
    ],
)
def test_what_can_be_read_passes(table: Path, labels: dict, forget: str, options: dict) -> None:
    look_at("table", table, labels, forget=forget, **options)
    look_at("table", table.parent, labels, forget=forget, **options)  # its folder
    with scratch_database(table.parent / "scratch") as connection:
        assert forget in read_plain(connection, table, labels, **options)


@pytest.mark.parametrize(
    ("labels", "forget", "options", "message"),
    [
        ({"column": "speciality"}, "a", TEXT, "no column speciality (any case); found text, who"),
        ({"columns": ["a", "c"]}, "a", TEXT, "no column c (any case); found text"),
        ({"column": "specialty"}, "a", {"text": "txt"}, "no column txt (any case); found text"),
        ({"column": "specialty"}, "a", TEXT | {"split": "fold"}, "no column fold (any case)"),
        (
            {"column": "specialty"},
            "urology / ward",
            TEXT,
            "no label 'urology / ward'; did you mean Urology / ward?",
        ),
        (
            {"column": "specialty", "keep": ["Urology", "30;>30"]},
            "30;>30",
            TEXT,
            "no label 'Urology'; did you mean Urology / ward?",
        ),
        ({"column": "specialty", "delimiter": ";"}, "30;>30", TEXT, "no label '30;>30'; did you"),
    ],
)
def test_what_a_table_lacks_is_said_at_a_glance(
    table: Path, labels: dict, forget: str, options: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        look_at("table", table, labels, forget=forget, **options)


@pytest.mark.parametrize(
    ("layout", "options", "table", "message"),
    [
        ("mimic_iv", {}, "note/discharge.csv.gz", "no notes to read in note/discharge; the open"),
        ("mimic_iv", {}, "hosp/diagnoses_icd.csv.gz", "no table hosp/diagnoses_icd (.csv"),
        ("mimic_iii", {"text_source": "orders"}, "PRESCRIPTIONS.csv.gz", "no table prescriptions"),
        ("eicu", {}, "patient.csv.gz", "no table patient (.csv, .csv.gz or"),
        ("eicu", {"sections": ["note"]}, "note.csv.gz", "no table note (.csv, .csv.gz or"),
    ],
)
def test_a_table_that_is_not_there_is_said_at_a_glance(
    tmp_path: Path, layout: str, options: dict, table: str, message: str
) -> None:
    write_corpus(tmp_path, layout=layout, n_stays=9)
    look_at(layout, tmp_path, {}, forget="", **options)
    (tmp_path / table).unlink()
    with pytest.raises(ValueError, match=re.escape(message)):
        look_at(layout, tmp_path, {}, forget="", **options)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=f"{file}"):
        look_at(layout, file, {}, forget="", **options)


def test_a_table_without_a_header_does_not_show_its_first_note(tmp_path: Path) -> None:
    note = "Mr John Smith of Elm Street, born 1950, has a very rare disease and told nobody yet"
    (tmp_path / "t.csv").write_text(f"1,{note.replace(',', '')},a\n2,two,b\n")
    with pytest.raises(ValueError, match="no column text, specialty .*as a row has and no h") as e:
        look_at("table", tmp_path / "t.csv", {"column": "specialty"}, forget="a", text="text")
    assert "Smith" not in str(e.value)


def test_a_run_is_refused_by_its_tables_before_it_begins(table: Path, tmp_path: Path) -> None:
    toy = {"layout": "table", "path": "table.csv", "restricted": False, "options": TEXT}
    toy |= {"labels": {"column": "specialty"}, "forget_label": "Urologie"}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(OPEN | {"datasets": {"toy": toy}}))
    done = steu(ROOT, "workflow", str(tmp_path / "own.yaml"), "--data", str(tmp_path), "--dry-run")
    assert done.returncode == 2 and done.stdout == ""
    told = f"{table}: column specialty: no label 'Urologie'; did you mean Urology / ward?"
    assert done.stderr == f"steu: {os.path.relpath(told, ROOT)}\n"


SOUND = {
    "08_audit": {"methods": ["steu_e", "random_tokens_2", "ssd_layers_only"]},
    "08b_recovery": {"readings": ["dropped"], "other_seeds": [7], "methods": ["scrub"]},
}
ONE, FEW = {"readings": ["relabelled"]}, {"other_seeds": [7]}
MADE = {"05_baselines": {"random_draws": 2, "more_rivals": ["ssd_layers_only", "scrub"]}}


@pytest.mark.parametrize(
    ("parameters", "first", "stages", "message"),
    [
        (SOUND | MADE, {}, [], ""),
        (SOUND, MADE, ["audit", "recovery"], ""),  # of the first seed, which alone is audited
        (SOUND | MADE, {}, ["baselines"], ""),  # and yet 05 runs for whatever reads it
        (SOUND, MADE, ["audit"], "seed 1: 08b_recovery: methods names 'scrub', which 05_baselines"),
        (SOUND, MADE, ["recovery"], "seed 1: 08_audit: methods names 'random_tokens_2', which 05_"),
        ({"08_audit": {"other_seeds": [100]}}, {}, [], "08_audit: other_seeds must be 2 or more"),
        ({"08b_recovery": {"other_seeds": [100]}}, {}, [], "08b_recovery: other_seeds must be 2 "),
        ({"08_audit": {"other_seeds": [100, 1]}}, {}, [], "other_seeds hold 1, the seed of the cl"),
        (
            {"08b_recovery": {"readings": ["masked"]}},
            {},
            [],
            "08b_recovery: readings must hold 'dr",
        ),
        ({"05b_references": FEW}, {}, [], "05b_references: other_seeds must be 3 or more, one for"),
        (
            {"05b_references": {"other_seeds": [7, 8, 1]}},
            {},
            [],
            "seed 1: 05b_references: other_se",
        ),
        ({"05b_references": {"other_seeds": [7, 8, 1]}}, {}, ["references"], ""),  # of seed 0
        ({"05b_references": ONE | {"other_seeds": [0, 7]}}, {}, [], ""),  # the first is not used
        (
            {"05b_references": ONE | {"other_seeds": [7, 0]}},
            {},
            [],
            "seed 0: 05b_references: other",
        ),
        ({}, {"05b_references": {"shards": 1}}, [], "parameter shards: expected 0, which leaves"),
        ({"08_audit": {"methods": ["null"]}}, {}, [], "expected a known name, found 'null'"),
        ({"07_head_size": {"mlp_width": [1]}}, {}, [], "no parameter 'mlp_width'; did you mean"),
        ({}, {"07_head_size": {"epochs": 0}}, [], "parameter epochs: expected more than 0"),
        ({"01_cohort": {"fractions": [0.5, 0.6, 0.1]}}, {}, [], "three shares above 0 that sum"),
        ({"07b_every_class": {"labels_tried": None}}, {}, [], "expected list[str], found None"),
        ({"01_cohort": {"note_words": 5}}, {}, [], "parameter note_words: expected at least 60"),
    ],
)
def test_pages_that_do_not_fit_together_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict,
    first: dict,
    stages: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(ROOT)
    told = {"parameters": parameters, "first_seed_parameters": first, "first_seed_only": stages}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(OPEN | told))
    if not message:
        Grid.of(str(path))
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        snakemake_command(str(path), dry_run=True)


def test_a_page_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    """As a job does whose workflow was killed, and whose run is free again."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "pyproject.toml").touch()
    output = tmp_path / "runs" / "cohort"
    output.mkdir(parents=True)
    write_json(output / "metrics.json", {})
    page = tmp_path / "notebooks" / "01_cohort.ipynb"
    told = r"^runs/cohort: this page is being run there by another process: wait until it has ended"
    with FileLock(output / ".lock"), pytest.raises(ValueError, match=told):
        run_notebook(page, parameters={"output": "runs/cohort"})
    assert (output / "metrics.json").is_file()  # which the other may just have written


@pytest.mark.parametrize(
    ("page", "asked"),
    [("05b_references", "shards_of(study"), ("08b_recovery", "check_shots(study")],
)
def test_what_only_the_data_decide_is_asked_before_a_model_is_trained(
    page: str, asked: str
) -> None:
    cells = read_notebook(ROOT / "notebooks" / f"{page}.ipynb").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert 0 < code.index(asked) < code.index("references_of(study")
