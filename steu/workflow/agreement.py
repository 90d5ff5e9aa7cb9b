"""Does a fresh run say what a published edition says? Number by number, within stated tolerances."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from steu._io import read_json
from steu.evaluation.results import COLUMNS, collect
from steu.workflow.edition import RESULTS, read_edition

COSTS = ("seconds", "peak_memory_bytes")  # of one machine on one day: not compared
WHAT = [name for name in COLUMNS if name not in ("value", "low", "high", "n", "defined")]
EXACT = 1e-9  # relative; numbers that were counted, and all numbers on one type of machine


class Agreement(NamedTuple):
    """What came of a comparison.

    Attributes
    ----------
    same_machine : bool
        Whether the two ran on one type of machine, where every number has to be equal.
    numbers : DataFrame
        A row a number: what it is of, published, fresh, tolerance, agrees.
    """

    same_machine: bool
    numbers: pd.DataFrame

    @property
    def outside(self) -> pd.DataFrame:
        """The numbers that do not agree, the worst by their tolerance first."""
        wrong = self.numbers[~self.numbers["agrees"]]
        excess = (wrong["fresh"] - wrong["published"]).abs() / wrong["tolerance"].clip(lower=EXACT)
        worst = excess.sort_values(ascending=False, kind="stable", na_position="first")
        return wrong.loc[worst.index]

    def told(self, shown: int) -> str:
        """Some lines: the first `shown` numbers that do not agree, and how many do."""
        kind = "the same type of machine" if self.same_machine else "another type of machine"
        equal = int((self.numbers["fresh"] == self.numbers["published"]).sum())
        within, outside = int(self.numbers["agrees"].sum()), self.outside
        lines = [
            f"{' '.join(str(row[name]) for name in WHAT if row[name] != '')}: published "
            f"{row['published']:.6g}, found {row['fresh']:.6g}, tolerance {row['tolerance']:.2g}"
            for row in outside.head(shown).to_dict("records")
        ]
        lines += [f"… and {len(outside) - shown:,} more"] if len(outside) > shown else []
        summary = (
            f"{len(self.numbers):,} numbers on {kind}: {equal:,} equal, {within:,} within their "
            f"tolerance, {len(outside):,} outside"
        )
        return "\n".join([*lines, summary])


def compare_with_edition(run: str | Path, edition: str | Path, *, profile: str) -> Agreement:
    """Compare every number of a run with those of an edition.

    On the same type of machine (device, instruction set, precision, threads, PyTorch) every number
    has to be equal. Elsewhere rounding differs, and training carries that on until it is as good
    as another seed. So there a number may be off by

    - nothing, where no model had a part in it (counts, prevalences, what is read of the tokens);
    - the widest range between the seeds of one method, in the same metric and on the same data,
      where methods ran with several seeds;
    - else the half-width of its own published 95 % interval, which says less: it is about patients.

    Raises
    ------
    ValueError
        If the edition is of another profile or of other data, or either is not whole.
    """
    facts = read_edition(edition)
    if facts["profile"] != profile:
        raise ValueError(
            f"{edition} is of the profile {facts['profile']}; the run is of {profile}: "
            f"compare it with PROFILE={facts['profile']}"
        )
    fresh, published = Path(run), Path(edition, RESULTS)
    files = sorted(path.relative_to(published) for path in published.rglob("metrics.json"))
    missing = [file for file in files if not (fresh / file).is_file()]
    if missing:
        raise ValueError(
            f"{run} is not finished: {fresh / missing[0]} does not exist ({len(missing)} of "
            f"{len(files)} are missing); finish it with make grid PROFILE={profile}"
        )
    for file in files:
        if read_json(fresh / file)["data"] != read_json(published / file)["data"]:
            raise ValueError(
                f"{fresh / file} comes from other data than {edition}: give the data folder that "
                "the edition was made from, in the same version"
            )
    same = all(_machine(fresh / f.parent) == _machine(published / f.parent) for f in files)
    old, new = (collect([folder / file for file in files]) for folder in (published, fresh))
    return Agreement(same, compare(old, new, same_machine=same))


def _machine(folder: Path) -> tuple[str, str]:
    """Type of machine that a notebook ran on."""
    record = read_json(folder / "provenance.json")
    return record["device"], record["versions"].get("torch")


def compare(published: pd.DataFrame, fresh: pd.DataFrame, *, same_machine: bool) -> pd.DataFrame:
    """`Agreement.numbers` of two tables of results; a number that only one has does not agree."""
    old, new = (_by_what(table) for table in (published, fresh))
    numbers = pd.concat({"published": old["value"], "fresh": new["value"]}, axis=1)
    tolerance = pd.Series(0.0, index=old.index) if same_machine else _tolerance(old)
    numbers["tolerance"] = tolerance.reindex(numbers.index).fillna(0.0)
    apart = (numbers["published"] - numbers["fresh"]).abs()
    allowed = numbers["tolerance"] + EXACT * numbers["published"].abs()
    both_missing = numbers["published"].isna() & numbers["fresh"].isna()
    in_both = numbers.index.isin(old.index) & numbers.index.isin(new.index)
    numbers["agrees"] = ((apart <= allowed) | both_missing) & in_both
    return numbers.reset_index()


def _by_what(table: pd.DataFrame) -> pd.DataFrame:
    """The table by what each number is of; numbers that a page lists twice are counted."""
    kept = table[~table["metric"].isin(COSTS)].copy()
    kept[WHAT] = kept[WHAT].astype(object).where(kept[WHAT].notna(), "")
    kept["again"] = kept.groupby(WHAT).cumcount()
    return kept.set_index([*WHAT, "again"])


def _tolerance(published: pd.DataFrame) -> pd.Series:
    """How far a number may be off on another type of machine; see `compare_with_edition`."""
    flat = published.reset_index()
    trained = flat["seed"] != ""  # nothing is trained before a seed is known
    within = ["dataset", "backbone", "forget_label", "metric", "label"]
    settings = ["method", "n_tokens", "n_rows", "head", "split", "again"]
    by_method = flat[trained].groupby([*within, *settings])
    seeds = by_method["value"].agg(lambda v: np.ptp(v) if len(v) > 1 else np.nan)
    widest = seeds.groupby(level=within).max().rename("widest").reset_index()
    ranges = flat[within].merge(widest, on=within, how="left")["widest"]
    interval = ((flat["high"] - flat["low"]) / 2).fillna(0.0)
    allowed = ranges.fillna(interval).where(trained, 0.0)
    return pd.Series(allowed.to_numpy(), index=published.index)
