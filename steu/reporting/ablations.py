"""What was varied one at a time, on all data of a run, as one frame to draw or to read."""

from __future__ import annotations

import pandas as pd

from steu.reporting.display_names import name

# Methods of one sweep (a name, or how names begin), the column that is varied, what it is called.
SWEEPS = (
    ("steu_by_k", "n_tokens", "tokens"),
    ("selector_", "method", "score"),
    ("head_part_with_rows", "head", "head"),
    ("head_width_with_rows", "head", "classifier"),
    ("every_class_steu", "forget_label", "without"),
)


def first_seed(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of the lowest training seed of each dataset and backbone: one model of each."""
    lowest = results.groupby(["dataset", "backbone"])["seed"].transform("min")
    return results[(results["seed"] == lowest).fillna(False)]


def settings(results: pd.DataFrame) -> pd.DataFrame:
    """Test rows and costs of every sweep that was run, with a column setting: "tokens: 256".

    Sweeps come in the order of the book; settings in that of the results, numbers of tokens by
    size. What is said of a sweep as a whole is left out.
    """
    tested = results[results["split"].isin(["test", None]) & results["value"].notna()]
    parts = []
    for method, column, called in SWEEPS:
        part = tested[tested["method"].str.startswith(method, na=False) & tested[column].notna()]
        written = name
        if column == "n_tokens":
            part, written = part.sort_values("n_tokens", kind="stable"), "{:,}".format
        parts.append(part.assign(setting=[f"{called}: {written(v)}" for v in part[column]]))
    return pd.concat(parts, ignore_index=True)
