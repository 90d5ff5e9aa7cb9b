"""No step waits for a GPU: the operations that would make it wait are counted, here on the CPU."""

import traceback

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toys import QUICK, make_toy

from steu.training import TrainConfig, fine_tune
from steu.unlearn import Teacher, UnlearnConfig, unlearn

# A value or a number of values that the host asks of a tensor.
WAITING = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "_unique2", "equal")


class Waits(TorchDispatchMode):
    """Counts them, but for the optimiser's own count of steps, which the host keeps."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in WAITING:
            callers = (frame.filename for frame in traceback.extract_stack(limit=12))
            self.count += not any("torch/optim" in name for name in callers)
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module", params=["random-bert", "random-distilbert"])
def toy(request, tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("encoded"), backbone=request.param, trained=False)


def test_what_waits_is_counted():
    with Waits() as seen:
        assert torch.ones(2).sum().item() == 2 and torch.ones(2).all()
    assert seen.count == 2


def test_steps_of_unlearning_do_not_wait(toy):
    tokens = np.unique(toy.notes.ids)
    tokens = tokens[~np.isin(tokens, toy.notes.special_ids)].astype(np.int64)
    teacher = Teacher.of(toy.model, toy.notes, toy.train, precision="fp32")
    counts = []
    for size in (32, 4):
        with Waits() as seen:
            _, history = unlearn(
                toy.model,
                toy.notes,
                toy.targets,
                rows=toy.train,
                forget=0,
                token_ids=tokens,
                config=UnlearnConfig(epochs=1, batch_size=size, precision="fp32"),
                teacher=teacher,
            )
        counts.append(seen.count)
    assert len(history) > 10
    assert counts[0] == counts[1]  # what checks the input once does not grow with the steps


def test_steps_of_fine_tuning_do_not_wait(toy):
    counts = []
    for size in (32, 4):
        settings = {**QUICK, "epochs": 1, "batch_size": size, "precision": "fp32"}
        sets = {"train": toy.train, "validation": toy.test}
        with Waits() as seen:
            config = TrainConfig(**settings)
            fine_tune(toy.model, toy.notes, toy.targets, **sets, config=config)
        counts.append(seen.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_features_are_those_of_the_mask_that_transformers_makes(toy, kernel):
    model = toy.model.eval()
    model.encoder.set_attn_implementation(kernel)
    ids, mask = toy.notes.batch(toy.test)
    ids, mask = ids[:, :16], mask[:, :16]  # some notes fill that, others are padded
    full = mask.all(dim=1)
    for some, padded in ((full, False), (full, True), (~full, True)):
        given = ids[some], mask[some]
        hidden = model.encoder(input_ids=given[0], attention_mask=given[1]).last_hidden_state
        weights = given[1].unsqueeze(-1).float()
        expected = (hidden * weights).sum(1) / weights.sum(1)
        found = model.features(*given, padded=padded)
        if padded and full[some].all():  # a mask that hides nothing, another kernel
            torch.testing.assert_close(found, expected)
        else:
            assert torch.equal(found, expected)
