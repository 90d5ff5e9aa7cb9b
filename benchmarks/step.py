"""What one training step costs, as a multiple of the least that reaches the input at all.

The floor is the frozen encoder's forward pass and the backward pass to its input embeddings: no
edit of embedding rows can do without it. All variants take turns, round by round, so that whatever
slows the machine down slows all of them; a ratio is taken within its round.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peft import TrainableTokensConfig, get_peft_model
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoModel, BertConfig

from steu.edit import SparseEdit, replaced_rows
from steu.layers import last_layers
from steu.models import Classifier, autocast, build_classifier

LABELS = tuple("abcdef")
N_TOKENS = 256
BATCH = 8
ROUNDS = 7
OUTPUT = Path("runs/bench/step.json")

Step = Callable[[], None]


def models() -> dict[str, Callable[[], Classifier]]:
    """Encoders of two sizes; BERT-base is untrained, which costs the same."""
    return {
        "minilm": lambda: build_classifier("minilm", LABELS)[0],
        "bert_base": lambda: Classifier(AutoModel.from_config(BertConfig()), LABELS).eval(),
    }


def batch(length: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids (B, T), mask (B, T) and targets (B, C) of notes that fill the window."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, vocabulary, (BATCH, length), generator=generator)
    targets = torch.randint(0, 2, (BATCH, len(LABELS)), generator=generator).float()
    return ids, torch.ones_like(ids), targets


def train(model: Classifier, parameters: list, data: tuple, precision: str, after=None) -> Step:
    """A step of AdamW on the given parameters; `after` may change gradients before it."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    ids, mask, targets = data

    def step() -> None:
        with autocast(ids.device, precision):
            features = model.features(ids, mask)
        loss = binary_cross_entropy_with_logits(model.head(features), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if after is not None:
            after()
        optimizer.step()

    return step


def floor(model: Classifier, data: tuple, precision: str) -> Step:
    """Forward, and backward to the embeddings' output; no optimiser, no parameter."""
    model.requires_grad_(False)
    ids, mask, targets = data
    table = model.get_input_embeddings()

    def reach(_module, _inputs, output):
        return output.detach().requires_grad_()

    table.register_forward_hook(reach)

    def step() -> None:
        with autocast(ids.device, precision):
            features = model.features(ids, mask)
        binary_cross_entropy_with_logits(model.head(features), targets).backward()

    return step


def steu(model: Classifier, data: tuple, precision: str) -> Step:
    """The rows of 256 tokens and the head."""
    model.requires_grad_(False)
    start = SparseEdit.identity(model, torch.arange(1000, 1000 + N_TOKENS))
    rows = start.rows.clone().requires_grad_()
    attached = ExitStack()  # closed with the model, when nobody holds it any more
    attached.enter_context(replaced_rows(model.get_input_embeddings(), start.token_ids, rows))
    model.attached = attached
    model.head.requires_grad_(True)
    return train(model, [rows, *model.head.parameters()], data, precision)


def peft_tokens(model: Classifier, data: tuple, precision: str) -> Step:
    """The same by PEFT."""
    config = TrainableTokensConfig(
        token_indices=list(range(1000, 1000 + N_TOKENS)), target_modules=["word_embeddings"]
    )
    model.encoder = get_peft_model(model.encoder, config)
    model.head.requires_grad_(True)
    return train(model, [p for p in model.parameters() if p.requires_grad], data, precision)


def masked_dense(model: Classifier, data: tuple, precision: str) -> Step:
    """The gradient of the whole table, zeroed outside the 256 rows."""
    model.requires_grad_(False)
    table = model.get_input_embeddings().weight.requires_grad_()
    model.head.requires_grad_(True)
    outside = torch.ones(len(table), 1, dtype=torch.bool)
    outside[1000 : 1000 + N_TOKENS] = False

    def mask_gradient() -> None:
        table.grad.masked_fill_(outside, 0.0)

    trained = [table, *model.head.parameters()]
    return train(model, trained, data, precision, after=mask_gradient)


def layers(model: Classifier, data: tuple, precision: str) -> Step:
    """The last three encoder layers and the head."""
    model.requires_grad_(False)
    own = dict(model.named_parameters())
    trained = [own[name].requires_grad_() for name in last_layers(model, 3)]
    return train(model, trained, data, precision)


def everything(model: Classifier, data: tuple, precision: str) -> Step:
    """Full fine-tuning."""
    return train(model, list(model.parameters()), data, precision)


VARIANTS = {
    "floor": floor,
    "steu": steu,
    "peft_tokens": peft_tokens,
    "masked_dense": masked_dense,
    "last_three_layers": layers,
    "full": everything,
}


def measure(make: Callable[[], Classifier], length: int, precision: str) -> pd.DataFrame:
    """Seconds of every variant in every round, (ROUNDS, variants)."""
    steps = {}
    for name, variant in VARIANTS.items():
        model = make()
        data = batch(length, model.encoder.config.vocab_size)
        steps[name] = variant(model, data, precision)
        steps[name]()  # the first step allocates
    rounds = []
    for _ in range(ROUNDS):
        times = {}
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            times[name] = time.perf_counter() - started
        rounds.append(times)
    return pd.DataFrame(rounds)


def ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Median, least and largest multiple of the floor over the rounds, a row a variant."""
    relative = times.div(times["floor"], axis=0)
    return relative.agg(["median", "min", "max"]).T.rename_axis("variant").reset_index()


def machine() -> dict[str, str | int]:
    """What it ran on."""
    return {
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "bf16": str(torch.cpu.get_capabilities().get("avx512_bf16", False)),
        "torch": torch.__version__,
    }


def main(lengths: tuple[int, ...] = (128, 512)) -> None:
    """Measure every combination, print the table and write the JSON."""
    tables = []
    for backbone, make in models().items():
        for length in lengths:
            for precision in ("fp32", "bf16"):
                table = ratios(measure(partial(make), length, precision))
                table.insert(0, "setting", f"{backbone}, {length} tokens, {precision}")
                print(table.round(3).to_string(index=False), flush=True)
                tables.append(table)
    rows = pd.concat(tables).replace({np.nan: None}).to_dict("records")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    print(OUTPUT)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or (128, 512))
