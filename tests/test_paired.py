import numpy as np
import pytest

from steu.evaluation.paired import compare, compare_each, holm
from steu.reporting.glue import side_by_side


def test_holm_is_the_worked_example():
    """Smallest p times 4, next times 3, …; never below an earlier one, never above 1."""
    adjusted = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_a_difference_is_paired_and_its_p_value_counts_changes_of_sign():
    generator = np.random.default_rng(0)
    common = generator.normal(0.8, 0.1, 1001)  # which patients were drawn matters most
    samples = {
        "steu": common,
        "same": common.copy(),
        "better": common + 0.02 + generator.normal(0, 0.002, 1001),
        "equal": common + generator.normal(0, 0.02, 1001),
    }
    table = compare(samples, against="steu").set_index("method")
    assert table.loc["better", "low"] > 0
    assert table.loc["better", "p"] < 1e-6  # no resample changes sign: ten deviations away
    assert table.loc["better", "p_holm"] == pytest.approx(3 * table.loc["better", "p"])
    assert table.loc["same", ["value", "p"]].tolist() == [0.0, 1.0]
    assert table.loc["equal", "p"] > 0.2


def test_many_comparisons_can_be_sure_and_few_resamples_never_are_surer_than_they_can_be():
    generator = np.random.default_rng(1)
    base = np.zeros(1001)
    apart = {f"m{i}": base + 0.4 + generator.normal(0, 0.05, 1001) for i in range(60)}
    table = compare({"steu": base} | apart, against="steu")
    assert (table["p_holm"] < 0.05).all()
    one = np.r_[0.1, np.linspace(0.001, 0.2, 40)]  # hardly ever near 0, and all on one side
    near = compare({"steu": np.zeros(41), "one": one}, against="steu")["p"].item()
    assert near == 2 / 41


def test_two_names_for_the_same_numbers_are_one_comparison():
    """The null edit ranks as the original does, two scores may choose the same tokens."""
    generator = np.random.default_rng(2)
    steu, null, other = generator.normal([[0], [0.2], [0.25]], 0.1, (3, 1001))
    once = compare({"steu": steu, "null": null, "other": other}, against="steu")
    samples = {"original": null.copy(), "steu": steu, "null": null, "other": other}
    twice = compare(samples, against="steu").set_index("method")
    for method, p_holm in once.set_index("method")["p_holm"].items():
        assert twice.loc[method, "p_holm"] == p_holm
    assert twice.loc["original"].equals(twice.loc["null"].rename("original"))


def test_a_method_alone_is_compared_with_nothing():
    with pytest.raises(ValueError, match="needs another method beside 'steu'; found none"):
        compare({"steu": np.zeros(3)}, against="steu")


def test_metrics_are_compared_each_by_itself_and_stand_side_by_side():
    generator = np.random.default_rng(0)
    first = {n: generator.normal(i, 0.1, 200) for i, n in enumerate(("steu", "null", "head_only"))}
    metrics = {"AUROC": first, "F1": {n: v / 2 for n, v in first.items()}}
    found = compare_each(metrics, against="steu")
    for metric, samples in metrics.items():
        alone = compare(samples, against="steu")
        part = found[found["metric"] == metric].drop(columns="metric").reset_index(drop=True)
        assert part.equals(alone)
    table = side_by_side(found)
    assert list(table.index) == ["null edit", "head only"]
    assert list(table.columns)[:2] == [("difference", "AUROC"), ("p, Holm", "AUROC")]
    assert table.loc["null edit", ("p, Holm", "AUROC")] == "< 0.001"
