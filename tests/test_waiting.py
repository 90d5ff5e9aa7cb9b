"""No training step waits for a GPU to answer.

Without one, the values are counted that the host asks of tensors: copies cannot be told there. With
one, PyTorch warns of all that makes the host wait.
"""

import traceback
import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toys import QUICK, make_toy
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.inference import features_from_ids
from steu.unlearning.sparse import UnlearnConfig, unlearn

# A value or a number of values that the host asks of a tensor.
WAITING = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique2", "equal")
INDEXING = ("index", "index_put", "index_put_")  # by a mask, whose number of hits is asked


def is_mask(value):
    return isinstance(value, torch.Tensor) and value.dtype == torch.bool


def flatten(arguments):
    return torch.utils._pytree.tree_leaves(arguments[1:2])


class Waits(TorchDispatchMode):
    """Counts them, but for the optimiser's own count of steps, which the host keeps."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WAITING or (name in INDEXING and any(map(is_mask, flatten(args)))):
            callers = (frame.filename for frame in traceback.extract_stack(limit=12))
            self.count += not any("torch/optim" in name for name in callers)
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"), backbone=request.param, trained=False)


def test_what_waits_is_counted():
    with Waits() as seen:
        assert torch.ones(2).sum().item() == 2 and torch.ones(2).all()
        assert len(torch.ones(2)[torch.tensor([True, False])]) == 1
    assert seen.count == 3


def unlearned(toy, size):
    """A run with so many notes a step, every token edited; its steps."""
    tokens = np.setdiff1d(toy.notes.ids, toy.notes.special_ids).astype(np.int64)
    return len(unlearn(toy.task(), tokens, UnlearnConfig(epochs=1, batch_size=size)).history)


def tuned(toy, size):
    """An epoch of fine-tuning with so many notes a step; its steps."""
    settings = {**QUICK, "epochs": 1, "batch_size": size, "precision": "fp32"}
    sets = {"train": toy.train, "validation": toy.test}
    fine_tune(toy.model, toy.notes, toy.targets, **sets, config=TrainConfig(**settings))
    return len(toy.train) // size


@pytest.mark.parametrize("loop", [unlearned, tuned])
def test_more_steps_do_not_ask_for_more_values(toy, loop):
    counts, steps = [], []
    for size in (32, 4):
        with Waits() as seen:
            steps.append(loop(toy, size))
        counts.append(seen.count)
    assert steps[1] > 5 * steps[0]
    assert counts[0] == counts[1]  # what checks the input once does not grow with the steps


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU here")
@pytest.mark.parametrize("loop", [unlearned, tuned])
def test_more_steps_do_not_make_a_gpu_wait_more_often(toy, loop):
    toy.model.cuda()
    with warnings.catch_warnings():  # the mode is a prototype, and says so
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("warn")
    try:
        counts = []
        for size in (32, 32, 4):  # what is set up at first may wait
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                loop(toy, size)
            counts.append(sum("synchroniz" in str(warning.message) for warning in said))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert counts[1] == counts[2]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_features_are_those_of_the_mask_that_transformers_makes(toy, kernel):
    model = toy.model.eval()
    model.set_attn_implementation(kernel)
    ids, mask = (given[:, :16].to(model.device) for given in toy.notes.batch(toy.test))
    full = mask.all(dim=1)  # some notes fill that, others are padded
    assert full.any() and not full.all()
    for some, padded in ((full, False), (full, None), (~full, True), (~full, None)):
        given = ids[some], mask[some]
        features = features_from_ids(model, *given, padded=padded)
        expected = model(input_ids=given[0], attention_mask=given[1]).logits
        assert torch.equal(model.classifier(features), expected)
    model.set_attn_implementation("sdpa")


def test_windows_of_single_layers_are_left_to_transformers():
    config = ModernBertConfig(
        vocab_size=99,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        local_attention=4,
        global_attn_every_n_layers=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = ModernBertForSequenceClassification(config).eval()
    ids, mask = torch.randint(1, 99, (2, 24)), torch.ones(2, 24, dtype=torch.int64)
    mask[1, 20:] = 0
    together = features_from_ids(model, ids, mask, padded=True)[0]
    alone = features_from_ids(model, ids[:1], mask[:1], padded=False)[0]
    torch.testing.assert_close(together, alone)
