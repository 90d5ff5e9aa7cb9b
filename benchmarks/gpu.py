"""BERT-base at 512 tokens on a GPU: examples a second, share of the card's peak, STEU's step.

Where there is no GPU it says so and writes nothing. Operations are counted by PyTorch; the peak is
the card's dense bf16 rate as its maker states it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import step
import torch
from measure import Goal, Rows, multiples, options, report, row, summarise, take_turns
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel
from transformers.utils import logging

from steu.models.heads import head_of
from steu.models.layers import encoder_layers

LENGTH, SIZES, ROUNDS = 512, (32, 128), 5
TURN = 5  # steps; as in training, none of them waits for the one before
PEAK = {"H100 80GB HBM3": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}  # a second
FULL, COMPILED = "full", "full, compiled"  # by layers
PARTS = ("matrix products alone", "attention alone")
GOALS = (
    Goal(COMPILED, "share of the peak", least=0.45),
    Goal("steu", "times the floor", most=1.05),
    Goal("gpu", "largest difference of a logit from the CPU's, float32", most=1e-3),
)


def compiled(kind: step.Variant, model: PreTrainedModel, *rest: Any) -> step.Trained:
    """A variant with its layers compiled one by one.

    They share one graph. Compiled whole, the encoder gets a mask made for it that hides nothing,
    and with one there is no flash attention: that is slower than not compiling.
    """
    for layer in encoder_layers(model):
        layer.compile()
    return kind(model, *rest)


def products(model: PreTrainedModel, data: step.Data, _precision: str) -> step.Trained:
    """The matrix products of the layers in bf16, forward and backward, and nothing else."""
    linear = [m for layer in encoder_layers(model) for m in layer.modules() if type(m) is nn.Linear]
    weights = [one.weight.detach().bfloat16() for one in linear]
    tokens = len(data[0].ids)
    given = {n: weights[0].new_empty(tokens, n).normal_() for w in weights for n in w.shape}

    def run() -> None:
        for weight in weights:
            x, gradient = given[weight.shape[1]], given[weight.shape[0]]
            x @ weight.T, gradient @ weight, gradient.T @ x

    return step.Trained(run, weights)


def attention(model: PreTrainedModel, data: step.Data, _precision: str) -> step.Trained:
    """The attention of the layers in bf16, forward and backward, and nothing else."""
    notes, config = data[0], model.config
    heads, width = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    shape = (len(notes), heads, notes.max_length, width)
    query, key, value = (
        torch.randn(shape, device=model.device, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    )
    gradient = torch.randn_like(query)

    def run() -> None:
        for _ in encoder_layers(model):
            scaled_dot_product_attention(query, key, value).backward(gradient)

    return step.Trained(run, [query, key, value])


VARIANTS = {
    "floor": step.floor,
    "steu": step.steu,
    "last_three_layers": step.layers,
    FULL: step.everything,
    "steu, compiled": partial(compiled, step.steu),
    COMPILED: partial(compiled, step.everything),
    **dict(zip(PARTS, (products, attention), strict=True)),
}


def turn(function: Callable[[], object], device: str) -> Callable[[], None]:
    """Some steps without waiting, and then until the device has done them."""

    def run() -> None:
        for _ in range(TURN):
            function()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def peak_rate(card: str) -> float | None:
    """Dense bf16 operations a second of a card, by its name; None if it is not listed."""
    return next((rate for name, rate in PEAK.items() if re.search(rf"\b{name}\b", card)), None)


def operations(function: Callable[[], object]) -> int:
    """Floating-point operations of a call's matrix products and attention."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def measure(
    make: Callable[[], PreTrainedModel],
    *,
    device: str,
    length: int,
    size: int,
    rounds: int,
    rate: float | None,
    variants: tuple[str, ...] = tuple(VARIANTS),
) -> Rows:
    """Seconds, multiples of the floor, examples a second, share of the peak."""
    setting = f"{length} tokens, {size} notes a step, bf16"
    torch.compiler.reset()  # what was compiled for another size would be made to fit both
    made, whole = {}, make()
    for name in variants:
        model = copy.deepcopy(whole).to(device)
        made[name] = VARIANTS[name](model, step.batch(model, length, size=size), "bf16").step
    turns = {name: turn(function, device) for name, function in made.items()}
    times = take_turns(turns, rounds=rounds) / TURN
    rows = summarise(times, setting=setting, quantity="seconds a step")
    rows += summarise(multiples(times, of="floor"), setting=setting, quantity="times the floor")
    rows += summarise(
        size / times.drop(columns=list(PARTS)), setting=setting, quantity="examples a second"
    )
    if rate:
        counted = {name: operations(made[name]) for name in (FULL, *PARTS)}
        if COMPILED in made:  # it computes the same, but is not counted
            counted[COMPILED] = counted[FULL]
        share = pd.Series(counted) / times[list(counted)] / rate
        rows += summarise(share, setting=setting, quantity="share of the peak")
    return rows


@torch.no_grad()
def difference(make: Callable[[], PreTrainedModel], *, device: str, length: int) -> float:
    """Largest difference between a model's logits here and on the CPU, on the same notes."""
    model = make()
    answers = []
    for place in ("cpu", device):
        model.to(place)
        notes, _ = step.batch(model, length, size=4)
        answers.append(head_of(model)(step.features(model, notes, "fp32")).cpu())
    return float((answers[0] - answers[1]).abs().max())


def run(
    folder: Path,
    *,
    device: str = "cuda",
    make: Callable[[], PreTrainedModel] | None = None,
    length: int = LENGTH,
    sizes: tuple[int, ...] = SIZES,
    rounds: int = ROUNDS,
    rate: float | None = None,
    variants: tuple[str, ...] = tuple(VARIANTS),
) -> Path | None:
    """Measure and write gpu.json into `folder`; None, and a line, where there is no GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        print("gpu: skipped, PyTorch sees no GPU here")
        return None
    if device == "cuda":
        rate = rate or peak_rate(torch.cuda.get_device_name())
    make = make or step.models()["BERT-base"]
    rows: Rows = []
    for size in sizes:
        shape: dict[str, Any] = {"device": device, "length": length, "size": size}
        print(f"{size} notes", flush=True)
        rows += measure(make, **shape, rounds=rounds, rate=rate, variants=variants)
    quantity = "largest difference of a logit from the CPU's, float32"
    apart = difference(make, device=device, length=length)
    rows.append(row([apart], setting=f"{length} tokens", variant="gpu", quantity=quantity))
    settings = {"rounds": rounds, "steps a turn": TURN, "peak_rate": rate}
    return report("gpu", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, make=step.tiny()["tiny"], length=32, sizes=(4,), rounds=2)
    else:
        run(chosen.output)
