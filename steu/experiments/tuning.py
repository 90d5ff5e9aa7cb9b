"""The same search for every method: rates on a log scale, one criterion, the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pandas as pd
from sklearn.metrics import f1_score, roc_auc_score

from steu._errors import Diverged
from steu.evaluation.metrics import macro_auroc
from steu.evaluation.verdicts import SILENT
from steu.experiments.study import Trained
from steu.models.outputs import decided
from steu.task import ForgetTask

RATIO = 2.0  # from one rate to the next where none is given
Quality = tuple[bool, float]  # whether the class falls silent; then the criterion, or how quiet
Trials = dict[tuple[float, float], tuple[Trained | None, dict[str, float]]]  # by rate, head_rate


def tune(
    task: ForgetTask,
    factors: Sequence[float],
    train: Callable[[float, float], Trained],
    *,
    apart: bool = False,
    widen: int = 0,
    like: tuple[float, float] | None = None,
) -> tuple[Trained, pd.DataFrame]:
    """Train at several rates and keep what does best on the validation split.

    A setting after which the class is still said (a forget F1 of `SILENT` or more, or in more notes
    than have it) has lost against any after which it is not, and of those that say it the one
    that does in the fewest notes is the best: a search goes on towards silence. Saying it of
    every note is none, however low an F1 that has where the class is rare. Among the silent the
    criterion is retained macro-AUROC minus the distance of the forgotten class's AUROC from one
    half: a good edit ranks the other classes as before and this one no better than chance. F1
    decides no more than that, since a bias can set it.

    Parameters
    ----------
    factors : sequence of float
        Multiples of the default rates that are tried, the head's and the others' alike.
    train : function of (factor of the rates of rows or layers, factor of the head's)
    apart : bool
        Whether the head's rate is then searched by itself, beside the best of the others.
    widen : int
        How often each search may go on by one more rate while the best lies at an edge.
    like : (rate, head_rate), optional
        What another search chose, as of another seed: trained once, and nothing is searched.

    Returns
    -------
    Trained
        The best edit; of equals the first.
    table
        A row a setting: rate, head_rate, forget_f1, said_per_positive (notes said to have the
        class for each that has it), forget_auroc, retain_macro_auroc, criterion (−∞ where training
        diverged), chosen, and at_edge, which says of the chosen one that a further rate may
        do better.

    Raises
    ------
    ValueError
        If a factor is not positive, every training diverged, or no validation note has the class,
        or none lacks it.
    """
    if not factors or min(factors) <= 0:
        raise ValueError(f"factors must be one or more positive numbers; found {list(factors)}")
    _check_judges(task)
    trials: Trials = {}

    def quality(rate: float, head: float) -> Quality:
        if (rate, head) not in trials:
            try:
                made = train(rate, head)
                trials[rate, head] = made, _validate(task, made)
            except Diverged:  # a rate that is too high is a finding of the search, not its end
                trials[rate, head] = None, {"criterion": -math.inf}
        return _quality(trials[rate, head][1])

    if like is not None:
        quality(*like)
        return _kept(trials, like, edge=False)
    rates = _search(lambda f: quality(f, f), factors, widen=widen)
    best = max(rates, key=lambda f: quality(f, f))
    heads = [best]
    if apart:
        around = (best / RATIO, best, best * RATIO)
        heads = _search(lambda f: quality(best, f), around, widen=widen)
    chosen = max(trials, key=lambda setting: _quality(trials[setting][1]))
    edge = _at_edge(best, rates) or (apart and _at_edge(chosen[1], heads))
    return _kept(trials, chosen, edge=edge)


def _check_judges(task: ForgetTask) -> None:
    for one in task.each or (task,):
        judged = one.is_forget[task.validation]
        if judged.all() or not judged.any():
            raise ValueError(
                f"a search needs validation notes with and without {one.labels[one.forget]!r}; "
                f"found {int(judged.sum())} with of {len(judged)}: give others as splits, or let "
                "them be made"
            )


def _kept(
    trials: Trials, chosen: tuple[float, float], *, edge: bool
) -> tuple[Trained, pd.DataFrame]:
    """The edit of the chosen setting, and the table of all."""
    made = trials[chosen][0]
    if made is None:
        tried = sorted({rate for rate, _ in trials})
        raise Diverged(f"training diverged at each of the rates tried, {tried}; try lower factors")
    table = pd.DataFrame(
        [{"rate": r, "head_rate": h, **found} for (r, h), (_, found) in trials.items()]
    ).assign(chosen=[setting == chosen for setting in trials])
    return made, table.assign(at_edge=table["chosen"] & edge)


def _search(
    quality: Callable[[float], Quality], values: Sequence[float], *, widen: int
) -> list[float]:
    """The values tried, in order: those given, and further ones while the best is the last."""
    tried = sorted(values)
    for _ in range(widen if len(tried) > 1 else 0):
        best = max(tried, key=quality)
        if not _at_edge(best, tried):
            break
        if best == tried[0]:
            tried.insert(0, best * best / tried[1])
        else:
            tried.append(best * best / tried[-2])
    for value in tried:
        quality(value)
    return tried


def _quality(found: dict[str, float]) -> Quality:
    if "forget_f1" not in found:  # of one that diverged nothing is known
        return False, -math.inf
    silent = found["forget_f1"] < SILENT and found["said_per_positive"] <= 1
    return (True, found["criterion"]) if silent else (False, -found["said_per_positive"])


def _at_edge(value: float, tried: Sequence[float]) -> bool:
    return value in (tried[0], tried[-1])


def _validate(task: ForgetTask, trial: Trained) -> dict[str, float]:
    """The numbers of the validation notes; of several classes in one, those of the worst."""
    index, scores = task.validation, task.log_odds(task.validation, trial.edit)
    kept = macro_auroc(task.targets[index][:, task.retained], scores[:, task.retained])
    said = decided(scores, task.outputs)
    aurocs, f1s, times = [], [], []
    for one in task.each or (task,):
        truth = one.is_forget[index]
        aurocs.append(float(roc_auc_score(truth, scores[:, one.forget])))
        f1s.append(float(f1_score(truth, said[:, one.forget], zero_division=0)))
        times.append(float(said[:, one.forget].sum() / truth.sum()))
    forget_auroc = max(aurocs, key=lambda auroc: abs(auroc - 0.5))
    return {
        "forget_f1": max(f1s),
        "said_per_positive": max(times),
        "forget_auroc": forget_auroc,
        "retain_macro_auroc": kept,
        "criterion": kept - abs(forget_auroc - 0.5),
    }
