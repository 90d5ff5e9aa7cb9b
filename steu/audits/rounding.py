"""Fewer bits a weight: whether a class that was trained away comes back when the model is rounded.

An edit moves weights by little; what is moved by less than a step of the coarser grid moves back.
Zhang et al. 2024 (arXiv 2410.16454) saw forgotten texts return in language models that way.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from steu._errors import check_choice
from steu.audits.merged import merged_model, with_model
from steu.task import Edit, ForgetTask

Grid = Literal["bf16", "int8", "int8 dynamic", "int4"]
LARGEST = {"int8": 127, "int8 dynamic": 127, "int4": 7}


@torch.no_grad()
def rounded(task: ForgetTask, edit: Edit | None = None, *, grid: Grid) -> ForgetTask:
    """The task with the edit merged into a copy of the classifier and every weight rounded.

    "bf16" keeps 8 bits of each number's significand. "int8" and "int4" divide each row of a matrix,
    the embedding table's too, by its largest magnitude over 127 or 7, and round; vectors, such as
    biases, stay. That is weight-only quantisation with a scale a row. "int8 dynamic" rounds what
    each linear layer is given as well, to 255 steps between its least and its largest value, batch
    by batch, as dynamic quantisation does; the head's, over all notes at once.

    Raises
    ------
    ValueError
        If there is no such grid.
    """
    check_choice(grid, get_args(Grid), what="grid")
    model = merged_model(task, edit)
    for parameter in model.parameters():
        parameter.copy_(on_grid(parameter, grid))
    if grid == "int8 dynamic":
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_pre_hook(_given_in_steps)
    return with_model(task, model)


def on_grid(values: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The nearest values on the grid; each row of a matrix has its own."""
    if grid == "bf16":
        return values.bfloat16().to(values)
    if values.ndim < 2:
        return values
    step = values.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / LARGEST[grid]
    return (values / step).round() * step


def _given_in_steps(_: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """What a layer is given, in 255 steps that hold its range and 0."""
    values, *others = given
    low, high = values.amin().clamp(max=0), values.amax().clamp(min=0)
    step = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / step).round()
    steps = ((values / step).round() + zero).clamp(0, 255)
    return ((steps - zero) * step, *others)
