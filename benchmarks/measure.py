"""What the benchmarks share: turns and ratios, peak memory, the machine, the result file.

Machines differ and are never quite idle, so every speed is a ratio within one run: the variants
take turns, round by round, and whatever slows the machine down slows all of them.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steu._io import write_json
from steu.workflow.provenance import state_of_repository

RESULTS = Path(__file__).parent / "results"
TRIAL = Path("runs/bench")  # results of --quick: they show that it runs, not how fast
COLUMNS = ("setting", "variant", "quantity", "median", "min", "max")
LIBRARIES = ("torch", "transformers", "tokenizers", "duckdb", "scikit-learn", "numpy")

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Goal:
    """What the median of one quantity of one variant should not exceed, or reach."""

    variant: str
    quantity: str
    most: float = math.inf
    least: float = -math.inf
    within: str = ""  # only settings that hold this text

    def judge(self, rows: Rows) -> Rows:
        """One entry a row that the goal speaks of."""
        bound = {"most": self.most} if math.isfinite(self.most) else {"least": self.least}
        return [
            {
                **{key: row[key] for key in ("setting", "variant", "quantity")},
                **bound,
                "median": row["median"],
                "met": self.least <= row["median"] <= self.most,
            }
            for row in rows
            if (row["variant"], row["quantity"]) == (self.variant, self.quantity)
            and self.within in row["setting"]
        ]


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def take_turns(variants: Mapping[str, Callable[[], object]], *, rounds: int) -> pd.DataFrame:
    """Seconds of every variant in every round, A B A B …, (rounds, variants).

    Each is called once before: the first call allocates, loads and compiles.
    """
    for function in variants.values():
        function()
    turns = [{name: seconds(f) for name, f in variants.items()} for _ in range(rounds)]
    return pd.DataFrame(turns)


def summarise(values: pd.DataFrame, *, setting: str, quantity: str) -> Rows:
    """Median, least and largest over the rounds, a row a variant, of (rounds, variants) values."""
    return [row(values[name], setting=setting, variant=name, quantity=quantity) for name in values]


def row(values: Iterable[float], *, setting: str, variant: str, quantity: str) -> dict[str, Any]:
    """One row of a result."""
    array = np.array(list(values), dtype=float)
    middle, least, largest = (float(f(array)) for f in (np.median, np.min, np.max))
    return dict(zip(COLUMNS, (setting, variant, quantity, middle, least, largest), strict=True))


def multiples(times: pd.DataFrame, *, of: str) -> pd.DataFrame:
    """Each time as a multiple of the variant `of` in the same round."""
    return times.div(times[of], axis=0)


def slope(sizes: Sequence[int], times: Sequence[float]) -> float:
    """Least-squares slope in log-log: 1 is time in proportion to size."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def in_child(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float, int]:
    """Call a module's function in a fresh process; its value, seconds and peak bytes resident."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(watched, function, *arguments).result()


def watched(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float, int]:
    """Call it here; its value, seconds and the most bytes that this process has had resident."""
    started = time.perf_counter()
    value = function(*arguments)
    return value, time.perf_counter() - started, peak_memory()


def peak_memory() -> int:
    """Bytes that this process has had resident at most, since its start or `forget_peak`."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux ru_maxrss of a child starts at its parent's
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


def forget_peak() -> int:
    """Let `peak_memory` begin anew (on Linux) and return what is resident now."""
    switch = Path("/proc/self/clear_refs")
    if switch.is_file():
        switch.write_text("5")
    return peak_memory()


def machine() -> dict[str, Any]:
    """What it ran on: processor, cores, memory, threads and versions; never a host's name."""
    import torch  # slow to import, and large: the children that are watched must not hold it

    from steu.models.hardware import has_fast_bf16

    facts = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", facts.read_text()) if facts.is_file() else None
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": named[1].strip() if named else platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": round(available / 1e9, 1),
        "threads": torch.get_num_threads(),
        "tokenizer_threads": int(os.environ.get("RAYON_NUM_THREADS", 0)) or os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16_instructions": has_fast_bf16(torch.device("cpu")),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def kind_of_machine() -> str:
    """The folder for results of machines like this one: what they say differs from kind to kind."""
    found = machine()
    return "bf16" if found["bf16_instructions"] else found["instructions"].lower().replace(" ", "")


def fast_precisions() -> tuple[str, ...]:
    """Those that this processor computes in at full speed."""
    return ("fp32", "bf16") if machine()["bf16_instructions"] else ("fp32",)


def options(description: str | None, *arguments: str) -> argparse.Namespace:
    """The command line all benchmarks share: --quick, --output and whatever flags are named."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument(
        "--output", type=Path, help="folder of the JSON (default: results/KIND here)"
    )
    for name in arguments:
        parser.add_argument(name, action="store_true")
    chosen = parser.parse_args()
    chosen.output = chosen.output or (TRIAL if chosen.quick else RESULTS / kind_of_machine())
    return chosen


def report(
    name: str,
    rows: Rows,
    *,
    folder: Path,
    settings: Mapping[str, Any],
    goals: Sequence[Goal] = (),
    commit: str | None = None,
) -> Path:
    """Print the table and the goals, write both with the machine as JSON, and return its path.

    `commit` is that of what was measured; default: the one that is checked out.
    """
    judged = [entry for goal in goals for entry in goal.judge(rows)]
    print(pd.DataFrame(rows, columns=list(COLUMNS)).round(3).to_string(index=False))
    for entry in judged:
        bound = f"≤ {entry['most']}" if "most" in entry else f"≥ {entry['least']}"
        print(
            f"{'met' if entry['met'] else 'MISSED':7} {entry['variant']}, {entry['setting']}: "
            f"{entry['quantity']} {entry['median']:.3g}, goal {bound}"
        )
    target = folder / f"{name}.json"
    facts = {"name": name, "machine": machine(), "settings": dict(settings)}
    facts["commit"] = commit or state_of_repository(Path(__file__).parents[1])["commit"]
    write_json(target, facts | {"goals": judged, "rows": rows})
    print(target)
    return target
