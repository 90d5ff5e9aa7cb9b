"""What one training step costs, as a multiple of the least that reaches the input at all.

The floor is the frozen encoder's forward pass and the backward pass to its input embeddings: no
edit of embedding rows can do without it. Memory is counted, not measured: the bytes of all
gradients and of all the optimiser's tensors after a step, and the most bytes of new tensors that
are alive at once during one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measure import (
    Goal,
    Rows,
    fast_precisions,
    multiples,
    options,
    report,
    row,
    summarise,
    take_turns,
)
from peft import TrainableTokensConfig, inject_adapter_in_model
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from steu.data.encoding import EncodedNotes
from steu.experiments.peak_memory import peak_bytes
from steu.models.heads import head_of
from steu.models.inference import features_of
from steu.models.loading import build_classifier
from steu.unlearning.dense_edit import head_parameters, last_layers
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows

LABELS = tuple("abcdef")
FIRST, N_TOKENS = 1_000, 256  # the edited tokens follow one another
BATCH = 8
ROUNDS = 5
LENGTHS = (128, 512)
GOALS = (
    Goal("steu", "times the floor", most=1.03),
    Goal("steu", "share of the dense edit's bytes", most=0.01),
)

Data = tuple[EncodedNotes, torch.Tensor]
Step = Callable[[], object]


@dataclass(frozen=True)
class Trained:
    """One variant: its step, and what it trains with which optimiser."""

    step: Step
    parameters: list[torch.Tensor]
    optimizer: torch.optim.Optimizer | None = None
    sparse: bool = False  # of the embedding only the edited rows change, and their ids are kept

    @property
    def bytes_stored(self) -> int:
        """Bytes of what changes, as it is kept on disk in float32."""
        table = [p for p in self.parameters if self.sparse and len(p) >= FIRST + N_TOKENS]
        dense = sum(p.numel() for p in self.parameters) - sum(p.numel() for p in table)
        rows = sum(N_TOKENS * p.shape[1] for p in table)
        return 4 * (dense + rows) + (8 * N_TOKENS if self.sparse else 0)

    @property
    def n_parameters(self) -> int:
        """Scalars that the step may change."""
        return sum(parameter.numel() for parameter in self.parameters)

    @property
    def bytes_held(self) -> int:
        """Bytes of the gradients and of the optimiser's state, after a step."""
        held = [p.grad for p in self.parameters if p.grad is not None]
        if self.optimizer is not None:
            states = self.optimizer.state.values()
            held += [v for state in states for v in state.values() if torch.is_tensor(v)]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


Variant = Callable[[PreTrainedModel, Data, str], Trained]


def models() -> dict[str, Callable[[], PreTrainedModel]]:
    """Encoders of three sizes; those of the paper are untrained, which costs the same.

    Bio_ClinicalBERT is BERT-base with a slightly smaller vocabulary.
    """
    untrained = {"DistilBERT": DistilBertConfig, "BERT-base": BertConfig}
    return {"MiniLM": lambda: build_classifier("minilm", LABELS)[0]} | {
        name: partial(_untrained, kind) for name, kind in untrained.items()
    }


def _untrained(kind: type[PreTrainedConfig]) -> PreTrainedModel:
    config = kind(num_labels=len(LABELS))
    return AutoModelForSequenceClassification.from_config(config).eval()


def tiny() -> dict[str, Callable[[], PreTrainedModel]]:
    """One encoder that shows in seconds that everything runs."""
    return {"tiny": lambda: build_classifier("random-bert", LABELS)[0]}


def batch(model: PreTrainedModel, length: int, *, size: int = BATCH) -> Data:
    """Notes that fill the window, and targets (B, C) where the model is."""
    generator, vocabulary = np.random.default_rng(0), model.config.vocab_size
    ids = generator.integers(FIRST, vocabulary, size * length)
    notes = EncodedNotes(ids, np.arange(size + 1) * length, vocabulary, 0, (), length)
    targets = torch.from_numpy(generator.integers(0, 2, (size, len(LABELS)))).float()
    return notes, targets.to(model.device)


def features(model: PreTrainedModel, notes: EncodedNotes, precision: str) -> torch.Tensor:
    """What the head takes of all the notes, (B, H)."""
    return features_of(model, notes, np.arange(len(notes)), precision=precision)


def train(
    model: PreTrainedModel,
    parameters: list,
    data: Data,
    precision: str,
    *,
    after: Step | None = None,
    sparse: bool = False,
) -> Trained:
    """A step of AdamW on the given parameters; `after` may change gradients before it."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    (notes, targets), classify = data, head_of(model)

    def step() -> None:
        logits = classify(features(model, notes, precision))
        loss = binary_cross_entropy_with_logits(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if after is not None:
            after()
        optimizer.step()

    return Trained(step, parameters, optimizer, sparse)


def floor(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """Forward, and backward to the embeddings' output; no optimiser, no parameter."""
    model.requires_grad_(False)
    (notes, targets), classify = data, head_of(model)

    def reach(_module, _inputs, output):
        return output.detach().requires_grad_()

    model.get_input_embeddings().register_forward_hook(reach)

    def step() -> None:
        logits = classify(features(model, notes, precision))
        binary_cross_entropy_with_logits(logits, targets).backward()

    return Trained(step, [])


def steu(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """The rows of 256 tokens and the head."""
    model.requires_grad_(False)
    start = SparseEdit.identity(model, torch.arange(FIRST, FIRST + N_TOKENS))
    rows = start.rows.clone().requires_grad_()
    attached = ExitStack()  # closed with the model, when nobody holds it any more
    attached.enter_context(replaced_rows(model.get_input_embeddings(), start.token_ids, rows))
    model.attached = attached
    own = head_of(model).requires_grad_(True).parameters()
    return train(model, [rows, *own], data, precision, sparse=True)


def head(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """The head alone, on features that were computed once: no step passes the encoder."""
    (notes, targets), classify = data, head_of(model)
    with torch.no_grad():
        known = features(model, notes, precision)
    parameters = list(classify.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    def step() -> None:
        loss = binary_cross_entropy_with_logits(classify(known), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return Trained(step, parameters, optimizer)


def peft_tokens(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """The same by PEFT."""
    config = TrainableTokensConfig(
        token_indices=list(range(FIRST, FIRST + N_TOKENS)), target_modules=["word_embeddings"]
    )
    inject_adapter_in_model(config, model)  # and everything else is frozen
    head_of(model).requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    return train(model, trained, data, precision, sparse=True)


def masked_dense(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """The gradient of the whole table, zeroed outside the 256 rows."""
    model.requires_grad_(False)
    table = model.get_input_embeddings().weight.requires_grad_()
    own = head_of(model).requires_grad_(True).parameters()
    outside = torch.ones(len(table), 1, dtype=torch.bool, device=table.device)
    outside[FIRST : FIRST + N_TOKENS] = False

    def mask_gradient() -> None:
        table.grad.masked_fill_(outside, 0.0)

    return train(model, [table, *own], data, precision, after=mask_gradient, sparse=True)


def layers(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """The last three encoder layers (all, if there are fewer) and the head."""
    model.requires_grad_(False)
    own, count = dict(model.named_parameters()), min(3, model.config.num_hidden_layers)
    names = [*last_layers(model, count), *head_parameters(model)]
    return train(model, [own[name].requires_grad_() for name in names], data, precision)


def everything(model: PreTrainedModel, data: Data, precision: str) -> Trained:
    """Full fine-tuning."""
    return train(model, list(model.parameters()), data, precision)


VARIANTS = {
    "floor": floor,
    "head": head,
    "steu": steu,
    "peft_tokens": peft_tokens,
    "masked_dense": masked_dense,
    "last_three_layers": layers,
    "full": everything,
}


def measure(
    make: Callable[[], PreTrainedModel], length: int, precision: str, *, setting: str, rounds: int
) -> Rows:
    """Seconds and their multiples, parameters and bytes of every variant."""
    made = {}
    for name, variant in VARIANTS.items():
        model = make()
        made[name] = variant(model, batch(model, length), precision)
    times = take_turns({name: one.step for name, one in made.items()}, rounds=rounds)
    rows = summarise(times, setting=setting, quantity="seconds a step")
    ratios = multiples(times, of="floor")
    rows += summarise(ratios, setting=setting, quantity="times the floor")
    dense = made["masked_dense"].bytes_held
    for name, one in made.items():
        for quantity, value in (
            ("parameters trained", one.n_parameters),
            ("bytes of gradients and optimiser", one.bytes_held),
            ("share of the dense edit's bytes", one.bytes_held / dense),
            ("peak bytes of a step", peak_bytes(one.step)),
            ("bytes stored", one.bytes_stored),
        ):
            rows.append(row([value], setting=setting, variant=name, quantity=quantity))
    return rows


def run(
    folder: Path,
    *,
    encoders: dict[str, Callable[[], PreTrainedModel]] | None = None,
    lengths: tuple[int, ...] = LENGTHS,
    precisions: tuple[str, ...] = (),
    rounds: int = ROUNDS,
) -> Path:
    """Measure every combination and write step.json into `folder`."""
    rows: Rows = []
    for backbone, make in (encoders or models()).items():
        for length in lengths:
            for precision in precisions or fast_precisions():
                setting = f"{backbone}, {length} tokens, {precision}"
                print(setting, flush=True)
                rows += measure(make, length, precision, setting=setting, rounds=rounds)
    settings = {"batch": BATCH, "rounds": rounds, "n_tokens": N_TOKENS}
    return report("step", rows, folder=folder, settings=settings, goals=GOALS)


if __name__ == "__main__":
    logging.set_verbosity_error()  # a report of what was loaded, seven times a setting
    logging.disable_progress_bar()
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, encoders=tiny(), lengths=(32,), rounds=2)
    else:
        run(chosen.output)
