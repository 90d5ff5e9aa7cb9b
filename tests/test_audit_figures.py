"""Figures of the audits set every edit beside models that never learned the class."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from steu.reporting.audit_figures import place_panels, relearning_panels


def test_a_panel_has_the_limits_of_its_intervals_and_a_band_of_its_references():
    rows = [
        (method, place, at, at - 0.02, at + 0.02)
        for place, values in {"layer": (0.9, 0.8, 0.85), "head": (0.7, 0.5, 0.6)}.items()
        for method, at in zip(("steu", "reference_a", "reference_b"), values, strict=True)
    ]
    seen = pd.DataFrame(rows, columns=["method", "place", "value", "low", "high"])
    *axes, empty = Figure().subplots(1, 3, sharey=True)
    place_panels(seen, [*axes, empty], ["layer", "head"])
    assert not empty.get_visible()
    for ax, (low, high), band in zip(
        axes, ((0.78, 0.92), (0.48, 0.72)), ((0.8, 0.85), (0.5, 0.6)), strict=True
    ):
        assert low - 0.05 < ax.get_xlim()[0] < low and high < ax.get_xlim()[1] < high + 0.05
        (clean,) = ax.patches
        extents = clean.get_extents().transformed(ax.transData.inverted())
        assert extents.intervalx == pytest.approx(band)


def test_references_are_one_band_and_one_alone_is_a_line():
    lessons = {"head": {"steu": 0.5, "a": 0.6, "b": 0.7}, "all": {"steu": 0.5, "a": 0.6}}
    rows = [
        (lesson, method, step, value + step / 100)
        for lesson, methods in lessons.items()
        for method, value in methods.items()
        for step in (0, 4, 8)
    ]
    curves = pd.DataFrame(rows, columns=["lesson", "method", "step", "value"])
    axes = Figure().subplots(1, 2)
    relearning_panels(curves, axes, references=["a", "b"])
    assert [len(ax.collections) for ax in axes] == [1, 0]
    assert [[line.get_label() for line in ax.get_lines()] for ax in axes] == [
        ["STEU"],
        ["retrained", "STEU"],
    ]
