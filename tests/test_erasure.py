"""What the audits found on each data, in a table and in words, from the results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from steu._io import write_json
from steu.audits import battery
from steu.evaluation.results import COLUMNS, tagged, write_metrics
from steu.evaluation.verdicts import Beside, Decision
from steu.reporting.display_names import READER
from steu.reporting.erasure import aim, audited, in_lines, in_words, verdicts_of

TAGS = {"dataset": "a", "backbone": "b", "seed": 0, "forget_label": "f", "split": "test"}


def rows(values: dict[tuple[str, str], float], **tags: Any) -> pd.DataFrame:
    records = [
        {"method": method, "metric": metric, "value": v, "low": v - 0.05, "high": v + 0.05}
        for (method, metric), v in values.items()
    ]
    return pd.DataFrame(tagged(records, **TAGS, **tags), columns=list(COLUMNS))


UNSEEN = "reader_auroc_unseen"
HEAD, KEPT, F1 = "reader_auroc_head", "retain_macro_auroc", "retain_macro_f1"
APART = Beside(0.2, 0.1, 0.3, 0.001, 0.9)
READ = {("original", HEAD): 0.9, ("steu_e", HEAD): 0.8, ("original", KEPT): 0.75}
READ |= {("reference_a", HEAD): 0.7, ("reference_b", HEAD): 0.85, ("steu_e", KEPT): 0.74}
READ |= {("original", F1): 0.5, ("steu_e", F1): 0.49}


def frontier(k: int, n: int, read: float, kept: float) -> pd.DataFrame:
    values = {("steu_e_by_rows", HEAD): read, ("steu_e_by_rows", KEPT): kept}
    values["steu_e_by_rows", F1] = 0.5
    return rows(values, n_tokens=k, n_rows=n)


def test_the_aim_is_met_beside_the_reference_that_tells_least() -> None:
    assert aim(rows(READ | {("steu_e", HEAD): 0.7})) == "met"
    for lost in ({("steu_e", KEPT): 0.72}, {("steu_e", F1): 0.47}):
        said = aim(rows(READ | {("steu_e", HEAD): 0.7} | lost))
        assert said == "not met, nor by another number of tokens or rows that was tried"
    for unseen, met in ((0.75, True), (0.76, False)):  # what training notes hide, others may tell
        again = {("reference_a", UNSEEN): 0.75, ("steu_e", UNSEEN): unseen}
        assert (aim(rows(READ | {("steu_e", HEAD): 0.7} | again)) == "met") is met
    assert aim(rows({("steu_e", HEAD): 0.7})) == "not asked here"


def test_where_nothing_met_it_the_words_that_are_left_are_the_reason() -> None:
    left = rows({("selector_pmi", "lexical_remainder_auroc"): 0.92}, n_tokens=256)
    assert aim(pd.concat([rows(READ), left])).endswith(
        "that was tried (words that PMI did not select tell it with AUROC 0.92 [0.87, 0.97])"
    )


def test_where_it_is_not_met_the_frontier_says_what_would() -> None:
    tried = [frontier(64, 8, 0.81, 0.75), frontier(1024, 8, 0.70, 0.745)]
    tried += [frontier(1024, 64, 0.69, 0.738), frontier(1024, 1, 0.5, 0.6)]
    said = aim(pd.concat([rows(READ), *tried]))
    assert said.startswith(
        "not met, but by 1,024 tokens that share 64 row(s): the reader of training "
    )
    assert (
        "notes 0.690, the others' macro-AUROC 0.738 (original 0.750), a choice that these test"
        in said
    )


def test_the_reader_is_told_beside_the_range_of_the_references() -> None:
    assert in_words(rows(READ)) == (
        "0.90 [0.85, 0.95] in the original, 0.80 [0.75, 0.85] after STEU-E, 0.700 to 0.850 in the "
        "references"
    )
    assert in_words(rows({("steu", "forget_f1"): 0.0})) == "no audit ran"


def test_the_table_has_every_model_that_was_looked_at_and_its_verdict() -> None:
    unseen = {(m, "reader_auroc_unseen"): 0.8 for m in ("original", "steu_e", "reference_a")}
    table = audited(rows(READ | unseen | {("steu_e", "told_from_references"): 1.0}))
    assert list(table.index) == ["original", "steu_e", "reference_a"]
    assert table["beside the references"].tolist() == ["–", "told apart", "–"]
    assert table.loc["steu_e", "at the head, unseen notes"] == "0.80 [0.75, 0.85]"
    assert audited(rows(READ)).empty


def test_verdicts_of_a_run_are_those_of_its_first_seed(tmp_path: Path) -> None:
    for seed, verdict in ((10, "not silenced"), (2, "silenced")):
        folder = tmp_path / f"seed{seed}" / "audit"
        folder.mkdir(parents=True)
        told = Decision(verdict, "a head at hand", {"a head at hand": "more"}, 0.2, 0.1, 0.3)
        written = battery.as_records(
            {"steu_tuned": told}, {"steu_tuned": {"a head at hand": APART}}
        )
        assert written["steu_tuned"]["audits"]["a head at hand"]["high"] == 0.3
        write_json(folder / "verdicts.json", written)
        tags = {"dataset": "a", "backbone": "b", "seed": seed, "method": "steu_tuned"}
        write_metrics(folder, [{**tags, "metric": READER, "value": 0.8}], data="x", device="y")
    (tmp_path / "seed2" / "baselines").mkdir()
    write_metrics(tmp_path / "seed2" / "baselines", [], data="x", device="y")
    found = verdicts_of(tmp_path)
    assert list(found) == ["a · b"]
    assert found == verdicts_of(sorted(map(str, tmp_path.rglob("metrics.json"))))
    line = in_lines(found["a · b"]).loc["STEU, tuned"]
    assert line["verdict"] == "silenced"
    assert (line["at"], line["caught by"]) == ("0.20 [0.10, 0.30]", "a head at hand")
