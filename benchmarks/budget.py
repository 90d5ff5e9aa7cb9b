"""Where the time of a run goes: the floating-point operations of each notebook against the machine.

Every notebook of a finished run is executed once more with the run's own parameters, and its matrix
products are counted, forward and backward. Beside them stands what the processor does at best on
one thread with matrices of the encoder's shape. What a notebook took beyond its operations at that
rate is everything else: start, elementwise work, probes, bootstrap, figures. Takes as long as
the run.
"""

from __future__ import annotations

import io
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import torch
from measure import RESULTS, Rows, in_child, kind_of_machine, report, row, take_turns
from overhead import jobs_of
from torch.utils.flop_counter import FlopCounterMode

from steu._io import read_json

SHAPES = ((2048, 384, 384), (2048, 384, 1536), (2048, 1536, 384))  # of MiniLM, 16 notes of 128
ROUNDS = 20


def rate() -> float:
    """Operations a second of one thread in float32, at best over the rounds."""
    torch.set_num_threads(1)
    work = {}
    for m, k, n in SHAPES:
        a, b = torch.randn(m, k), torch.randn(k, n)
        work[m, k, n] = lambda a=a, b=b: a @ b
    times = take_turns(work, rounds=ROUNDS)
    done = sum(2 * m * k * n for m, k, n in SHAPES)
    return done / times.min().sum()


def operations(notebook: str, parameters: dict[str, Any]) -> int:
    """Operations in matrix products of one notebook, executed here."""
    torch.set_num_threads(1)
    cells = [c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    scope: dict[str, Any] = {"__name__": "__main__"}
    with FlopCounterMode(display=False) as counter, redirect_stdout(io.StringIO()):
        for cell in cells:
            exec(compile(cell.source, notebook, "exec"), scope)
            if "parameters" in cell.metadata.get("tags", ()):
                scope |= parameters
    return counter.get_total_flops()


def measure(run: Path) -> Rows:
    """Rows of each notebook: its operations, seconds at the machine's rate, seconds it took."""
    fastest = rate()
    rows = [row([fastest / 1e9], setting="one thread", variant="matrices", quantity="GFLOP/s")]
    jobs: dict[str, list[dict[str, Any]]] = {}
    for path in jobs_of(run):
        record = read_json(path)
        jobs.setdefault(record["notebook"], []).append(record)
    for notebook, records in sorted(jobs.items()):
        with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
            changed = {name: f"{scratch}/{name}" for name in ("output", "trained", "encoded")}
            given = records[0]["parameters"]
            given |= {name: path for name, path in changed.items() if name in given}
            found, _, _ = in_child(operations, notebook, given)
        name = Path(notebook).stem
        took = [record["seconds"] for record in records]
        least = found / fastest
        print(
            f"{name}: {found / 1e12:.3g} TFLOP, {least:.0f} s at best, {took[0]:.0f} s", flush=True
        )
        for quantity, values in (
            ("TFLOP", [found / 1e12]),
            ("seconds at the machine's rate", [least]),
            ("seconds", took),
            ("share at the machine's rate", [least / t for t in took]),
        ):
            rows.append(row(values, setting=name, variant="one job", quantity=quantity))
    return rows


if __name__ == "__main__":
    if len(sys.argv) != 2 or not jobs_of(Path(sys.argv[1])):
        sys.exit("budget.py: expected the folder of a profile's finished run, such as runs/demo")
    run = Path(sys.argv[1])
    facts = {"run": run.name, "seeds": len(list(run.glob("*/*/seed*")))}
    report("budget", measure(run), folder=RESULTS / kind_of_machine(), settings=facts)
