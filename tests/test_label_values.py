"""Values of a column of labels: one name each, or it is said what stands between them."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest

from steu.data.readers.cohort_tables import build_cohort
from steu.data.readers.first_look import look_at
from steu.data.readers.label_values import refuse_values

MARKS = [";", "|", "\t", "\n", "；", ",", "、", "/", " / ", "&", "+", ":", "\\", " - ", " and "]


def refused(found: list[str], said: str, *, kept: tuple[str, ...] = (), **how: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        refuse_values(found, kept, column="t.csv: column what", **how)
    assert "\n" not in str(caught.value)


def accepted(found: list[str], kept: tuple[str, ...] = ()) -> None:
    refuse_values(found, kept, column="t.csv: column what")


@pytest.mark.parametrize("mark", MARKS)
def test_a_cell_of_several_labels_is_none_of_its_own(mark: str) -> None:
    several = f"Uro{mark}Neuro"
    for found in (["Uro", "Neuro", several], ["uro", "Neuro", several]):
        refused(found, "of which a part is a label too: name what stands between them, .* as del")
    refused(["Uro", "Neuro", several], "or keep it by name", kept=("Uro", "Neuro"))
    refused(["Uro", "Neuro", several], "write '~' between them, too", delimiter="~")
    accepted(["Uro", "Neuro", several], kept=(several,))
    lists = [mark.join(pair) for pair in (("Uro", "Neuro"), ("Neuro", "ENT"), ("Uro", "ENT"))]
    refused(lists, "whose parts recur in others: each combination would be a label: name what")
    accepted(lists, kept=tuple(lists))


def test_marks_of_several_kinds_are_cut_together() -> None:
    refused(["Uro", "Neuro", "ENT", "Uro / Neuro, ENT"], "name one mark for all as delimiter")


@pytest.mark.parametrize(
    "several", ["('Uro', 'Neuro')", "('Uro',)", "(Uro, Neuro)", "{'Uro'}", "{Uro,Neuro}", '["a"]']
)
def test_a_list_that_was_written_as_text_is_no_name(several: str) -> None:
    refused(["Uro", "Neuro", several], "a list that was written as text")


@pytest.mark.parametrize(
    "found",
    [
        ["ENT / Otolaryngology", "Urology / ward", "Urology", "Diets and Nutritions", "Surgery"],
        ["Surgery / hand", "Surgery / foot", "Medicine / heart"],
        ["renal|failure|acute", "renal|failure|chronic", "cardiac|failure|acute", "cardiac|shock"],
        ["A/A", "A/G", "G/G"],
        ["1/2", "2/3", "1/3"],
        ["3+3", "3+4", "4+3"],
        ["C++/C#", "C", "Uro (left)", "Uro"],
        ["Uro;Neuro", "ENT"],
    ],
)
def test_names_with_such_marks_in_them_are_names(found: list[str]) -> None:
    accepted(found)


def table(path: Path, **changes: object) -> Path:
    frame = pd.DataFrame(
        {
            "id": [f"d{i}" for i in range(60)],
            "body": [f"short note {i}" for i in range(60)],
            "what": ["Uro", "Neuro", "ENT"] * 20,
            "urgent": [0, 1] * 30,
        }
    )
    frame.assign(**changes).to_csv(path, index=False)
    return path


def both_refuse(path: Path, labels: dict, said: str, forget: str = "Uro", **options: str) -> None:
    """At the first look and while the table is read, without a text in the message."""
    options = {"text": "body", "id": "id"} | options
    for ask in (
        lambda: look_at("table", path, labels, forget=forget, **options),
        lambda: build_cohort("table", path, name="t", restricted=False, labels=labels, **options),
    ):
        with pytest.raises(ValueError, match=said) as caught:
            ask()
        assert "short note" not in str(caught.value)


def test_texts_and_ids_are_no_labels_and_are_not_shown(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    said = "labels: body is the column of the texts; name that of the labels"
    both_refuse(path, {"column": "Body ", "keep": ["Uro"]}, said)
    both_refuse(path, {"columns": ["urgent", "body"]}, said)
    said = "column BODY holds no label 'Uro' and hardly a value twice, as texts and ids"
    both_refuse(path, {"column": "BODY", "keep": ["Uro"]}, said, text="what", group_by="id")
    said = "t.csv: column what: no label 'Ur'; did you mean Uro?"
    both_refuse(path, {"column": "what", "keep": ["Ur"]}, said)


def test_a_column_of_yes_and_no_names_nothing_also_where_names_are_asked_for(tmp_path) -> None:
    path = table(tmp_path / "t.csv")
    said = "column urgent holds .*, which say whether a label is there, not which one: name a col"
    both_refuse(path, {"column": "urgent", "keep": ["Uro", "Neuro"]}, said)
    for flags in (["yes", "no"], ["Y", "N"], ["T", "F"], [0.0, 1.0]):
        path = table(tmp_path / "t.csv", urgent=flags * 30)
        both_refuse(path, {"column": "urgent"}, said)
    both_refuse(path, {"column": "urgent", "keep": ["Uro", "Neuro"]}, said)


def test_a_tab_that_is_written_out_is_told_from_a_tab(tmp_path: Path) -> None:
    cells = ["Uro\tNeuro", "Neuro\tENT", "Uro\tENT", "Gyn"] * 15
    labels = {"column": "what", "delimiter": "\\t"}
    options = {"text": "body", "id": "id", "name": "t", "restricted": False}
    path = table(tmp_path / "t.csv", what=cells)
    with pytest.raises(ValueError, match=r"delimiter is '\\t', a backslash and a letter, which no"):
        build_cohort("table", path, labels=labels, **options)
    found = {"Uro", "Neuro", "ENT", "Gyn"}
    cohort = build_cohort("table", path, labels=labels | {"delimiter": "\t"}, **options)
    assert set(cohort.labels) == found
    path = table(tmp_path / "t.csv", what=[cell.replace("\t", "\\t") for cell in cells])
    assert set(build_cohort("table", path, labels=labels, **options).labels) == found


@pytest.mark.parametrize("name", ["rowid", "ROWID", "tableoid", "filename", 'a"b', "count(*)"])
def test_a_label_may_be_called_what_a_database_calls_its_own(tmp_path: Path, name: str) -> None:
    path = table(tmp_path / "t.csv", **{name: [1, 0, 0] * 20}, what=[name, "Neuro", "ENT"] * 20)
    options = {"text": "body", "id": "id", "name": "t", "restricted": False}
    for labels in ({"columns": [name, "urgent"]}, {"column": "what"}):
        cohort = build_cohort("table", path, labels=labels, **options)
        assert cohort.frame[name].sum() == 20


@pytest.mark.parametrize("ids", [{"id": "BODY "}, {"group_by": " Body"}])
def test_the_texts_are_no_ids_however_their_column_is_written(tmp_path: Path, ids: dict) -> None:
    path = table(tmp_path / "t.csv")
    options = {"text": "body", "name": "t", "restricted": False, "labels": {"column": "what"}}
    cohort = build_cohort("table", path, **options, **ids)
    assert cohort.frame["stay_id"].str.fullmatch("[0-9a-f]{16}").all()


def test_tens_of_thousands_of_values_are_looked_through_in_seconds() -> None:
    found = [f"Disease {i}, of kind {i % 97} and {i % 31} / site {i % 13}" for i in range(60_000)]
    started = time.process_time()
    accepted(found)
    assert time.process_time() - started < 30
