"""Prefixes, codes and indicator columns."""

from __future__ import annotations

import duckdb
import pytest
from stubs import ROOT

from steu.data.labels import (
    DEFAULT_LABELS,
    check_labels,
    check_names,
    label_index,
    parse_code,
    parse_prefix,
)
from steu.data.readers.sql import indicator_sql
from steu.workflow.parameters import notebook_parameters
from steu.workflow.profiles import load_profile

PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_with_icd_labels_have_the_default_ones(profile: str) -> None:
    for dataset in load_profile(profile, root=ROOT).datasets.values():
        if dataset.layout != "table":
            assert list(dataset.labels.items()) == list(DEFAULT_LABELS.items())


def test_the_first_notebook_has_the_default_labels() -> None:
    parameters = {
        p.name: p.default for p in notebook_parameters(ROOT / "notebooks/01_cohort.ipynb")
    }
    assert list(parameters["labels"].items()) == list(DEFAULT_LABELS.items())


@pytest.mark.parametrize(
    ("prefix", "parsed"),
    [
        ("428", (9, "428")),
        ("518.8", (9, "5188")),
        ("I50", (10, "I50")),
        ("E08", (10, "E08")),
        ("V45", (10, "V45")),
        ("icd9:V45", (9, "V45")),
        ("icd9:E980.2", (9, "E9802")),
        ("E880.1", (9, "E8801")),
        ("E88.01", (10, "E8801")),
        ("icd10:E880.1", (10, "E8801")),
        ("42", (9, "42")),
        ("icd10:R65.2", (10, "R652")),
        ("i50.9", (10, "I509")),
        ("diagnosis:diabetes mellitus", (0, "DIABETES MELLITUS")),
        (" Diagnosis: Crohn's disease", (0, "CROHN'S DISEASE")),
    ],
)
def test_prefix_tells_its_system(prefix: str, parsed: tuple[int, str]) -> None:
    assert parse_prefix(prefix) == parsed


@pytest.mark.parametrize("prefix", ["", "heart", "42 8", "4-8", "I50.", "x:428", 428, "'; DROP"])
def test_malformed_prefix_is_refused(prefix: object) -> None:
    with pytest.raises(ValueError, match="is not an ICD prefix; expected one such as"):
        parse_prefix(prefix)


def test_a_dot_behind_fewer_than_three_digits_is_a_lost_zero() -> None:
    with pytest.raises(ValueError, match="has three digits before its dot; write '038.9'"):
        parse_prefix("38.9")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("428.x", "for all codes that begin with it: write '428'"),
        ("E880.1X", "for all codes that begin with it: write 'E8801'"),
        ("I5.0", "an ICD-10 code has three characters before its dot"),
    ],
)
def test_a_prefix_with_which_no_code_begins_is_refused(prefix: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_prefix(prefix)


def test_a_written_diagnosis_needs_words() -> None:
    with pytest.raises(ValueError, match="expected words, such as 'diagnosis:diabetes mellitus'"):
        parse_prefix("diagnosis: ")


def test_a_written_diagnosis_matches_how_a_part_begins_quotes_and_all() -> None:
    sql = indicator_sql(check_labels({"a": ["diagnosis:crohn's"]})["a"])
    with duckdb.connect() as connection:
        for system, part, found in (
            (0, "CROHN'S DISEASE", True),
            (0, "NO CROHN'S", False),
            (9, "CROHN'S DISEASE", False),
        ):
            query = f"SELECT {sql} FROM (SELECT ?::INT AS system, ? AS code)"
            assert connection.execute(query, [system, part]).fetchall() == [(found,)]


def test_digit_cannot_start_icd10() -> None:
    with pytest.raises(ValueError, match="write 'icd9:428'"):
        parse_prefix("icd10:428")


@pytest.mark.parametrize(
    ("code", "parsed"),
    [
        ("428.0", (9, "4280")),
        ("I50.9", (10, "I509")),
        ("E980.2", (9, "E9802")),
        ("E08.1", (10, "E081")),
        ("V62.84", (9, "V6284")),
        (" j96.00 ", (10, "J9600")),
        ("31.1", (0, "31.1")),  # not 311, depressive disorder
    ],
)
def test_code_of_a_mixed_list(code: str, parsed: tuple[int, str]) -> None:
    assert parse_code(code) == parsed


@pytest.mark.parametrize(
    ("system", "code", "found"),
    [
        (9, "4280", True),
        (10, "I509", True),
        (9, "I509", False),
        (10, "4280", False),
        (9, "4", False),
        (9, "1428", False),
        (None, "4280", False),
    ],
)
def test_a_prefix_matches_its_own_system_only(system: int, code: str, found: bool) -> None:
    sql = indicator_sql(check_labels({"heart_failure": ["428", "I50"]})["heart_failure"])
    query = f"SELECT coalesce({sql}, false) FROM (SELECT ?::INT AS system, ? AS code)"
    with duckdb.connect() as connection:
        assert connection.execute(query, [system, code]).fetchall() == [(found,)]


def test_default_labels_are_six_and_sound() -> None:
    assert len(check_labels(DEFAULT_LABELS)) == 6


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "no labels were given"),
        ({"text": ["428"]}, "may not be called 'text'"),
        ({"a": "428"}, "needs a list of ICD prefixes; found '428'"),
        ({"a": []}, "needs a list of ICD prefixes"),
        ({"a": ["428"], "b": ["?"]}, r"label 'b': '\?' is not an ICD prefix"),
        ({"a": ["428"], "A": ["I50"]}, "the same name up to case"),
        ({"a": ["428", "I50"], "b": ["I50", "428"]}, "'a' and 'b' are made of the same codes"),
    ],
)
def test_label_sets_are_checked(labels: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_labels(labels)


def test_blanks_around_a_name_are_not_of_it() -> None:
    assert list(check_labels({" sepsis ": ["038"], "b": ["I50"]})) == ["sepsis", "b"]


def test_names_are_checked() -> None:
    with pytest.raises(ValueError, match="may not be called ''"):
        check_names([""])


def test_label_index_names_the_nearest() -> None:
    assert label_index(("sepsis", "heart_failure"), "heart_failure") == 1
    with pytest.raises(ValueError, match="did you mean heart_failure"):
        label_index(("sepsis", "heart_failure"), "hart_failure")
