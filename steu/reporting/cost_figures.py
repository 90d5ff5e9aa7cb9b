"""The figures of the page on cost, and what `make bench` wrote that they are made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from steu._io import read_json
from steu.reporting import figures

PICTURE = {  # quantity of the benchmark of a step → title of its panel
    "times the floor": "time,\ntimes the floor",
    "peak bytes of a step": "memory at its peak,\nbytes",
    "bytes stored": "on disk,\nbytes",
    "parameters trained": "parameters\ntrained",
}
VARIANTS = {
    "head": "head alone",
    "steu": "STEU",
    "peft_tokens": "STEU by PEFT",
    "masked_dense": "STEU, masked table",
    "last_three_layers": "last three layers",
    "full": "everything",
}


def pictures(folder: Path) -> dict[str, Figure]:
    """The figures of the page by name, as far as their benchmarks were run."""
    figures.look()
    made = {"costs": ("step", _step_picture), "growth": ("scaling", _growth_picture)}
    return {
        name: draw(results[0])
        for name, (benchmark, draw) in made.items()
        if (results := results_of(folder, benchmark))
    }


def results_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """What one benchmark found on each kind of machine; on AVX2, which most have, first."""
    return [read_json(path) for path in sorted(folder.rglob(f"{name}.json"))]


def _step_picture(result: dict[str, Any]) -> Figure:
    """Time, memory, disk and parameters of a step of each method, side by side, on log scales."""
    rows = of_one_setting(result)
    rows = rows[rows["method"].isin(VARIANTS)]
    rows["method"] = rows["method"].map(VARIANTS)
    drawn = Figure(figsize=(8.6, 3))
    axes = drawn.subplots(1, len(PICTURE), sharey=True)
    for ax, (quantity, title) in zip(axes, PICTURE.items(), strict=True):
        figures.intervals(rows[rows["quantity"] == quantity], ax)
        figures.log_scale(ax, "x")
        ax.set_title(title, fontsize=10)
    axes[0].axvline(1, color="#888888", linewidth=1, linestyle=":")
    return drawn


def _growth_picture(result: dict[str, Any]) -> Figure:
    """Seconds of every stage against the number of notes, both on log scales."""
    rows = pd.DataFrame(result["rows"])
    rows = rows[rows["quantity"] == "seconds"]
    rows["notes"] = rows["setting"].str.replace(",", "").str.extract(r"(\d+)")[0].astype(int)
    drawn = Figure(figsize=(6.4, 3.4))
    ax = drawn.subplots()
    stages = rows.groupby("variant", sort=False)
    for colour, (stage, part) in zip(figures.COLOURS, stages, strict=False):
        ax.plot(part["notes"], part["median"], "o-", markersize=4, color=colour, label=stage)
        ax.fill_between(part["notes"], part["min"], part["max"], color=colour, alpha=0.15)
    figures.log_scale(ax, "x", "y")
    ax.set(xlabel="notes", ylabel="seconds")
    ax.legend(frameon=False)
    return drawn


def of_one_setting(result: dict[str, Any]) -> pd.DataFrame:
    """The rows of the largest model at its shortest length, in bf16 where it was measured."""
    rows = pd.DataFrame(result["rows"])
    settings = list(dict.fromkeys(rows["setting"]))
    wanted = [s for s in settings if "BERT-base" in s] or settings
    fast = [s for s in wanted if "bf16" in s] or wanted
    rows = rows[rows["setting"] == fast[0]]
    return rows.rename(
        columns={"variant": "method", "median": "value", "min": "low", "max": "high"}
    )
