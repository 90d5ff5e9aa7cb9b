"""A whole unlearning run against the plain way to write it, and what each measure brings.

The plain way is in float32, pads every note to the window, asks a copy of the original model for
its answers at every step, and takes the gradient of the whole embedding table, masked. One measure
after another is added until nothing is left but `unlearn`. Where there is bf16, all of it is also
measured without. A round is a training seed, so the metrics have a range that a difference can be
held against.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import Goal, Rows, fast_precisions, multiples, options, report, row, seconds, summarise
from pandas import DataFrame
from sklearn.metrics import roc_auc_score
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.utils import logging

from steu.data.encoding import EncodedNotes, encode_notes
from steu.data.labels import DEFAULT_LABELS
from steu.data.readers.cohort_tables import build_cohort
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.hardware import Precision
from steu.models.heads import head_of
from steu.models.inference import features_of, frozen, predict
from steu.models.loading import build_classifier
from steu.selection.ranking import rank_tokens
from steu.synthetic.corpus import write_corpus
from steu.task import ForgetTask, Teacher
from steu.unlearning.loop import Losses, descend, forget_and_retain_batches
from steu.unlearning.objective import forget_loss, utility_loss
from steu.unlearning.sparse import UnlearnConfig, unlearn
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows

# Each way has the measures of the one before it and one more.
MEASURES = {
    "plain": "",
    "rows alone": "gradients of the edited rows instead of the masked table's",
    "teacher kept": "the original model's answers computed once",
    "groups": "notes in groups of similar length instead of padded to the window",
    "bf16": "bf16 where the processor has it",
    "steu": "notes without an edited token skip the encoder",
}
WAYS = tuple(MEASURES)
N_STAYS, WINDOW, N_TOKENS, EPOCHS = 400, 256, 256, 2
SEEDS = 3
LABEL = "heart_failure"
METRICS = ("forget AUROC", "retain macro-AUROC")
GOALS = (
    Goal("plain", "times steu", least=3.0),
    *(Goal("plain", f"difference of {metric}, in seed ranges", most=1.0) for metric in METRICS),
)


def prepare(
    folder: Path, *, backbone: str, n_stays: int, window: int, epochs: int, precision: Precision
) -> Callable[[], ForgetTask]:
    """A classifier of the embedded corpus as eICU writes it, whose documents differ in length.

    Every call gives the task anew with nothing read yet: what is computed once for all edits of a
    task is part of a run's time.
    """
    write_corpus(folder / "tables", layout="eicu", n_stays=n_stays, seed=0)
    cohort = build_cohort(
        "eicu", folder / "tables", labels=DEFAULT_LABELS, name="bench", restricted=False
    )
    model, tokenizer = build_classifier(backbone, cohort.labels)
    texts = cohort.frame["text"].tolist()
    notes = encode_notes(texts, tokenizer, max_length=window, folder=folder / "encoded")
    sets = {name: cohort.index(name) for name in ("train", "validation")}
    config = TrainConfig(epochs=epochs, learning_rate=3e-4, precision=precision)
    fine_tune(model, notes, cohort.targets, **sets, config=config)
    return partial(
        ForgetTask,
        model,
        tokenizer,
        notes,
        cohort.targets,
        labels=cohort.labels,
        forget=LABEL,
        groups=cohort.patients,
        splits=cohort.frame["split"],
        precision=precision,
    )


def plainly(way: str, task: ForgetTask, token_ids: np.ndarray, config: UnlearnConfig) -> SparseEdit:
    """Unlearn with some of the measures only; the same losses, batches and descent."""
    has = {name: WAYS.index(way) >= WAYS.index(name) for name in WAYS}
    precision = task.precision if has["bf16"] else "fp32"
    original, edited = (copy.deepcopy(task.model).requires_grad_(False) for _ in range(2))
    notes = task.notes
    teacher = Teacher.of(original, notes, precision=precision) if has["teacher kept"] else None
    start = SparseEdit.identity(edited, torch.from_numpy(token_ids))
    table = edited.get_input_embeddings()

    def answer(model: PreTrainedModel, batch: np.ndarray) -> torch.Tensor:
        if has["groups"]:
            return head_of(model)(features_of(model, notes, batch, precision=precision))
        return model(**whole_windows(notes, batch)).logits

    def taught(batch: np.ndarray) -> torch.Tensor:
        if teacher is not None:
            return teacher.logits[batch]
        with torch.no_grad():
            return answer(original, batch)

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        logits = answer(edited, np.concatenate([forgotten, retained]))
        labels = torch.from_numpy(task.targets[forgotten])
        lost = forget_loss(logits[: len(forgotten)], labels, task.forget)
        held = utility_loss(logits[len(forgotten) :], taught(retained), task.forget)
        return lost + config.utility_weight * held, lost.detach(), held.detach()

    with ExitStack() as stack:
        stack.enter_context(frozen(edited))
        moved = start.rows.clone().requires_grad_()
        if has["rows alone"]:
            stack.enter_context(replaced_rows(table, start.token_ids, moved))
        else:
            moved = table.weight.requires_grad_()
            inside = torch.zeros(len(moved), 1)
            inside[start.token_ids] = 1
            stack.callback(moved.register_hook(lambda gradient: gradient * inside).remove)
        head = head_of(edited).requires_grad_(True)
        groups = [
            {"params": [moved], "lr": config.learning_rate_rows},
            {"params": list(head.parameters()), "lr": config.learning_rate_head},
        ]
        batches = forget_and_retain_batches(task, task.train, config)
        descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
        rows_now = moved if has["rows alone"] else moved[start.token_ids]
        values = {name: value.detach().clone() for name, value in head.named_parameters()}
        return SparseEdit(start.token_ids, rows_now.detach().clone(), values)


def whole_windows(notes: EncodedNotes, batch: np.ndarray) -> dict[str, torch.Tensor]:
    """Ids and mask of some notes, all padded to the window."""
    ids, mask = notes.batch(batch)
    gap = (0, notes.max_length - ids.shape[1])
    return {"input_ids": pad(ids, gap, value=notes.pad_id), "attention_mask": pad(mask, gap)}


def judge(task: ForgetTask, edit: SparseEdit) -> dict[str, float]:
    """What an edit does to the test notes."""
    with edit.attached(task.model):
        logits = predict(task.model, task.notes, task.test, precision=task.precision)
    truth = task.targets[task.test]
    each = [roc_auc_score(truth[:, c], logits[:, c]) for c in range(logits.shape[1])]
    kept = float(np.mean([each[c] for c in task.retained]))
    return dict(zip(METRICS, (each[task.forget], kept), strict=True))


def measure(folder: Path, *, setting: str, precision: Precision, **sizes: Any) -> Rows:
    """Seconds of every way, how many times those of the last they are, and what came out."""
    unread = prepare(folder, precision=precision, **sizes)
    ways = [way for way in WAYS if way != "bf16" or precision == "bf16"]
    task = unread()
    chosen = rank_tokens(task, min_count=1)[:N_TOKENS]
    times, found = [], []
    for seed in range(SEEDS):
        config = UnlearnConfig(epochs=EPOCHS, seed=seed)
        took, judged = {}, {}
        for way in ways:
            done: list[SparseEdit] = []
            took[way] = seconds(_way(way, unread(), chosen, config, done))
            judged[way] = judge(task, done[0])
        times.append(took)
        found.append(judged)
    frame = DataFrame(times)
    rows = summarise(frame, setting=setting, quantity="seconds")
    rows += summarise(multiples(frame, of="steu"), setting=setting, quantity="times steu")
    for metric in METRICS:
        values = DataFrame([{way: one[way][metric] for way in ways} for one in found])
        rows += summarise(values, setting=setting, quantity=metric)
        spread = values["steu"].max() - values["steu"].min()
        apart = abs(values["plain"].mean() - values["steu"].mean()) / max(spread, 1e-6)
        quantity = f"difference of {metric}, in seed ranges"
        rows.append(row([apart], setting=setting, variant="plain", quantity=quantity))
    return rows


def _way(
    way: str, task: ForgetTask, token_ids: np.ndarray, config: UnlearnConfig, done: list[SparseEdit]
) -> Callable[[], None]:
    """A call that trains one way and leaves its edit in `done`."""
    if way == "steu":
        return lambda: done.append(unlearn(task, token_ids, config))
    return lambda: done.append(plainly(way, task, token_ids, config))


def run(
    folder: Path,
    *,
    backbone: str = "minilm",
    n_stays: int = N_STAYS,
    window: int = WINDOW,
    epochs: int = 4,
) -> Path:
    """Measure and write whole.json into `folder`."""
    sizes = {"backbone": backbone, "n_stays": n_stays, "window": window, "epochs": epochs}
    rows: Rows = []
    for precision in fast_precisions():
        setting = f"{backbone}, {n_stays} stays, {window} tokens, {precision}"
        with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
            rows += measure(Path(scratch), setting=setting, precision=precision, **sizes)
    settings = {"stays": n_stays, "window": window, "epochs": EPOCHS, "seeds": SEEDS}
    return report("whole", rows, folder=folder, settings=settings | MEASURES, goals=GOALS)


if __name__ == "__main__":
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    chosen = options(__doc__)
    if chosen.quick:
        run(chosen.output, backbone="random-bert", n_stays=200, window=64, epochs=1)
    else:
        run(chosen.output)
