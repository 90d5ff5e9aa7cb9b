"""A whole unlearning run against the plain way to write it, and what each measure brings.

The plain way is in float32, pads every note to the window, asks a copy of the original model for
its answers at every step, and takes the gradient of the whole embedding table, masked. One measure
after another is added until nothing is left but `unlearn`. A round is a training seed,
so the metrics have a range that a difference can be held against.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from measure import Goal, Rows, multiples, options, report, row, seconds, summarise
from pandas import DataFrame
from sklearn.metrics import roc_auc_score
from transformers.utils import logging

from steu.data.cohort import Cohort
from steu.data.encoding import EncodedNotes, encode_notes
from steu.data.labels import DEFAULT_LABELS
from steu.data.readers.cohort_tables import build_cohort
from steu.models.fine_tuning import TrainConfig, fine_tune
from steu.models.inference import autocast, features_of, predict
from steu.models.loading import Classifier, build_classifier
from steu.selection.counts import count_tokens, pmi_scores, rank_tokens, select_tokens
from steu.synthetic.corpus import write_corpus
from steu.unlearning.sparse_edit import SparseEdit, replaced_rows
from steu.unlearning.training import (
    Losses,
    Teacher,
    UnlearnConfig,
    descend,
    forget_and_retain_batches,
    forget_loss,
    frozen,
    unlearn,
    utility_loss,
)

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
    folder: Path, *, backbone: str, n_stays: int, window: int, epochs: int
) -> tuple[Cohort, EncodedNotes, Classifier]:
    """The embedded corpus as eICU writes it, whose documents differ in length, and a classifier."""
    write_corpus(folder / "tables", layout="eicu", n_stays=n_stays, seed=0)
    cohort = build_cohort(
        "eicu", folder / "tables", labels=DEFAULT_LABELS, name="bench", restricted=False
    )
    model, tokenizer = build_classifier(backbone, cohort.labels)
    texts = cohort.frame["text"].tolist()
    notes = encode_notes(texts, tokenizer, max_length=window, folder=folder / "encoded")
    sets = {name: cohort.rows(name) for name in ("train", "validation")}
    config = TrainConfig(epochs=epochs, learning_rate=3e-4)
    fine_tune(model, notes, cohort.targets, **sets, config=config)
    return cohort, notes, model


def plainly(
    way: str,
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    rows: np.ndarray,
    forget: int,
    token_ids: np.ndarray,
    config: UnlearnConfig,
) -> SparseEdit:
    """Unlearn with some of the measures only; the same losses, batches and descent."""
    has = {name: WAYS.index(way) >= WAYS.index(name) for name in WAYS}
    precision = "auto" if has["bf16"] else "fp32"
    original, edited = copy.deepcopy(model).requires_grad_(False), copy.deepcopy(model)
    teacher = (
        Teacher.of(original, notes, rows, precision=precision) if has["teacher kept"] else None
    )
    start = SparseEdit.identity(edited, torch.tensor(token_ids))
    table = edited.get_input_embeddings()

    def features(of: Classifier, batch: np.ndarray) -> torch.Tensor:
        if has["groups"]:
            return features_of(of, notes, batch, precision=precision)
        ids, mask = notes.batch(batch)
        gap = (0, notes.max_length - ids.shape[1])
        ids = torch.nn.functional.pad(ids, gap, value=notes.pad_id)
        with autocast(ids.device, precision):
            return of.features(ids, torch.nn.functional.pad(mask, gap))

    def answers(batch: np.ndarray) -> torch.Tensor:
        if teacher is not None:
            return teacher.logits[batch]
        with torch.no_grad():
            return original.head(features(original, batch))

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        logits = edited.head(features(edited, np.concatenate([forgotten, retained])))
        labels = torch.from_numpy(targets[forgotten])
        lost = forget_loss(logits[: len(forgotten)], labels, forget)
        held = utility_loss(logits[len(forgotten) :], answers(retained), forget)
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
        head = edited.head.requires_grad_(True)
        groups = [
            {"params": [moved], "lr": config.learning_rate_rows},
            {"params": list(head.parameters()), "lr": config.learning_rate_head},
        ]
        batches = forget_and_retain_batches(edited, targets, rows, forget=forget, config=config)
        descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
        rows_now = moved if has["rows alone"] else moved[start.token_ids]
        values = {name: value.detach().clone() for name, value in head.named_parameters()}
        return SparseEdit(start.token_ids, rows_now.detach().clone(), values)


def judge(
    model: Classifier, edit: SparseEdit, notes: EncodedNotes, cohort: Cohort, forget: int
) -> dict[str, float]:
    """What an edit does to the test notes."""
    test = cohort.rows("test")
    with edit.attached(model):
        logits = predict(model, notes, test)
    each = [roc_auc_score(cohort.targets[test, c], logits[:, c]) for c in range(logits.shape[1])]
    kept = [value for c, value in enumerate(each) if c != forget]
    return dict(zip(METRICS, (each[forget], float(np.mean(kept))), strict=True))


def measure(
    folder: Path, *, backbone: str, n_stays: int, window: int, epochs: int, setting: str
) -> Rows:
    """Seconds of every way, how many times those of the last they are, and what came out."""
    cohort, notes, model = prepare(
        folder, backbone=backbone, n_stays=n_stays, window=window, epochs=epochs
    )
    train, forget = cohort.rows("train"), cohort.index_of(LABEL)
    counts = count_tokens(notes)[train]
    ranked = rank_tokens(pmi_scores(counts, cohort.targets[train, forget] == 1), counts)
    chosen = select_tokens(ranked, min(N_TOKENS, len(ranked)))
    times, found = [], []
    for seed in range(SEEDS):
        config = UnlearnConfig(epochs=EPOCHS, seed=seed)
        task = {"rows": train, "forget": forget, "token_ids": chosen, "config": config}
        took, judged = {}, {}
        for way in WAYS:
            done: list[SparseEdit] = []
            run = _way(way, model, notes, cohort.targets, task, done)
            took[way] = seconds(run)
            judged[way] = judge(model, done[0], notes, cohort, forget)
        times.append(took)
        found.append(judged)
    frame = DataFrame(times)
    rows = summarise(frame, setting=setting, quantity="seconds")
    rows += summarise(multiples(frame, of="steu"), setting=setting, quantity="times steu")
    for metric in METRICS:
        values = DataFrame([{way: one[way][metric] for way in WAYS} for one in found])
        rows += summarise(values, setting=setting, quantity=metric)
        spread = values["steu"].max() - values["steu"].min()
        apart = abs(values["plain"].mean() - values["steu"].mean()) / max(spread, 1e-6)
        quantity = f"difference of {metric}, in seed ranges"
        rows.append(row([apart], setting=setting, variant="plain", quantity=quantity))
    return rows


def _way(
    way: str,
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    task: dict,
    done: list[SparseEdit],
) -> Callable[[], None]:
    """A call that trains one way and leaves its edit in `done`."""
    if way == "steu":
        return lambda: done.append(unlearn(model, notes, targets, **task)[0])
    return lambda: done.append(plainly(way, model, notes, targets, **task))


def run(
    folder: Path,
    *,
    backbone: str = "minilm",
    n_stays: int = N_STAYS,
    window: int = WINDOW,
    epochs: int = 4,
) -> Path:
    """Measure and write whole.json into `folder`."""
    setting = f"{backbone}, {n_stays} stays, {window} tokens"
    with tempfile.TemporaryDirectory(prefix="steu-bench-") as scratch:
        rows = measure(
            Path(scratch),
            backbone=backbone,
            n_stays=n_stays,
            window=window,
            epochs=epochs,
            setting=setting,
        )
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
