"""Models that were trained as if the class had not been there, in three readings of these words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal, get_args

import numpy as np
from scipy.special import expit, logit

from steu._errors import check_choice
from steu._io import Busy
from steu.evaluation.divergences import all_right, bernoulli_js, tug_of_war
from steu.evaluation.metrics import weighted_mean
from steu.experiments.retraining import retrain
from steu.experiments.study import Study

Reading = Literal["relabelled", "dropped", "masked"]


def readings_in_turn(
    readings: Sequence[Reading], other_seeds: Sequence[int]
) -> dict[str, tuple[Reading, int | None]]:
    """References by name, for `references_of`: each reading, then more, in turn from the second on.

    Each has a seed of its own, for two that share one are nearly the same model: the first reading
    that of the study, all others one of `other_seeds`.

    Raises
    ------
    ValueError
        If there are not as many other seeds as that takes, or one is given twice.
    """
    if len(other_seeds) < len(readings) - 1 or len(set(other_seeds)) < len(other_seeds):
        raise ValueError(
            f"other_seeds must be {len(readings) - 1} or more, each another, for every reading but "
            f"the first of {', '.join(readings)}; found {list(other_seeds)}"
        )
    asked: dict[str, tuple[Reading, int | None]] = {}
    for i, seed in enumerate([None, *other_seeds]):
        again = i >= len(readings)
        reading = readings[(i + again) % len(readings)]
        asked[f"reference_seed_{seed}" if again else f"reference_{reading}"] = reading, seed
    return asked


def turns_in_words(asked: Mapping[str, tuple[Reading, int | None]]) -> str:
    """Which reading each of the other seeds got: "seed 100: dropped", …; "none" without any."""
    turns = [f"seed {seed}: {reading}" for reading, seed in asked.values() if seed is not None]
    return ", ".join(turns) or "none"


def references_of(
    study: Study, asked: Mapping[str, tuple[Reading, int | None]]
) -> dict[str, Study]:
    """The references that are asked for, each by its reading and seed; see `reference`.

    Two pages that ask for the same at one time share the work: each begins with those that the
    other is not at, and waits for the other's last.

    Raises
    ------
    ValueError
        If one is asked for with the seed of the study's classifier, which the first has anyway.
    """
    own = study.recipe["start"]["seed"]
    if own in {seed for _, seed in asked.values()}:
        raise ValueError(
            f"other_seeds hold {own}, the seed of the classifier, which the first reference has: "
            "two that share one are nearly the same model; give another"
        )
    found: dict[str, Study] = {}
    for wait in (False, True):
        for name in [name for name in asked if name not in found]:
            reading, seed = asked[name]
            with suppress(Busy):
                found[name] = reference(study, reading, seed=seed, wait=wait)
    return {name: found[name] for name in asked}


def reference(
    study: Study, reading: Reading, *, seed: int | None = None, wait: bool = True
) -> Study:
    """The study with a classifier that was trained anew without the class.

    It starts from the same pretrained encoder with the same recipe as the study's classifier, and
    with the same seed unless another is given. The class counts in none of its choices: early
    stopping looks at the other labels. The readings are those of `without_class`; in "masked" the
    output of the class itself is trained by nothing and means nothing.
    """
    forgotten = [one.forget for one in study.each] or [study.forget]
    targets, kept = without_class(study.targets, forgotten, reading)
    changes = {} if seed is None else {"seed": seed}
    return retrain(study, targets=targets, kept=kept, wait=wait, **changes)


def sisa(study: Study, n_shards: int, *, seed: int = 0) -> tuple[np.ndarray, int]:
    """Answers of classifiers that each saw a shard of the patients and no note with the class.

    SISA (Bourtoule et al. 2021, arXiv 1912.03817), without its slices: a request to forget retrains
    the shards that hold what is to be forgotten, without it (the reading "dropped"), and the
    ensemble answers by the mean of its probabilities.
    Whose data are withdrawn is in one shard; a class is in nearly all.

    Returns
    -------
    log_odds : array of shape (N, C)
    retrained : int
        Shards that hold a training note with the class, which had to be trained again.

    Raises
    ------
    ValueError
        As `shards_of` does.
    """
    shard = shards_of(study, n_shards, seed=seed)
    targets, kept = without_class(study.targets, study.forget, "dropped")
    said, retrained = [], 0
    for own in range(n_shards):
        one = retrain(study, targets=targets, kept=kept & (shard == own))
        said.append(expit(one.log_odds(np.arange(len(study.notes))).astype(np.float64)))
        retrained += bool((study.is_forget & (shard == own))[study.train].any())
    return logit(np.clip(np.mean(said, axis=0), 1e-9, 1 - 1e-9)), retrained


def shards_of(study: Study, n_shards: int, *, seed: int = 0) -> np.ndarray:
    """Which shard of the patients each note is in, int (N,), for `sisa`.

    Raises
    ------
    ValueError
        If there are fewer than two shards, or one lacks notes of the training or the validation
        split, or validation notes that tell a label.
    """
    names = np.unique(study.groups)
    if not 2 <= n_shards <= len(names) // 10:
        raise ValueError(
            f"shards must be 2 to {len(names) // 10}, of ten patients at least; found {n_shards}"
        )
    shard_of = dict(zip(names, np.random.default_rng(seed).permutation(len(names)), strict=True))
    shard = np.array([shard_of[group] for group in study.groups]) % n_shards
    targets, kept = without_class(study.targets, study.forget, "dropped")
    for own in range(n_shards):
        for split in (study.train, study.validation):
            if not (kept & (shard == own))[split].any():
                raise ValueError(
                    f"shard {own + 1} of {n_shards} has no note to train on or to stop by: ask for "
                    "fewer shards"
                )
    for own in range(n_shards):
        stopping = targets[study.validation][(kept & (shard == own))[study.validation]]
        if not (stopping.any(axis=0) & ~stopping.all(axis=0))[study.retained].any():
            raise ValueError(
                f"shard {own + 1} of {n_shards} has no label that some validation notes have and "
                "others lack, and so nothing to stop by: ask for fewer shards"
            )
    return shard


def without_class(
    targets: np.ndarray, forget: int | Sequence[int], reading: Reading
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N, C) and which notes are kept (N,) in a world without the class, or several.

    - "relabelled": every note stays, the class is labelled 0 in all of them;
    - "dropped": notes with the class are gone, and what they say of other classes with them;
    - "masked": every note stays, the class is not known (NaN) in any and takes no part in the loss.

    Raises
    ------
    ValueError
        If the reading is none of the three.
    """
    check_choice(reading, get_args(Reading), what="reading")
    without, kept = targets.copy(), np.ones(len(targets), dtype=bool)
    without[:, forget] = np.nan if reading == "masked" else 0.0
    if reading == "dropped":
        kept = (targets[:, np.atleast_1d(forget)] == 0).all(axis=1)
    return without, kept


def distances(
    study: Study, logits: np.ndarray, wanted: np.ndarray, reading: Reading
) -> dict[str, np.ndarray]:
    """How far answers to all notes are from a reference's, both (N, C) logits; (1 + B,) each.

    ``js_forget_…`` and ``js_retain_…`` are mean Bernoulli Jensen-Shannon divergences on the test
    notes, of the class and of the other labels (bits a label); ``tow_…`` is the Tug-of-War score,
    from the accuracy of all labels at once on training notes with the class, training notes without
    it, and test notes. A "masked" reference has no answer about the class: no number counts it.
    """
    kept, test, forget = study.retained, study.test, study.is_forget[study.train]
    divergence = bernoulli_js(logits[test], wanted[test])
    js = weighted_mean(divergence, study.weights())  # (S, C), in bits
    found = {"js_retain": js[:, kept].mean(axis=1)}
    if reading != "masked":
        found["js_forget"] = js[:, study.forget]
    columns = kept if reading == "masked" else list(range(logits.shape[1]))
    sets = {"forget": study.train[forget], "retain": study.train[~forget], "test": test}
    right, right_there = (
        {name: all_right(study.targets[index], z[index], columns) for name, index in sets.items()}
        for z in (logits, wanted)
    )
    drawn = study.weights("train")  # a patient who has notes of both kinds is drawn with both
    weights = {"forget": drawn[:, forget], "retain": drawn[:, ~forget], "test": study.weights()}
    found["tow"] = tug_of_war(right, right_there, weights)
    return {f"{name}_{reading}": samples for name, samples in found.items()}
