"""Targets and names of outputs that could be meant otherwise are refused in one line."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_task import TARGETS, TEXTS, make, make_task, refused
from toys import LABELS

FRAME = pd.DataFrame(TARGETS, columns=list(LABELS)).astype(int)
SINGLE = {"problem_type": "single_label_classification"}


def unnamed(*names: str) -> Any:
    model = make()
    model.config.id2label = dict(enumerate(names or [f"LABEL_{c}" for c in range(3)]))
    return model


@pytest.mark.parametrize("labels", [("kidney", "diabetes", "other"), ("Kidney ", "new", "lung")])
def test_a_name_that_the_model_has_elsewhere_is_no_new_name(labels: tuple[str, ...]) -> None:
    refused(f"labels call output 0 '{labels[0]}', which is the model's name of output 1; its outp",
            labels=labels, forget=labels[0])  # fmt: skip


@pytest.mark.parametrize("model", [unnamed(), unnamed("0", "1", "2")])
def test_numbers_are_no_names_that_could_be_moved(model: Any) -> None:
    assert make_task(model, labels=("1", "2", "3"), forget="1").labels == ("1", "2", "3")
    for labels in (LABELS, dict.fromkeys(LABELS).keys()):
        assert make_task(model, labels=labels).labels == LABELS
    assert make_task(model, labels={n: c for c, n in enumerate(LABELS)}).labels == LABELS


def test_an_output_may_be_called_otherwise_where_it_stands() -> None:
    assert make_task(labels=("Diabetes", "renal", "lung"), forget="renal").labels[1] == "renal"


@pytest.mark.parametrize("labels", [set(LABELS), {n: 2 - c for c, n in enumerate(LABELS)}])
def test_labels_without_an_order_are_refused(labels: Any) -> None:
    refused("labels must be a list of names, in the order of the outputs; found one", labels=labels)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["diabetes", "kidney", "kidney"], "targets have several columns 'kidney'; expected one"),
        (["kidney", "diabetes", 7], "targets have no column 'lung', but some of the other labels"),
        (["kidney", "lung"], "targets have no column 'diabetes', but some of the other labels"),
        ([*LABELS, 3], "targets have 4 columns for 3 labels: leave out those that are no labels"),
    ],
)
def test_columns_that_are_labels_in_part_are_refused(columns: list, said: str) -> None:
    values = np.resize(TARGETS, (60, len(columns)))
    refused(said, targets=pd.DataFrame(values, columns=columns))


def test_what_is_masked_is_not_known() -> None:
    mask = np.zeros_like(TARGETS, dtype=bool)
    assert np.array_equal(make_task(targets=np.ma.array(TARGETS, mask=mask)).targets, TARGETS)
    mask[3, 1] = True
    masked = np.ma.array(TARGETS, mask=mask)
    refused("targets are masked in places", targets=masked)
    refused("targets are masked in places", targets=list(masked))
    groups = np.ma.array(np.arange(60), mask=mask[:, 1])
    refused("groups are masked in places: leave those documents out", groups=groups)


def test_what_stands_in_two_orders_is_not_joined_by_position() -> None:
    shuffled = FRAME.sample(frac=1, random_state=0)
    texts = pd.Series(TEXTS)
    refused("texts and targets have different indexes: align them first", texts=texts,
            targets=shuffled)  # fmt: skip
    refused(
        "texts and groups have different indexes", texts=texts, groups=texts.index.to_series()[::-1]
    )
    refused(
        "targets and splits have diff", targets=FRAME, splits=pd.Series(["test"] * 60, range(1, 61))
    )
    again = shuffled.loc[texts.index]
    assert np.array_equal(make_task(texts=texts, targets=again).targets, TARGETS)
    assert np.array_equal(make_task(targets=shuffled).targets, shuffled.to_numpy())
    refused("texts and targets must be of one length; found 60 and 59", texts=texts,
            targets=FRAME[1:])  # fmt: skip


@pytest.mark.parametrize("kind", [bool, object, "boolean"])
def test_yes_and_no_are_no_numbers_of_classes(kind: Any) -> None:
    flags = pd.Series(TARGETS[:, 0] == 1).astype(kind)
    refused("targets are true or false, and .* chooses one of 3 classes: give the number of each "
            "note's class, 0 to 2", make(**SINGLE), targets=flags)  # fmt: skip
    model = make(id2label={0: "no", 1: "yes"}, **SINGLE)
    task = make_task(model, targets=flags, forget="yes")
    assert np.array_equal(task.targets[:, 1] == 1, TARGETS[:, 0] == 1)


def test_names_of_classes_are_made_columns() -> None:
    names = FRAME.idxmax(axis=1)
    refused("found '.*' in row 0: turn names into them with pandas.get_dummies", make(**SINGLE),
            targets=names)  # fmt: skip
    task = make_task(make(**SINGLE), targets=pd.get_dummies(names))
    assert np.array_equal(task.targets.argmax(axis=1), TARGETS.argmax(axis=1))
