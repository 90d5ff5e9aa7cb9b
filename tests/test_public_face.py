"""The public face: few names, lazy, as typed as named, and its examples run."""

import doctest
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from stubs import ROOT
from toys import word_tokenizer
from transformers import AutoModelForSequenceClassification, BertConfig

import steu
from steu.workflow.code_dependencies import public_names

TEXTS = ["fever and sepsis", "asthma at home", "sepsis seen", "asthma and night", "patient at home"]
WORDS = sorted({word for text in TEXTS for word in text.split()})


def test_names_are_few_and_the_same_in_all_three_places() -> None:
    imported = public_names((ROOT / "steu" / "__init__.py").read_text())
    assert imported == steu._WHERE
    assert sorted(steu.__all__) == sorted(imported) and len(steu.__all__) <= 15
    assert all(getattr(steu, name).__doc__ or name == "SELECTORS" for name in steu.__all__)
    assert set(steu.__all__) <= set(dir(steu))
    with pytest.raises(AttributeError, match="no attribute 'unlearning_'"):
        _ = steu.unlearning_
    assert (ROOT / "steu" / "py.typed").is_file()


def test_to_import_it_loads_no_torch_and_takes_no_time() -> None:
    code = "import sys, time; t = time.perf_counter(); import steu; s = time.perf_counter() - t; "
    code += "print(s, sorted({'torch', 'transformers', 'pandas', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.strip().split(" ", 1)
    assert loaded == "[]" and float(seconds) < 0.2


def toy_names() -> dict[str, object]:
    """What the examples of docstrings use: a model, a tokenizer, notes with labels, an edit."""
    tokenizer = word_tokenizer(WORDS)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, pad_token_id=0, num_labels=2, id2label={0: "sepsis", 1: "asthma"},
        problem_type="multi_label_classification",
    )  # fmt: skip
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    texts = TEXTS * 20
    targets = np.array([["sepsis" in text, "asthma" in text] for text in texts]).astype(int)
    task = steu.ForgetTask(model, tokenizer, texts, targets, forget="sepsis")
    edit = steu.unlearn(task, steu.rank_tokens(task)[:4], steu.UnlearnConfig(epochs=1))
    ids = torch.tensor([[1, 5, 2]])
    return {
        "model": model, "tokenizer": tokenizer, "texts": texts, "targets": targets, "task": task,
        "edit": edit, "ids": ids,
    }  # fmt: skip


@pytest.mark.parametrize("module", ["steu", *sorted(set(steu._WHERE.values()))])
def test_examples_in_docstrings_run(module: str) -> None:
    found = doctest.DocTestFinder().find(import_module(module), extraglobs=toy_names())
    runner = doctest.DocTestRunner()
    for test in found:
        runner.run(test)
    assert runner.failures == 0


def test_every_public_function_has_an_example() -> None:
    for name in set(steu.__all__) - {"SELECTORS", "UnlearnConfig", "Origin", "save_peft"}:
        thing = getattr(steu, name)
        own = [thing.__doc__, *(getattr(v, "__doc__", "") for v in vars(thing).values())]
        assert any(">>> " in (text or "") for text in own), name


def test_five_lines_work_on_a_fine_tuned_minilm(tmp_path) -> None:
    from toys import CUES, LABELS, write_notes

    from steu.models.fine_tuning import TrainConfig, fine_tune
    from steu.models.loading import build_classifier, load_classifier, save_classifier

    texts, targets = write_notes(120)
    model, tokenizer = build_classifier("minilm", LABELS, n_layers=2)
    notes = steu.ForgetTask(model, tokenizer, texts, targets, forget="kidney", max_length=48).notes
    train, test = np.arange(90), np.arange(90, 120)
    config = TrainConfig(epochs=6, learning_rate=1e-3, patience=6, precision="fp32")
    fine_tune(model, notes, targets, train=train, validation=test, config=config)
    save_classifier(model, tokenizer, tmp_path / "model")
    model, tokenizer = load_classifier(tmp_path / "model")
    task = steu.ForgetTask(
        model, tokenizer, texts, targets, labels=LABELS, forget="kidney", max_length=48,
        precision="fp32", n_bootstrap=20,
    )  # fmt: skip
    token_ids = steu.rank_tokens(task)[:4]
    assert CUES["kidney"] in tokenizer.decode(token_ids[:2])
    edit = steu.unlearn(task, token_ids)
    table = steu.evaluate(task, edit).set_index(["metric", "method"])["value"]
    table = table[~table.index.duplicated()]
    assert table["forget_f1", "original"] > 0.7
    assert table["forget_f1", "edit"] < 0.2 and table["forget_f1", "null"] == 0
    assert table["retain_macro_auroc", "edit"] > 0.9
