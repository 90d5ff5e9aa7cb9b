"""Six architectures with random weights: the public face works on each, in one go.

And the paper's three, untrained: what an edit changes of them.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from toys import LABELS, word_tokenizer, write_notes
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedModel,
    RobertaConfig,
)

import steu
from steu.models.heads import head_name, head_of
from steu.models.pooling import set_pooling
from steu.unlearning.baselines import LayerConfig, edit_layers
from steu.unlearning.dense_edit import last_layers

TOKENIZER = word_tokenizer()
SMALL: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "pad_token_id": 0,
}
SIX = {
    "bert": BertConfig(**SMALL),
    "distilbert": DistilBertConfig(
        vocab_size=len(TOKENIZER), dim=32, n_layers=2, n_heads=2, hidden_dim=64, pad_token_id=0
    ),
    "roberta": RobertaConfig(**SMALL),
    "electra": ElectraConfig(**SMALL, embedding_size=16),
    "deberta": DebertaV2Config(**SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "modernbert": ModernBertConfig(**SMALL, local_attention=8, global_attn_every_n_layers=2),
}
TEXTS, TARGETS = write_notes(80)
PATIENTS = np.arange(80) // 2
CONFIG = steu.UnlearnConfig(epochs=6, learning_rate_rows=0.05, learning_rate_head=0.05)


def make(
    name: str, *, problem: str = "multi_label_classification", labels: Sequence[str] = LABELS
) -> PreTrainedModel:
    config = copy.deepcopy(SIX[name])
    config.num_labels, config.problem_type = len(labels), problem
    config.id2label = dict(enumerate(labels))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config).eval()


def make_task(model: PreTrainedModel, targets: np.ndarray = TARGETS) -> steu.ForgetTask:
    return steu.ForgetTask(
        model, TOKENIZER, TEXTS, targets, labels=LABELS, forget="diabetes", groups=PATIENTS,
        precision="fp32", n_bootstrap=10,
    )  # fmt: skip


@pytest.mark.parametrize("name", SIX)
@pytest.mark.parametrize("problem", ["multi_label_classification", "single_label_classification"])
def test_the_public_face_in_five_lines(name: str, problem: str, tmp_path) -> None:
    model = make(name, problem=problem)
    single = problem.startswith("single")
    task = make_task(model, TARGETS.argmax(axis=1) if single else TARGETS)
    before = copy.deepcopy(model.state_dict())
    token_ids = steu.rank_tokens(task)[:4]
    assert task.tokenizer.convert_tokens_to_ids("insulin") in token_ids or single
    edit = steu.unlearn(task, token_ids, CONFIG)
    table = steu.evaluate(task, edit)
    means = table[table["metric"] == "forget_auroc"].set_index("method")["value"]
    assert list(means.index) == ["original", "null", "edit"]
    assert means["null"] == pytest.approx(means["original"])
    assert falls(edit)
    edit.save_pretrained(tmp_path / "edit")
    again = steu.SparseEdit.from_pretrained(tmp_path / "edit", model=model)
    ids, mask = task.notes.batch(range(6))
    original, attached, merged, back = (run(model, ids, mask, e, how) for e, how in (
        (None, ""), (again, "attached"), (edit, "merged"), (None, ""),
    ))  # fmt: skip
    assert torch.equal(attached, merged) and torch.equal(original, back)
    assert not torch.equal(original, attached)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    index = np.arange(6)
    torch.testing.assert_close(
        torch.from_numpy(task.logits(index, edit)), attached, rtol=1e-3, atol=1e-4
    )


def falls(edit) -> bool:
    """Whether the forget loss is lower in the last epoch than in the first."""
    first, last = (
        np.mean([step["forget_loss"] for step in edit.history if step["epoch"] == epoch])
        for epoch in (1, edit.history[-1]["epoch"])
    )
    return bool(last < first)


@torch.no_grad()
def run(model, ids, mask, edit, how: str) -> torch.Tensor:
    if how == "attached":
        with edit.attached(model):
            return model(input_ids=ids, attention_mask=mask).logits
    inverse = edit.merge(model) if how == "merged" else None
    logits = model(input_ids=ids, attention_mask=mask).logits
    if inverse is not None:
        inverse.merge(model)
    return logits


@pytest.mark.parametrize("name", SIX)
def test_the_head_takes_the_features_and_gives_the_logits(name: str) -> None:
    task = make_task(make(name))
    head = head_of(task.model)
    assert isinstance(head, torch.nn.Linear) and head.out_features == len(LABELS)
    ids, mask = task.notes.batch(range(8))
    with torch.no_grad():
        logits = task.model(input_ids=ids, attention_mask=mask).logits
        assert torch.allclose(head(task.features(np.arange(8))), logits, atol=1e-5)


@pytest.mark.parametrize("name", SIX)
def test_mean_pooling_is_the_mean_over_what_is_not_padding(name: str) -> None:
    model = make(name)
    set_pooling(model, "mean")
    lone = make_task(model).features(np.array([0]))
    ids, mask = make_task(model).notes.batch([0])
    padded = torch.nn.functional.pad(ids, (0, 8)), torch.nn.functional.pad(mask, (0, 8))
    with torch.no_grad():
        logits = model(input_ids=padded[0], attention_mask=padded[1]).logits
        assert torch.allclose(head_of(model)(lone), logits, atol=1e-5)
    plain = make_task(make(name)).features(np.array([0]))
    assert not torch.allclose(lone, plain, atol=1e-4)


@pytest.mark.parametrize("name", SIX)
def test_dense_rivals_find_the_layers(name: str) -> None:
    task = make_task(make(name))
    names = last_layers(task.model, 1)
    assert names and all(".1." in name for name in names)
    edit = edit_layers(task, "direct_suppression", LayerConfig(epochs=3), n_layers=1)
    assert set(names) < set(edit.values) and falls(edit)


def refused(match: str, **changes: Any) -> None:
    model = changes.pop("model", None) or make("bert")
    given = {"texts": TEXTS, "targets": TARGETS, "forget": "diabetes"} | changes
    tokenizer = given.pop("tokenizer", TOKENIZER)
    texts, targets = given.pop("texts"), given.pop("targets")
    with pytest.raises(ValueError, match=match) as caught:
        steu.ForgetTask(model, tokenizer, texts, targets, **given)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_together_is_one_line_with_the_mend() -> None:
    odd, missing = TARGETS.copy(), TARGETS.copy()
    odd[3, 1], missing[3, 1] = 2, np.nan
    refused(r"no label 'diabetis'; did you mean diabetes\?", forget="diabetis")
    refused("has 3 outputs; found 2 labels .*: name each output once", labels=("a", "diabetes"))
    refused(r"targets have shape \(80, 2\); .* has 3 outputs", targets=TARGETS[:, :2])
    refused("targets must be 0 or 1; found 2 in row 3, column 1", targets=odd)
    refused("targets must be 0 or 1; found nan in row 3, column 1: leave out", targets=missing)
    refused("texts and targets must be of one length; found 79 and 80", texts=TEXTS[:-1])
    refused("groups and targets must be of one length; found 3 and 80", groups=[1, 2, 3])
    refused("no split 'dev'; known are train, validation, test", splits=["dev"] * 80)
    refused("splits hold no validation document; expected some in each of train, validation, test",
            splits=["train"] * 40 + ["test"] * 40)  # fmt: skip
    refused("the model answers about diabetes alone; expected one class to forget and at least",
            model=make("bert", labels=["diabetes"]), targets=TARGETS[:, :1])  # fmt: skip
    refused("max_length must lie between 3 and the model's window of 64 tokens; found 65",
            max_length=65)  # fmt: skip
    refused(r"'multi_label_classification' wants zeros and ones", targets=TARGETS.argmax(axis=1))
    single = make("bert", problem="single_label_classification")
    refused("'single_label_classification' wants one label a note; row 0 has 2", model=single,
            targets=np.ones_like(TARGETS) - np.eye(3)[np.zeros(80, int)])  # fmt: skip
    refused("targets must be classes 0 to 2; found 7 in row 0", model=single, targets=[7] * 80)
    regression = make("bert", problem="regression")
    refused("has problem_type 'regression' and 3 outputs; expected a classifier", model=regression)
    refused("the tokenizer knows 20 tokens and the embedding has 18 rows",
            tokenizer=word_tokenizer([f"w{i}" for i in range(15)]))  # fmt: skip


def test_a_model_without_a_head_is_named() -> None:
    model = make("bert")
    model.classifier = torch.nn.Identity()
    refused("has no head to edit: expected a last linear layer with 3 outputs", model=model)


def test_a_head_that_does_not_take_one_vector_a_note_is_named() -> None:
    model = make("bert")
    model.forward = lambda **_: None  # type: ignore[assignment]
    with pytest.raises(ValueError, match="should take features .* that it is never called"):
        make_task(model).features(np.arange(3))


def test_log_odds_of_a_softmax_are_those_of_its_probabilities() -> None:
    from steu.models.outputs import log_odds

    logits = np.random.default_rng(0).normal(0, 3, (20, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(log_odds(logits, "softmax"), np.log(p / (1 - p)), rtol=1e-9)
    assert log_odds(logits, "sigmoid") is logits


PAPER = {
    "bio_clinicalbert": BertConfig(vocab_size=28_996),  # that of cased BERT
    "bert_base": BertConfig(vocab_size=30_522),
    "distilbert": DistilBertConfig(vocab_size=30_522),
}


@pytest.mark.parametrize(
    ("name", "encoder", "sparse", "dense"),
    [
        ("bio_clinicalbert", 108_310_272, "0.186 %", "19.63 %"),
        ("bert_base", 109_482_240, "0.184 %", "19.42 %"),
        ("distilbert", 66_362_880, "0.303 %", "32.04 %"),
    ],
)
def test_the_shares_that_the_book_quotes(name, encoder, sparse, dense) -> None:
    config = PAPER[name]
    config.num_labels = 6
    with torch.device("meta"):  # shapes without memory
        model = AutoModelForSequenceClassification.from_config(config)
    assert sum(p.numel() for p in model.base_model.parameters()) == encoder
    weight = head_of(model).weight.numel()  # the paper's count leaves the bias out
    rows = 256 * model.get_input_embeddings().embedding_dim
    assert rows + weight == 201_216
    assert f"{(rows + weight) / encoder:.3%}".replace("%", " %") == sparse
    own = dict(model.named_parameters())
    changed = sum(own[n].numel() for n in last_layers(model, 3))
    assert changed == 3 * 7_087_872
    assert f"{changed / encoder:.2%}".replace("%", " %") == dense
    assert head_name(model) == "classifier"


def test_the_pooler_counts_in_the_share_that_is_quoted() -> None:
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(PAPER["bio_clinicalbert"])
    pooler = sum(p.numel() for p in model.bert.pooler.parameters())
    with_pooler = sum(p.numel() for p in model.base_model.parameters())
    assert (with_pooler, with_pooler - pooler) == (108_310_272, 107_719_680)
    shares = [21_263_616 / n for n in (with_pooler, with_pooler - pooler)]
    assert [f"{share:.1%}" for share in shares] == ["19.6%", "19.7%"]
