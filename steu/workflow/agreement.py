"""Does a fresh run say what a published edition says? Number by number, within tolerances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from steu._io import read_json
from steu.evaluation.results import COLUMNS, collect
from steu.workflow.book import gathered_by
from steu.workflow.edition import RESULTS, read_edition
from steu.workflow.parameters import check_parameters
from steu.workflow.profiles import load_profile
from steu.workflow.stages import STAGES

if TYPE_CHECKING:  # it finds what notebooks import, which takes what a reader lacks
    from steu.workflow.jobs import Grid

COSTS = ("seconds", "seconds_scoring", "peak_memory_bytes")  # of one machine on one day
PLACES = {"encoded", "trained", "run", "backbone"}  # where things lie; each stage has more
WHAT = [name for name in COLUMNS if name not in ("value", "low", "high", "n", "defined")]
EXACT = 1e-9  # relative; numbers that were counted, and all numbers on one type of machine


class Agreement(NamedTuple):
    """What came of a comparison.

    Attributes
    ----------
    same_machine : bool
        Whether the two ran on one type of machine, where every number has to be equal.
    numbers : DataFrame
        A row a number: what it is of, published, fresh, tolerance (NaN where nothing says how far
        it may be off), agrees.
    commits : tuple of str
        Of the edition and of the run, or of its last page if they are several.
    left_out : tuple of str
        Optional datasets of the edition that the run is without.
    """

    same_machine: bool
    numbers: pd.DataFrame
    commits: tuple[str, str] = ("", "")
    left_out: tuple[str, ...] = ()

    @property
    def outside(self) -> pd.DataFrame:
        """The numbers that do not agree, the worst by their tolerance first."""
        wrong = self.numbers[~self.numbers["agrees"]]
        excess = (wrong["fresh"] - wrong["published"]).abs() / wrong["tolerance"].clip(lower=EXACT)
        worst = excess.sort_values(ascending=False, kind="stable", na_position="first")
        return wrong.loc[worst.index]

    def told(self, shown: int) -> str:
        """Some lines: the first `shown` numbers that do not agree, and how many do."""
        published, fresh = (commit[:12] or "no commit" for commit in self.commits)
        kind = "the same type of machine" if self.same_machine else "another type of machine"
        one, other = self.numbers["fresh"], self.numbers["published"]
        equal = int(((one == other) | (one.isna() & other.isna())).sum())  # neither has a number
        within, outside = int(self.numbers["agrees"].sum()), self.outside
        unjudged = int(self.numbers["tolerance"].isna().sum())
        lines = [
            f"{' '.join(str(row[name]) for name in WHAT if row[name] != '')}: published "
            f"{row['published']:.6g}, found {row['fresh']:.6g}, tolerance {row['tolerance']:.2g}"
            for row in outside.head(shown).to_dict("records")
        ]
        lines += [f"… and {len(outside) - shown:,} more"] if len(outside) > shown else []
        summary = (
            f"{len(self.numbers):,} numbers on {kind}: {equal:,} equal, {within - unjudged:,} "
            f"within their tolerance, {len(outside):,} outside"
        )
        summary += f", {unjudged:,} without a tolerance" if unjudged else ""
        lines += [f"the run is without {name}, which is left out" for name in self.left_out]
        if published != fresh:
            lines.append(f"the edition is of {published}, the run of {fresh}")
        return "\n".join([*lines, summary])


def compare_with_edition(run: str | Path, edition: str | Path, *, profile: str) -> Agreement:
    """Compare every number of a run with those of an edition.

    On the same type of machine (device, instruction set, precision, threads, PyTorch) every number
    has to be equal, with its interval. Elsewhere rounding differs, and training carries that on
    until it is as good as another seed. So there a number may be off by

    - nothing, where no model had a part in it (counts, prevalences, what is read of the tokens);
    - its range over the seeds, or the median range of the methods that ran with several, in the
      same metric and on the same data: the wider of the two;
    - where nothing ran with several, the half-width of its own published 95 % interval, which says
      less: it is about patients. A number that has neither is listed and not judged.

    Raises
    ------
    ValueError
        If the edition is of another profile, other parameters or other data, or either is not
        whole.
    """
    loaded = load_profile(profile)
    facts = edition_of(edition, profile=loaded.name)
    fresh, published = Path(run), Path(edition, RESULTS)
    optional = [name for name, one in loaded.datasets.items() if one.optional]
    gathered = gathered_by(fresh)
    left_out = tuple(name for name in optional if name not in gathered)
    files = sorted(path.relative_to(published) for path in published.rglob("metrics.json"))
    files = [file for file in files if file.parts[0] not in left_out]
    missing = [file for file in files if not (fresh / file).is_file()]
    if missing:
        raise ValueError(
            f"{run} is not finished: {fresh / missing[0]} does not exist ({len(missing)} of "
            f"{len(files)} are missing); finish it with make grid PROFILE={profile}"
        )
    origins = [tuple(_origin(folder / f) for folder in (published, fresh)) for f in files]
    for file, (theirs, ours) in zip(files, origins, strict=True):
        _check_settings(file.parent.name, theirs, ours, edition=f"{edition}, of {facts['commit']}")
        gathers = STAGES[file.parent.name].gathers  # its data are those of whatever there was
        if not gathers and read_json(fresh / file)["data"] != read_json(published / file)["data"]:
            raise ValueError(
                f"{fresh / file} comes from other data than {edition}: give the data folder that "
                "the edition was made from, in the same version"
            )
    same = all(_machine(theirs) == _machine(ours) for theirs, ours in origins)
    old, new = (collect([folder / file for file in files]) for folder in (published, fresh))
    commits = (facts["commit"], str(origins[-1][1]["commit"] or ""))
    return Agreement(same, compare(old, new, same_machine=same), commits, left_out)


def check_comparable(edition: str | Path, grid: Grid) -> None:
    """Refuse, before it is run, a grid whose results could not be compared with an edition's.

    Raises
    ------
    ValueError
        If it has other jobs than the edition, or other parameters.
    """
    facts, published = edition_of(edition, profile=grid.profile.name), Path(edition, RESULTS)
    found = {path.relative_to(published) for path in published.rglob("metrics.json")}
    found = {file for file in found if file.parts[0] not in grid.left_out}
    jobs = {
        Path(folder, "metrics.json"): (stage, cell)
        for stage in grid.stages
        for folder, cell in grid.profile.cells_of(stage).items()
    }
    by = f"{edition}, of {facts['commit']}"
    for which, files in (("lacks", found - jobs.keys()), ("adds", jobs.keys() - found)):
        if files:
            raise ValueError(
                f"{by}: the profile {grid.profile.name} {which} {min(files)} now: check that "
                "commit out and run it, or make publish"
            )
    for file, (stage, cell) in jobs.items():
        given = check_parameters(stage.path, grid.parameters(stage, cell))
        ours = {"notebook": stage.path, "parameters": given}
        _check_settings(stage.name, _origin(published / file), ours, edition=by)


def edition_of(edition: str | Path, *, profile: str) -> dict[str, Any]:
    """The facts of a sound edition of this profile; see `compare_with_edition`."""
    facts = read_edition(edition)
    if facts["profile"] != profile:
        raise ValueError(
            f"{edition} is of the profile {facts['profile']}; the run is of {profile}: "
            f"compare it with PROFILE={facts['profile']}"
        )
    return facts


def _origin(metrics: Path) -> dict[str, Any]:
    return read_json(metrics.with_name("provenance.json"))


def _machine(record: dict[str, Any]) -> tuple[str, str]:
    """Type of machine that a notebook ran on."""
    return record["device"], record["versions"].get("torch")


def _check_settings(
    stage: str, theirs: dict[str, Any], ours: dict[str, Any], *, edition: str
) -> None:
    """Refuse a run with other parameters, of which the first is named; places may differ."""
    old, new = (_settings(stage, record["parameters"]) for record in (theirs, ours))
    for name in sorted(old.keys() | new.keys()):
        if (was := old.get(name, "no such parameter")) != (now := new.get(name, "unknown")):
            raise ValueError(
                f"{ours['notebook']} has {name} = {now!r}, that of {edition} had {was!r}: "
                "check that commit out and run it, or make publish"
            )


def _settings(stage: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that numbers depend on, without the places of files."""
    places = PLACES | set(STAGES[stage].parameters)
    kept = {name: value for name, value in parameters.items() if name not in places}
    if isinstance(options := kept.get("options"), dict):
        kept["options"] = {name: value for name, value in options.items() if name != "notes"}
    return kept


def compare(published: pd.DataFrame, fresh: pd.DataFrame, *, same_machine: bool) -> pd.DataFrame:
    """`Agreement.numbers` of two tables of results; a number that only one has does not agree."""
    old, new = (_by_what(table) for table in (published, fresh))
    numbers = pd.concat({"published": old["value"], "fresh": new["value"]}, axis=1)
    tolerance = pd.Series(0.0, index=old.index) if same_machine else _tolerance(old)
    numbers["tolerance"] = tolerance.reindex(numbers.index, fill_value=0.0)
    apart = (numbers["published"] - numbers["fresh"]).abs()
    allowed = numbers["tolerance"].fillna(np.inf) + EXACT * numbers["published"].abs()
    both_missing = numbers["published"].isna() & numbers["fresh"].isna()
    in_both = numbers.index.isin(old.index) & numbers.index.isin(new.index)
    numbers["agrees"] = ((apart <= allowed) | both_missing) & in_both
    if same_machine:
        numbers["agrees"] &= _same_intervals(old, new).reindex(numbers.index, fill_value=True)
    return numbers.reset_index()


def _same_intervals(old: pd.DataFrame, new: pd.DataFrame) -> pd.Series:
    """Whether a number that both have comes with the same interval, of as many notes."""
    both = old.index.intersection(new.index)
    one, other = (t.loc[both, ["low", "high", "n"]].to_numpy(dtype=float) for t in (old, new))
    close = np.isclose(one, other, rtol=EXACT, atol=EXACT, equal_nan=True)
    return pd.DataFrame(close, index=both).all(axis=1)


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
    by_method = flat[trained].groupby([*within, *settings])["value"]
    seeds = by_method.agg(lambda v: np.ptp(v) if len(v) > 1 else np.nan).rename("own")
    usual = seeds.groupby(level=within).median().rename("usual")
    ranges = flat.join(seeds, on=[*within, *settings]).join(usual, on=within)
    interval = (flat["high"] - flat["low"]) / 2
    allowed = ranges[["own", "usual"]].max(axis=1).fillna(interval).where(trained, 0.0)
    return pd.Series(allowed.to_numpy(), index=published.index)
