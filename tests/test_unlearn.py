import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score
from toys import make_toy

from steu._errors import Diverged
from steu.models.inference import predict
from steu.selection.ranking import rank_tokens
from steu.unlearning.blind_rows import blind_rows
from steu.unlearning.erasing import collapse_rows, erase
from steu.unlearning.loop import LoopConfig, _batches
from steu.unlearning.matched_rows import matched_rows
from steu.unlearning.null_edit import null_edit, null_logits
from steu.unlearning.objective import forget_loss, utility_loss
from steu.unlearning.sparse import UnlearnConfig, _features, unlearn

CONFIG = UnlearnConfig(epochs=15, learning_rate_rows=0.02, learning_rate_head=0.02)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"))


@pytest.fixture(scope="module")
def token_ids(toy):
    return rank_tokens(toy.task())[:2]


def run(toy, token_ids, **changes):
    return unlearn(toy.task(), token_ids, UnlearnConfig(**{**CONFIG.__dict__, **changes}))


def logits(toy, edit=None):
    if edit is None:
        return predict(toy.model, toy.notes, toy.test, precision="fp32")
    with edit.attached(toy.model):
        return predict(toy.model, toy.notes, toy.test, precision="fp32")


def forget_f1(toy, values):
    return f1_score(toy.targets[toy.test, 0], values[:, 0] > 0, zero_division=0)


@pytest.mark.parametrize(
    ("tokens", "head"),
    [(True, True), (True, False), (False, True)],
    ids=["steu", "embedding_only", "head_only"],
)
def test_the_class_is_predicted_before_and_not_after_and_the_others_are_kept(
    toy, token_ids, tokens, head
):
    chosen = token_ids if tokens else np.empty(0, dtype=np.int64)
    edit = run(toy, chosen, head="whole" if head else "none")
    before, after = logits(toy), logits(toy, edit)
    assert forget_f1(toy, before) > 0.9
    assert forget_f1(toy, after) < 0.1
    for label in (1, 2):
        assert roc_auc_score(toy.targets[toy.test, label], after[:, label]) > 0.9


def test_unlearning_leaves_the_model_as_it_was(toy, token_ids):
    before = copy.deepcopy(toy.model.state_dict())
    wanted = [p.requires_grad for p in toy.model.parameters()]
    run(toy, token_ids)
    after = toy.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [p.requires_grad for p in toy.model.parameters()] == wanted


def test_who_holds_the_others_to_their_answers_moves_none_of_them(toy):
    """Labels of the notes pull at the others' answers wherever these are not those of the notes."""
    none, far = np.empty(0, dtype=np.int64), {}
    before = logits(toy)[:, 1:]
    for others in ("labels", "answers"):
        after = logits(toy, run(toy, none, others=others))
        assert forget_f1(toy, after) < 0.1
        far[others] = np.abs(after[:, 1:] - before).max()
    assert far["answers"] < 0.01 < 0.1 < far["labels"]
    with pytest.raises(ValueError, match="no target of the others 'notes'; known are"):
        UnlearnConfig(others="notes")


def test_the_same_seed_gives_the_same_edit_and_another_seed_another(toy, token_ids):
    first, again = run(toy, token_ids, epochs=1), run(toy, token_ids, epochs=1)
    other = run(toy, token_ids, epochs=1, seed=1)
    assert torch.equal(first.rows, again.rows)
    assert torch.equal(first.head["weight"], again.head["weight"])
    assert not torch.equal(first.rows, other.rows)


def test_the_forget_loss_is_the_hand_computed_mean():
    logits, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 1.0]])
    expected = (np.log(2) + np.log1p(np.exp(-2))) / 2  # target 0 for the class, 1 for the other
    assert forget_loss(logits, targets, 0).item() == pytest.approx(expected)
    assert targets[0, 0] == 1


def test_the_utility_loss_ignores_the_class_and_is_stationary_at_the_teacher():
    teacher = torch.tensor([[0.3, -1.0, 2.0]])
    student = teacher.clone().requires_grad_()
    loss = utility_loss(student, teacher, 1)
    p = teacher[0, [0, 2]].sigmoid()
    entropy = -(p * p.log() + (1 - p) * (1 - p).log()).mean()
    loss.backward()
    assert loss.item() == pytest.approx(entropy.item())
    assert student.grad.abs().max() < 1e-7
    shifted = teacher + torch.tensor([[0.0, 5.0, 0.0]])
    assert utility_loss(shifted, teacher, 1).item() == pytest.approx(loss.item())


def test_skipping_the_encoder_for_untouched_notes_changes_nothing(toy, token_ids):
    task, touched = toy.task(), toy.notes.contains_any(token_ids)
    some = toy.train[:16]
    assert 0 < touched[some].sum() < 16
    fast = _features(task, some, touched)
    slow = _features(task, some, np.ones_like(touched))
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-5)


def test_a_heavy_drift_penalty_keeps_the_rows_where_they_were(toy, token_ids):
    free = run(toy, token_ids, epochs=2)
    tied = run(toy, token_ids, epochs=2, drift_weight=1e4)
    original = toy.model.get_input_embeddings().weight[torch.from_numpy(token_ids)]
    assert (tied.rows - original).norm() < 0.5 * (free.rows - original).norm()
    head_only = run(toy, token_ids[:0], epochs=1, drift_weight=0.1)  # no row can drift
    assert torch.isfinite(head_only.head["bias"]).all()


@pytest.mark.parametrize(("part", "changed"), [("bias", 1), ("row", 33), ("whole", 99)])
def test_only_the_part_of_the_head_that_is_asked_for_moves(toy, token_ids, part, changed):
    edit = run(toy, token_ids[:0], head=part, epochs=3)
    assert edit.parameters_changed(toy.model) == changed
    before, after = logits(toy), logits(toy, edit)
    assert after[:, 0].mean() < before[:, 0].mean()
    if part != "whole":
        assert np.array_equal(after[:, 1:], before[:, 1:])
    alone = run(toy, token_ids, head=part, epochs=1)
    assert alone.parameters_changed(toy.model) == changed + alone.rows.numel()


def test_the_null_edit_is_one_bias_and_leaves_every_retained_logit_bit_for_bit(toy):
    edit = null_edit(toy.task())
    before, after = logits(toy), logits(toy, edit)
    assert np.array_equal(before[:, 1:], after[:, 1:])
    assert np.isneginf(after[:, 0]).all()
    limit = null_logits(before, 0)
    assert forget_f1(toy, limit) == 0
    truth = toy.targets[toy.test, 0]
    assert roc_auc_score(truth, limit[:, 0]) == roc_auc_score(truth, before[:, 0])


def test_impossible_requests_are_named(toy):
    nothing = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="nothing to train"):
        run(toy, nothing, head="none")
    with pytest.raises(ValueError, match="learning_rate_rows must be positive; found 0"):
        UnlearnConfig(learning_rate_rows=0)
    with pytest.raises(ValueError, match="no part of the head 'rows'; did you mean row"):
        UnlearnConfig(head="rows")
    with pytest.raises(ValueError, match="utility_weight must be 0 or more; found -1"):
        UnlearnConfig(utility_weight=-1)
    for name in ("learning_rate_rows", "utility_weight", "drift_weight", "max_grad_norm"):
        for odd in (float("nan"), float("inf"), "1"):
            with pytest.raises(ValueError, match=f"{name} must be a finite number; found"):
                UnlearnConfig(**{name: odd})
    for odd in (-1, 0):
        with pytest.raises(ValueError, match=f"max_grad_norm must be positive; found {odd}"):
            UnlearnConfig(max_grad_norm=odd)
    with pytest.raises(ValueError, match=r"epochs must be a whole number; found 1\.5"):
        UnlearnConfig(epochs=1.5)
    with pytest.raises(ValueError, match="seed must be 0 or more; found -1"):
        UnlearnConfig(seed=-1)
    without = toy.task(targets=toy.targets * [0, 1, 1])
    with pytest.raises(ValueError, match=r"with and without 'diabetes'; found 0 with"):
        unlearn(without, nothing, CONFIG)


IDS = [
    ([5.9, 6.2], r"must be numbers; found '5\.9': give each number whole"),
    (np.arange(18) == 5, r"must be numbers; found 'False': take np\.flatnonzero\(mask\)"),
    (["insulin"], "must be numbers; found 'insulin': take tokenizer.convert_tokens_to_ids"),
    ([10**6], "token ids must lie between 0 and .*; found 1000000 to 1000000"),
    ([-1], "token ids must lie between 0 and .*; found -1 to -1"),
    (5, "must be a list or an array of whole numbers; found one int"),
    ("sepsis", "must be a list or an array of whole numbers; found one str"),
    (None, "must be a list or an array of whole numbers; found nothing"),
    ([[5, 6]], r"must be of shape \(n,\); found \(1, 2\)"),
]


@pytest.mark.parametrize("method", [unlearn, collapse_rows, erase, blind_rows, matched_rows])
@pytest.mark.parametrize(("given", "said"), IDS)
def test_ids_that_are_none_are_refused_by_every_method_alike(toy, method, given, said):
    with pytest.raises(ValueError, match=said):
        method(toy.task(), given)


def test_notes_to_train_on_are_given_in_any_list_and_by_their_numbers(toy):
    task, quick = toy.task(), UnlearnConfig(epochs=1)
    whole = unlearn(task, [6], quick, train=np.arange(40))
    for given in (list(range(40)), range(40), torch.arange(40)):
        assert torch.equal(unlearn(task, [6], quick, train=given).rows, whole.rows)
    for train in (np.arange(240) < 40, [0.5], "train", [240]):
        with pytest.raises(ValueError, match="train must|in train must lie between 0 and 239"):
            unlearn(task, [6], quick, train=train)


@pytest.mark.parametrize("size", [3, 5, 8, 10**9])
def test_each_retained_note_is_seen_before_one_comes_again_and_no_batch_has_more_than_there_are(
    size,
):
    forget, retain = np.arange(7), np.arange(100, 105)
    batches = list(_batches(forget, retain, LoopConfig(batch_size=size, epochs=2)))
    seen = [kept for _, (_, kept) in batches]
    assert all(len(kept) == min(size, 5) for kept in seen)
    drawn = np.concatenate(seen)
    for start in range(0, len(drawn) - 4, 5):
        assert len(np.unique(drawn[start : start + 5])) == 5
    for epoch in (1, 2):
        asked = np.concatenate([lost for e, (lost, _) in batches if e == epoch])
        assert sorted(asked) == forget.tolist()


def test_a_softmax_gives_the_mass_of_the_class_back_to_the_others():
    logits, teacher = torch.zeros(1, 3), torch.tensor([[5.0, 1.0, 1.0 + np.log(3)]])
    carrier = torch.tensor([[1.0, 0.0, 0.0]])
    loss = forget_loss(logits, carrier, 0, teacher=teacher, outputs="softmax")
    assert loss.item() == pytest.approx(np.log(3))  # a quarter and three quarters of log 3 each
    shaped = torch.tensor([[-50.0, 0.0, np.log(3)]], dtype=torch.float32)
    least = forget_loss(shaped, carrier, 0, teacher=teacher, outputs="softmax")
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert least.item() == pytest.approx(entropy, abs=1e-5)
    other = torch.tensor([[0.0, 1.0, 0.0]])
    plain = forget_loss(logits, other, 0, teacher=teacher, outputs="softmax")
    assert plain.item() == pytest.approx(np.log(3))  # a note without the class keeps its label
    with pytest.raises(ValueError, match="needs the teacher's logits"):
        forget_loss(logits, carrier, 0, outputs="softmax")


def test_the_utility_loss_of_a_softmax_ignores_the_class_too():
    teacher = torch.tensor([[0.3, -1.0, 2.0]])
    shifted = teacher + torch.tensor([[0.0, 5.0, 0.0]])
    p = teacher[0, [0, 2]].softmax(dim=0)
    for student in (teacher, shifted):
        loss = utility_loss(student, teacher, 1, outputs="softmax")
        assert loss.item() == pytest.approx(-(p * p.log()).sum().item())


def test_a_loss_that_is_no_number_stops_with_step_and_settings(toy, token_ids):
    said = r"the loss is (nan|inf) at step \d+ of \d+ with learning rates 1e\+36, 0.02; lower the"
    with pytest.raises(Diverged, match=said):
        run(toy, token_ids, learning_rate_rows=1e36)
