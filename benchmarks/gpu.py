"""BERT-base at 512 tokens on a GPU: examples a second, share of the card's peak, STEU's step.

Where there is no GPU it says so and writes nothing. Operations are counted by PyTorch; the peak is
the card's dense bf16 rate as its maker states it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import step
import torch
from measure import Goal, Rows, multiples, options, report, row, summarise, take_turns
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel
from transformers.utils import logging

from steu.models.heads import head_of
from steu.models.layers import encoder_layers

LENGTH, BATCH, ROUNDS = 512, 32, 10
PEAK = {"H100 80GB HBM3": 989e12, "H200": 989e12, "A100": 312e12, "L4": 121e12}  # a second
FULL, COMPILED = "full", "full, compiled"  # by layers
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


VARIANTS = {
    "floor": step.floor,
    "steu": step.steu,
    "last_three_layers": step.layers,
    FULL: step.everything,
    "steu, compiled": partial(compiled, step.steu),
    COMPILED: partial(compiled, step.everything),
}


def waited(function: Callable[[], object], device: str) -> Callable[[], None]:
    """The call, and then until the device has done it."""

    def run() -> None:
        function()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def peak_rate(card: str) -> float | None:
    """Dense bf16 operations a second of a card, by its name; None if it is not listed."""
    return next((rate for name, rate in PEAK.items() if re.search(rf"\b{name}\b", card)), None)


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
    """Seconds, multiples of the floor, examples a second, share of the peak, agreement."""
    setting = f"{length} tokens, {size} notes a step, bf16"
    made = {}
    for name in variants:
        model = make().to(device)
        made[name] = VARIANTS[name](model, step.batch(model, length, size=size), "bf16").step
    with FlopCounterMode(display=False) as counter:
        made[FULL]()
    turns = {name: waited(function, device) for name, function in made.items()}
    times = take_turns(turns, rounds=rounds)
    rows = summarise(times, setting=setting, quantity="seconds a step")
    rows += summarise(multiples(times, of="floor"), setting=setting, quantity="times the floor")
    rows += summarise(size / times, setting=setting, quantity="examples a second")
    if rate:
        share = counter.get_total_flops() / times[[n for n in (FULL, COMPILED) if n in times]]
        rows += summarise(share / rate, setting=setting, quantity="share of the peak")
    quantity = "largest difference of a logit from the CPU's, float32"
    apart = difference(make, device=device, length=length)
    return [*rows, row([apart], setting=setting, variant="gpu", quantity=quantity)]


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
    size: int = BATCH,
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
    rows = measure(
        make or step.models()["BERT-base"],
        device=device,
        length=length,
        size=size,
        rounds=rounds,
        rate=rate,
        variants=variants,
    )
    settings = {"rounds": rounds, "batch": size, "peak_rate": rate}
    return report("gpu", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, make=step.tiny()["tiny"], length=32, size=4, rounds=2)
    else:
        run(chosen.output)
