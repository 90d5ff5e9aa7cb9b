"""The search keeps what does best on validation, by one criterion for all."""

import numpy as np
import pytest
from toys import open_study

from steu.experiments.peak_memory import step_bytes
from steu.experiments.tuning import tune
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.sparse import UnlearnConfig, unlearn


def test_the_search_keeps_the_setting_with_the_best_criterion(study_folder):
    study = open_study(study_folder)
    cue = np.array([study.tokenizer.convert_tokens_to_ids("insulin")])

    def train(rate):
        return study.train_edit(unlearn, cue, UnlearnConfig(epochs=2, learning_rate_rows=rate))

    best, table = tune(study, [1e-6, 0.05], train)
    assert table["setting"].tolist() == [1e-6, 0.05]
    expected = table["retain_macro_auroc"] - (table["forget_auroc"] - 0.5).abs()
    assert table["criterion"].tolist() == pytest.approx(expected.tolist())
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "criterion"].item() == table["criterion"].max()
    original = study.model.get_input_embeddings().weight[cue]
    moved = (best.edit.rows - original).abs().max()
    assert (moved > 1e-3) == table["chosen"].tolist()[1]


def test_dense_rivals_run_by_the_same_signature(study_folder):
    study = open_study(study_folder)
    config = LayerConfig(epochs=1)
    trained = study.train_edit(edit_layers, "gradient_ascent", config, n_layers=1)
    before, after = study.logits(study.test), study.logits(study.test, trained.edit)
    assert after[:, 0].mean() < before[:, 0].mean()
    costs = {row["metric"]: row["value"] for row in study.costs("x", trained)}
    memory = step_bytes(study, edit_layers, "gradient_ascent", config=config, n_layers=1)
    assert memory > costs["bytes_stored"] > 0
