import pandas as pd
import pytest

from steu.evaluation.results import COLUMNS
from steu.reporting.ledger import PAPER, ledger, seed_summary


def results(values, *, dataset="a"):
    """Rows of the results table from {(method, metric): [a value a seed]}."""
    rows = [
        {
            "dataset": dataset,
            "backbone": "b",
            "forget_label": "f",
            "seed": seed,
            "method": method,
            "metric": metric,
            "split": "test",
            "value": value,
        }
        for (method, metric), seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


GOOD = {
    ("original", "retain_macro_f1"): [0.50, 0.54],
    ("steu", "forget_f1"): [0.0, 0.02],
    ("steu", "retain_macro_f1"): [0.52, 0.52],
    ("null", "forget_f1"): [0.0, 0.0],
}


def verdicts(frame):
    return {claim.claim.split(":")[-1].strip()[:20]: claim for claim in ledger(frame)}


def test_the_summary_is_the_mean_and_the_range_of_the_seeds():
    summary = seed_summary(results(GOOD)).set_index(["method", "metric"])
    row = summary.loc[("original", "retain_macro_f1")]
    assert (row["value"], row["low"], row["high"], row["n"]) == (pytest.approx(0.52), 0.5, 0.54, 2)


def test_claims_are_judged_from_the_numbers():
    found = verdicts(results(GOOD))
    silent = found["STEU stops the model"]
    assert (silent.verdict, silent.measured) == ("holds", "a, b, f: 0.010 [0.000, 0.020]")
    assert found["the other classes ke"].verdict == "holds"
    assert found["one number, the bias"].verdict == "holds"
    assert found["STEU retains more th"].verdict == "not tested here"


def test_a_stage_of_the_first_seed_only_is_judged_by_that_seed():
    first = {
        **GOOD,
        ("random_tokens", "probe_auroc"): [0.9],
        ("steu_tuned", "probe_auroc"): [0.8],
    }
    claim = verdicts(results(first))["tokens chosen by PMI"]
    assert (claim.verdict, claim.measured) == ("holds", "a, b, f: 0.100 (one seed)")


@pytest.mark.parametrize(("least", "verdict"), [(0.83, "holds"), (0.78, "does not hold")])
def test_the_probe_is_held_against_the_retrained_model_that_tells_least(least, verdict):
    probes = {"relabelled": 0.95, "dropped": least, "masked": 0.9}
    rows = {(f"reference_{name}", "probe_auroc"): [value] for name, value in probes.items()}
    claim = verdicts(results(rows | {("steu_tuned", "probe_auroc"): [0.84]}))[
        "a linear probe finds"
    ]
    assert claim.verdict == verdict


@pytest.mark.parametrize(("edited", "verdict"), [(0.0042, "holds"), (0.0046, "does not hold")])
def test_nearness_to_retraining_is_held_against_the_original(edited, verdict):
    near = {("original", "js_retain_relabelled"): [0.004]}
    near |= {("steu_tuned", "js_retain_relabelled"): [edited]}
    assert verdicts(results(near))["on the other classes"].verdict == verdict


def test_datasets_that_disagree_make_a_claim_mixed():
    loud = {**GOOD, ("steu", "forget_f1"): [0.4, 0.4]}
    both = pd.concat([results(GOOD), results(loud, dataset="c")])
    assert verdicts(both)["STEU stops the model"].verdict == "mixed"


def test_a_loss_beyond_the_margin_is_a_loss():
    worse = {**GOOD, ("steu", "retain_macro_f1"): [0.45, 0.45]}
    assert verdicts(results(worse))["the other classes ke"].verdict == "does not hold"


def test_differences_are_taken_within_a_seed():
    seeds = {
        ("original", "retain_macro_f1"): [0.50, 0.60],
        ("steu", "retain_macro_f1"): [0.51, 0.59],
    }
    claim = verdicts(results(seeds))["the other classes ke"]
    assert claim.measured == "a, b, f: 0.000 [-0.010, 0.010]"


def test_the_papers_parameter_counts_are_its_arithmetic():
    known = PAPER.set_index(["method", "metric"])["value"]
    assert known["steu", "parameters_changed"] == 256 * 768 + 768 * 6
    assert known["direct_suppression", "parameters_changed"] == 3 * 7_087_872
    assert set(PAPER["grade"]) <= {"A", "D", "I"}
