"""How soon the class comes back when the edited model is trained on, and with which notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from steu._errors import check_choice
from steu._numbers import check_number, check_whole
from steu.audits.merged import merged_model
from steu.evaluation.metrics import auroc, f1, interval
from steu.models.heads import head_of
from steu.models.inference import features_of
from steu.task import Edit, ForgetTask, about_task
from steu.unlearning.given import check_sigmoids, of_both_kinds, settings_of

Part = Literal["head", "all"]
Lesson = Literal["with the class", "without the class"]
Answers = Callable[[np.ndarray], torch.Tensor]  # logits (B, C) of notes


@dataclass(frozen=True)
class RelearnConfig:
    """How the edited model is trained on."""

    steps: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32)  #: after which it is looked at
    batch_size: int = 16  #: notes a step; half of them have the class, if the lesson shows it
    learning_rate_head: float = 1e-2  #: that of unlearning, so that coming back is as easy as going
    learning_rate_all: float = 3e-4  #: of the encoder, where it is trained too
    seed: int = 0  #: order of the notes

    def __post_init__(self) -> None:
        if not self.steps or list(self.steps) != sorted({*self.steps, 0}):
            raise ValueError(f"steps must rise from 0; found {', '.join(map(str, self.steps))}")
        check_whole("batch_size", self.batch_size, least=2)
        check_whole("seed", self.seed)
        for name in ("learning_rate_head", "learning_rate_all"):
            check_number(name, getattr(self, name), positive=True)


@dataclass(frozen=True)
class Relearned:
    """Test numbers of the class after each number of steps, (steps, 1 + n_bootstrap) each."""

    steps: tuple[int, ...]
    batch_size: int
    f1: np.ndarray
    auroc: np.ndarray

    def steps_to(
        self, wanted: float | np.ndarray, *, metric: Literal["f1", "auroc"] = "f1"
    ) -> np.ndarray:
        """First number of steps looked at with `wanted` or more, (1 + B,); inf if none.

        `wanted` may be another in each resample, (1 + B,); where it is NaN, so is the number.
        """
        reached = getattr(self, metric) >= wanted
        first = np.array([*self.steps, np.inf])[reached.argmax(axis=0)]
        return np.where(np.isnan(wanted), np.nan, np.where(reached.any(axis=0), first, np.inf))

    def reached(self, wanted: float | np.ndarray, *, metric: Literal["f1", "auroc"] = "f1") -> str:
        """`steps_to` in words, with what 95 % of the resamples of patients say; – if nothing is.

        An F1 at probability ½ says how soon the class is *said*, and that depends first of all on
        how far its logit was pushed down; the AUROC says how soon it is *told* from others.
        """
        found = self.steps_to(wanted, metric=metric)
        if np.isnan(found[0]):
            return "–"
        told = found[1:][~np.isnan(found[1:])]
        ends = np.percentile(told, [2.5, 97.5], method="nearest") if len(told) else []
        value, *around = (  # some may be infinite
            f"{s:g}" if np.isfinite(s) else f"> {self.steps[-1]}" for s in (found[0], *ends)
        )
        return f"{value} [{', '.join(around)}]" if around else value

    def table(self) -> pd.DataFrame:
        """A tidy row a step and metric: step, examples, metric, value, low, high."""
        rows = []
        for metric, found in (("forget_f1", self.f1), ("forget_auroc", self.auroc)):
            for step, samples in zip(self.steps, found, strict=True):
                facts = {"step": step, "examples": step * self.batch_size, "metric": metric}
                value, low, high = interval(samples)
                rows.append(facts | {"value": value, "low": low, "high": high})
        return pd.DataFrame(rows)


def way_back(known: np.ndarray, nothing: float | np.ndarray, *, share: float) -> np.ndarray:
    """A number that lies this share of the way from what knows nothing to what was known, (1 + B,).

    Of an F1, who knows nothing says yes to everybody: half of the original's may be less than
    that. NaN where the original was no better.
    """
    return np.where(known > nothing, nothing + share * (known - nothing), np.nan)


@about_task
def relearn(
    task: ForgetTask,
    edit: Edit | None = None,
    *,
    part: Part = "head",
    lesson: Lesson = "with the class",
    config: RelearnConfig | None = None,
) -> Relearned:
    """Train the edited classifier on training notes and see when the class is predicted again.

    A lesson "with the class" shows as many notes with it as without and trains its output, on true
    labels. One "without the class" shows notes that lack it and trains the other outputs alone:
    whether work on the rest brings the class back (arXiv 2505.22310).

    Raises
    ------
    ValueError
        If a choice is unknown, the outputs are no sigmoids, or there are training notes of one kind
        alone.
    """
    check_choice(part, get_args(Part), what="part")
    check_choice(lesson, get_args(Lesson), what="lesson")
    check_sigmoids(task, "relearning")
    config = settings_of(config, RelearnConfig)
    columns = [task.forget] if lesson == "with the class" else task.retained
    answers, groups = _learner(task, edit, part, config)
    truth, weights, seen = task.is_forget[task.test], task.weights(), []
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    batches, done = _batches(task, lesson, config), 0
    for wanted in config.steps:
        for batch in islice(batches, wanted - done):
            labels = torch.from_numpy(task.targets[batch][:, columns]).to(task.model.device)
            loss = binary_cross_entropy_with_logits(answers(batch)[:, columns], labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        done = wanted
        logits = _logits(answers, task.test)[:, task.forget]
        seen.append((f1(truth, logits > 0, weights), auroc(truth, logits, weights)))
    found_f1, found_auroc = (np.stack(each) for each in zip(*seen, strict=True))
    return Relearned(config.steps, config.batch_size, found_f1, found_auroc)


def _learner(
    task: ForgetTask, edit: Edit | None, part: Part, config: RelearnConfig
) -> tuple[Answers, list[dict[str, Any]]]:
    """What gives logits of notes, and the optimiser's groups of what of it is trained."""
    if part == "head":
        features = task.features(np.arange(len(task.notes)), edit)
        head = task.head(edit)
        group = {
            "params": list(head.requires_grad_().parameters()),
            "lr": config.learning_rate_head,
        }
        return lambda index: head(features[index]), [group]
    model = merged_model(task, edit).requires_grad_().eval()
    head = head_of(model)
    of_head = {"params": list(head.parameters()), "lr": config.learning_rate_head}
    own = {id(parameter) for parameter in head.parameters()}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in own]
    of_rest = {"params": rest, "lr": config.learning_rate_all}
    precision = task.precision
    return (
        lambda index: head(features_of(model, task.notes, index, precision=precision)),
        [of_head, of_rest],
    )


@torch.no_grad()
def _logits(answers: Answers, index: np.ndarray, *, at_once: int = 64) -> np.ndarray:
    parts = [answers(index[i : i + at_once]) for i in range(0, len(index), at_once)]
    return torch.cat(parts).float().cpu().numpy()


def _batches(task: ForgetTask, lesson: Lesson, config: RelearnConfig) -> Iterator[np.ndarray]:
    """Batches of training notes without end."""
    generator = np.random.default_rng(config.seed)
    forget, retain = of_both_kinds(task, task.train)
    n = config.batch_size // 2 if lesson == "with the class" else 0
    while True:
        chosen = [generator.choice(forget, n), generator.choice(retain, config.batch_size - n)]
        yield np.concatenate(chosen)
