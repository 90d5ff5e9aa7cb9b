"""The ledger: verdicts come from numbers, and a name with a slip is never "not tested here"."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import nbformat
import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from steu.evaluation.results import BESIDE, COLUMNS
from steu.experiments.references import Reading
from steu.reporting.display_names import METHODS, METRICS
from steu.reporting.ledger import as_records, interval_of, ledger, seed_summary, spreads_of
from steu.reporting.statements import PAPER, SILENT, STATEMENTS, Statement

ROOT = Path(__file__).resolve().parents[1]


def results(values, *, dataset="a", error=0.0):
    """Records of the results table from {(method, metric): [a value a seed]}.

    `error` is the standard error of each over patients.
    """
    records = [
        {
            "dataset": dataset,
            "backbone": "b",
            "forget_label": "f",
            "seed": seed,
            "method": method,
            "metric": metric,
            "split": "test",
            "value": value,
            "low": value - 1.96 * error,
            "high": value + 1.96 * error,
        }
        for (method, metric), seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))


READ, READ_UNSEEN = "reader_auroc_head", "reader_auroc_unseen"
PAIR, PAIR_UNSEEN = (f"{reader}_beside_random_tokens" for reader in (READ, READ_UNSEEN))
GOOD = {
    ("original", "retain_macro_f1"): [0.52, 0.53],
    ("steu", "forget_f1"): [0.010, 0.012],
    ("steu", "retain_macro_f1_beside_original"): [0.0, 0.0],
    ("null", "forget_f1"): [0.0, 0.0],
}


def test_what_patients_decide_counts_for_nothing_without_an_interval():
    """As with `n_bootstrap` 0: nobody knows how sure such a number is."""
    known = results({("steu", "forget_f1"): [0.01], ("steu", "parameters_share"): [0.002]})
    bare = known.assign(low=np.nan, high=np.nan)
    for table, verdict in ((known, "undecided"), (bare, "not tested here")):
        assert ledger(table)["silent"].verdict == verdict
        assert ledger(table)["small_share"].verdict == "holds"


@pytest.mark.parametrize(
    ("share", "n", "verdict"),
    [(0.19, 100, "holds"), (0.18, 100, "undecided"), (np.nan, 100, "undecided")],
)
def test_silence_among_a_few_is_no_verdict(share: float, n: int, verdict: str) -> None:
    """An F1 of 0 has no interval, however few have the class; NaN is too few to be counted."""
    counted = {"dataset": "a", "split": "test", "metric": "prevalence", "value": share, "n": n}
    of_others = {**counted, "label": "another", "value": 0.01}
    rows = pd.DataFrame([{**counted, "label": "f"}, of_others], columns=list(COLUMNS))
    table = pd.concat([results(GOOD), rows], ignore_index=True)
    claims = ledger(table)
    assert claims["silent"].verdict == claims["one_bias_silences"].verdict == verdict
    few = "fewer than 19 test notes have the class" in claims["silent"].measured
    assert few is (verdict == "undecided")
    assert claims["others_keep_f1"].verdict == "holds"  # on which all notes speak


def test_the_summary_is_the_mean_and_the_range_of_the_seeds():
    summary = seed_summary(results(GOOD)).set_index(["method", "metric"])
    row = summary.loc[("original", "retain_macro_f1")]
    assert (row["value"], row["low"], row["high"], row["n"]) == (
        pytest.approx(0.525),
        0.52,
        0.53,
        2,
    )


def test_claims_are_judged_from_the_numbers():
    found = ledger(results(GOOD))
    silent = found["silent"]
    assert silent.verdict == "holds"
    assert silent.measured.startswith("a, b, f: 0.011 [")
    assert found["others_keep_f1"].verdict == "holds"
    assert found["one_bias_silences"].verdict == "holds"
    assert found["retains_more_than_rivals"].verdict == "not tested here"


def test_a_stage_of_the_first_seed_only_is_judged_by_that_seed():
    first = {
        **GOOD,
        ("steu_tuned", PAIR): [-0.1],
        ("steu_tuned", PAIR_UNSEEN): [-0.1],
        ("original", READ): [0.9, 0.90001],  # seeds hardly differ in it
        ("original", READ_UNSEEN): [0.9, 0.90001],
    }
    claim = ledger(results(first))["pmi_beats_random"]
    assert claim.verdict == "holds"
    assert claim.measured == "a, b, f: -0.100 (one seed)"


@pytest.mark.parametrize(
    ("told", "error", "verdict"),
    [(0.0, 0.0, "holds"), (1.0, 0.0, "does not hold"), (0.5, 0.5 / 1.96, "undecided")],
)
def test_erasure_is_what_the_audits_decided_in_words(told, error, verdict):
    audited = {(m, "told_from_references"): [told] for m in ("steu_tuned", "steu_e")}
    claims = ledger(results(audited, error=error))
    assert claims["as_retrained"].verdict == verdict == claims["steu_e_as_retrained"].verdict
    words = {0.0: ": not told apart", 1.0: ": told apart", 0.5: ": the audits leave it open"}
    assert words[told] in claims["as_retrained"].measured
    assert not re.search(r"0\.\d", claims["as_retrained"].measured)


@pytest.mark.parametrize(
    ("original", "edited", "verdict"),
    [
        (0.004, 0.0042, "holds"),
        (0.004, 0.0046, "does not hold"),
        (0.0, 0.0, "holds"),
        (0.0, 0.001, "does not hold"),
    ],
)
def test_nearness_to_retraining_is_held_against_the_original(original, edited, verdict):
    near = {("original", "js_retain_relabelled"): [original] * 2}
    near |= {("steu_tuned", "js_retain_relabelled"): [edited] * 2}
    assert ledger(results(near))["others_near_retrained"].verdict == verdict


@pytest.mark.parametrize(("error", "verdict"), [(0.001, "holds"), (0.05, "undecided")])
def test_what_lies_across_the_limit_is_undecided(error, verdict):
    found = ledger(results({("steu", "forget_f1"): [0.01, 0.01]}, error=error))["silent"]
    assert found.verdict == verdict


def test_erased_is_what_readers_of_training_and_of_unseen_notes_both_miss() -> None:
    """An edit that hid the class only in the notes that it was trained on has erased nothing."""
    both = {("steu_tuned", PAIR): [-0.1, -0.1], ("steu_tuned", PAIR_UNSEEN): [-0.1, -0.1]}
    assert verdict_of(both, "pmi_beats_random") == "holds"
    hidden = both | {("steu_tuned", PAIR_UNSEEN): [0.0, 0.0]}
    assert verdict_of(hidden, "pmi_beats_random") == "does not hold"
    assert ledger(results(hidden))["pmi_beats_random"].measured.startswith("a, b, f: 0.000")
    for one in both:  # beside one of them alone nothing is said
        assert verdict_of({one: both[one]}, "pmi_beats_random") == "not tested here"


def test_one_seed_is_as_unsure_as_seeds_are_elsewhere():
    found = {("steu_tuned", PAIR): [-0.1], ("steu_tuned", PAIR_UNSEEN): [-0.1]}
    assert verdict_of(found, "pmi_beats_random") == "undecided"  # nothing says how seeds differ

    def retrained(*read: float) -> dict[tuple[str, str], list[float]]:
        each = zip("abcd", read, strict=True)
        return {(f"reference_{n}", m): [v] for n, v in each for m in (READ, READ_UNSEEN)}

    near, far = retrained(0.70, 0.71, 0.70, 0.71), retrained(0.60, 0.80, 0.70, 0.75)
    assert verdict_of(found | near, "pmi_beats_random") == "holds"
    assert verdict_of(found | far, "pmi_beats_random") == "undecided"
    several = {("head_only", m): [0.70, 0.71, 0.72] for m in (READ, READ_UNSEEN)}
    # seeds themselves say it better
    assert verdict_of(found | far | several, "pmi_beats_random") == "holds"


def test_a_difference_between_two_models_varies_as_two_models_do() -> None:
    several = {("head_only", READ): [0.70, 0.72], ("steu_tuned", PAIR): [-0.1]}
    found = spreads_of(results(several))
    assert found[PAIR] == (pytest.approx(np.sqrt(2) * found[READ][0]), found[READ][1])
    assert PAIR not in spreads_of(results({("steu_tuned", PAIR): [-0.1]}))


def test_only_what_no_seed_can_change_is_sure_with_one() -> None:
    once = {("steu_e", "seconds"): [1.9], ("steu_tuned", "seconds"): [1.0]}
    assert verdict_of(once, "steu_e_is_quick", error=0) == "undecided"  # timed once
    silent = {("null", "forget_f1"): [0.0], ("steu", "forget_f1"): [0.0]}
    assert verdict_of(silent, "one_bias_silences", error=0) == "undecided"
    left = {("selector_pmi", "lexical_remainder_auroc"): [0.9]}  # words alone, and no model
    assert verdict_of(left, "nothing_left_in_note", error=0.02) == "does not hold"
    few = {("steu", "parameters_share"): [0.0019]}
    assert verdict_of(few, "small_share", error=0) == "holds"


def verdict_of(values, key, error=0.005):
    return ledger(results(values, error=error))[key].verdict


def test_spreads_are_the_usual_ones_of_several_seeds_else_of_retrained_models():
    methods = {("steu", "forget_f1"): [0.1, 0.2, 0.3], ("null", "forget_f1"): [0.0, 0.0, 0.0]}
    methods |= {("wild", "forget_f1"): [0.0, 0.5, 1.0], ("mild", "forget_f1"): [0.3, 0.4, 0.2]}
    models = {(f"reference_{n}", READ): [v] for n, v in zip("abc", (0.7, 0.8, 0.9), strict=True)}
    found = spreads_of(results(methods | models | {("steu", "forget_auroc"): [0.5]}))
    assert found == {"forget_f1": (pytest.approx(0.1), 2), READ: (pytest.approx(0.1), 2)}


def test_references_that_are_silent_with_every_seed_say_nothing_of_seeds():
    silent = {(f"reference_{n}", "forget_f1"): [0.0] for n in "abc"}
    assert spreads_of(results(silent)) == {}
    said = {("steu", "forget_f1"): [0.0]}
    assert verdict_of(said | silent, "silent", error=0) == verdict_of(said, "silent", error=0)


def test_beside_several_rivals_it_holds_beside_each_and_fails_beside_one():
    rivals = ("direct_suppression", "gradient_ascent", "influence_weighted")

    def said(*values):
        measured = {(rival, "forget_f1"): [v, v] for rival, v in zip(rivals, values, strict=True)}
        return ledger(results(measured, error=0.004))["rivals_silence"]

    assert said(0.01, 0.02, 0.03).verdict == "holds"
    assert said(0.01, 0.02, 0.2).verdict == "does not hold"
    assert said(0.01, 0.02, 0.048).verdict == "undecided"
    assert said(0.01, 0.2, 0.02).measured.startswith("a, b, f: 0.200 [0.19")


def test_seeds_that_lie_apart_leave_it_undecided():
    found = ledger(results({("steu", "forget_f1"): [0.0, 0.0, 0.12]}))["silent"]
    assert found.verdict == "undecided"  # the mean is below the limit


def test_the_interval_is_students_over_seeds_and_the_bootstraps_over_patients():
    one = statement(("steu", "forget_f1"))
    seeds = [{("steu", "forget_f1"): (value, 0.0)} for value in (0.3, 0.4, 0.5)]
    value, low, high = interval_of(one, seeds)
    around = student(2).ppf(0.975) * 0.1 / np.sqrt(3)
    assert value == pytest.approx(0.4)
    assert (low, high) == pytest.approx((0.4 - around, 0.4 + around), abs=0.03)
    _, low, high = interval_of(one, [{("steu", "forget_f1"): (0.2, 0.05)}])
    assert (low, high) == pytest.approx((0.2 - 1.96 * 0.05, 0.2 + 1.96 * 0.05), abs=0.005)


def test_no_score_has_an_interval_outside_of_what_it_can_be_and_a_difference_may_be_negative():
    silent = [{("steu", "forget_f1"): (0.0, 0.0)}]
    _, low, high = interval_of(
        statement(("steu", "forget_f1")), silent, spreads={"forget_f1": (0.1, 2)}
    )
    assert low == 0.0 < 0.3 < high < 1.0
    pair = f"retain_macro_f1{BESIDE}original"
    _, low, _ = interval_of(statement(("steu", pair)), [{("steu", pair): (0.0, 0.1)}])
    assert low < -0.1


def test_at_the_limit_a_statement_is_called_at_the_stated_rate():
    """Truth at the limit; patients and seeds move what is measured. Either verdict is an error."""
    generator = np.random.default_rng(0)
    called, trials = 0, 120
    of_seed, of_patients = 0.02, 0.02
    for _ in range(trials):
        patients = of_patients * generator.normal()  # the same test notes for all seeds
        values = SILENT + patients + of_seed * generator.normal(size=3)
        seeds = [{("steu", "forget_f1"): (value, of_patients)} for value in values]
        _, low, high = interval_of(statement(("steu", "forget_f1")), seeds)
        called += high < SILENT or low > SILENT
    assert called <= 12  # 120 trials at 5 % give 12 or fewer in 99 of 100 cases


@pytest.mark.parametrize(("n_seeds", "n_rivals"), [(1, 1), (1, 3), (3, 3)])
def test_at_the_limit_one_seed_and_several_rivals_are_called_at_that_rate_too(n_seeds, n_rivals):
    generator = np.random.default_rng(1)
    rivals = ("direct_suppression", "gradient_ascent", "influence_weighted")[:n_rivals]
    one = statement(against=tuple((rival, "forget_f1") for rival in rivals), below=SILENT)
    called, trials = 0, 60
    for _ in range(trials):
        # Two that are silent with every seed say nothing of how far seeds lie apart in others.
        values = {(name, "forget_f1"): [0.0] * 3 for name in ("head_only", "steu_tuned")}
        for rival in (*rivals, "steu", "null"):  # the last two tell how far seeds lie apart
            patients, seeds = 0.01 * generator.normal(), 3 if rival in ("steu", "null") else n_seeds
            noise = patients + 0.02 * generator.normal(size=seeds)
            values[rival, "forget_f1"] = list(SILENT + noise)
        claim = ledger(results(values, error=0.01), [one])["mine"]
        called += claim.verdict != "undecided"
    assert called <= 7  # 60 trials at 5 % give 7 or fewer in 99 of 100 cases


def test_a_statement_has_one_limit():
    with pytest.raises(ValueError, match="statement 'mine': give it one limit, below or above"):
        Statement("mine", "c", "A", "p", "notebooks/04_unlearning", (("steu", "forget_f1"),))


def test_datasets_that_disagree_make_a_claim_mixed():
    loud = {**GOOD, ("steu", "forget_f1"): [0.4, 0.4]}
    both = pd.concat([results(GOOD), results(loud, dataset="c")])
    assert ledger(both)["silent"].verdict == "mixed"


def test_what_one_dataset_refutes_is_not_undone_by_one_that_leaves_it_open():
    loud, open_ = (results({("steu", "forget_f1"): [v, v]}, error=e, dataset=d) for v, e, d in (
        (0.4, 0.01, "a"), (0.05, 0.01, "b")
    ))  # fmt: skip
    assert ledger(open_)["silent"].verdict == "undecided"
    assert ledger(pd.concat([loud, open_]))["silent"].verdict == "fails on some data"
    assert ledger(pd.concat([results(GOOD), open_]))["silent"].verdict == "undecided"


def test_a_number_is_written_as_what_it_is() -> None:
    few = {("steu", "parameters_share"): [0.00193], ("steu", "forget_f1"): [-0.0001, -0.0003]}
    claims = ledger(results(few, error=0.0001))
    assert claims["small_share"].measured == "a, b, f: 0.19% [0.17%, 0.21%] (one seed)"
    assert claims["silent"].measured.startswith("a, b, f: 0.000 [0.000, 0.001]")


def test_a_loss_beyond_the_margin_is_a_loss():
    worse = {**GOOD, ("steu", "retain_macro_f1_beside_original"): [-0.07, -0.07]}
    assert ledger(results(worse))["others_keep_f1"].verdict == "does not hold"


def test_ratios_are_taken_within_a_seed():
    seeds = {("steu_e", "seconds"): [1.0, 30.0], ("steu_tuned", "seconds"): [2.0, 60.0]}
    claim = ledger(results(seeds))["steu_e_is_quick"]
    assert claim.measured == "a, b, f: 0.500"


def test_the_papers_parameter_counts_are_its_arithmetic():
    known = PAPER.set_index(["method", "metric"])["value"]
    assert known["steu", "parameters_changed"] == 256 * 768 + 768 * 6
    assert known["direct_suppression", "parameters_changed"] == 3 * 7_087_872
    assert set(PAPER["grade"]) <= {"A", "D", "I"}


def test_every_statement_is_judged_where_all_stages_ran():
    everything = {number: [0.5, 0.4] for one in STATEMENTS for number in (*one.needs, *one.against)}
    claims = ledger(results(everything))
    assert list(claims) == [statement.key for statement in STATEMENTS]
    assert not [claim for claim in claims.values() if claim.verdict == "not tested here"]
    assert [record["key"] for record in as_records(claims)] == list(claims)


def statement(*needs, key="mine", below=1, against=()):
    page = "notebooks/04_unlearning"
    return Statement(key, "c", "A", "p", page, needs, below=below, against=against)


def test_a_stage_that_was_not_run_is_not_tested_here():
    claim = ledger(results(GOOD), [statement(("steu", "forget_f1"), ("steu_tuned", "forget_f1"))])
    assert (claim["mine"].verdict, claim["mine"].measured) == ("not tested here", "–")


@pytest.mark.parametrize(
    ("need", "match"),
    [
        (("steu", "forget_f"), r"statement 'mine': no page writes the metric 'forget_f'; did you "
                               r"mean forget_f1\?"),
        (("stue", "forget_f1"), r"statement 'mine': no page writes the method 'stue'; did you mean "
                                r"steu\?"),
        (("steu", "forget_f1_beside_nul"), r"no page writes the method 'nul'; did you mean null\?"),
        (("forget_f1", "steu"), r"no page writes the method 'forget_f1'"),
    ],
)  # fmt: skip
def test_a_name_that_no_page_writes_is_refused(need, match):
    with pytest.raises(ValueError, match=match) as caught:
        statement(("original", "auroc"), need)
    assert "\n" not in str(caught.value)


def test_a_number_that_is_not_known_counts_as_absent():
    unknown = {**GOOD, ("steu", "forget_f1"): [np.nan, 0.02]}
    measured = ledger(results(unknown))["silent"].measured
    assert measured == "a, b, f: 0.020 (one seed)"


def test_two_statements_with_one_key_are_refused():
    one = STATEMENTS[0]
    with pytest.raises(ValueError, match="two statements have the key 'silent'; give each one"):
        ledger(results(GOOD), [one, replace(one, claim="another")])


def test_the_papers_numbers_and_the_pages_that_are_named_exist():
    assert set(PAPER["method"]) <= set(METHODS) and set(PAPER["metric"]) <= set(METRICS)
    assert all((ROOT / f"{statement.page}.ipynb").is_file() for statement in STATEMENTS)


def pages() -> Iterator[str]:
    """Text of every page of prose and every cell of every notebook."""
    yield from (path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md"))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        yield from (cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_pages_name_statements_by_keys_that_exist():
    named = [index for text in pages() for index in re.findall(r"\bclaims\[(.+?)\]", text)]
    keys = {repr(statement.key).replace("'", '"') for statement in STATEMENTS}
    assert '"silent"' in named
    assert set(named) <= keys


def literals() -> Iterator[str]:
    """A pattern for every text, formatted or not, in the code of the pages and of the package."""
    notebooks = [nbformat.read(path, as_version=4) for path in (ROOT / "notebooks").glob("*.ipynb")]
    sources = [cell.source for page in notebooks for cell in page.cells if cell.cell_type == "code"]
    rooms = ("audits", "evaluation", "experiments", "selection")
    files = [path for room in rooms for path in (ROOT / "steu" / room).glob("*.py")]
    for source in [*sources, *(path.read_text(encoding="utf-8") for path in files)]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                parts = (v.value if isinstance(v, ast.Constant) else None for v in node.values)
                yield "".join(r"\w+" if part is None else re.escape(str(part)) for part in parts)


def test_the_vocabulary_holds_nothing_that_no_page_writes():
    of = ("js_retain", "js_forget", "tow")
    composed = {f"{name}_{reading}" for name in of for reading in get_args(Reading)}
    written = re.compile("|".join({p for p in literals() if re.match(r"\w{2}", p)}))
    unknown = [name for name in METHODS | METRICS if not written.fullmatch(name)]
    assert set(unknown) <= composed
