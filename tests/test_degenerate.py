"""Degenerate answers are named by their kind, sound ones are not."""

from __future__ import annotations

import numpy as np

from steu.evaluation.degenerate import degenerate, degenerate_table, in_words

TRUTH = np.array([1, 1, 0, 0, 0, 0])[:, None]


def kinds(scores: list[float]) -> set[str]:
    return set(degenerate(TRUTH, np.array(scores)[:, None], labels=["sepsis"]))


def test_each_kind_is_named() -> None:
    assert kinds([2, 1, -1, -2, -2, -2]) == set()
    assert kinds([-1, -1, -2, -2, -2, -2]) == {"never predicted"}
    assert kinds([0.2, 0.1, -3, -3, -3, 0.1]) == set()
    assert kinds([3, 3, 2, 2, 2, 2]) == {"always predicted", "worse than its prevalence"}
    assert kinds([-9, -9, -8, -8, -8, -8]) == {"never predicted", "worse than its prevalence"}


def test_the_prevalence_itself_is_constant_and_no_worse_than_itself() -> None:
    share = np.log((1 / 3) / (2 / 3))
    assert kinds([share] * 6) == {"constant"}
    assert kinds([share - 0.1] * 6) == {"constant", "worse than its prevalence"}


def test_labels_without_a_positive_are_not_called_unsaid() -> None:
    none = degenerate(np.zeros((3, 1)), np.array([[-1.0], [-2.0], [-9.0]]), labels=["a"])
    assert set(none) == {"worse than its prevalence"}  # any doubt is, where nothing ever happens


def test_it_is_said_in_words() -> None:
    scores = np.array([[-1, 5], [-1, 5], [-2, 5], [-2, 5], [-2, 5], [-2, 5.0]])
    found = degenerate(np.hstack([TRUTH, TRUTH]), scores, labels=["sepsis", "stroke"])
    assert in_words(found) == (
        "constant: stroke; never predicted: sepsis; worse than its prevalence: stroke"
    )
    assert in_words({}) == "nothing"


def test_a_table_has_a_line_for_each_method_that_differs_from_the_first() -> None:
    found = {"original": {"constant": ["sepsis"]}, "same": {"constant": ["sepsis"]}, "none": {}}
    table = degenerate_table(found | {"more": {"never predicted": ["sepsis", "stroke"]}})
    assert table.loc["more"].tolist() == ["–", "sepsis, stroke", "–", "–"]
    assert list(table.index) == ["original", "none", "more"]
