"""The decision: one record of what was asked, done and found, and one page that shows it."""

from __future__ import annotations

import io
import math
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import steu
from steu.data.privacy import SMALLEST_CELL, suppress_small_cells
from steu.reporting import figures
from steu.reporting.display_names import name
from steu.withdrawal.looking import Looked
from steu.withdrawal.preflight import NOT_PROMISED, PROMISED

FORMAT = 1

VERDICTS = {
    "none": "No verdict: too few patients have the class.",
    "not silenced": "The class is still predicted, or may be.",
    "silenced": "The class is no longer predicted. No audit shows that the model holds less of it.",
    "suppressed in the representation": "The class is no longer predicted, and readers of the "
    "model's states find it less well than before. Nothing shows that it is gone.",
    "indistinguishable from the references under these audits": "The class is no longer predicted, "
    "and these audits find no more of it than in models that never learned it.",
}


def decision(
    *,
    request: dict[str, Any],
    preflight: dict[str, Any],
    changed: dict[str, Any],
    looked: Sequence[Looked],
    tried: Mapping[str, pd.DataFrame],
    seconds: Mapping[str, float],
    left_out: Sequence[str],
    order: Sequence[Mapping[str, Any]],
    machine: str,
) -> dict[str, Any]:
    """Everything that is known, as JSON values; the page says nothing else."""
    found = {
        "format": FORMAT,
        "steu": steu.__version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "asked": request,
        "preflight": preflight,
        "promised": list(PROMISED),
        "not_promised": list(NOT_PROMISED),
        "changed": changed,
        "classes": [
            {
                "label": one.label,
                "verdict": one.verdict.verdict,
                "decided_by": one.verdict.decided_by,
                "audits": one.verdict.said,
                "means": VERDICTS[one.verdict.verdict],
                "says": _records(one.says),
                "holds": _records(one.holds),
                "paid": _records(_in_all(one.paid)),
                "again": _records(one.again),
            }
            for one in looked
        ],
        "tried": {method: _records(table) for method, table in tried.items()},
        "seconds": dict(seconds),
        "not_looked_at": list(left_out),
        "in_turn": list(order),
    }
    return _finite(found)


def render(record: Mapping[str, Any]) -> str:
    """The page of a record: one HTML file that asks nothing of a network."""
    template = files("steu.withdrawal").joinpath("decision.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"estimate": estimate, "name": name, "count": _count, "digits": _digits}
    environment.filters["quoted"] = shlex.quote
    return environment.from_string(template).render(
        record=record,
        fewest=SMALLEST_CELL,
        drawn={one["label"]: Markup(_drawn(one)) for one in record["classes"]},
        value=_value,
        changes=_changes,
    )


def estimate(found: Mapping[str, Any] | Sequence[float] | None) -> str:
    """A number with its interval, as it is written; – where there is none."""
    if found is None:
        return "–"
    named = isinstance(found, Mapping)
    value, low, high = map(found.get, ("value", "low", "high")) if named else found
    if value is None:
        return "–"
    around = "" if low is None or high is None else f" [{low:z.3f}, {high:z.3f}]"
    return f"{value:z.3f}{around}"


def _count(n: int | None) -> str:
    return f"fewer than {SMALLEST_CELL}" if n is None else f"{n:,}"


def _digits(value: float | None) -> str:
    """Three digits; – for a setting whose training diverged."""
    return "–" if value is None else f"{value:z.3f}"


def _value(rows: Sequence[Mapping[str, Any]], method: str, metric: str) -> Mapping[str, Any] | None:
    return next((r for r in rows if r["method"] == method and r["metric"] == metric), None)


def _changes(rows: Sequence[Mapping[str, Any]], label: str, metric: str, notes: str) -> Any:
    return next(
        (r for r in rows if (r["label"], r["metric"], r["notes"]) == (label, metric, notes)), None
    )


def _drawn(one: Mapping[str, Any]) -> str:
    """Forget AUROC by method, and what readers find at each place, as inline SVG."""
    says = pd.DataFrame(one["says"]).query("metric == 'forget_auroc'")
    holds = pd.DataFrame(one["holds"])
    table = pd.concat([says.assign(metric="the model's own answer"), holds], ignore_index=True)
    figures.look()
    places = list(dict.fromkeys(table["metric"]))
    methods = list(dict.fromkeys(table["method"]))
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "steu"}):
        figure, ax = plt.subplots(figsize=(8, 0.5 + 0.07 * len(places) * max(len(methods), 5)))
        figures.intervals(table, ax, y="metric", hue="method", levels=places)
        ax.axvline(0.5, color="#888888", linewidth=1, linestyle=":")
        ax.set(xlim=(-0.02, 1.02), xlabel="AUROC of the class on test notes; ½ is chance")
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    drawn = stream.getvalue()
    return drawn[drawn.index("<svg") :]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts; how many notes they rest on is not told where these are few."""
    if "n" in table:
        table = suppress_small_cells(table, ["n"]).frame.astype({"n": object})
        table["n"] = table["n"].where(table["n"].notna(), None)
    return table.to_dict("records")  # pyrefly: ignore[bad-return]


def _in_all(paid: pd.DataFrame) -> pd.DataFrame:
    """With the number of all notes alone: those of one kind may be of few patients."""
    return paid.assign(n=paid["n"].where(paid["notes"] == "all notes"))


def _finite(value: Any) -> Any:
    """JSON values alone: no NaN, no arrays, no counts of another library."""
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if hasattr(value, "item"):
        return _finite(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
