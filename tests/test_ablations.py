import pandas as pd

from steu.evaluation.results import COLUMNS
from steu.reporting.ablations import first_seed, settings


def row(**facts):
    common = {"dataset": "a", "split": "test", "metric": "probe_auroc", "value": 0.7}
    return common | {"forget_label": "heart_failure", "n_tokens": 256} | facts


ROWS = [
    row(method="every_class_steu", forget_label="sepsis"),
    row(method="steu_by_k", n_tokens=1024),
    row(method="steu_by_k", n_tokens=16),
    row(method="selector_pmi"),
    row(method="head_part", head="row"),  # without rows: no part of the sweep
    row(method="steu"),
    row(method="every_class_steu", forget_label=None, metric="damage_auroc_spearman"),
    row(method="selector_chi2", split="validation"),
    row(method="head_width_original", head="32 hidden units"),  # nothing was withdrawn
    row(method="head_width_with_rows", head="32 hidden units"),
    row(method="head_part_with_rows", head="bias", dataset="b"),
]


def test_settings_are_in_the_order_of_the_book_and_named_for_a_reader():
    frame = pd.DataFrame(ROWS, columns=list(COLUMNS)).astype({"n_tokens": "Int64"})
    found = settings(frame)
    wanted = ["tokens: 16", "tokens: 1,024", "score: PMI", "head: bias"]
    wanted += ["classifier: 32 hidden units", "without: sepsis"]
    assert list(found["setting"]) == wanted
    assert list(found["dataset"]) == ["a", "a", "a", "b", "a", "a"]


def test_of_several_seeds_the_first_of_each_cell_is_shown():
    cells = [("a", 1), ("a", 0), ("a", None), ("b", 2), ("b", 3)]
    rows = [row(method="selector_pmi", dataset=d, backbone="x", seed=seed) for d, seed in cells]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n_tokens": "Int64", "seed": "Int64"})
    kept = first_seed(frame)
    assert list(zip(kept["dataset"], kept["seed"], strict=True)) == [("a", 0), ("b", 2)]


def test_a_run_without_sweeps_has_no_settings():
    frame = pd.DataFrame([row(method="steu")], columns=list(COLUMNS))
    assert settings(frame).empty
    assert "setting" in settings(frame)
