"""Reading the layout of MIMIC-IV to a cohort, as a multiple of DuckDB's bare scan of the files.

The scan unpacks and parses the same two tables and keeps nothing of them: no reader can do with
less. Every reading runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
from corpus import CHARACTERS, write_long
from measure import Goal, Rows, in_child, multiples, options, report, row, summarise

from steu.data.labels import DEFAULT_LABELS
from steu.data.readers.cohort_tables import write_cohort

TABLES = ("note/discharge", "hosp/diagnoses_icd")
SIZES = (1_000, 10_000)
LARGE = 100_000
ALL_NOTES = 331_793  # discharge summaries in MIMIC-IV-Note 2.2
ROUNDS = 3
GOALS = (
    Goal("write_cohort", "times the scan", most=2.0, within=f"{ALL_NOTES:,}"),
    Goal("write_cohort", "peak bytes", most=2e9),
)


def scan(folder: Path) -> int:
    """Bytes of all columns of both tables, so that each has to be read whole."""
    total = 0
    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")  # as many as the reader takes
        connection.execute("SET enable_progress_bar = false")
        for table in TABLES:
            source = f"read_csv('{folder / table}.csv.gz', all_varchar = true)"
            counted = connection.execute(f"SELECT sum(strlen(COLUMNS(*))) FROM {source}").fetchone()
            total += sum(int(length or 0) for length in counted or ())
    return total


def read(folder: Path, target: Path) -> None:
    """The package's way, from the tables to cohort.parquet."""
    write_cohort(target, "mimic_iv", folder, labels=DEFAULT_LABELS, name="bench", restricted=False)


def measure(n: int, *, scratch: Path, rounds: int, characters: int = CHARACTERS) -> Rows:
    """Times, their ratio and peak memory at `n` notes, a fresh process for each."""
    folder = write_long(scratch / f"tables_{n}", n, characters=characters)
    times: dict[str, list[float]] = {"scan": [], "write_cohort": []}
    peaks: dict[str, list[float]] = {"scan": [], "write_cohort": []}
    for _ in range(rounds):
        target = scratch / "cohort"
        for name, function, arguments in (
            ("scan", scan, (folder,)),
            ("write_cohort", read, (folder, target)),
        ):
            _, seconds, peak = in_child(function, *arguments)
            times[name].append(seconds)
            peaks[name].append(peak)
        shutil.rmtree(target)
    setting = f"{n:,} notes"
    frame = pd.DataFrame(times)
    ratio = multiples(frame, of="scan")["write_cohort"]
    return [
        *summarise(frame, setting=setting, quantity="seconds"),
        row(ratio, setting=setting, variant="write_cohort", quantity="times the scan"),
        *summarise(pd.DataFrame(peaks), setting=setting, quantity="peak bytes"),
    ]


def run(
    folder: Path,
    *,
    sizes: tuple[int, ...] = SIZES,
    rounds: int = ROUNDS,
    characters: int = CHARACTERS,
) -> Path:
    """Measure every size and write reading.json into `folder`."""
    rows: Rows = []
    with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
        for n in sizes:
            rows += measure(n, scratch=Path(scratch), rounds=rounds, characters=characters)
    settings = {"sizes": sizes, "rounds": rounds, "characters": characters}
    return report("reading", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    chosen = options(__doc__, "--large", "--full")
    if chosen.quick:
        run(chosen.output, sizes=(400,), rounds=2, characters=1_000)
    else:
        larger = chosen.full * (LARGE, ALL_NOTES) or chosen.large * (LARGE,)
        run(chosen.output, sizes=SIZES + larger)
