"""The search keeps what does best on validation, by one criterion for all."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from toys import open_study

from steu._errors import Diverged
from steu.experiments.peak_memory import step_bytes
from steu.experiments.rivals import (
    LAYERS_ONLY,
    RIVALS,
    Setting,
    chosen_by,
    chosen_in,
    given_to,
    rival,
    rival_table,
    rivals_with,
    tune_rival,
    tune_rows,
)
from steu.experiments.stored import write_trials
from steu.experiments.study import Trained
from steu.experiments.tuning import _validate, tune
from steu.reporting import display_names
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.dense_edit import head_parameters
from steu.unlearning.sparse import UnlearnConfig, unlearn

JUDGED = SimpleNamespace(
    each=(),  # what a search asks of a task whose edits are not validated
    is_forget=np.array([True, False]),
    validation=np.arange(2),
    labels=("a", "b"),
    forget=0,
)


def test_other_tokens_are_trained_at_the_setting_that_a_search_chose(study_folder):
    study = open_study(study_folder)
    cue, other = (np.array([study.tokenizer.convert_tokens_to_ids(w)]) for w in ("insulin", "."))
    config = UnlearnConfig(epochs=1, learning_rate_rows=1e-3)
    _, searched = tune_rows(study, cue, config, factors=[1.0, 8.0], apart=True, widen=0)
    widely = {"factors": [1.0, 8.0], "apart": True, "widen": 2}  # asked for and not done
    made, row = tune_rows(study, other, config, like=chosen_in(searched), **widely)
    assert made.edit.token_ids.tolist() == other.tolist()
    setting = ["rate", "head_rate"]
    assert row[setting].values.tolist() == searched.loc[searched["chosen"], setting].values.tolist()
    rate, head = row[setting].iloc[0]
    alone = unlearn(study, other, config.faster(rate, head))
    assert torch.equal(made.edit.rows, alone.rows)
    assert row["chosen"].tolist() == [True] and row["at_edge"].tolist() == [False]


def test_the_search_keeps_the_setting_with_the_best_criterion(study_folder):
    study = open_study(study_folder)
    cue = np.array([study.tokenizer.convert_tokens_to_ids("insulin")])

    def train(rate, _):
        return study.train_edit(unlearn, cue, UnlearnConfig(epochs=2, learning_rate_rows=rate))

    best, table = tune(study, [1e-6, 0.05], train)
    assert table["rate"].tolist() == [1e-6, 0.05] == table["head_rate"].tolist()
    expected = table["retain_macro_auroc"] - (table["forget_auroc"] - 0.5).abs()
    assert table["criterion"].tolist() == pytest.approx(expected.tolist())
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "criterion"].item() == table["criterion"].max()
    original = study.model.get_input_embeddings().weight[cue]
    moved = (best.edit.rows - original).abs().max()
    assert (moved > 1e-3) == table["chosen"].tolist()[1]
    assert table["at_edge"].tolist() == table["chosen"].tolist()  # of two both lie at an edge


@pytest.fixture
def landscape(monkeypatch):
    """A search over a criterion that is known: a train function and what it was asked for."""
    asked = []

    def search(best_rate, best_head, factors, **how):
        def validate(_, trial):
            rate, head = trial.seconds
            far = np.log2(rate / best_rate) ** 2 + np.log2(head / best_head) ** 2
            return {"forget_f1": 0.0, "said_per_positive": 0.0, "criterion": -far}

        def train(rate, head):
            asked.append((rate, head))
            return Trained(None, (rate, head))

        monkeypatch.setattr("steu.experiments.tuning._validate", validate)
        made, table = tune(JUDGED, factors, train, **how)
        assert len(asked) == len(set(asked)) == len(table)
        return made.seconds, table

    return search


def test_a_search_goes_on_while_the_best_lies_at_an_edge(landscape):
    found, table = landscape(8.0, 8.0, [0.5, 1.0, 2.0], widen=5)
    assert found == (8.0, 8.0) and not table["at_edge"].any()
    assert table["rate"].tolist() == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_search_goes_down_too_and_says_when_it_had_to_stop(landscape):
    found, table = landscape(0.01, 0.01, [0.5, 1.0, 2.0], widen=2)
    assert found == (0.125, 0.125)
    assert table["at_edge"].sum() == 1


def test_the_heads_rate_is_searched_beside_the_best_of_the_others(landscape):
    found, table = landscape(2.0, 0.5, [0.5, 1.0, 2.0, 4.0], apart=True, widen=4)
    assert found == (1.0, 0.5) and not table["at_edge"].any()
    assert table["head_rate"].min() == 0.25  # one further on, to see that it gets worse


def test_the_head_stays_where_it_was_unless_it_is_searched(landscape):
    _, table = landscape(2.0, 0.25, [0.5, 1.0, 2.0], widen=1)
    assert (table["rate"] == table["head_rate"]).all()


def test_a_setting_that_falls_silent_goes_before_any_that_does_not(monkeypatch):
    """However well the other ranks: an edit that still says the class has not forgotten it."""
    told = {0.5: (0.30, 0.9), 1.0: (0.04, 0.6), 2.0: (0.0, 0.7), 4.0: (0.0, 0.2)}

    def validate(_, trial):
        said, criterion = told[trial.seconds]
        return {"forget_f1": said, "said_per_positive": said, "criterion": criterion}

    monkeypatch.setattr("steu.experiments.tuning._validate", validate)
    made, table = tune(JUDGED, list(told), lambda rate, _: Trained(None, rate))
    assert made.seconds == 2.0 and table["chosen"].sum() == 1
    loud, _ = tune(JUDGED, [0.5], lambda rate, _: Trained(None, rate))
    assert loud.seconds == 0.5  # where none is silent, the best of them


def test_a_search_goes_on_towards_silence_past_a_peak_of_the_criterion(monkeypatch):
    said = {0.25: 0.7, 0.5: 0.5, 1.0: 0.6, 2.0: 0.4, 4.0: 0.1, 8.0: 0.02, 16.0: 0.0}

    def validate(_, trial):
        loudness = said[trial.seconds]
        criterion = -abs(np.log2(trial.seconds / 2))
        return {"forget_f1": loudness, "said_per_positive": loudness, "criterion": criterion}

    monkeypatch.setattr("steu.experiments.tuning._validate", validate)
    tried = [0.25, 0.5, 1.0, 2.0, 4.0]
    found, table = tune(JUDGED, tried, lambda rate, _: Trained(None, rate), widen=2)
    assert found.seconds == 8.0 and not table["at_edge"].any()  # 16 was tried and is worse
    loud, table = tune(JUDGED, tried, lambda rate, _: Trained(None, rate))
    assert loud.seconds == 4.0 and table["at_edge"].sum() == 1


def test_saying_it_of_every_note_is_no_silence_however_rare_the_class():
    """Its F1 is 2p / (1 + p): below the limit of silence where fewer than one note in 39 has it."""
    has = np.arange(100) < 2
    log_odds = {"all": np.ones(100), "some": np.where(np.arange(100) % 10 == 0, 1.0, -1.0)}
    log_odds |= {"one": np.where(np.arange(100) == 50, 1.0, -1.0)}

    def train(rate, _):
        return Trained(list(log_odds)[int(rate) - 1], 0.0)

    class Task(SimpleNamespace):
        def log_odds(self, index, edit):
            return np.stack([log_odds[edit], np.arange(100) % 7 - 3.0], axis=1)

    task = Task(
        is_forget=has, validation=np.arange(100), labels=("a", "b"), forget=0, retained=[1],
        targets=np.stack([has, np.arange(100) % 7 > 3], axis=1), outputs="sigmoid", each=(),
    )  # fmt: skip
    made, table = tune(task, [1.0, 2.0, 3.0], train)
    assert made.edit == "one" and table["said_per_positive"].tolist() == [50.0, 5.0, 0.5]
    assert (table["forget_f1"] < 0.05).tolist() == [True, False, True]
    loud, _ = tune(task, [1.0, 2.0], train)
    assert loud.edit == "some"


def test_of_several_classes_in_one_the_worst_counts_whichever_is_named_first():
    truth = np.arange(40).reshape(2, 20) % np.array([[2], [5]]) == 0  # of two classes
    said = np.where(truth[1], 1.0, -1.0)  # the first is silent and at ½, the second still said
    logits = np.stack([np.full(20, -9.0), said, np.linspace(-1, 1, 20)], axis=1)
    each = [SimpleNamespace(forget=c, is_forget=truth[c]) for c in (0, 1)]
    for order in (each, each[::-1]):
        task = SimpleNamespace(
            each=tuple(order),
            validation=np.arange(20),
            retained=[2],
            targets=(np.arange(60).reshape(20, 3) % 4 < 2).astype(float),
            log_odds=lambda index, edit: logits[index],
            outputs="sigmoid",
        )
        found = _validate(task, SimpleNamespace(edit=None))
        assert found["forget_f1"] == 1.0 and found["forget_auroc"] == 1.0


def test_a_search_needs_validation_notes_of_both_kinds():
    blind = SimpleNamespace(**vars(JUDGED) | {"is_forget": np.array([False, False])})
    with pytest.raises(ValueError, match="with and without 'a'; found 0 with of 2"):
        tune(blind, [1.0], lambda rate, head: None)


def test_a_rate_at_which_training_diverges_is_not_chosen_and_does_not_end_the_search(monkeypatch):
    def train(rate, _):
        if rate > 1:
            raise Diverged("the loss is nan")
        return Trained(None, rate)

    def validate(_, trial):
        return {"forget_f1": 0.0, "said_per_positive": 0.0, "criterion": trial.seconds}

    monkeypatch.setattr("steu.experiments.tuning._validate", validate)
    made, table = tune(JUDGED, [0.5, 1.0, 2.0], train)
    assert made.seconds == 1.0 and table["criterion"].tolist() == [0.5, 1.0, -np.inf]
    with pytest.raises(Diverged, match=r"diverged at each of the rates tried, \[2.0, 4.0\]"):
        tune(JUDGED, [2.0, 4.0], train)


def test_factors_are_positive():
    with pytest.raises(ValueError, match=r"one or more positive numbers; found \[0.5, 0\]"):
        tune(JUDGED, [0.5, 0], lambda rate, head: None)


def test_each_rate_is_multiplied_and_the_heads_by_its_own_factor():
    config = LayerConfig().faster(2.0, 0.5)
    assert config.learning_rate_layers == 2 * LayerConfig().learning_rate_layers
    assert config.learning_rate_head == 0.5 * LayerConfig().learning_rate_head
    assert UnlearnConfig().faster(3.0).learning_rate_head == 3 * UnlearnConfig().learning_rate_head


@pytest.mark.parametrize("name", [*RIVALS, "scrub_layers_only"])
def test_every_rival_is_called_by_its_name_and_found_again(study_folder, tmp_path, name):
    study = open_study(study_folder, trained=tmp_path)
    cue = np.array([study.tokenizer.convert_tokens_to_ids("insulin")])
    setting = Setting(LayerConfig(epochs=1), cue, cue, 1)
    made, table = tune_rival(study, name, setting, factors=[1.0, 2.0], apart=False, widen=0)
    searched = name not in RIVALS or RIVALS[name].rates > 0
    assert len(table) == 1 + searched
    assert table["at_edge"].any() == searched  # of two both lie at one
    again, same = tune_rival(study, name, setting, factors=[1.0, 2.0], apart=False, widen=0)
    assert table.equals(same) and again.seconds == made.seconds
    assert np.array_equal(study.logits(study.test, again.edit), study.logits(study.test, made.edit))
    if name.endswith("layers_only"):
        assert not [n for n in made.edit.values if n.startswith("classifier")]


def test_a_name_without_its_head_reads_as_it_is_searched():
    assert LAYERS_ONLY == display_names.LAYERS_ONLY
    assert display_names.name(f"scrub{LAYERS_ONLY}") == "SCRUB, layers only"


def test_rivals_are_listed_with_the_papers_own_first():
    assert rivals_with(["ssd", "gradient_ascent"]) == [
        "steu_e",
        "direct_suppression",
        "gradient_ascent",
        "influence_weighted",
        "ssd",
    ]
    table = rival_table(["ssd", "scrub_layers_only"])
    assert table["paper"].tolist() == ["2308.07707", "2302.09880"]
    assert table["does"].iloc[1].endswith("head as it is")
    with pytest.raises(ValueError, match="no rival 'scrubs'; did you mean scrub"):
        rivals_with(["scrubs"])
    with pytest.raises(
        ValueError, match="leace edits no layers with their head: there is no leace_l"
    ):
        rivals_with(["leace_layers_only"])


def test_dense_rivals_run_by_the_same_signature(study_folder):
    study = open_study(study_folder)
    config = LayerConfig(epochs=1)
    trained = study.train_edit(edit_layers, "gradient_ascent", config, n_layers=1)
    before, after = study.logits(study.test), study.logits(study.test, trained.edit)
    assert after[:, 0].mean() < before[:, 0].mean()
    costs = {row["metric"]: row["value"] for row in study.costs("x", trained)}
    memory = step_bytes(study, edit_layers, "gradient_ascent", config=config, n_layers=1)
    assert memory > costs["bytes_stored"] > 0


@pytest.mark.parametrize("name", ["influence_weighted", "ssd", "direct_suppression"])
def test_a_dense_rival_can_leave_the_head_as_it_is(study_folder, name):
    study = open_study(study_folder)
    none = np.empty(0, dtype=np.int64)
    setting = Setting(LayerConfig(epochs=1), none, none, n_layers=1)
    head = set(head_parameters(study.model))
    for asked, moves in ((name, True), (f"{name}_layers_only", False)):
        method, given, settings = rival(asked).call(setting, 1.0, 1.0)
        values = method(study, *given, **settings).values
        assert (head <= set(values)) is moves and set(values) - head


def test_what_a_method_without_steps_is_given_is_known_and_nothing_else_is() -> None:
    none = np.empty(0, dtype=np.int64)
    setting = Setting(LayerConfig(epochs=1, seed=7), none, none, n_layers=2)
    given = given_to("ssd", setting)
    assert given == {
        "selection": 10.0,
        "dampening": 1.0,
        "n_layers": 2,
        "head": True,
        "n_fisher": 256,
        "seed": 7,
    }
    assert given_to("steu_e", setting)["n_rows"] == 8
    for takes_steps in ("scrub", "lora", "gradient_ascent"):
        assert given_to(takes_steps, setting) == {}


def test_another_seed_takes_what_the_first_one_chose(study_folder, tmp_path):
    study = open_study(study_folder)
    rows = [("steu", 1.0, 1.0, False), ("steu", 4.0, 2.0, True), ("lora", 0.5, 0.5, True)]
    columns = ["method", "rate", "head_rate", "chosen"]
    write_trials(tmp_path, pd.DataFrame(rows, columns=columns), study, n_tokens=9)
    assert chosen_by(str(tmp_path), study, n_tokens=9) == {"steu": (4.0, 2.0), "lora": (0.5, 0.5)}
    assert chosen_by("", study) == {}
    with pytest.raises(ValueError, match="expected n_tokens 256, found 9: search the rates again"):
        chosen_by(str(tmp_path), study, n_tokens=256)
    with pytest.raises(ValueError, match="expected forget_label lung, found diabetes: search"):
        chosen_by(str(tmp_path), study.aimed_at("lung"), n_tokens=9)
    with pytest.raises(ValueError, match="trials.parquet does not exist; name a folder that a sea"):
        chosen_by(str(tmp_path / "nowhere"), study)
