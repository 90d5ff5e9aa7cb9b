"""Each benchmark runs at a tiny size and writes what the page needs; no time is tested."""

from __future__ import annotations

import json
import math
import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from steu.reporting import cost_figures, cost_page
from steu.workflow.profiles import load_profile

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def measure() -> ModuleType:
    return import_module("measure")


def inline(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch in this process: a new one takes seconds to import PyTorch."""
    monkeypatch.setattr(module, "in_child", import_module("measure").watched)


def checked(path: Path) -> list[dict[str, Any]]:
    """The rows of one result, after what has to hold for all results."""
    result = json.loads(path.read_text())
    assert list(result) == ["name", "machine", "settings", "commit", "goals", "rows"]
    assert result["name"] == path.stem
    assert {"processor", "cores", "threads", "torch"} <= set(result["machine"])
    assert result["goals"]
    for row in result["rows"]:
        assert list(row) == ["setting", "variant", "quantity", "median", "min", "max"]
        assert row["min"] <= row["median"] <= row["max"]
        assert all(math.isfinite(row[key]) for key in ("median", "min", "max"))
    keys = [(row["setting"], row["variant"], row["quantity"]) for row in result["rows"]]
    assert len(set(keys)) == len(keys)
    return result["rows"]


def value(rows: list[dict[str, Any]], variant: str, quantity: str) -> float:
    (found,) = [
        row["median"] for row in rows if (row["variant"], row["quantity"]) == (variant, quantity)
    ]
    return found


def test_encoding(tmp_path: Path) -> None:
    module = import_module("encoding")
    rows = checked(module.run(tmp_path, n_notes=4, windows=(16,), lengths=(900,), rounds=2))
    assert {row["variant"] for row in rows} == {module.BARE, module.FAST, module.OURS}


def test_encodings_that_differ_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("encoding")
    monkeypatch.setattr(module, "window_tokenizer", lambda t, n: _window(t, n - 1))
    with pytest.raises(ValueError, match="16 tokens.*the two encodings differ"):
        module.measure(["one two three " * 20], 16, rounds=1)


def _window(tokenizer: object, length: int) -> object:
    return import_module("steu.data.encoding").window_tokenizer(tokenizer, length)


def test_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("counting")
    inline(module, monkeypatch)
    rows = checked(module.run(tmp_path, sizes=(6,), rounds=2, window=32, characters=900))
    assert value(rows, "CountVectorizer on ids", "more bytes at most") >= 0


def test_reading(tmp_path: Path) -> None:
    module = import_module("reading")
    rows = checked(module.run(tmp_path, sizes=(300,), rounds=1, characters=900))
    assert value(rows, "write_cohort", "peak bytes") > 1e6


def test_a_whole_run_gives_the_same_whatever_the_measures(tmp_path: Path) -> None:
    module = import_module("whole")
    path = module.run(tmp_path, backbone="random-bert", n_stays=200, window=64, epochs=1)
    # Where the processor has bf16, that is measured too, and rounds otherwise.
    rows = [row for row in checked(path) if row["setting"].endswith("fp32")]
    for metric in module.METRICS:
        plain, fast = (value(rows, way, metric) for way in ("plain", "steu"))
        assert abs(plain - fast) < 0.01, metric


def test_scaling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("scaling")
    inline(module, monkeypatch)
    rows = checked(module.run(tmp_path, sizes=(300, 400), rounds=2, window=16, characters=900))
    assert {row["variant"] for row in rows if row["quantity"] == "slope"} == set(module.STAGES)


def test_step_counts_the_bytes_it_holds(tmp_path: Path) -> None:
    module = import_module("step")
    path = module.run(
        tmp_path, encoders=module.tiny(), lengths=(16,), precisions=("fp32",), rounds=2
    )
    rows = checked(path)
    edited = module.N_TOKENS * 32 + 32 * 6 + 6  # rows and the head
    assert value(rows, "steu", "parameters trained") == edited
    # A gradient and the two moments of AdamW, 4 bytes each, and a step count a tensor.
    assert value(rows, "steu", "bytes of gradients and optimiser") == 3 * 4 * edited + 3 * 4
    assert value(rows, "floor", "bytes of gradients and optimiser") == 0
    for variant in ("steu", "peft_tokens", "masked_dense"):
        assert value(rows, variant, "bytes stored") == 4 * edited + 8 * module.N_TOKENS, variant
    assert value(rows, "full", "bytes stored") > value(rows, "last_three_layers", "bytes stored")
    assert value(rows, "steu", "peak bytes of a step") < value(
        rows, "masked_dense", "peak bytes of a step"
    )
    assert value(rows, "steu", "share of the dense edit's bytes") < 0.01


def test_without_a_gpu_the_benchmark_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module("gpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert module.run(tmp_path) is None
    assert "gpu: skipped" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_what_a_gpu_would_measure_is_counted_alike_on_the_cpu(tmp_path: Path) -> None:
    module, make = import_module("gpu"), import_module("step").tiny()["tiny"]
    kept = tuple(name for name in module.VARIANTS if "compiled" not in name)
    options = {"make": make, "length": 32, "sizes": (4,), "rounds": 1, "variants": kept}
    rows = checked(module.run(tmp_path, device="cpu", rate=1e12, **options))
    operations = {
        name: 1e12 * value(rows, name, "share of the peak") * value(rows, name, "seconds a step")
        for name in ("full", "matrix products alone")
    }
    # Two layers: 8H² + 4HF for the matrices and 4HT for attention a token, three times in training.
    width, inner, tokens = 32, 64, 4 * 32
    products, attention = 8 * width**2 + 4 * width * inner, 4 * width * 32
    assert operations["matrix products alone"] == pytest.approx(3 * 2 * tokens * products)
    counted = 3 * 2 * tokens * (products + attention)
    assert operations["full"] == pytest.approx(counted, rel=0.02)
    assert module.peak_rate("NVIDIA H100 80GB HBM3") == 989e12
    assert module.peak_rate("NVIDIA L40S") is module.peak_rate("NVIDIA H100 PCIe") is None


def asked_and_stale(run: Path) -> list[Path]:
    """Results of three jobs that the profile `smoke` asks for, and of one that it does not."""
    asked = load_profile("smoke")
    folders = [run / folder for stage in asked.all_stages for folder in asked.folders_of(stage)]
    return [folder / "metrics.json" for folder in [*folders[:3], run / "gone" / "cohort"]]


def test_overhead_is_what_is_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BENCHMARKS.parent)
    module, run = import_module("overhead"), tmp_path / "smoke"
    took = [(100, 60, 50), (100, 40, 35), (140, 40, 38), (900, 500, 500)]
    for file, (end, seconds, working) in zip(asked_and_stale(run), took, strict=True):
        path = file.with_name("provenance.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"seconds": seconds, "seconds_working": working}))
        os.utime(path, (end, end))
    rows = checked(module.main(run, tmp_path, jobs=2))
    assert value(rows, "run", "share starting notebooks") == pytest.approx(17 / 200)
    assert value(rows, "run", "share between notebooks") == pytest.approx(60 / 200)
    assert value(rows, "run", "share not in work") == pytest.approx(77 / 200)
    with pytest.raises(ValueError, match=r"holds no provenance\.json; run a profile first"):
        module.measure(tmp_path / "empty", jobs=2, profile="smoke")


def test_the_budget_counts_the_matrix_products_of_a_notebook(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(BENCHMARKS.parent)
    module, run = import_module("budget"), tmp_path / "smoke"
    parameters = new_code_cell("n: int = 4  # columns", metadata={"tags": ["parameters"]})
    work = "import torch\nx = torch.ones(8, 16, requires_grad=True) @ torch.ones(16, n)"
    cells = [parameters, new_code_cell(work), new_code_cell("x.sum().backward()")]
    notebook = str(tmp_path / "one.ipynb")
    nbformat.write(new_notebook(cells=cells), notebook)
    forward = 2 * 8 * 16 * 5
    assert module.operations(notebook, {"n": 5}) == 2 * forward  # once more for the gradient

    inline(module, monkeypatch)
    monkeypatch.setattr(module, "rate", lambda: forward / 2.0)
    for file, seconds in zip(asked_and_stale(run)[1:], (8.0, 16.0, 99.0), strict=True):
        file.parent.mkdir(parents=True)
        record = {"notebook": notebook, "parameters": {"n": 5}, "seconds": seconds}
        file.with_name("provenance.json").write_text(json.dumps(record))
    rows = module.measure(run)
    assert value(rows, "one job", "seconds at the machine's rate") == pytest.approx(4.0)
    assert value(rows, "one job", "seconds") == 12.0
    assert value(rows, "one job", "share at the machine's rate") == pytest.approx((0.5 + 0.25) / 2)


def test_multiples_are_taken_within_a_round(measure: ModuleType) -> None:
    times = pd.DataFrame({"a": [1.0, 10.0], "b": [2.0, 20.0]})  # the machine was slow once
    rows = measure.summarise(measure.multiples(times, of="a"), setting="s", quantity="q")
    assert rows[1] == {
        "setting": "s", "variant": "b", "quantity": "q", "median": 2.0, "min": 2.0, "max": 2.0
    }  # fmt: skip


def test_variants_take_turns(measure: ModuleType) -> None:
    order: list[str] = []
    times = measure.take_turns({k: lambda k=k: order.append(k) for k in "ab"}, rounds=2)
    assert order == ["a", "b"] * 3  # the first round warms up
    assert times.shape == (2, 2)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_slope_of_a_power_is_its_exponent(measure: ModuleType, power: float) -> None:
    sizes = [10, 100, 1000]
    assert measure.slope(sizes, [3 * n**power for n in sizes]) == pytest.approx(power)


def test_goals_are_judged_where_they_apply(measure: ModuleType) -> None:
    rows = [
        measure.row([1, 2, 9], setting=setting, variant="a", quantity="q")
        for setting in ("10 notes", "99 notes")
    ]
    (entry,) = measure.Goal("a", "q", most=2.0, within="99").judge(rows)
    assert entry["setting"] == "99 notes"
    assert entry["met"]
    assert not any(e["met"] for e in measure.Goal("a", "q", least=2.5).judge(rows))


def test_the_page_shows_what_was_measured_and_says_what_was_not(
    measure: ModuleType, tmp_path: Path
) -> None:
    rows = [
        measure.row([1, 1.5, 2], setting="BERT-base, bf16", variant=variant, quantity=quantity)
        for quantity in cost_figures.PICTURE
        for variant in cost_figures.VARIANTS
    ]
    rows.append(measure.row([6], setting="here", variant="full", quantity="bytes stored"))
    few = next(r for r in rows if (r["variant"], r["quantity"]) == ("steu", "parameters trained"))
    few["median"] = 0.015  # of the 1.5 that the last layers have
    goal = measure.Goal("steu", "times the floor", most=1.03)
    measure.report("step", rows, folder=tmp_path, settings={"batch": 8, "rounds": 3}, goals=[goal])
    text = cost_page.page(tmp_path)
    assert "| BERT-base, bf16 | 1.5 (1 to 2) |" in text
    assert "aim at most 1.03: **not reached**" in text
    assert "- STEU, times the floor: 1.5 (BERT-base, bf16), aim at most 1.03" in text
    assert "trains 1.0% of the parameters" in text
    assert " 1 (" in text
    assert "bf16 instructions) times as long" in text
    assert text.count("Not measured for this copy of the book.") == len(cost_page.TITLES) - 1
    drawn = cost_figures.pictures(tmp_path)
    assert set(drawn) == {"costs"}
    labels = [tick.get_text() for tick in drawn["costs"].axes[0].get_yticklabels()]
    assert labels == [*cost_figures.VARIANTS.values()]


def test_the_page_says_what_each_measure_brings(measure: ModuleType, tmp_path: Path) -> None:
    rows = [
        measure.row([value], setting="here", variant=way, quantity="times steu")
        for way, value in (("plain", 6), ("groups", 3), ("steu", 1))
    ]
    measures = {"plain": "", "groups": "notes in groups", "steu": "bf16"}
    measure.report("whole", rows, folder=tmp_path, settings=measures)
    text = cost_page.page(tmp_path)
    kind = cost_page._kind(measure.machine())
    assert f"| what a measure brings, as a factor of speed | here, {kind} |" in text
    assert "| *groups*: notes in groups | 2 |" in text
    assert "| *steu*: bf16 | 3 |" in text


def test_each_kind_of_machine_has_its_own_numbers(measure: ModuleType, tmp_path: Path) -> None:
    for folder, value in (("avx2", 4), ("bf16", 9)):
        rows = [
            measure.row([v], setting=f"on {folder}", variant=way, quantity="times steu")
            for way, v in (("plain", value), ("steu", 1))
        ]
        settings = {"plain": "", "steu": "skips"}
        measure.report("whole", rows, folder=tmp_path / folder, settings=settings)
    text = cost_page.page(tmp_path)
    assert "| *steu*: skips | 4 | 9 |" in text
    assert text.index("on avx2") < text.index("on bf16")
    assert text.count("Measured on ") == 2
    commit = json.loads((tmp_path / "avx2" / "whole.json").read_text())["commit"]
    assert not commit or text.count(f"commit `{commit[:7]}`") == 2


def test_the_page_says_what_the_run_behind_the_book_took(tmp_path: Path) -> None:
    job = {"notebook": "notebooks/04_unlearning.ipynb", "device": "CPU, AVX2, fp32, 1 thread"}
    jobs = [job | {"seconds": seconds} for seconds in (10.0, 30.0, 50.0)]
    text = cost_page.page(
        tmp_path, [*jobs, {"notebook": "notebooks/01_cohort.ipynb", "seconds": 2}]
    )
    assert "| 04_unlearning | 3 | 30 | 90 |" in text
    assert "their sum: 92 s" in text and "Computed on: CPU, AVX2, fp32, 1 thread." in text
    bare = [job | {"device": "cpu", "seconds": 1.0}]
    other = [job | {"device": "H100, bf16", "seconds": 1.0}]
    text = cost_page.page(tmp_path, [*jobs, *bare, *other])
    assert "Computed on: CPU, AVX2, fp32, 1 thread; H100, bf16." in text
    assert "Computed on: cpu." in cost_page.page(tmp_path, bare)
    assert "The run behind this book" not in cost_page.page(tmp_path)


def test_an_aim_in_several_settings_is_one_line(measure: ModuleType, tmp_path: Path) -> None:
    rows = [
        measure.row([value], setting=f"{n} notes", variant="ours", quantity="speed")
        for n, value in enumerate([0.5, 1.5, 2.0])
    ]
    aims = [measure.Goal("ours", "speed", least=least) for least in (0.1, 1, 3)]
    measure.report("encoding", rows, folder=tmp_path, settings={}, goals=aims[1:2])
    said = "- `ours`, speed: 0.5 to 2 (3 settings), aim at least 1: **reached in 2**"
    assert said in cost_page.page(tmp_path)
    for aim, verdict in zip(aims[::2], ("reached", "not reached"), strict=True):
        measure.report("encoding", rows, folder=tmp_path, settings={}, goals=[aim])
        assert f"aim at least {aim.least:g}: **{verdict}**" in cost_page.page(tmp_path)


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ([(1, 2, 3)], "reached"),
        ([(0.5, 2, 3)], "reached by the median, not in every round"),
        ([(1, 2, 3), (0.5, 2, 3)], "reached by the medians, in every round in 1 of them"),
        ([(0.5, 2, 3), (0.5, 2, 3)], "reached by the medians, in every round in none"),
        ([(0.5, 2, 3), (0, 0.5, 3)], "reached in 1 by the medians, in every round in none"),
        ([(0, 0.5, 3)], "not reached"),
    ],
)
def test_an_aim_that_some_rounds_miss_is_said_to_be_reached_by_the_median(
    measure: ModuleType, tmp_path: Path, rounds: list[tuple[float, ...]], verdict: str
) -> None:
    rows = [
        measure.row(list(values), setting=f"{n} notes", variant="ours", quantity="speed")
        for n, values in enumerate(rounds)
    ]
    aim = measure.Goal("ours", "speed", least=1)
    measure.report("encoding", rows, folder=tmp_path, settings={}, goals=[aim])
    assert f"aim at least 1: **{verdict}**" in cost_page.page(tmp_path)


def test_many_bytes_are_said_in_megabytes(measure: ModuleType, tmp_path: Path) -> None:
    peaks = measure.row([5e5, 259_547_136, 1.2e9], setting="a", variant="ours", quantity="bytes")
    goal = measure.Goal("ours", "bytes", most=2e9)
    measure.report("reading", [peaks], folder=tmp_path, settings={}, goals=[goal])
    text = cost_page.page(tmp_path)
    assert "- `ours`, bytes: 260 MB (a), aim at most 2,000 MB: **reached**" in text
    assert "| a | 260 MB (500,000 to 1,200 MB) |" in text


def test_growth_is_drawn_against_the_number_of_notes(measure: ModuleType, tmp_path: Path) -> None:
    rows = [
        measure.row([n / 1000], setting=f"{n:,} notes", variant=stage, quantity="seconds")
        for stage in ("read", "encode")
        for n in (1_000, 30_000)
    ]
    settings = {"rounds": 1, "characters": 10_000}
    measure.report("scaling", rows, folder=tmp_path, settings=settings)
    assert "glued/growth.svg" in cost_page.page(tmp_path)
    lines = cost_figures.pictures(tmp_path)["growth"].axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines] == [[1_000, 30_000]] * 2
    assert [list(line.get_ydata()) for line in lines] == [[1, 30]] * 2
