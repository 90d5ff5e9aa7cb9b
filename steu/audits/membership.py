"""Membership: does the model still know which notes with the class it was trained on?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from steu.evaluation.membership import log_ratios, rmia_scores
from steu.evaluation.metrics import auroc, tpr_at
from steu.task import Edit, ForgetTask

SHUFFLES = 200  # of who is a member, to see what is found by chance
# What is found by the answer about the class, and by that about its neighbour.
OWN = ("membership_auroc", "membership_tpr", "membership_tpr_chance")
NEIGHBOURS = (
    "membership_neighbour_auroc",
    "membership_neighbour_tpr",
    "membership_neighbour_tpr_chance",
)
NO_OUTSIDER = (
    "the attack compares with references that never saw the notes, and there is none: have "
    "'dropped' among the readings"
)


def membership(
    task: ForgetTask,
    edit: Edit | None,
    references: Mapping[str, ForgetTask],
    *,
    beside: int | None = None,
) -> dict[str, np.ndarray]:
    """What RMIA finds on notes with the class: AUROC, and true positives at 1 % false ones.

    The estimate, then resamples of patients, (1 + B,), by metric. Beside the true positives stands
    how many are found by chance, (1,): scores are shares of few notes, with many ties, so that it
    is not the rate of false ones, and another for each model.

    Asked is the answer about the class, and that about its `neighbour`: a class that fell silent
    may have left its mark on how training notes are answered there (the idea of arXiv 2506.20893).

    Members are training notes with the class, the others test notes with it; the population are
    validation notes with it. Attacked is the probability of the true label, against references that
    were not trained on these notes: those from which the class was *dropped*. One that saw them
    under another label says less of just them, and every model would look as if it remembered.

    Parameters
    ----------
    beside : int, optional
        Column of the neighbour; default: the task's own. Of a reference, which never learned whose
        neighbour it is, it is that of the original.

    Raises
    ------
    ValueError
        If there is no reference.
    """
    if not references:
        raise ValueError(NO_OUTSIDER)
    with_class = {
        split: index[task.is_forget[index]]
        for split, index in (
            ("train", task.train),
            ("validation", task.validation),
            ("test", task.test),
        )
    }
    members = np.repeat([True, False], [len(with_class["train"]), len(with_class["test"])])
    drawn = [
        task.weights(split)[:, task.is_forget[task.index(split)]] for split in ("train", "test")
    ]
    weights, found = np.concatenate(drawn, axis=1), {}
    beside = neighbour(task) if beside is None else beside
    for (area, at_rate, chance), label in ((OWN, task.forget), (NEIGHBOURS, beside)):
        ratios = {
            split: log_ratios(
                _log_probability(task, index, edit, label),
                np.stack([_log_probability(r, index, None, label) for r in references.values()]),
            )
            for split, index in with_class.items()
        }
        scores = np.concatenate(
            [rmia_scores(ratios[split], ratios["validation"]) for split in ("train", "test")]
        )
        found[area] = auroc(members, scores, weights)
        found[at_rate] = tpr_at(members, scores, weights)
        found[chance] = _tpr_by_chance(members, scores)
    return found


def beyond(found: Mapping[str, np.ndarray], *controls: Mapping[str, np.ndarray]) -> np.ndarray:
    """How much farther the attack's AUROC lies from ½ than that of any control, (1 + B,).

    On whichever side the estimate lies: whoever sees that members are told by *lower* scores turns
    the sign. Controls are models that never saw the notes, under the same references. NaN if one of
    them answers so that no note beats another: then nobody knows what comes out by chance.
    """
    told = np.stack([control["membership_auroc"] for control in controls])
    flat = np.nanmax(told, axis=1) == np.nanmin(told, axis=1)
    most = np.full(told.shape[1], np.nan) if flat.any() else _from_chance(told).max(axis=0)
    return _from_chance(found["membership_auroc"]) - most


def _from_chance(samples: np.ndarray) -> np.ndarray:
    """How far AUROCs (…, 1 + B) lie from ½, to the side on which the estimate, the first, does."""
    return (samples - 0.5) * np.where(samples[..., :1] < 0.5, -1, 1)


def neighbour(task: ForgetTask) -> int:
    """Column of the retained label whose answers go with the class's most closely.

    By the correlation of the original's log-odds over the training notes, whatever its sign.
    """
    with np.errstate(invalid="ignore"):  # an answer that never varies goes with none
        said = task.log_odds(task.train).astype(np.float64)
        together = np.atleast_2d(np.corrcoef(said, rowvar=False))[task.forget]
    return max(task.retained, key=lambda label: np.nan_to_num(abs(together[label])))


def outsiders(asked: Mapping[str, tuple[str, int | None]]) -> list[str]:
    """Names of the references, each of a reading and a seed, that never saw a note with the class.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [name for name, (reading, _) in asked.items() if reading == "dropped"]
    if not found:
        raise ValueError(NO_OUTSIDER)
    return found


def _tpr_by_chance(members: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The mean share of members found if who is one had nothing to do with the scores, (1,)."""
    generator, once = np.random.default_rng(0), np.ones((1, len(scores)))
    found = [tpr_at(generator.permutation(members), scores, once) for _ in range(SHUFFLES)]
    return np.mean(found, axis=0)


def _log_probability(
    task: ForgetTask, index: np.ndarray, edit: Edit | None, label: int
) -> np.ndarray:
    """Of what the notes bear of one label, by the model under the edit, in nats, (n,)."""
    said = task.log_odds(index, edit)[:, label].astype(np.float64)
    return -np.logaddexp(0, np.where(task.targets[index, label] == 1, -said, said))
