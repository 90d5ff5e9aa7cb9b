"""The benchmark's results as one MyST page: what was measured, on what, and which goals it met."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from measure import RESULTS

from steu.files import read_json

TITLES = {
    "step": "One training step",
    "encoding": "Encoding notes",
    "counting": "Counting and scoring tokens",
    "reading": "Reading the tables",
    "scaling": "From a thousand notes to all of them",
}
INTRODUCTION = """\
# What it costs

Every speed is a ratio within one run: what is compared took turns, so that whatever slowed the
machine down slowed all of it. A number stands with the least and the largest of its rounds.
Measured with `make bench`; this page is made from its results and from nothing else.
"""


def page(folder: Path = RESULTS) -> str:
    """The text of the page; a benchmark without results is left out, and said to be."""
    parts = [INTRODUCTION]
    for name, title in TITLES.items():
        path = folder / f"{name}.json"
        parts.append(f"## {title}\n")
        parts.append(section(read_json(path)) if path.is_file() else "Not measured yet.\n")
    return "\n".join(parts)


def section(result: dict[str, Any]) -> str:
    """Machine, a table a quantity with the variants as columns, and the goals of one benchmark."""
    machine = result["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB; "
        f"PyTorch {machine['torch']} with {machine['threads']} threads.\n"
    ]
    for quantity in dict.fromkeys(row["quantity"] for row in result["rows"]):
        lines += table(quantity, [row for row in result["rows"] if row["quantity"] == quantity])
    for goal in result["goals"]:
        bound = f"at most {goal['most']:g}" if "most" in goal else f"at least {goal['least']:g}"
        lines.append(
            f"- {goal['variant']}, {goal['setting']}: {goal['quantity']} {number(goal['median'])}, "
            f"aim {bound}: **{'reached' if goal['met'] else 'not reached'}**"
        )
    return "\n".join(lines) + "\n"


def table(quantity: str, rows: list[dict[str, Any]]) -> list[str]:
    """One Markdown table: settings down, variants across."""
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    found = {(row["setting"], row["variant"]): row for row in rows}
    lines = [f"**{quantity}**\n", "| | " + " | ".join(variants) + " |"]
    lines.append("|---" * (len(variants) + 1) + "|")
    for setting in dict.fromkeys(row["setting"] for row in rows):
        cells = [cell(found.get((setting, variant))) for variant in variants]
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def cell(row: dict[str, Any] | None) -> str:
    """The median, with the range where there is one."""
    if row is None:
        return ""
    if row["min"] == row["max"]:
        return number(row["median"])
    return f"{number(row['median'])} ({number(row['min'])} to {number(row['max'])})"


def number(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    print(page(Path(sys.argv[1]) if sys.argv[1:] else RESULTS))
