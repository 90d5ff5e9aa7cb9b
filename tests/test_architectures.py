"""The paper's three encoders, untrained: what an edit changes of them, and that it fits."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig

from steu.models.loading import Classifier
from steu.unlearning.dense_edit import LayerEdit, last_layers
from steu.unlearning.sparse_edit import SparseEdit

LABELS = tuple("abcdef")
CONFIGS = {
    "bio_clinicalbert": BertConfig(vocab_size=28_996),  # that of cased BERT
    "bert_base": BertConfig(vocab_size=30_522),
    "distilbert": DistilBertConfig(vocab_size=30_522),
}


def untrained(name: str) -> Classifier:
    with torch.device("meta"):  # shapes without memory
        return Classifier(AutoModel.from_config(CONFIGS[name]), LABELS)


@pytest.mark.parametrize(
    ("name", "encoder", "sparse", "dense"),
    [
        ("bio_clinicalbert", 108_310_272, "0.186 %", "19.63 %"),
        ("bert_base", 109_482_240, "0.184 %", "19.42 %"),
        ("distilbert", 66_362_880, "0.303 %", "32.04 %"),
    ],
)
def test_the_shares_that_the_book_quotes(name, encoder, sparse, dense):
    model = untrained(name)
    assert sum(p.numel() for p in model.encoder.parameters()) == encoder
    weight = model.head.weight.numel()  # the paper's count leaves the bias out
    rows = 256 * model.get_input_embeddings().embedding_dim
    assert rows + weight == 201_216
    assert f"{(rows + weight) / encoder:.3%}".replace("%", " %") == sparse
    layers = LayerEdit.identity(model, [n for n in last_layers(model, 3) if "head." not in n])
    changed = sum(value.numel() for value in layers.values.values())
    assert changed == 3 * 7_087_872
    assert f"{changed / encoder:.2%}".replace("%", " %") == dense


@pytest.mark.parametrize("name", CONFIGS)
def test_a_sparse_edit_fits_each_architecture(name):
    config = CONFIGS[name].to_dict() | {"num_hidden_layers": 1, "n_layers": 1}
    model = Classifier(AutoModel.from_config(type(CONFIGS[name]).from_dict(config)), LABELS).eval()
    ids = torch.tensor([[101, 2000, 2001, 102]])
    edit = SparseEdit.identity(model, torch.tensor([2000]))
    edit.rows.add_(1.0)
    with torch.inference_mode():
        before = model(ids, torch.ones_like(ids)).numpy()
        with edit.attached(model):
            attached = model(ids, torch.ones_like(ids)).numpy()
        edit.merge(model)
        merged = model(ids, torch.ones_like(ids)).numpy()
    assert not np.array_equal(before, attached)
    assert np.array_equal(attached, merged)
