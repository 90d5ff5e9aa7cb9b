"""What the states hold of the class in bits, place by place, and how soon a reader learns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import entropy

from steu.audits.places import Places
from steu.evaluation.information import code_lengths, information_difference, v_information
from steu.evaluation.metrics import metric_record, ratio, weighted_mean
from steu.models.hidden_states import HEAD
from steu.task import ForgetTask


@dataclass(frozen=True)
class Held:
    """Bits a note that no model was trained on; the estimate, then resamples of patients, (1 + B,).

    Attributes
    ----------
    bits : dict of place to array
        V-information.
    code : array
        Description length of the labels, given what the head reads.
    saved : array
        Share of the labels' entropy that this saves: 0 is nothing, 1 is all.
    """

    bits: dict[str, np.ndarray]
    code: np.ndarray
    saved: np.ndarray


def information(task: ForgetTask, found: Places, *, seed: int = 0) -> Held:
    """V-information at every place of `found`, and the description length at the head.

    A place that is the same for every note holds 0 bits. Looked at are validation and test notes:
    the labels of training notes the original has by heart, and no reference has, so that these
    would tell the two apart by memory and not by what their states say of the class.
    """
    unseen = np.concatenate([task.validation, task.test])
    sent, groups = task.is_forget[unseen], task.groups[unseen]
    drawn = np.concatenate([task.weights("validation"), task.weights()], axis=1)
    bits: dict[str, np.ndarray] = {}
    for place, values in found.items():
        same = next((known for known in bits if found[known] is values), None)
        if same is not None:  # a head that reads the mean of the last layer
            bits[place] = bits[same]
        elif not np.ptp(values[unseen], axis=0).any():
            bits[place] = np.zeros(1 + task.n_bootstrap)
        else:
            bits[place] = weighted_mean(v_information(values[unseen], sent, groups), drawn)
    spent = code_lengths(found[HEAD][unseen], sent, groups, seed=seed)
    code, share = weighted_mean(spent, drawn), weighted_mean(sent.astype(float), drawn)
    own = entropy(np.stack([share, 1 - share]), base=2)  # of the same resample
    return Held(bits, code, 1 - ratio(code, own))


def information_records(
    held: Held, original: Held, references: Mapping[str, Held], *, n: int
) -> list[dict[str, Any]]:
    """Records of one model: bits at the head, description length, and the index over layers.

    The index counts every layer once, by the mean of its states, and the head where that is not
    the mean of the last one.

    Raises
    ------
    ValueError
        If there is no reference.
    """
    if not references:
        raise ValueError("the index compares with references, and there is none: train one")
    head = original.bits[HEAD]  # the same array as that of another place if the two are one
    layers = [p for p, bits in original.bits.items() if p.endswith(", mean") and bits is not head]
    layers.append(HEAD)

    def at(one: Held) -> Sequence[np.ndarray]:
        return [one.bits[place] for place in layers]

    index = information_difference(at(held), at(original), [at(r) for r in references.values()])
    found = {"v_information": held.bits[HEAD], "description_length": held.code}
    found["description_saved"] = held.saved
    found["information_difference"] = index
    return [metric_record(name, samples, n) for name, samples in found.items()]
