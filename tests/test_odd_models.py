"""Models and tokenizers that would answer as others, and those that only look odd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import processors
from torch import nn
from toys import CUES, FILLER, LABELS, Toy, word_tokenizer, write_notes
from transformers import (
    CONFIG_MAPPING,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BigBirdConfig,
    ConvBertConfig,
    EuroBertConfig,
    FNetConfig,
    LongformerConfig,
    MPNetConfig,
    NystromformerConfig,
    PreTrainedConfig,
    PreTrainedModel,
    SqueezeBertConfig,
    XLNetConfig,
)

import steu
from steu.audits.head_put_back import with_original_head
from steu.audits.places import places
from steu.data.windows import positions_of
from steu.models.loading import load_classifier, load_tokenizer
from steu.models.pooling import set_pooling
from steu.selection.words import words_with_token
from steu.unlearning.sparse import UnlearnConfig

TEXTS, TARGETS = write_notes(120)
SIZES: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
SMALL: dict[str, Any] = SIZES | {
    "vocab_size": len(word_tokenizer()),
    "num_hidden_layers": 2,
    "num_labels": 3,
}
SMALL |= {"pad_token_id": 0}


def made(config: PreTrainedConfig) -> PreTrainedModel:
    config.id2label = dict(enumerate(LABELS))
    config.problem_type = "multi_label_classification"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config).eval()


def bert(**changes: Any) -> PreTrainedModel:
    given = {"vocab_size": len(word_tokenizer()), "num_hidden_layers": 1, "num_labels": 3}
    return made(BertConfig(**SIZES | given | changes))


def task_of(model: PreTrainedModel, tokenizer: Any = None, **changes: Any) -> steu.ForgetTask:
    given = {"texts": TEXTS, "targets": TARGETS, "forget": "lung", "precision": "fp32"}
    given |= {"n_bootstrap": 20} | changes
    return steu.ForgetTask(model, tokenizer or word_tokenizer(), **given)


def test_ids_that_name_no_token_leave_every_other_where_it_is(tmp_path: Path) -> None:
    """As a vocabulary has them in which a line comes twice: the ids go beyond its size."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "the", "the", *FILLER]
    words += CUES.values()
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    model = bert(vocab_size=len(words))
    model.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) < len(words)
    task = task_of(model, tokenizer)
    assert task.notes.vocab_size == len(words)
    cue = words.index(CUES["lung"])
    assert steu.rank_tokens(task)[0] == cue
    everyone = np.arange(len(task.notes))
    (said,) = words_with_token(
        task.notes, everyone, tokenizer, np.array([cue]), patients=task.groups
    )
    assert said.startswith(CUES["lung"])
    edit = steu.unlearn(task, [cue], UnlearnConfig(epochs=1))
    assert edit.token_ids.tolist() == [cue]


@pytest.mark.parametrize(
    "config",
    [
        BigBirdConfig(**SMALL),
        ConvBertConfig(**SMALL, embedding_size=32),
        LongformerConfig(**SMALL, attention_window=8),
        MPNetConfig(**SMALL),
        NystromformerConfig(**SMALL),
    ],
    ids=lambda config: config.model_type,
)
def test_who_leaves_padding_out_is_taken_and_answers_as_it_does_alone(config: Any) -> None:
    """But for rounding, and the little that some let through at a note's end."""
    model, tokenizer = made(config), word_tokenizer()
    with torch.no_grad():
        alone = [model(torch.tensor([tokenizer(t)["input_ids"]])).logits for t in TEXTS[:6]]
    told = task_of(model).logits(np.arange(6))
    np.testing.assert_allclose(told, torch.cat(alone).numpy(), atol=1e-4)


def test_who_reads_the_last_token_is_refused() -> None:
    tokenizer = word_tokenizer()
    sizes = {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64, "pad_token_id": 0}
    xlnet = made(XLNetConfig(vocab_size=len(tokenizer), num_labels=3, **sizes))
    fnet = made(FNetConfig(**SIZES, vocab_size=len(tokenizer), num_labels=3, num_hidden_layers=1))
    for model in (xlnet, fnet):  # and who mixes all tokens without a mask
        with pytest.raises(ValueError, match="answers otherwise if a note is padded behind"):
            task_of(model)


def test_texts_in_another_segment_are_refused() -> None:
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:1 $A:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    with pytest.raises(ValueError, match="puts texts into segment 1"):
        task_of(bert(), tokenizer)
    task_of(bert(type_vocab_size=1), tokenizer)


def test_layers_that_are_passed_by_are_not_called_looked_at() -> None:
    groups = {f"{name}_groups": 1 for name in ("q", "k", "v", "post_attention")}
    groups |= {"intermediate_groups": 1, "output_groups": 1, "embedding_size": 32}
    size = len(word_tokenizer())
    config = SqueezeBertConfig(
        **SIZES, **groups, vocab_size=size, num_labels=3, num_hidden_layers=1, pad_token_id=0
    )
    with pytest.raises(ValueError, match="passes its layers by"):
        places(task_of(made(config)))


def test_a_config_that_asks_for_tuples_changes_no_answer() -> None:
    plain, tuples = bert(), bert(return_dict=False)
    told = [task_of(model).log_odds(np.arange(9)) for model in (plain, tuples)]
    assert np.array_equal(*told)


def test_a_text_without_a_token_is_refused_by_its_row() -> None:
    tokenizer = word_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    texts = [*TEXTS[:7], " ", *TEXTS[8:]]
    with pytest.raises(ValueError, match="the text in row 7 has no token"):
        task_of(bert(), tokenizer, texts=texts)


def test_audits_are_the_same_inside_of_a_callers_autocast(toy: Toy) -> None:
    task = toy.task()
    edit = steu.unlearn(task, [16], UnlearnConfig(epochs=1))
    plain = places(task, edit), with_original_head(task, edit, task.test)
    with torch.autocast("cpu", torch.bfloat16):
        inside = places(task, edit), with_original_head(task, edit, task.test)
    assert all(np.array_equal(plain[0][at], inside[0][at]) for at in plain[0])
    assert np.array_equal(plain[1], inside[1])


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # its own
def test_a_compiled_model_is_the_model_that_it_compiles() -> None:
    model, tokenizer = bert(), word_tokenizer()
    compiled: Any = torch.compile(model)
    assert steu.Origin.of(compiled, tokenizer) == steu.Origin.of(model, tokenizer)


def test_a_model_for_several_devices_is_to_be_taken_out() -> None:
    wrapped: Any = nn.DataParallel(bert())
    with pytest.raises(ValueError, match=r"DataParallel holds a model .*: give .module"):
        task_of(wrapped)


def test_columns_that_are_numbered_are_put_in_order() -> None:
    frame = pd.DataFrame(TARGETS, columns=range(3))
    told = task_of(bert(), targets=frame[[2, 0, 1]]).targets
    assert np.array_equal(told, TARGETS)
    assert np.array_equal(
        task_of(bert(), targets=frame.set_axis([5, 3, 4], axis=1)).targets, TARGETS
    )


def test_columns_that_are_the_labels_numbers_go_to_these() -> None:
    model = bert()
    model.config.id2label = {0: "7", 1: "3", 2: "5"}
    frame = pd.DataFrame(TARGETS, columns=[7, 3, 5])
    task = task_of(model, targets=frame[[3, 5, 7]], forget="5")
    assert np.array_equal(task.targets, TARGETS)


def test_a_tokenizer_in_the_files_of_gpt2_opens(tmp_path: Path) -> None:
    letters = {c: i for i, c in enumerate([*"abcdefghijklmnopqrstuvwxyzĠ", "ab"])}
    special = {
        t: len(letters) + i for i, t in enumerate(("<s>", "</s>", "<pad>", "<unk>", "<mask>"))
    }
    (tmp_path / "vocab.json").write_text(pd.Series(letters | special).to_json())
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    assert load_tokenizer(str(tmp_path))("ab")["input_ids"]


def test_a_model_that_pools_in_its_own_way_is_left_to_it(tmp_path: Path) -> None:
    tokenizer = word_tokenizer()
    sizes = {**SIZES, "vocab_size": len(tokenizer), "num_hidden_layers": 1, "num_labels": 3}
    config = EuroBertConfig(**sizes, pad_token_id=0, classifier_pooling="bos")
    made(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load_classifier(tmp_path)[0].config.classifier_pooling == "bos"
    read = [made(config) for _ in range(2)]
    set_pooling(read[0], "cls")
    set_pooling(read[1], "mean")
    assert [model.classifier_pooling for model in read] == ["bos", "mean"]


@pytest.mark.parametrize("kind", ["luke", "roberta", "bert"])
def test_positions_that_begin_behind_the_padding_are_fewer(kind: str) -> None:
    config = CONFIG_MAPPING[kind](max_position_embeddings=20, pad_token_id=1)
    assert positions_of(config) == (20 if kind == "bert" else 18)
