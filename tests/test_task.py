"""A task refuses, or does right by, what people bring: models, texts and labels of all kinds."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import peft
import pytest
import torch
from scipy import sparse
from sklearn.metrics import f1_score
from torch import nn
from toys import LABELS, word_tokenizer, write_notes
from transformers import AutoModelForSequenceClassification, BertConfig

import steu
from steu.audits.places import places
from steu.data.encoding import encode_in_memory
from steu.data.splits import SPLITS
from steu.models.hidden_states import HEAD
from steu.models.inference import extract_features
from steu.models.outputs import decided
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.dense_edit import last_layers
from steu.unlearning.leace import leace_edit
from steu.unlearning.loop import descend
from steu.unlearning.matched_rows import matched_rows

TOKENIZER = word_tokenizer()
TEXTS, TARGETS = write_notes(60)
QUICK = steu.UnlearnConfig(epochs=1)


def make(**changes: Any) -> Any:
    config = BertConfig(
        vocab_size=len(TOKENIZER), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, pad_token_id=0,
        **{"id2label": dict(enumerate(LABELS)), "problem_type": "multi_label_classification",
           **changes},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config).eval()


def make_task(model: Any = None, **changes: Any) -> steu.ForgetTask:
    given: dict[str, Any] = {"forget": "diabetes", "precision": "fp32", "n_bootstrap": 10}
    given |= changes
    texts, targets = given.pop("texts", TEXTS), given.pop("targets", TARGETS)
    tokenizer = given.pop("tokenizer", TOKENIZER)
    return steu.ForgetTask(model or make(), tokenizer, texts, targets, **given)


def refused(match: str, model: Any = None, **changes: Any) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        make_task(model, **changes)
    assert "\n" not in str(caught.value)


def lora(modules: list[str]) -> Any:
    config = peft.LoraConfig(r=3, target_modules=modules, init_lora_weights=False)
    return peft.get_peft_model(make(), config)


def test_a_head_that_does_not_give_the_logits_is_refused() -> None:
    refused("does not give the model's logits; merge an adapter", lora(["query", "classifier"]))
    scaled = make()
    plain = scaled.forward

    def forward(**given: Any) -> Any:
        output = plain(**given)
        output.logits = output.logits / 4 + 1
        return output

    scaled.forward = forward
    refused("classifier of BertForSequenceClassification does not give the model's logits", scaled)


def test_the_layers_below_an_adapter_are_found() -> None:
    model = lora(["query", "value"])
    task = make_task(model)
    names = last_layers(model, 1)
    assert names and all(".layer.1." in name for name in names)
    edit = edit_layers(task, "direct_suppression", LayerConfig(epochs=1), n_layers=1)
    assert set(names) < set(edit.values)
    with pytest.raises(ValueError, match="bears adapters already"):
        steu.save_peft(steu.unlearn(task, steu.rank_tokens(task)[:2]), "nowhere", model=model)


def test_dropout_in_a_head_is_off_also_while_the_model_trains() -> None:
    model = make()
    model.classifier = nn.Sequential(nn.Linear(16, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    calm = make_task(copy.deepcopy(model).eval())
    task = make_task(model.train())
    index = np.arange(20)
    assert np.array_equal(task.logits(index), task.logits(index))
    np.testing.assert_allclose(task.logits(index), calm.logits(index), atol=1e-6)
    edits = [steu.unlearn(t, [], steu.UnlearnConfig(epochs=1)) for t in (task, calm)]
    assert torch.allclose(edits[0].head["0.weight"], edits[1].head["0.weight"])
    assert model.training


def test_a_model_that_changed_under_a_task_is_noticed() -> None:
    task = make_task()
    edit = steu.unlearn(task, steu.rank_tokens(task)[:2], steu.UnlearnConfig(epochs=1))
    inverse = edit.merge(task.model)
    for asked in (
        lambda: task.aimed_at("lung"),
        lambda: steu.unlearn(task, [1]),
        lambda: steu.erase(task, [6, 7]),
        lambda: leace_edit(task),
        lambda: steu.blind_rows(task, [6]),
        lambda: matched_rows(task, [6]),
        lambda: steu.null_edit(task),
    ):
        with pytest.raises(ValueError, match="changed or moved .*: make a new ForgetTask"):
            asked()
    for asked in (lambda: steu.evaluate(task), lambda: steu.evaluate(task, edit)):
        with pytest.raises(ValueError, match="changed or moved .*: make a new ForgetTask"):
            asked()
    inverse.merge(task.model)
    assert task.aimed_at("lung").forget == 2
    other = make_task()
    with edit.attached(other.model), pytest.raises(ValueError, match="changed or moved"):
        steu.evaluate(other)
    with torch.no_grad():  # its outputs in another order
        for parameter in other.model.classifier.parameters():
            parameter.copy_(parameter.flip(0))
    with pytest.raises(ValueError, match="changed or moved"):
        steu.evaluate(other)


def test_nothing_is_read_of_a_model_under_an_edit_that_leaves_the_head() -> None:
    """Rows that are attached change no weight, and yet every answer."""
    task, index = make_task(), np.arange(20)
    edit = steu.unlearn(task, steu.rank_tokens(task)[:2], replace(QUICK, head="none"))
    other = make_task(task.model)
    with edit.attached(other.model), pytest.raises(ValueError, match="or has an edit attached"):
        other.log_odds(index)
    assert np.array_equal(other.log_odds(index), task.log_odds(index))
    for each in (edit, leace_edit(task)):  # also one that changes what the head is given
        with each.attached(task.model), pytest.raises(ValueError, match="an edit attached: make"):
            make_task(task.model)
        with each.attached(other.model), pytest.raises(ValueError, match="or has an edit attach"):
            other.log_odds(index)


def test_an_edit_that_was_written_to_is_read_anew() -> None:
    task = make_task()
    edit = steu.unlearn(task, steu.rank_tokens(task)[:2], QUICK)
    first = task.log_odds(task.test, edit)
    edit.rows.copy_(steu.SparseEdit.identity(task.model, edit.token_ids).rows)
    again = replace(edit, rows=edit.rows.clone())
    assert np.array_equal(task.log_odds(task.test, edit), task.log_odds(task.test, again))
    assert not np.array_equal(task.log_odds(task.test, edit), first)


def test_an_edit_for_outputs_in_another_order_is_refused() -> None:
    task = make_task()
    turned = make()
    turned.config.id2label = dict(enumerate(reversed(LABELS)))
    other = make_task(turned, targets=TARGETS[:, ::-1])
    edit = steu.unlearn(task, [5, 6], QUICK)
    for asked in (lambda: steu.evaluate(other, edit), lambda: other.log_odds(other.test, edit)):
        with pytest.raises(ValueError, match=r"the edit's outputs are diabetes, .*; this model's"):
            asked()


def test_what_is_read_in_inference_mode_can_be_trained_beside_afterwards() -> None:
    task, plain = make_task(), make_task()
    with torch.inference_mode():
        before = steu.evaluate(task)
        for call in (
            lambda: steu.unlearn(task, [5], QUICK),
            lambda: steu.erase(task, [5, 6], n_rows=1),
            lambda: edit_layers(task, "gradient_ascent", n_layers=1),
            lambda: steu.rank_tokens(task, "gradient"),
        ):
            with pytest.raises(ValueError, match=r"found torch.inference_mode\(\): leave it first"):
                call()
    assert before.equals(steu.evaluate(plain))
    edits = [steu.unlearn(one, [5], QUICK) for one in (task, plain)]
    assert torch.equal(edits[0].rows, edits[1].rows)
    with torch.inference_mode():
        read = steu.evaluate(task, edits[0])
    assert read.equals(steu.evaluate(plain, edits[1]))


def test_an_edit_of_nothing_is_refused() -> None:
    """Of tokens that no training note holds, with the head left as it is, no step is taken."""
    task = make_task()
    unused = [n for n in range(len(TOKENIZER)) if not task.notes.contains_any([n]).any()][:2]
    assert unused
    with pytest.raises(ValueError, match="expected training notes that hold a selected token"):
        steu.unlearn(task, unused, replace(QUICK, head="none"))
    assert len(steu.unlearn(task, unused, QUICK).history) > 0


def test_a_model_that_is_silent_already_is_watched_all_the_same() -> None:
    model = make()
    steu.null_edit(make_task(model)).merge(model)
    task = make_task(model)
    with torch.no_grad():
        model.classifier.weight[1, 0] += 1
    with pytest.raises(ValueError, match="changed or moved"):
        task.log_odds(task.test)


def test_answers_that_are_no_numbers_are_not_silence() -> None:
    task = make_task()
    edit = steu.unlearn(task, [], QUICK)
    edit.head["bias"][0] = torch.nan
    with pytest.raises(ValueError, match="answers are not a number, first that to note 0 about"):
        steu.evaluate(task, edit)


def test_a_last_step_that_leaves_no_numbers_is_noticed() -> None:
    weight = torch.zeros(1, requires_grad=True)

    def losses(*_: object) -> Any:  # finite itself, and its gradient is not
        lost = weight.abs().sqrt().sum()
        return lost, lost.detach(), lost.detach()

    nothing = np.empty(0, dtype=int)
    groups: list[dict[str, Any]] = [{"params": [weight], "lr": 1.0}]
    with pytest.raises(ValueError, match="training diverged: the loss is nan at step 2 of 2"):
        descend(losses, groups, [(1, (nothing, nothing))], max_grad_norm=1.0)


def test_features_under_an_edit_are_read_once_and_the_oldest_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task, read = make_task(), []

    def counted(model: Any, notes: Any, index: np.ndarray, **how: Any) -> torch.Tensor:
        read.append(len(index))
        return extract_features(model, notes, index, **how)

    monkeypatch.setattr("steu.task.extract_features", counted)
    first, second = (steu.unlearn(task, steu.rank_tokens(task)[:n], QUICK) for n in (1, 2))
    index = np.arange(len(task.notes))
    assert len(task.teacher.features) == len(index)  # read before the count
    read.clear()
    before = {edit: task.features(index, edit) for edit in (first, second)}
    assert 0 < sum(read) <= 2 * len(index)
    read.clear()
    assert all(torch.equal(task.features(index, edit), before[edit]) for edit in before)
    assert not read
    monkeypatch.setattr("steu.models.kept_features.MOST_KEPT", 1)
    third = steu.null_edit(task)
    task.features(index, third)
    assert torch.equal(task.features(index, first), before[first]) and sum(read) > 0


def test_features_do_not_depend_on_the_class_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()
    edit = steu.unlearn(task, steu.rank_tokens(task)[:2], QUICK)
    found = task.features(np.arange(len(task.notes)), edit)
    monkeypatch.delattr("steu.task.extract_features")  # nothing is read a second time
    assert torch.equal(task.aimed_at("lung").features(np.arange(len(task.notes)), edit), found)


def test_features_that_were_read_elsewhere_are_taken_over() -> None:
    task = make_task()
    edit = steu.unlearn(task, steu.rank_tokens(task)[:2], QUICK)
    index = np.arange(len(task.notes))
    own = task.features(index, edit)
    fresh = make_task(task.model)
    found = places(fresh, edit)[HEAD]
    touched = edit.touched(fresh.notes)
    assert np.array_equal(fresh.features(index[touched], edit).numpy(), found[touched])
    same = fresh.features(index[~touched], edit), fresh.features(index[~touched])
    assert torch.equal(*same) and not touched.all()  # which were read another way before
    assert np.allclose(found, own.numpy(), atol=1e-5)  # as those read for themselves


def test_features_are_read_again_under_an_edit_whose_tensors_were_exchanged() -> None:
    task = make_task()
    edit = edit_layers(task, "gradient_ascent", LayerConfig(epochs=1), n_layers=1)
    before = task.features(task.test, edit)
    assert torch.equal(task.features(task.test, edit), before)
    for name in edit.values:
        edit.values[name] = task.model.state_dict()[name].clone()
    assert torch.allclose(task.features(task.test, edit), task.features(task.test), atol=1e-6)
    assert not torch.allclose(before, task.features(task.test), atol=1e-6)


def test_a_model_is_left_as_it_was_each_part_in_its_mode_and_with_its_gradients() -> None:
    task = make_task()
    task.model.train()
    task.model.bert.embeddings.eval()
    names = last_layers(task.model, 1)
    for name, parameter in task.model.named_parameters():
        parameter.grad = torch.ones_like(parameter) if name in names else None
    modes = [part.training for part in task.model.modules()]
    task.log_odds(
        task.test, edit_layers(task, "gradient_ascent", LayerConfig(epochs=1), n_layers=1)
    )
    assert [part.training for part in task.model.modules()] == modes
    for name, parameter in task.model.named_parameters():
        assert (parameter.grad == 1).all() if name in names else parameter.grad is None


def test_a_model_on_a_device_that_knows_no_float64_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = make()
    monkeypatch.setattr(type(model), "device", property(lambda self: torch.device("mps")))
    refused(
        "the model is on 'mps'; expected it on the CPU or a CUDA device: call model.cpu()", model
    )


def test_a_class_taken_out_by_leace_is_so_under_autocast_too() -> None:
    task = make_task()
    edit = leace_edit(task)
    states = 40 + torch.randn(50, edit.mean.numel(), generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        inside = edit.erase(states)
    assert torch.equal(inside, edit.erase(states))


def test_columns_of_a_frame_are_taken_by_their_names() -> None:
    frame = pd.DataFrame(TARGETS, columns=LABELS).astype(bool)[["lung", "diabetes", "kidney"]]
    assert np.array_equal(make_task(targets=frame).targets, TARGETS)
    assert np.array_equal(make_task(targets=TARGETS.tolist()).targets, TARGETS)
    refused("the model's outputs are diabetes, kidney, lung: name each once, in that order",
            labels=("lung", "diabetes", "kidney"))  # fmt: skip
    refused("name each once", labels=("diabetes", "diabetes", "lung"))


def test_what_does_not_say_whether_labels_exclude_each_other_is_asked() -> None:
    single = np.eye(3)[np.arange(60) % 3]
    refused("no note has more than one label .* set model.config.problem_type",
            make(problem_type=None), targets=single)  # fmt: skip
    assert make_task(make(problem_type=None), targets=single.argmax(axis=1)).outputs == "softmax"
    assert make_task(make(problem_type=None)).outputs == "sigmoid"


def test_under_a_softmax_the_likeliest_label_is_what_is_predicted() -> None:
    p = np.array([[0.45, 0.30, 0.25], [0.2, 0.5, 0.3]])
    log_odds = np.log(p / (1 - p))
    assert decided(log_odds, "softmax").tolist() == [[True, False, False], [False, True, False]]
    assert not decided(log_odds, "sigmoid").any()
    single = make(problem_type="single_label_classification")
    task = make_task(single, targets=TARGETS.argmax(axis=1))
    table = steu.evaluate(task)
    at = table.set_index(["metric", "method"])["value"]
    found = at[~at.index.duplicated()]["forget_f1", "original"]
    said = task.logits(task.test).argmax(axis=1) == 0
    assert found == pytest.approx(f1_score(task.is_forget[task.test], said, zero_division=0))


def test_columns_of_a_frame_say_which_label_they_are() -> None:
    frame = pd.DataFrame(TARGETS, columns=list(LABELS))
    assert np.array_equal(make_task(targets=frame[[*LABELS[::-1]]]).targets, TARGETS)
    refused("targets have a column 'Lung', which is no label of the model; its labels are",
            targets=frame.rename(columns=str.title)[["Lung", "Kidney", "Diabetes"]])  # fmt: skip
    assert np.array_equal(make_task(targets=pd.DataFrame(TARGETS)).targets, TARGETS)
    unnamed = make()
    unnamed.config.id2label = {c: f"LABEL_{c}" for c in range(3)}
    assert np.array_equal(make_task(unnamed, targets=frame, forget="LABEL_0").targets, TARGETS)


def test_a_few_notes_without_a_label_do_not_make_a_choice_independent() -> None:
    one = np.eye(3)[TARGETS.argmax(axis=1)]
    one[0] = 0
    refused("no note has more than one label .* set model.config", make(problem_type=None),
            targets=one)  # fmt: skip


def test_what_a_model_says_of_its_outputs_has_to_be_understood() -> None:
    for odd, near in (("single_label", "single_label_cl"), ("multi_label", "multi_label_cl")):
        refused(f"problem_type '{odd}' .did you mean {near}.*; set model.config.problem_type to",
                unchecked(problem_type=odd))  # fmt: skip
    refused("has problem_type 'classification'", unchecked(problem_type="classification"))
    twice = make()
    twice.config.id2label = {0: "sepsis", 1: "asthma", 2: "sepsis"}
    refused("calls outputs 0 and 2 both 'sepsis'; give each a name of its own", twice)
    assert make_task(twice, labels=LABELS).labels == LABELS
    assert make_task(labels=iter(LABELS)).labels == LABELS
    refused("labels must be text; found '1' for output 1", labels=["diabetes", 1, "lung"])
    refused("labels must be a list of names, one an output; found 'abc'", labels="abc")


def unchecked(**facts: Any) -> Any:
    """A model whose config says what transformers itself would refuse, as a file may."""
    model = make()
    vars(model.config).update(facts)
    return model


def test_what_is_given_for_each_document_is_read_once_and_is_a_list() -> None:
    splits = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    whole = make_task(splits=splits, groups=range(60))
    once = make_task(texts=iter(TEXTS), splits=iter(splits), groups=iter(range(60)))
    assert np.array_equal(once.notes.ids, whole.notes.ids)
    assert (once.splits == whole.splits).all() and (once.groups == whole.groups).all()
    refused("texts must be a list or a column, an entry a document; found one str", texts="a" * 60)
    refused("splits must be a list .*; found one str", splits="train")
    refused("groups must be a list .*; found one DataFrame", groups=pd.DataFrame({"who": splits}))
    refused("groups must be a list .*; found one int", groups=3)
    half = [*TEXTS[:4], "broken \ud800", *TEXTS[5:]]
    refused(
        r"the text in row 4 holds half a character \(a lone surrogate\) at position 7", texts=half
    )


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("n_bootstrap", -1, "n_bootstrap must be 0 or more; found -1"),
        ("n_bootstrap", 1.5, "n_bootstrap must be a whole number; found 1.5"),
        ("n_bootstrap", "20", "n_bootstrap must be a whole number; found '20'"),
        ("n_bootstrap", None, "n_bootstrap must be a whole number; found None"),
        ("seed", -1, "seed must be 0 or more; found -1"),
        ("max_length", 20.5, "max_length must be a whole number; found 20.5"),
    ],
)
def test_settings_are_looked_at_before_anything_is_read(
    setting: str, value: object, said: str
) -> None:
    refused(said, **{setting: value})


def test_what_keeps_targets_from_being_numbers_is_said() -> None:
    frame = pd.DataFrame(TARGETS, columns=list(LABELS)).astype("Int64")
    frame.iloc[3, 1] = pd.NA
    refused("row 3 holds no value: leave out", targets=frame)
    refused("are a sparse matrix; .* give targets.toarray", targets=sparse.csr_matrix(TARGETS))
    refused("found rows of several lengths", targets=[[0, 1, 0], [1, 0]] * 30)
    refused("found 'lung' in row 1: turn lists of names", targets=[[], ["lung"]] * 30)


def test_weights_that_are_no_numbers_are_named() -> None:
    odd = make()
    with torch.no_grad():
        odd.bert.encoder.layer[1].output.dense.weight[2, 3] = torch.nan
    refused(
        r"bert\.encoder\.layer\.1\.output\.dense\.weight of Bert\S+ holds nan: its training", odd
    )
    refused(
        "lies on the device 'meta', where .* has no values; load its weights", make().to("meta")
    )


def test_an_edit_of_another_model_is_not_taken_for_this_ones() -> None:
    other = make()
    with torch.no_grad():
        other.classifier.weight += 0.1
    task, theirs = make_task(), make_task(other)
    edit = steu.null_edit(theirs)
    said = r"belongs to the model \w{12}…; this (task is about|one is) \w{12}…: "
    before = copy.deepcopy(task.model.state_dict())
    for asked in (lambda: steu.evaluate(task, edit), lambda: edit.merge(task.model)):
        with pytest.raises(ValueError, match=said):
            asked()
    assert all(torch.equal(before[name], v) for name, v in task.model.state_dict().items())
    assert (
        theirs.log_odds(theirs.test, edit).max()
        and task.aimed_at("lung").log_odds(task.test, steu.null_edit(task)).any()
    )  # one class's edit may be judged by another's
    edit.merge(other)
    with pytest.raises(ValueError, match=f"{said}load the classifier .* any edit merged since"):
        edit.merge(other)


@pytest.mark.parametrize("silent", ["diabetes", "lung"])
def test_beside_a_bias_that_silences_a_class_nothing_is_trained(silent: str) -> None:
    model = make()
    steu.null_edit(make_task(model, forget=silent)).merge(model)
    task = make_task(model)
    for asked in (lambda: steu.unlearn(task, [5], QUICK), lambda: steu.erase(task, [5], n_rows=1)):
        with pytest.raises(ValueError, match=f"never says '{silent}': .* was withdrawn already"):
            asked()


def test_groups_are_whole() -> None:
    refused("groups hold no value in row 3", groups=[0, 1, 2, None, *range(56)])
    splits = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    refused("splits part 1 groups, first '0'", groups=[0] * 60, splits=splits)
    refused("groups hold no value in row 1", groups=["p0", float("nan"), *range(58)])
    refused(
        "splits hold no validation and no test document.*: 1 groups are too few", groups=[7] * 60
    )
    mixed = pd.Series([1, "a", 2.5, *range(57)], name="who", index=range(100, 160))
    assert make_task(groups=mixed).groups[:3].tolist() == ["1", "a", "2.5"]
    task = make_task(groups=np.arange(60) // 3)
    assert pd.Series(task.splits).groupby(task.groups).nunique().max() == 1


def test_a_patient_is_one_whether_or_not_the_number_went_through_a_float() -> None:
    twice = [*range(30), *map(float, range(29)), "29.00"]
    task = make_task(groups=twice)
    assert task.groups[:30].tolist() == task.groups[30:].tolist() == [str(i) for i in range(30)]
    assert make_task(groups=["1.5", "1.50", *range(58)]).groups[:2].tolist() == ["1.5", "1.50"]


@pytest.mark.parametrize("nobody", ["", " ", "nan", "None", "NA", "-1", -1, -1.0, "Unknown"])
def test_whoever_has_no_name_is_not_one_patient(nobody: object) -> None:
    refused("groups hold '.*' in row 3, which names nobody", groups=[0, 1, 2, nobody, *range(56)])


@pytest.mark.parametrize("other", ["P1 ", "\u00a0P1", "P1\u200b", "P1\n"])
def test_blanks_make_no_other_patient(other: str) -> None:
    task = make_task(groups=["P1", other] * 10 + list(range(40)))
    assert len(set(task.splits[:20])) == 1 and set(task.groups[:20]) == {"P1"}


def test_a_label_that_a_split_lacks_has_no_say_in_the_mean() -> None:
    splits = np.where(TARGETS[:, 2] == 1, "train", np.resize(["train", "validation", "test"], 60))
    table = steu.evaluate(make_task(splits=splits)).set_index(["metric", "method"])["value"]
    single = steu.evaluate(make_task(splits=splits))
    of_label = single[(single["metric"] == "auroc") & (single["method"] == "original")]
    assert np.isnan(of_label.set_index("label")["value"]["lung"])
    expected = of_label.set_index("label")["value"][["diabetes", "kidney"]].mean()
    assert table["macro_auroc", "original"] == pytest.approx(expected)


def test_weights_and_texts_that_cannot_serve_are_named() -> None:
    refused(r"holds torch\.float16; call model\.float\(\) first", make().half())
    refused(
        "texts must be str; found nan in row 5", texts=pd.Series([*TEXTS[:5], np.nan, *TEXTS[6:]])
    )
    refused("no label 0; known are diabetes, kidney, lung", forget=0)
    refused("targets must be numbers.*MultiLabelBinarizer", targets=[["lung"], []] * 30)
    gap = make()
    gap.config.id2label = {1: "diabetes", 2: "kidney", 3: "lung"}
    refused("names no output 0; found .*: number its labels from 0", gap)
    left = word_tokenizer()
    left.truncation_side = "left"
    refused("cuts long texts at their beginning", tokenizer=left)
    with pytest.raises(ValueError, match="token_ids must be numbers; found 'insulin': take"):
        steu.unlearn(make_task(), ["insulin"])
    with pytest.raises(ValueError, match="no token is seen 1000 times in the 36 training notes"):
        steu.rank_tokens(make_task(), min_count=1000)
    with pytest.raises(ValueError, match="no setting of pmi 'n_notes'"):
        steu.rank_tokens(make_task(), n_notes=3)


def test_tokenizers_without_a_padding_token_and_models_with_a_scalar_do_as_well() -> None:
    bare, model = word_tokenizer(), make()
    bare.pad_token = None
    model.temperature = nn.Parameter(torch.tensor(2.0))
    task = make_task(model, tokenizer=bare)
    with torch.no_grad():  # a caller may have switched gradients off
        edit = steu.unlearn(task, steu.rank_tokens(task)[:2], steu.UnlearnConfig(epochs=1))
    assert edit.history and edit.origin


def test_a_batch_without_any_of_the_tokens_moves_nothing() -> None:
    task = make_task()
    config = steu.UnlearnConfig(epochs=1, batch_size=1, head="none")
    rare = task.tokenizer.convert_tokens_to_ids(["asthma"])
    edit = steu.unlearn(task, rare, config)
    assert len(edit.history) == task.is_forget[task.train].sum()


def test_rows_beyond_the_tokenizer_touch_no_note() -> None:
    model = make()
    model.resize_token_embeddings(len(TOKENIZER) + 8, mean_resizing=False)
    edit = steu.unlearn(make_task(model), [len(TOKENIZER) + 3], steu.UnlearnConfig(epochs=1))
    assert not edit.touched(make_task(model).notes).any()
    words = steu.rank_tokens(make_task(model))[:2]
    for make_edit in (matched_rows, steu.erase):  # which look at the whole table
        assert make_edit(make_task(model), words).rows.shape[0] == 2


def test_the_seed_is_that_of_the_split_and_of_the_resamples() -> None:
    first, same, other = (make_task(seed=seed) for seed in (0, 0, 7))
    assert np.array_equal(first.weights(), same.weights())
    assert (first.splits == same.splits).all() and (first.splits != other.splits).any()
    fixed = {"splits": first.splits}
    assert not np.array_equal(make_task(**fixed).weights(), make_task(seed=7, **fixed).weights())


def test_splits_of_as_many_patients_are_not_drawn_alike() -> None:
    task = make_task(n_bootstrap=400)
    task.groups = np.arange(len(task.notes))
    task.splits = np.resize(SPLITS, len(task.notes))
    n = len(task.notes) // 3
    drawn = [task.weights(split)[1:, :n].ravel() for split in SPLITS]
    assert abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.2


def test_notes_that_were_encoded_for_another_model_are_refused() -> None:
    notes = encode_in_memory(TEXTS, TOKENIZER, max_length=32)
    make_task(texts=notes)
    shorter = copy.deepcopy(TOKENIZER)
    shorter.model_max_length = 16  # which cuts nothing any more
    make_task(texts=notes, tokenizer=shorter)
    other = replace(notes, vocab_size=len(TOKENIZER) - 1)
    refused(
        f"encoded with {len(TOKENIZER) - 1} tokens, and the tokenizer has {len(TOKENIZER)}: en",
        texts=other,
    )
    long = replace(notes, max_length=1000)
    refused(
        "max_length must lie between 3 and the model's window of .* tokens; found 1000", texts=long
    )
