"""Figures tell apart what they show, and say when there is nothing to show."""

import io
import re

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from steu.reporting.figures import COLOURS, intervals, log_scale, look, metric_panels
from steu.reporting.token_curves import by_token_count

COLUMNS = ["method", "metric", "cell", "value", "low", "high"]


def test_more_groups_than_colours_are_told_apart_by_their_markers():
    cells = [f"cell {i}" for i in range(2 * len(COLOURS))]
    rows = [("steu", "forget_auroc", cell, 0.5, 0.4, 0.6) for cell in cells]
    ax = intervals(pd.DataFrame(rows, columns=COLUMNS), Figure().subplots(), hue="cell")
    looks = {(bars[0].get_marker(), bars[0].get_color()) for bars in ax.containers}
    assert len(looks) == len(cells)


def test_an_interval_is_drawn_where_the_numbers_lie():
    rows = [("null", "forget_auroc", "a", 0.5, 0.4, 0.7), ("steu", "forget_auroc", "a", 0.2, 0, 1)]
    ax = intervals(pd.DataFrame(rows, columns=COLUMNS), Figure().subplots())
    (bars,) = ax.containers
    assert bars[0].get_xydata().tolist() == [[0.5, 0], [0.2, 1]]
    ends = [[float(x) for x, _ in line] for line in bars[2][0].get_segments()]
    assert ends == [[0.4, 0.7], [0, 1]]


def test_a_panel_without_results_says_so():
    axes = Figure().subplots(1, 2)
    rows = pd.DataFrame([("steu", "forget_f1", "a", 0.5, 0.4, 0.6)], columns=COLUMNS)
    metric_panels(rows, axes, ["forget_f1", "probe_auroc"])
    assert [[text.get_text() for text in ax.texts] for ax in axes] == [[], ["not run"]]


def test_panels_that_share_an_axis_share_its_lines():
    axes = Figure().subplots(1, 2, sharey=True)
    known = [("a", "forget_f1"), ("b", "forget_f1"), ("c", "forget_f1")]
    known += [("a", "probe_auroc"), ("c", "probe_auroc")]  # b was not probed
    rows = [(method, metric, "x", 0.5, 0.4, 0.6) for method, metric in known]
    metric_panels(pd.DataFrame(rows, columns=COLUMNS), axes, ["forget_f1", "probe_auroc"])
    places = [ax.containers[0][0].get_ydata().tolist() for ax in axes]
    assert places == [[0, 1, 2], [0, 2]]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["a", "b", "c"]


def test_a_count_just_below_the_last_is_drawn_but_not_labelled():
    rows = [("probe_auroc", k, 0.9, 0.8, 1.0) for k in (0, 16, 1024, 1041)]
    frame = pd.DataFrame(rows, columns=["metric", "n_tokens", "value", "low", "high"])
    ax = by_token_count(frame, Figure().subplots(), metrics={"probe_auroc": "probe"})
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "16", "1,041"]
    assert ax.get_lines()[0].get_xdata().tolist() == [0, 16, 1024, 1041]


def test_dollars_in_a_name_are_dollars_and_log_axes_write_numbers_out():
    look()
    rows = [("$5, not $6", "forget_auroc", "a$\\b$", 2.0, 1.5, 40.0)]
    drawn = Figure()
    ax = intervals(pd.DataFrame(rows, columns=COLUMNS), drawn.subplots(), hue="cell")
    ax.legend()
    log_scale(ax, "x")
    ax.set_xlim(0.05, 3e9)
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        drawn.savefig(stream, format="svg")  # as formulas the second is none, and no figure
    told = set(re.findall(r"<text[^>]*>([^<]*)</text>", stream.getvalue()))
    assert {"$5, not $6", "a$\\b$", "0.1", "10", "1,000", "100,000", "10M", "1,000M"} <= told


@pytest.mark.parametrize(("limits", "written"), [((0.2, 0.9), "0.3"), ((200, 900), "300")])
def test_an_axis_within_a_power_of_ten_has_numbers_too(limits, written):
    drawn = Figure()
    ax = drawn.subplots()
    log_scale(ax, "x")
    ax.set_xlim(*limits)
    drawn.draw_without_rendering()
    assert written in {text.get_text() for text in ax.get_xticklabels(minor=True)}
