"""What was only covered up is found: by the old head, by other spellings, by training on."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from torch.ao.quantization import quantize_dynamic
from toys import Toy, make_toy, open_study

import steu
from steu.audits.collateral import _correlations, collateral, correlation_drift, patients_with_both
from steu.audits.head_put_back import head_at_hand, head_put_back, rows_put_back, with_original_head
from steu.audits.information import information, information_records
from steu.audits.membership import _tpr_by_chance, beyond, membership, neighbour, outsiders
from steu.audits.merged import merged_model, with_model
from steu.audits.places import places
from steu.audits.relearning import Lesson, RelearnConfig, _learner, relearn, way_back
from steu.audits.respelling import answers_to, respelt
from steu.audits.rounding import _given_in_steps, on_grid, rounded
from steu.data.encoding import EncodedNotes, encode_in_memory
from steu.evaluation.calibration import brier, calibration_error, negative_log_likelihood
from steu.evaluation.metrics import auroc
from steu.evaluation.prototypes import few_shot_auroc
from steu.models.heads import head_of
from steu.models.hidden_states import HEAD
from steu.models.weights import weights_hash
from steu.task import ForgetTask
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.dense_edit import LayerEdit
from steu.unlearning.sparse_edit import SparseEdit


@pytest.fixture(scope="module")
def head_only(task: ForgetTask) -> SparseEdit:
    none = np.empty(0, dtype=np.int64)
    return steu.unlearn(task, none, steu.UnlearnConfig(epochs=12, learning_rate_head=0.2))


@pytest.fixture(scope="module")
def sparse(task: ForgetTask) -> SparseEdit:
    config = steu.UnlearnConfig(epochs=6, learning_rate_rows=0.02)
    return steu.unlearn(task, steu.rank_tokens(task)[:3], config)


@pytest.fixture(scope="module")
def dense(task: ForgetTask) -> LayerEdit:
    return edit_layers(task, "direct_suppression", LayerConfig(epochs=2), n_layers=1)


def test_the_old_head_undoes_what_only_the_head_learned(
    task: ForgetTask, head_only: SparseEdit
) -> None:
    original, truth = task.log_odds(task.test), task.is_forget[task.test]
    assert not (task.log_odds(task.test, head_only)[truth, task.forget] > 0).any()
    assert np.array_equal(with_original_head(task, head_only, task.test), original)
    assert head_put_back(task, head_only)[0] == pytest.approx(
        roc_auc_score(truth, original[:, task.forget])
    )


def test_a_ranking_turned_round_counts_as_its_mirror_image(task: ForgetTask) -> None:
    found = head_put_back(task)[0]
    model = merged_model(task)
    with torch.no_grad():
        model.classifier.weight[task.forget] *= -1
    turned = with_model(task, model)
    assert head_put_back(turned)[0] == pytest.approx(found)


def test_the_old_head_is_that_of_the_model_that_was_to_forget(task: ForgetTask) -> None:
    model = merged_model(task)
    with torch.no_grad():
        model.classifier.weight[task.forget] = 0  # a reference's own head knows nothing
    reference = with_model(task, model)
    assert head_put_back(reference)[0] == 0.5
    kept = head_put_back(reference, original=task.model)
    assert np.array_equal(kept, head_put_back(task))


def test_the_row_that_holds_the_class_down_is_named(task: ForgetTask, sparse: SparseEdit) -> None:
    table = rows_put_back(task, sparse, most=3)
    assert table.loc[0, "token"] == "insulin"
    assert (table["patients"] == table["notes"]).all()  # here each note is a patient's
    assert table.loc[0, "measured"] > 0.5
    everything = SparseEdit(
        sparse.token_ids, SparseEdit.identity(task.model, sparse.token_ids).rows
    )
    with_class = task.test[task.is_forget[task.test]]
    gain = (
        with_original_head(task, everything, with_class)
        - with_original_head(task, sparse, with_class)
    )[:, task.forget].mean()
    assert table["measured"].sum() == pytest.approx(gain, rel=0.5)
    with pytest.raises(ValueError, match="independent sigmoids; this model has a softmax"):
        rows_put_back(SimpleNamespace(outputs="softmax"), sparse)  # pyrefly: ignore[bad-argument-type]


@pytest.mark.parametrize("kind", ["sparse", "dense", "head_only"])
def test_a_merged_copy_answers_as_the_edit_and_the_original_stays(
    task: ForgetTask, kind: str, request: pytest.FixtureRequest
) -> None:
    edit, before = request.getfixturevalue(kind), task.origin.model
    copied = with_model(task, merged_model(task, edit))
    assert np.allclose(copied.log_odds(task.test), task.log_odds(task.test, edit), atol=1e-5)
    assert weights_hash(task.model) == before
    assert np.array_equal(copied.thresholds, task.thresholds)


@pytest.mark.parametrize(("grid", "levels"), [("int8", 255), ("int4", 15)])
def test_a_row_has_as_many_values_as_its_bits_allow(grid: str, levels: int) -> None:
    values = torch.randn(3, 4000, generator=torch.Generator().manual_seed(0))
    found = on_grid(values, grid)  # type: ignore[arg-type]
    assert all(len(row.unique()) <= levels for row in found)
    step = values.abs().amax(dim=1, keepdim=True) / (levels // 2)
    assert ((found - values).abs() <= step / 2 * 1.0001).all()
    assert torch.equal(on_grid(found, grid), found)  # type: ignore[arg-type]


def test_what_was_moved_by_less_than_half_a_step_moves_back(task: ForgetTask) -> None:
    model = merged_model(task)
    weight = model.classifier.weight
    with torch.no_grad():
        weight.copy_(on_grid(weight, "int4"))
    coarse = with_model(task, model)
    moved = weight.detach().clone()
    step = moved[task.forget].abs().max() / 7
    held = moved[task.forget].abs() == moved[task.forget].abs().max()  # the row keeps its grid
    moved[task.forget] -= 0.45 * step * moved[task.forget].sign() * ~held
    none = torch.empty(0, dtype=torch.int64)
    hidden = SparseEdit(none, SparseEdit.identity(model, none).rows, {"weight": moved})
    before, after = (rounded(coarse, edit, grid="int4") for edit in (None, hidden))
    assert not np.allclose(coarse.log_odds(task.test, hidden), coarse.log_odds(task.test))
    assert np.array_equal(after.log_odds(task.test), before.log_odds(task.test))
    finer = rounded(coarse, hidden, grid="int8").log_odds(task.test)
    assert not np.allclose(finer, rounded(coarse, grid="int8").log_odds(task.test))


def test_what_a_layer_is_given_is_rounded_as_torch_rounds_it() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.3], [1.3, 0.007, -0.2]])
    (found,) = _given_in_steps(torch.nn.Identity(), (values,))
    step = 2.3 / 255
    theirs = torch.fake_quantize_per_tensor_affine(values, step, round(1 / step), 0, 255)
    assert torch.allclose(found, theirs, atol=1e-6) and found[0, 1] == 0


def test_dynamic_rounding_is_torchs(task: ForgetTask) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch points to a successor that is a package of its own
        theirs = quantize_dynamic(merged_model(task), {torch.nn.Linear}, dtype=torch.qint8)
    ids, mask = task.notes.batch(task.test[:8])
    with torch.no_grad():
        wanted = theirs(ids, attention_mask=mask).logits.numpy()
        found = rounded(task, grid="int8 dynamic").model(ids, attention_mask=mask).logits.numpy()
        exact = task.model(ids, attention_mask=mask).logits.numpy()
    off = np.abs(wanted - exact).mean()  # theirs has one step for a whole matrix, ours one a row
    assert 0 < np.abs(found - exact).mean() < 2 * off and np.abs(found - wanted).mean() < 2 * off


def test_bf16_keeps_eight_bits_and_an_unknown_grid_is_refused(task: ForgetTask) -> None:
    found = rounded(task, grid="bf16")
    assert np.allclose(found.log_odds(task.test), task.log_odds(task.test), atol=0.3)
    assert not np.array_equal(found.log_odds(task.test), task.log_odds(task.test))
    with pytest.raises(ValueError, match="grid"):
        rounded(task, grid="int7")  # type: ignore[arg-type]


def test_a_word_that_is_left_out_tells_nothing_and_one_misspelt_is_another_token(
    task: ForgetTask,
) -> None:
    token = task.tokenizer.convert_tokens_to_ids("insulin")
    chosen, index = np.array([token]), task.test
    without = respelt(task, chosen, index, spelling="left out")
    assert not without.contains_any(chosen).any()
    truth = task.is_forget[index]
    before = roc_auc_score(truth, task.log_odds(index)[:, task.forget])
    after = roc_auc_score(truth, answers_to(task, without)[:, task.forget])
    assert after < 0.7 < 0.9 < before
    kept = respelt(task, np.array([task.notes.pad_id]), index, spelling="hyphen")
    assert np.array_equal(kept.ids, np.concatenate([task.notes[i] for i in index]))
    apart = respelt(task, chosen, index, spelling="hyphen")
    assert not apart.contains_any(chosen).any()
    assert (apart.lengths >= task.notes.lengths[index]).all()


def test_another_spelling_pushes_no_other_word_out_of_the_window(toy: Toy) -> None:
    task = toy.task(notes=encode_in_memory(toy.texts, toy.tokenizer, max_length=7))
    chosen = np.array([task.tokenizer.convert_tokens_to_ids("insulin")])
    respelled = respelt(task, chosen, task.test, spelling="letters apart")
    held = [i for i, note in enumerate(task.test) if chosen[0] in task.notes[note]]
    assert held and (respelled.lengths[held] > 7).all()
    for i, note in enumerate(task.test):
        assert {*task.notes[note]} - {*chosen} <= {*respelled[i]}


def test_a_byte_level_tokenizer_knows_a_word_by_the_space_before_it(
    task: ForgetTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["a", "b", "insulin", "Ġinsulin", "Ġmorning", "in", "-", "sulin", "[UNK]"]
    model = BPE({w: i for i, w in enumerate(words)}, [], unk_token="[UNK]", ignore_merges=True)
    fast = Tokenizer(model)
    fast.pre_tokenizer = ByteLevel(add_prefix_space=False)
    monkeypatch.setattr("steu.audits.respelling.window_tokenizer", lambda *_: fast)
    monkeypatch.setattr(EncodedNotes, "texts", lambda *_: ["morning insulin", "insulin morning"])
    seen: list[str] = []

    def encoded(texts: list[str], *_: object, **__: object) -> None:
        seen.extend(texts)

    monkeypatch.setattr("steu.audits.respelling.encode_in_memory", encoded)
    respelt(task, np.array([3]), task.test[:2], spelling="hyphen")  # within a text
    assert seen == ["morning ins-ulin", "ins-ulin morning"]


def test_answers_to_the_same_notes_are_the_tasks_own(task: ForgetTask, sparse: SparseEdit) -> None:
    same = respelt(task, np.empty(0, dtype=int), task.test, spelling="left out")
    for edit in (None, sparse):
        assert np.allclose(answers_to(task, same, edit), task.log_odds(task.test, edit), atol=1e-4)


def test_the_head_alone_learns_again_at_once_what_only_the_head_forgot(
    task: ForgetTask, head_only: SparseEdit
) -> None:
    config = RelearnConfig(steps=(0, 4, 32), learning_rate_head=0.05)
    found = relearn(task, head_only, config=config)
    assert found.f1[0, 0] == 0
    assert found.f1[-1, 0] > 0.8
    assert found.steps_to(0.5 * found.f1[-1, 0])[0] in (4, 32)
    assert np.isinf(found.steps_to(2.0)).all()
    assert found.reached(2.0) == "> 32 [> 32, > 32]" and found.reached(0.0) == "0 [0, 0]"
    assert found.steps_to(found.auroc[0, 0], metric="auroc")[0] == 0
    assert found.reached(np.full(found.f1.shape[1], np.nan)) == "–"
    alone = replace(found, f1=found.f1[:, :1])
    assert (
        alone.reached(0.0) == "0" and alone.reached(2.0) == "> 32"
    )  # of no resamples, no interval
    one = np.array([0.0, np.nan])
    assert replace(found, f1=found.f1[:, :2]).reached(one) == "0"
    table = found.table()
    assert set(table["metric"]) == {"forget_f1", "forget_auroc"}
    assert list(table["examples"].unique()) == [0, 64, 512]


def test_the_way_back_begins_where_nothing_is_known() -> None:
    known, everybody = np.array([0.545, 0.6, 0.2]), np.array([0.287, 0.3, 0.3])
    half = way_back(known, everybody, share=0.5)
    assert half[:2] == pytest.approx([0.416, 0.45])  # half of 0.545 is less than to say yes to all
    assert np.isnan(half[2])
    assert way_back(np.array([0.9]), 0.5, share=0.9) == pytest.approx([0.86])


def test_training_everything_brings_it_back_too_and_leaves_the_model_alone(
    task: ForgetTask, sparse: SparseEdit
) -> None:
    before = weights_hash(task.model)
    config = RelearnConfig(steps=(0, 30), learning_rate_head=0.05, learning_rate_all=3e-3)
    found = relearn(task, sparse, part="all", config=config)
    assert found.f1[0, 0] < 0.3 < found.f1[1, 0]
    assert weights_hash(task.model) == before


def test_two_roundings_of_the_same_weights_do_not_share_what_they_answer(
    study_folder: Path, tmp_path: Path
) -> None:
    study = open_study(study_folder)
    study.kept = tmp_path
    said = {grid: rounded(study, grid=grid) for grid in ("int8", "int8 dynamic")}
    one, other = (s.log_odds(study.test) for s in said.values())
    assert not np.array_equal(one, other)
    assert np.array_equal(other, rounded(study, grid="int8 dynamic").log_odds(study.test))


def test_whole_models_are_trained_whole(tmp_path: Path) -> None:
    toy = make_toy(tmp_path, backbone="random-distilbert", n=40, trained=False)
    _, groups = _learner(toy.task(), None, "all", RelearnConfig())
    sizes = [sum(p.numel() for p in group["params"]) for group in groups]
    assert sum(sizes) == sum(p.numel() for p in toy.model.parameters())  # its inner layer too


def test_lessons_without_the_class_never_train_its_output(
    task: ForgetTask, head_only: SparseEdit
) -> None:
    found = relearn(task, head_only, lesson="without the class", config=RelearnConfig(steps=(0, 8)))
    assert np.array_equal(found.auroc[0], found.auroc[1], equal_nan=True)


@pytest.mark.parametrize("lesson", ["with the class", "without the class"])
@pytest.mark.parametrize("all_have_it", [False, True])
def test_a_lesson_needs_notes_of_both_kinds(toy: Toy, lesson: Lesson, all_have_it: bool) -> None:
    lacking = toy.task()
    lacking.is_forget[lacking.train] = all_have_it
    with pytest.raises(ValueError, match="training notes with and without 'diabetes'; found"):
        relearn(lacking, None, lesson=lesson)


def test_steps_that_do_not_rise_from_nought_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must rise from 0; found 4, 2"):
        RelearnConfig(steps=(4, 2))
    with pytest.raises(ValueError, match="batch_size must be 2 or more; found 1"):
        RelearnConfig(batch_size=1)  # of which half are none
    with pytest.raises(ValueError, match="learning_rate_head must be a finite number; found nan"):
        RelearnConfig(learning_rate_head=float("nan"))


def test_collateral_is_nought_where_nothing_changed_and_apart_by_who_has_the_class(
    task: ForgetTask, head_only: SparseEdit
) -> None:
    table = collateral(task, steu.null_edit(task))
    assert (table["value"].dropna() == 0).all()
    assert set(table["label"]) == {task.labels[c] for c in task.retained}
    parts = collateral(task, head_only).groupby("notes")["n"].first()
    assert parts["all notes"] == parts["notes with the class"] + parts["notes without the class"]
    assert correlation_drift(task, steu.null_edit(task))[0] == 0
    assert correlation_drift(task, head_only)[0] > 0


def test_of_restricted_data_it_is_told_whom_the_others_price_rests_on_if_they_are_many() -> None:
    """40 patients; the class has 20, *half* 10 of them and 10 others, *within* 11 and no other."""
    person = np.arange(40)
    targets = np.stack([person < 20, (person >= 10) & (person < 30), person < 11], axis=1)
    one = SimpleNamespace(
        targets=targets.astype(int),
        groups=person,
        test=person,
        forget=0,
        labels=["c", "half", "in"],
    )
    told = patients_with_both(one, restricted=False)  # pyrefly: ignore[bad-argument-type]
    assert told.to_dict() == {"half": 10, "in": 11}
    told = patients_with_both(one, restricted=True)  # pyrefly: ignore[bad-argument-type]
    assert told["half"] == 10
    assert told.isna()["in"]  # the class's other nine could be counted


def test_calibration_agrees_with_scikit_learn_and_a_case_by_hand() -> None:
    generator = np.random.default_rng(0)
    z, truth = generator.normal(size=50), generator.random(50) < 0.4
    once = np.ones((1, 50), dtype=np.float32)
    assert negative_log_likelihood(truth, z, once)[0] == pytest.approx(log_loss(truth, expit(z)))
    assert brier(truth, z, once)[0] == pytest.approx(brier_score_loss(truth, expit(z)))
    # two bins: (0.05, 0.05) with one positive, (0.95, 0.95) with two: gaps 0.45 and 0.05
    chance = np.array([0.05, 0.05, 0.95, 0.95])
    by_hand = calibration_error(
        np.array([True, False, True, True]), np.log(chance / (1 - chance)), np.ones((1, 4))
    )
    assert by_hand[0] == pytest.approx((0.45 + 0.05) / 2)


def test_drift_of_correlations_is_numpys(task: ForgetTask, sparse: SparseEdit) -> None:
    two = [task.log_odds(task.test, e)[:, task.retained] for e in (None, sparse)]
    by_hand = abs(np.corrcoef(two[1].T)[0, 1] - np.corrcoef(two[0].T)[0, 1])
    assert correlation_drift(task, sparse)[0] == pytest.approx(by_hand, abs=1e-5)


def test_two_prototypes_are_the_difference_of_means() -> None:
    generator = np.random.default_rng(0)
    targets = generator.random(200) < 0.3
    features = generator.normal(size=(200, 5)) + np.outer(targets, [2.0, 0, 0, 0, 0])
    fewest = int(targets.sum())
    all_shown = few_shot_auroc(features, targets, features, targets, shots=fewest, draws=20)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    direction = scaled[targets].mean(axis=0) - scaled[~targets].mean(axis=0)
    truth = auroc(targets, scaled @ direction, np.ones((1, 200)))[0]
    assert all_shown.mean() == pytest.approx(truth, abs=0.02)
    one = few_shot_auroc(features, targets, features, targets, shots=1, draws=100)
    assert one.mean() < all_shown.mean()
    with pytest.raises(ValueError, match=f"shots must be {fewest} at most"):
        few_shot_auroc(features, targets, features, targets, shots=fewest + 1)


def test_a_head_at_hand_undoes_a_muted_answer_and_needs_no_training(
    task: ForgetTask, head_only: SparseEdit
) -> None:
    truth = task.is_forget[task.test]
    answer = roc_auc_score(truth, task.log_odds(task.test)[:, task.forget])
    for edit in (None, steu.null_edit(task), head_only):
        assert head_at_hand(task, edit)[0] == pytest.approx(answer)
    blind = steu.blind_rows(task, steu.rank_tokens(task)[:1])
    assert head_at_hand(task, blind)[0] < answer - 0.2


def test_the_original_head_is_put_back_on_a_reference_too(task: ForgetTask) -> None:
    """One whose own answer tells nothing may have states that the kept head reads."""
    model = copy.deepcopy(task.model)
    with torch.no_grad():
        head_of(model).weight[task.forget] = 0
    reference = with_model(task, model)
    answer = roc_auc_score(task.is_forget[task.test], task.log_odds(task.test)[:, task.forget])
    assert head_at_hand(reference)[0] == pytest.approx(0.5)
    assert head_at_hand(reference, original=task.model)[0] == pytest.approx(answer)


def test_the_original_holds_bits_of_the_class_and_a_silent_word_none(task: ForgetTask) -> None:
    original = information(task, places(task))
    words = task.tokenizer.convert_tokens_to_ids(["insulin", "appetite"])
    start = SparseEdit.identity(task.model, torch.tensor(words[:1]))
    row = task.model.get_input_embeddings().weight.detach()[words[1:]].clone()
    held = information(task, places(task, SparseEdit(start.token_ids, row)))
    assert original.bits[HEAD][0] > 0.5 > 0.1 > held.bits[HEAD][0]
    assert original.code[0] < 0.7 * held.code[0]  # what is easily told is soon learned
    drawn = np.concatenate([task.weights("validation"), task.weights()], axis=1)
    has = task.is_forget[np.concatenate([task.validation, task.test])]
    own = [log_loss(has, np.full(len(has), has @ w / w.sum()), sample_weight=w) for w in drawn]
    assert np.allclose(original.saved, 1 - original.code * np.log(2) / own)  # resample by resample
    references = {"a": held, "b": held, "c": held}
    rows = {r["metric"]: r for r in information_records(original, original, references, n=60)}
    assert rows["information_difference"]["value"] == pytest.approx(1)
    rows = {r["metric"]: r for r in information_records(held, original, references, n=60)}
    assert rows["information_difference"]["value"] == pytest.approx(0)
    with pytest.raises(ValueError, match="compares with references, and there is none"):
        information_records(held, original, {}, n=60)


def test_correlations_are_numpys_however_far_from_nought_the_answers_lie() -> None:
    generator = np.random.default_rng(0)
    close = 50 + 1e-4 * generator.normal(size=(80, 3)).astype(np.float32)
    close = np.column_stack([close, np.full(80, 7.0, np.float32)]).astype(np.float32)
    found = _correlations(close, np.ones((1, 80), np.float32))[0]
    wanted = np.corrcoef(close[:, :3].astype(np.float64).T)[np.triu_indices(3, k=1)]
    assert found[[0, 1, 3]] == pytest.approx(wanted, abs=1e-6)
    assert (found[[2, 4, 5]] == 0).all()  # one that never varies


def test_what_only_a_neighbouring_label_remembers_is_found() -> None:
    """The class answers one and the same of every note; another label is surer of its own notes."""
    generator = np.random.default_rng(0)
    parts = {"train": np.arange(150), "validation": np.arange(150, 250)}
    parts["test"] = np.arange(250, 400)
    hard = generator.normal(size=400)

    def model(remembers: float) -> SimpleNamespace:
        said = np.column_stack([np.full(400, -9.0), hard + 0.3 * generator.normal(size=400)])
        said[parts["train"], 1] += remembers
        return SimpleNamespace(
            **parts,
            forget=0,
            retained=[1],
            is_forget=np.ones(400, dtype=bool),
            targets=np.ones((400, 2)),
            index=parts.__getitem__,
            weights=lambda split: np.ones((3, len(parts[split]))),
            log_odds=lambda index, edit=None: said[index],
        )

    references = {"a": model(0.0), "b": model(0.0)}
    own = membership(model(2.0), None, references, beside=0)  # of whoever's neighbour is told
    assert own["membership_neighbour_auroc"][0] == 0.5
    for remembers, least, most in ((0.0, 0.4, 0.6), (2.0, 0.75, 1.0)):
        samples = membership(model(remembers), None, references)
        found = {metric: values[0] for metric, values in samples.items()}
        assert found["membership_auroc"] == 0.5
        assert least < found["membership_neighbour_auroc"] < most


def test_a_model_knows_its_own_notes_no_better_than_references_trained_alike(
    task: ForgetTask,
) -> None:
    same = {m: values[0] for m, values in membership(task, None, {"a": task}).items()}
    assert same["membership_auroc"] == 0.5  # a model beside itself beats nobody
    assert same["membership_neighbour_auroc"] == 0.5
    assert neighbour(task) in task.retained
    for ask in (lambda: membership(task, None, {}), lambda: outsiders({"a": ("masked", None)})):
        with pytest.raises(
            ValueError, match="never saw the notes, and there is none: have 'dropped'"
        ):
            ask()
    asked = {"a": ("masked", None), "b": ("dropped", None), "c": ("dropped", 7)}
    assert outsiders(asked) == ["b", "c"]


def test_chance_is_what_the_same_scores_find_of_anybody() -> None:
    members = np.repeat([True, False], [50, 20])
    found = _tpr_by_chance(members, np.arange(70.0))[0]  # no ties: before the first of 20 others
    assert found == pytest.approx(1 / 21, abs=0.01)
    top = np.where(np.arange(70) % 10 == 0, 1.0, 0.0)  # a tenth on one level: it holds others, too
    assert _tpr_by_chance(members, top)[0] < 0.02


def test_memory_is_what_exceeds_every_model_that_never_saw_the_notes() -> None:
    def attacked(value: float, luck: float) -> dict[str, np.ndarray]:
        return {"membership_auroc": np.array([value, value + luck, value - luck])}

    edit, outsiders_ = attacked(0.75, 0.1), (attacked(0.6, 0.1), attacked(0.7, 0.1))
    assert beyond(edit, *outsiders_) == pytest.approx([0.05] * 3)  # in pairs
    assert np.isnan(beyond(edit, outsiders_[0], attacked(0.5, 0.0))).all()
    less = attacked(0.25, 0.1)  # whoever sees that members score lower turns the sign
    assert beyond(less, *outsiders_) == pytest.approx([0.05, -0.15, 0.25])
