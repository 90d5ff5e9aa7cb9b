"""Every number of the audits is written once, under a metric of its own."""

from __future__ import annotations

import pandas as pd

from steu.audits.places import OTHERS
from steu.evaluation.results import READER, READER_UNSEEN
from steu.models.hidden_states import HEAD
from steu.reporting.audit_records import TRAINING, UNSEEN, by_place, metric_at
from steu.reporting.display_names import name


def test_each_place_and_kind_of_notes_has_a_metric_of_its_own_that_a_reader_can_read() -> None:
    places = [HEAD, OTHERS, "embeddings, mean", "layer 1, first", "layer 1, mean", "layer 11, mean"]
    metrics = [metric_at(place, notes) for place in places for notes in (TRAINING, UNSEEN)]
    assert len(set(metrics)) == len(metrics)
    assert metric_at(HEAD, TRAINING) == READER and metric_at(HEAD, UNSEEN) == READER_UNSEEN
    assert metric_at("layer 1, mean", UNSEEN) == "reader_auroc_unseen_at_layer_1_mean"
    assert name("reader_auroc_at_layer_1_mean") == "strongest reader, layer 1 mean"


def test_what_the_table_of_probes_holds_is_recorded_but_for_what_has_its_own_place() -> None:
    table = pd.DataFrame(
        [
            {"method": "steu", "place": place, "fitted_on": notes, "reader": "trees"}
            | {"value": 0.7, "low": 0.6, "high": 0.8, "n": 40}
            for place in (HEAD, OTHERS, "layer 1, mean")
            for notes in (TRAINING, UNSEEN)
        ]
    )
    found = {one["metric"]: one for one in by_place(table)}
    assert set(found) == {
        "reader_auroc_unseen_at_answers_about_the_others",
        "reader_auroc_at_layer_1_mean",
        "reader_auroc_unseen_at_layer_1_mean",
    }
    numbers = {"method": "steu", "value": 0.7, "low": 0.6, "high": 0.8, "n": 40}
    of_layer = "reader_auroc_at_layer_1_mean"
    assert found[of_layer] == {"metric": of_layer, **numbers}
