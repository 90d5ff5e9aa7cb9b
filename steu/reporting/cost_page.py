"""The page on cost: what `make bench` measured, as one MyST page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from steu.reporting.cost_figures import PICTURE, VARIANTS, of_one_setting, results_of
from steu.reporting.glue import exact

TITLES = {
    "step": "One training step",
    "whole": "A whole unlearning run",
    "encoding": "Encoding notes",
    "counting": "Counting and scoring tokens",
    "reading": "Reading the tables",
    "scaling": "From a thousand notes to all of them",
    "budget": "Where the time of a run goes",
    "overhead": "Notebooks and workflow around the work",
    "gpu": "On a GPU",
}
EXPLAINED = {
    "step": "The floor is a pass through the frozen encoder and back to its input, and nothing "
    "else; no edit of embedding rows can do without it.",
    "whole": "*plain* is the objective written down in the plainest way: float32, notes padded to "
    "the window, the original model asked at every step, the gradient of the whole table with a "
    "mask. Each way after it has one measure more; `steu.unlearn` has all. To ask the "
    "original once for all notes is a pass over all of them. Where its factor is below 1, two "
    "epochs over the notes with the class do not win it back; a search of many edits does.",
    "encoding": "Beside the bare `tokenizers` library on the same text, with the same ids.",
    "counting": "Beside scikit-learn's `CountVectorizer`, with the same counts.",
    "reading": "MIMIC-IV, from `csv.gz` to a cohort, beside a bare DuckDB scan of the files.",
    "scaling": "Slope of time over notes, both as logarithms: 1 is in proportion.",
    "budget": "The matrix products of each notebook, forward and backward, against what one thread "
    "does at best with matrices of that shape. What a notebook took beyond is everything else: "
    "start, elementwise work, probes, bootstrap, figures.",
    "overhead": "Share of a finished run's time that is not spent in cells that compute.",
    "gpu": "BERT-base; the floor is that of the first section, on the same card. *Compiled*: each "
    "layer by `torch.compile`, which fuses what lies between the matrix products; the package "
    "itself does not compile. *Alone*: the step's matrix products, and its attention, with nothing "
    "between them; no step that uses these kernels is shorter than the two together.",
}
INTRODUCTION = """\
# What it costs

**Question.** An edit of 0.19 % of the parameters [A]{.grade} is small to store. Is it also quick to
find?

Speeds are judged as ratios within one run: what is compared took turns, so that whatever slowed the
machine down slowed all of it. A number stands with the least and the largest of its rounds. This
page is made from what the programs in `benchmarks/` and the run wrote; where nothing was written,
it says so. Machines were measured at different times: where two of them differ in a count
that no machine changes, of parameters or notebooks, the code was another one.
"""


def page(folder: Path, run: Sequence[dict[str, Any]] = ()) -> str:
    """The text of the page; a benchmark without results is left out, and said to be.

    `run` are the provenance records of the run that the book shows, a job each.
    """
    parts = [INTRODUCTION, *([_of_run(run)] if run else [])]
    for name, title in TITLES.items():
        results = results_of(folder, name)
        if not results:
            parts.append(f"## {title}\n\nNot measured for this copy of the book.\n")
            continue
        answers = {"step": _answer, "whole": _measures, "scaling": _growth}
        answer = answers.get(name, lambda _: "")(results)
        sections = "\n".join(_section(result) for result in results)
        parts.append(f"## {title}\n\n{EXPLAINED[name]}\n{answer}\n{sections}")
    return "\n".join(parts)


def _of_run(run: Sequence[dict[str, Any]]) -> str:
    """What the run behind this book took, notebook by notebook."""
    jobs = pd.DataFrame(run, columns=["notebook", "seconds", "device"])
    jobs["notebook"] = jobs["notebook"].map(lambda path: Path(path).stem)
    by_page = jobs.groupby("notebook", sort=True)["seconds"].agg(["size", "median", "sum"])
    lines = ["| notebook | runs | seconds each, median | seconds in all |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {row['size']:.0f} | {_number(row['median'])} | {_number(row['sum'])} |"
        for name, row in by_page.iterrows()
    ]
    machines = sorted(jobs["device"].dropna().unique())
    # A page without a model says "cpu" alone.
    machines = [m for m in machines if m != "cpu" or len(machines) == 1]
    return f"""## The run behind this book

Each page ends with the seconds that it took; here they stand side by side. Where cores
allowed it several ran at once, so less may have gone by on the clock than
their sum: {_number(jobs["seconds"].sum())} s.
What another page had trained already was read and takes no time here: a page by itself takes
longer.
Computed on: {"; ".join(machines) or "not known"}.

{chr(10).join(lines)}
"""


def _answer(results: list[dict[str, Any]]) -> str:
    """The picture and the sentence under it, both made from the rows of a step."""
    result = results[0]
    rows = of_one_setting(result)
    longer_by = {_kind(each["machine"]): _beside_layers(of_one_setting(each)) for each in results}
    at = rows.set_index(["quantity", "method"])["value"]
    share = at["parameters trained", "steu"] / at["parameters trained", "last_three_layers"]
    longer = " and ".join(f"{_number(times)} ({kind})" for kind, times in longer_by.items())
    memory = at["peak bytes of a step", "steu"] / at["peak bytes of a step", "last_three_layers"]
    verdict = ": **few parameters are not little work**" if min(longer_by.values()) > 1 else ""
    return f"""
```{{figure}} glued/costs.svg
:name: fig-costs
:alt: Dots on log scales, a panel each for time, memory, disk and parameters of one step by method.

One training step of each method, {rows["setting"].iloc[0]}, {result["settings"]["batch"]} notes a
step, {_kind(result["machine"])}. Time as a multiple of the floor, with the least and the largest of
{result["settings"]["rounds"]} rounds; the others are exact counts.
```
A step of STEU trains {share:.1%} of the parameters that a step on the last three layers trains,
takes, by the medians of their multiples of the floor, {longer} times as long and needs
{_number(memory)} times the memory. A multiple is taken within each round, in which both took turns;
the medians of the seconds themselves may lie further apart. Gradients have to
pass every layer to reach the rows, while those of the last three layers stop there{verdict}. What
is small is what has to be stored, sent and audited.
"""


def _beside_layers(rows: pd.DataFrame) -> float:
    """How many times as long a step of STEU takes as one on the last three layers."""
    _require(rows)
    at = rows.set_index(["quantity", "method"])["value"]
    return float(at["times the floor", "steu"] / at["times the floor", "last_three_layers"])


def _require(rows: pd.DataFrame) -> None:
    """Refuse results of a step that lack what the figure and its sentence show."""
    found = set(zip(rows["quantity"], rows["method"], strict=True))
    missing = [(q, m) for q in PICTURE for m in VARIANTS if (q, m) not in found]
    if missing:
        raise ValueError(
            f"benchmarks/results/…/step.json: expected {missing[0][0]!r} of {missing[0][1]!r}, "
            "found none; it is of another version: delete it, or run make bench again"
        )


def _measures(results: list[dict[str, Any]]) -> str:
    """What each measure is, and how many times faster it made the way before it, where measured."""
    factors: dict[str, dict[str, str]] = {}
    for result in results:
        of_all = [row for row in result["rows"] if row["quantity"] == "times steu"]
        for setting, rows in groupby(of_all, key=lambda row: row["setting"]):
            column = f"{setting}, {_kind(result['machine'])}"
            for before, this in pairwise(rows):
                factor = before["median"] / this["median"]
                factors.setdefault(this["variant"], {})[column] = _number(factor)
    columns = list(dict.fromkeys(column for each in factors.values() for column in each))
    told = results[0]["settings"]
    lines = ["| what a measure brings, as a factor of speed | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    lines += [
        f"| *{variant}*: {told[variant]} | " + " | ".join(each.get(c, "–") for c in columns) + " |"
        for variant, each in factors.items()
    ]
    return "\n".join(["", *lines, ""])


def _growth(results: list[dict[str, Any]]) -> str:
    result = results[0]
    n = result["settings"]["rounds"]
    rounds = f"median with the least and the largest of {n} rounds" if n > 1 else "one round"
    return f"""
```{{figure}} glued/growth.svg
:name: fig-growth
:alt: Seconds against the number of notes on log scales, a line a stage.

Time of each stage by the number of notes, {rounds}; notes of about
{result["settings"]["characters"]:,} letters.
```
"""


def _section(result: dict[str, Any]) -> str:
    """Machine and goals of one benchmark; folded, a table a quantity with variants as columns."""
    machine = result["machine"]
    device = f"{machine['processor']}, {machine['cores']} cores, {_kind(machine)}"
    device = machine["cuda"] if result["name"] == "gpu" else device
    lines = [
        f"Measured on {device}, {machine['memory_gb']:.0f} GB; PyTorch {machine['torch']}, "
        f"threads: {machine['threads']}{_at_commit(result)}.\n",
        *_goals(result),
        "\n````{admonition} All numbers\n:class: dropdown\n",
    ]
    for quantity in dict.fromkeys(row["quantity"] for row in result["rows"]):
        lines += _table(quantity, [row for row in result["rows"] if row["quantity"] == quantity])
    return "\n".join([*lines, "````"]) + "\n"


def _at_commit(result: dict[str, Any]) -> str:
    commit = result.get("commit")  # which older results did not note
    return f"; commit `{commit[:7]}`" if commit else ""


def _kind(machine: dict[str, Any]) -> str:
    """Which instructions a processor has, in words."""
    has = "with" if machine["bf16_instructions"] else "without"
    return f"{machine.get('instructions', '')} {has} bf16 instructions".strip()


def _goals(result: dict[str, Any]) -> list[str]:
    """A line for each aim: the medians of its settings, and in how many of them it was reached.

    What a median reaches and not all of its rounds do is reached hardly, and said to be.
    """
    lines = []
    rows = {_about(row): row for row in result["rows"]}
    for about, part in groupby(
        result["goals"], key=lambda goal: (goal["variant"], goal["quantity"])
    ):
        settings = list(part)
        first, met = settings[0], sum(goal["met"] for goal in settings)
        which, value = ("most", first["most"]) if "most" in first else ("least", first["least"])
        bound = f"at {which} {_number(value, about[1])}"
        extremes = (extreme(g["median"] for g in settings) for extreme in (min, max))
        low, high = (_number(value, about[1]) for value in extremes)
        found = low if low == high else f"{low} to {high}"
        verdict = {0: "not reached", len(settings): "reached"}.get(met, f"reached in {met}")
        sure = sum(goal["met"] and _in_every_round(goal, rows[_about(goal)]) for goal in settings)
        if sure < met:
            of = f"in {sure} of them" if sure else "in none"
            verdict += " by the median" + (f"s, in every round {of}" if len(settings) > 1 else "")
            verdict += "" if len(settings) > 1 else ", not in every round"
        where = f"{len(settings)} settings" if len(settings) > 1 else first["setting"]
        name = VARIANTS.get(about[0], f"`{about[0]}`")
        lines.append(f"- {name}, {about[1]}: {found} ({where}), aim {bound}: **{verdict}**")
    return lines


def _about(entry: dict[str, Any]) -> tuple[str, str, str]:
    """What a row or an aim is about."""
    return entry["variant"], entry["setting"], entry["quantity"]


def _in_every_round(goal: dict[str, Any], row: dict[str, Any]) -> bool:
    return goal.get("least", -inf) <= row["min"] and row["max"] <= goal.get("most", inf)


def _table(quantity: str, rows: list[dict[str, Any]]) -> list[str]:
    """One Markdown table: settings down, variants across."""
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    found = {(row["setting"], row["variant"]): row for row in rows}
    heads = [VARIANTS.get(variant, variant) for variant in variants]
    lines = [f"**{quantity}**\n", "| | " + " | ".join(heads) + " |"]
    lines.append("|---" * (len(variants) + 1) + "|")
    for setting in dict.fromkeys(row["setting"] for row in rows):
        cells = [_cell(found.get((setting, variant))) for variant in variants]
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _cell(row: dict[str, Any] | None) -> str:
    """The median, with the range where there is one."""
    if row is None:
        return ""
    if row["min"] == row["max"]:
        return _number(row["median"], row["quantity"])
    median, low, high = (_number(row[name], row["quantity"]) for name in ("median", "min", "max"))
    return f"{median} ({low} to {high})"


def _number(value: float, quantity: str = "") -> str:
    """A number as pages show it; many bytes as MB."""
    if "bytes" in quantity and value >= 1e6:
        return f"{exact(value / 1e6)} MB"
    return exact(value)
