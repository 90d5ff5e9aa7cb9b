"""What is kept: found again by content, equal bit for bit, and by nobody who asks for another."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from toys import open_study

from steu.experiments import kept, retraining, study
from steu.experiments.retraining import retrain
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.influence import influence_edit
from steu.unlearning.sparse import UnlearnConfig, unlearn

CUE = np.array([2000, 2001])
ONCE = UnlearnConfig(epochs=1)
LAYERS = LayerConfig(epochs=1)
WAYS = {
    "rows and head": (unlearn, (CUE, ONCE), {}),
    "rows": (unlearn, (CUE, dataclasses.replace(ONCE, head="none")), {}),
    "head": (unlearn, (CUE[:0], ONCE), {}),
    "layers": (edit_layers, ("gradient_ascent", LAYERS), {"n_layers": 1}),
    "influence": (influence_edit, (), {"n_layers": 1, "n_fisher": 4}),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_is_trained_once_and_found_again_bit_for_bit(study_folder, tmp_path, way):
    method, given, settings = WAYS[way]
    first = open_study(study_folder, trained=tmp_path).train_edit(method, *given, **settings)
    later = open_study(study_folder, trained=tmp_path)

    def never(*_, **__):
        raise AssertionError("trained a second time")

    never.__qualname__ = method.__qualname__
    again = later.train_edit(never, *given, **settings)
    assert again.seconds == first.seconds > 0
    assert again.edit.history == first.edit.history
    assert again.edit.origin == first.edit.origin == later.origin
    old, new = (dataclasses.asdict(one.edit) for one in (first, again))
    for name in set(old) & {"token_ids", "rows"}:
        assert torch.equal(old[name], new[name])
    for name in set(old) & {"head", "values"}:
        assert old[name].keys() == new[name].keys()
        assert all(torch.equal(value, new[name][key]) for key, value in old[name].items())
    assert np.array_equal(
        later.log_odds(later.test, first.edit), later.log_odds(later.test, again.edit)
    )


def test_whatever_differs_is_trained_anew(study_folder, tmp_path, monkeypatch):
    given = open_study(study_folder, trained=tmp_path)
    other = given.aimed_at(
        next(label for label in given.labels if label != given.labels[given.forget])
    )
    in_bf16 = open_study(study_folder, trained=tmp_path, precision="bf16")
    cut_otherwise = open_study(study_folder, trained=tmp_path)
    cut_otherwise.origin = dataclasses.replace(given.origin, tokenizer="mended since")
    asked = [
        (given, CUE, ONCE),
        (given, CUE[::-1].copy(), ONCE),
        (given, CUE[:1], ONCE),
        (given, CUE, dataclasses.replace(ONCE, seed=1)),
        (given, CUE, dataclasses.replace(ONCE, learning_rate_rows=1e-3)),
        (other, CUE, ONCE),
        (in_bf16, CUE, ONCE),
        (cut_otherwise, CUE, ONCE),
    ]
    places = []
    monkeypatch.setattr(study, "_keep", lambda place, _: places.append(place))

    def never_made(*_):
        return None

    for of, ids, config in asked:
        of.train_edit(never_made, ids, config)
    monkeypatch.setattr(kept, "_code", lambda: "changed")
    given.train_edit(never_made, CUE, ONCE)
    assert len(set(places)) == len(places) == len(asked) + 1


def test_the_code_that_counts_is_that_below_the_pages(tmp_path, monkeypatch):
    def digest_with(name, text):
        root = tmp_path / name.replace("/", "_")
        shutil.copytree("steu", root, ignore=shutil.ignore_patterns("__pycache__"))
        (root / name).write_text(text)
        monkeypatch.setattr(kept.steu, "__file__", str(root / "__init__.py"))
        kept._code.cache_clear()
        return kept._code()

    before = kept._code()
    assert digest_with("reporting/figures.py", "") == before
    assert digest_with("unlearning/loop.py", "") != before
    monkeypatch.undo()
    kept._code.cache_clear()
    assert kept._code() == before


def test_a_damaged_edit_is_named(study_folder, tmp_path):
    given = open_study(study_folder, trained=tmp_path)
    given.train_edit(unlearn, CUE, ONCE)
    file = next(tmp_path.glob("*/edit.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ValueError, match=r"edit.safetensors is not the file that edit.json descr"):
        given.train_edit(unlearn, CUE, ONCE)


def test_what_two_pages_train_at_once_is_written_once(study_folder, tmp_path):
    """The second one's must not take the place of the first's: a third page may be reading it."""
    given = open_study(study_folder, trained=tmp_path)
    trained = given.train_edit(unlearn, CUE, ONCE)
    file = next(tmp_path.glob("*/edit.safetensors"))
    first = file.stat().st_ino
    study._keep(file.parent, trained)
    assert file.stat().st_ino == first


def test_a_study_that_keeps_nothing_writes_nothing(study_folder, tmp_path):
    given = open_study(study_folder)
    assert given.place_of(method="unlearn") is None
    assert given.train_edit(unlearn, CUE, ONCE).seconds > 0
    assert not list(tmp_path.iterdir())


def test_a_classifier_is_retrained_once_and_found_again_bit_for_bit(
    study_folder, tmp_path, monkeypatch
):
    first = retrain(open_study(study_folder, trained=tmp_path), head_width=6)
    monkeypatch.setattr(retraining, "fine_tune", lambda *_, **__: pytest.fail("trained again"))
    again = retrain(open_study(study_folder, trained=tmp_path), head_width=6)
    assert again.origin == first.origin and again.recipe == first.recipe
    assert torch.equal(again.teacher.logits, first.teacher.logits)
    assert again.kept == first.kept == tmp_path
    with pytest.raises(pytest.fail.Exception):
        retrain(open_study(study_folder, trained=tmp_path), head_width=6, seed=3)


def test_the_answers_of_the_original_are_computed_once_for_every_class(
    study_folder, tmp_path, monkeypatch
):
    first = open_study(study_folder, trained=tmp_path)
    known = first.teacher

    def fails(*_, **__):
        pytest.fail("read again")

    monkeypatch.setattr("steu.models.teacher.extract_features", fails)
    again = open_study(study_folder, trained=tmp_path, forget_label="kidney").teacher
    assert torch.equal(again.features, known.features)
    assert torch.equal(again.logits, known.logits)
