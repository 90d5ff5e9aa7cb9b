"""Peak memory in closed form: sums of tensors whose sizes are known."""

import torch

from steu.experiments.peak_memory import peak_bytes

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
