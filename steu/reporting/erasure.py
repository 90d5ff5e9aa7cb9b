"""What the audits found on each data of a run, beside the retrained references: table and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import pandas as pd

from steu._io import read_json
from steu.evaluation.verdicts import Decision, verdict_table
from steu.reporting.display_names import READER, READER_UNSEEN, name
from steu.reporting.frontier import BY_ROWS, SETTING, by_setting
from steu.reporting.glue import estimate, wide
from steu.reporting.statements import AUDITED, MARGIN

READERS = {
    READER: "at the head",
    READER_UNSEEN: "at the head, unseen notes",
    "reader_auroc_others": "in the other answers",
}
KEPT = ("retain_macro_auroc", "retain_macro_f1")
LEFT = "lexical_remainder_auroc"
BESIDE = "beside the references"
TOLD = {0.0: "not told apart", 1.0: "told apart", 0.5: "left open"}  # codes of `AUDITED`


def audited(results: pd.DataFrame) -> pd.DataFrame:
    """A line a model of one dataset and backbone: the strongest reader's AUROCs, and the verdict.

    Empty where no audit ran.
    """
    told = results[results["metric"] == AUDITED].set_index("method")["value"].map(TOLD)
    looked = results[results["metric"] == READER_UNSEEN]["method"]
    rows = results[results["method"].isin(looked)]
    table = wide(rows, index="method", metrics=READERS).rename(columns=READERS)
    table.insert(1, BESIDE, told.reindex(table.index).astype(object).fillna("–"))  # in sight
    return table


def verdicts_of(files: str | Path | Sequence[str | Path]) -> dict[str, dict[str, Decision]]:
    """What chapter 08 decided with the first seed, on each dataset and backbone, by method.

    Parameters
    ----------
    files
        The metrics.json of one run, or its folder.
    """
    below = Path(files).rglob("metrics.json") if isinstance(files, (str, Path)) else files
    decided = [f for file in map(Path, below) if (f := file.with_name("verdicts.json")).is_file()]
    by_seed = {}
    for file in decided:
        tags = read_json(file.with_name("metrics.json"))["records"][0]
        by_seed[f"{tags['dataset']} · {tags['backbone']}", tags["seed"]] = file
    first = {cell: by_seed[cell, seed] for cell, seed in sorted(by_seed, reverse=True)}
    return {
        cell: {
            method: Decision(**{f.name: one[f.name] for f in fields(Decision)})
            for method, one in read_json(file).items()
        }
        for cell, file in sorted(first.items())
    }


def in_lines(found: Mapping[str, Decision]) -> pd.DataFrame:
    """A line a method: its verdict, what decided it, and the number that did with its interval."""
    table = verdict_table(found).set_index("method").rename_axis(index=None)
    table.insert(2, "at", [estimate(row) for _, row in table.iterrows()])
    return table.drop(columns=["value", "low", "high"]).rename(index=name)


def in_words(results: pd.DataFrame) -> str:
    """What the reader at the head finds in one dataset and backbone: methods, then references."""
    read = _read(results)
    said = {"original": "in the original", "steu_tuned": "after STEU", "steu_e": "after STEU-E"}
    rows = {row["method"]: row for _, row in read.iterrows()}
    parts = [f"{estimate(rows[m])} {where}" for m, where in said.items() if m in rows]
    clean = _references(read)
    if len(clean):
        parts.append(f"{clean.min():.3f} to {clean.max():.3f} in the references")
    return ", ".join(parts) or "no audit ran"


def aim(results: pd.DataFrame) -> str:
    """Whether STEU-E met its aim on one dataset and backbone, and what on the frontier does.

    The aim: the strongest reader finds no more at the head than in the reference that tells least,
    fitted on training notes or on unseen ones, and the others' macro-F1 and macro-AUROC stay within
    `MARGIN` of the original's. Points, not intervals. Other settings are read by the first alone.
    """
    clean, points = _references(_read(results)), _points(results)
    if not len(clean) or not {"original", "steu_e"} <= set(points["method"]):
        return "not asked here"
    start = points[points["method"] == "original"].iloc[0]
    meets = points[READER] <= clean.min()
    for kept in KEPT:
        meets &= points[kept] >= start[kept] - MARGIN
    unseen = _read(results, READER_UNSEEN)
    more = unseen.set_index("method")["value"].get("steu_e", 0.0) > _references(unseen).min()
    met = points[meets & ~(points["method"].eq("steu_e") & more)]
    if (met["method"] == "steu_e").any():
        return "met"
    others = met[met["method"] == BY_ROWS].sort_values(READER)
    if others.empty:
        left = results[results["metric"].eq(LEFT) & results["method"].eq("selector_pmi")]
        told = [f" (words that PMI did not select tell it with AUROC {estimate(row)})"
                for _, row in left.iterrows()]  # fmt: skip
        return "not met, nor by another number of tokens or rows that was tried" + "".join(told)
    best = others.iloc[0]
    return (
        f"not met, but by {best['n_tokens']:,} tokens that share {best['n_rows']:,} row(s): the "
        f"reader of training notes {best[READER]:.3f}, the others' macro-AUROC {best[KEPT[0]]:.3f} "
        f"(original {start[KEPT[0]]:.3f}), a choice that these test notes made"
    )


def _points(results: pd.DataFrame) -> pd.DataFrame:
    """A row an edit that was read at the head: the reader's AUROC there, and what was kept."""
    rows = by_setting(results)
    table = rows.pivot_table(index=SETTING, columns="metric", values="value", aggfunc="first")
    return table.reindex(columns=[READER, *KEPT]).reset_index().dropna()


def _read(results: pd.DataFrame, reader: str = READER) -> pd.DataFrame:
    """A reader at the head of every model but those of a sweep, by method."""
    rows = results[(results["metric"] == reader) & (results["split"] == "test")]
    return rows.drop_duplicates("method")


def _references(read: pd.DataFrame) -> pd.Series:
    return read.loc[read["method"].str.startswith("reference_", na=False), "value"]
