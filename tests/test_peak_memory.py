"""Peak memory in closed form: sums of tensors whose sizes are known."""

import torch
from torch import nn

from steu.experiments.peak_memory import peak_bytes
from steu.models.weights import AT_ONCE, state_of

KB = 256  # float32 values in 1,024 bytes


def test_what_lives_at_once_is_added_and_what_died_is_not():
    def both():
        first, second = torch.zeros(KB), torch.ones(2 * KB)
        return first, second

    def one_after_the_other():
        torch.zeros(KB)
        torch.ones(2 * KB)

    assert peak_bytes(both) == 3 * 1024
    assert peak_bytes(one_after_the_other) == 2 * 1024


def test_views_and_changes_in_place_cost_nothing():
    old = torch.zeros(4, KB)

    def views():
        return old.view(-1)[5:].add_(1)

    assert peak_bytes(views) == 0


def test_a_backward_pass_holds_its_activations_and_gradients():
    weight = torch.randn(KB, requires_grad=True)

    def step():
        (weight.exp() * 2).sum().backward()

    found = peak_bytes(step)
    assert 2 * 1024 <= found <= 6 * 1024
    assert found == peak_bytes(lambda: (setattr(weight, "grad", None), step()))


def test_asking_whether_weights_changed_takes_no_memory_that_grows_with_the_vocabulary():
    few, many = nn.Embedding(AT_ONCE, 8), nn.Embedding(20 * AT_ONCE, 8)
    few.device = many.device = torch.device("cpu")

    assert peak_bytes(lambda: state_of(many)) <= 2 * peak_bytes(lambda: state_of(few))

    before = state_of(many)
    with torch.no_grad():  # two rows far apart change places
        many.weight[[3, 15 * AT_ONCE + 3]] = many.weight[[15 * AT_ONCE + 3, 3]]
    assert state_of(many) != before
