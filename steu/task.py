"""A classifier, labelled texts, and the class that is to be forgotten: what every method takes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import Any, TypeVar, cast, get_args

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steu._errors import check_choice
from steu._numbers import check_whole
from steu.data.encoding import EncodedNotes, check_encoded, encode_in_memory
from steu.data.given import check_aligned, check_length, listed, positions
from steu.data.splits import FRACTIONS, SPLITS, read_groups, splits_of
from steu.data.windows import check_window, window_of
from steu.evaluation.metrics import check_answers, group_weights, retained, tune_thresholds
from steu.models.checks import (
    check_device,
    check_embedding,
    check_precision,
    check_segments,
    check_vocabulary,
    check_weights,
)
from steu.models.edits import Edit as Edit  # named here by whoever takes a task and an edit
from steu.models.edits import check_edit
from steu.models.hardware import Precision, without_autocast
from steu.models.head_check import check_head
from steu.models.heads import copy_of_head, head_of
from steu.models.inference import extract_features, on_device
from steu.models.kept_features import KeptFeatures, Known
from steu.models.origin import Origin
from steu.models.outputs import log_odds, name_outputs
from steu.models.targets import in_order, read_targets
from steu.models.teacher import Teacher
from steu.models.weights import (
    check_no_edit,
    check_tokenizer,
    state_of,
    tokenizer_hash,
    weights_hash,
)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class ForgetTask:
    """One class of one classifier to forget, and the texts to learn that from and be judged by.

    Parameters
    ----------
    model : PreTrainedModel
        A sequence classifier of `transformers` with a token embedding and a linear head, with
        independent sigmoids or with a softmax over single labels. It is never changed.
    tokenizer : PreTrainedTokenizerBase
        The one that the model was trained with.
    texts : sequence of str, or EncodedNotes
        N documents. They are cut at the window.
    targets : array of shape (N, C), 0 or 1, or of shape (N,), class numbers for a softmax
    labels : sequence of str, optional
        Names of the C outputs; default: the model's own.
    forget : str
        The label to forget.
    groups : sequence of length N, optional
        Whose document each is. Splits never part a group, and intervals resample groups; default:
        every document by itself.
    splits : sequence of length N, optional
        "train", "validation" or "test" for each document; default: 60, 15 and 25 % of the groups,
        distributed so that every label is in each.
    max_length : int, optional
        Window in tokens; default: the model's.
    precision : {"auto", "fp32", "bf16"}
        Of passes through the encoder; "auto" takes bf16 where the hardware is made for it.
    n_bootstrap : int
        Resamples behind each interval.
    seed : int
        Of the split and the resamples.

    Raises
    ------
    ValueError
        If model, tokenizer, texts, targets and labels do not fit together; the mend is named.

    Examples
    --------
    >>> import steu
    >>> task = steu.ForgetTask(model, tokenizer, texts, targets, forget="sepsis")
    >>> task.labels[task.forget]
    'sepsis'
    """

    each: tuple[ForgetTask, ...] = ()  # where the class is several in one, a task about each

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str] | EncodedNotes,
        targets: Any,
        *,
        forget: str,
        labels: Sequence[str] | None = None,
        groups: Sequence[Any] | np.ndarray | None = None,
        splits: Sequence[str] | np.ndarray | None = None,
        max_length: int | None = None,
        precision: Precision = "auto",
        n_bootstrap: int = 1000,
        seed: int = 0,
    ) -> None:
        check_embedding(model)
        check_no_edit(model)
        check_vocabulary(model, tokenizer)
        check_segments(model, tokenizer)
        check_precision(model)
        check_weights(model)
        check_device(model)
        check_choice(precision, get_args(Precision), what="precision")
        head_of(model)
        check_whole("n_bootstrap", n_bootstrap)
        check_whole("seed", seed)
        self.model, self.tokenizer = model, tokenizer
        self.labels = name_outputs(model, labels)
        check_aligned(texts=texts, targets=targets, groups=groups, splits=splits)
        ordered = in_order(targets, self.labels)
        self.targets, self.outputs = read_targets(ordered, model)  # (N, C) float32
        check_choice(forget, self.labels, what="label")
        if len(self.labels) < 2:
            raise ValueError(
                f"the model answers about {forget} alone; expected one class to forget and at "
                "least one to keep: without it there is nothing left, retire the model"
            )
        self.forget = self.labels.index(forget)
        if not isinstance(texts, EncodedNotes):
            texts = listed("texts", texts)
            check_length("texts", len(texts), len(self.targets))
            longest = window_of(tokenizer, model.config)
            window = longest if max_length is None else max_length
            check_window(window, longest)
            texts = encode_in_memory(texts, tokenizer, max_length=window)
        check_encoded(texts, tokenizer, model.config)
        self.notes = texts
        check_length("texts", len(self.notes), len(self.targets))
        groups = range(len(self.targets)) if groups is None else listed("groups", groups)
        splits = None if splits is None else listed("splits", splits)
        check_length("groups", len(groups), len(self.targets))
        if splits is not None:
            check_length("splits", len(splits), len(self.targets))
        self.groups = read_groups(groups, splits)
        self.splits = splits_of(self.targets, self.groups, splits, fractions=FRACTIONS, seed=seed)
        self.precision, self.n_bootstrap, self.seed = precision, n_bootstrap, seed
        self._weights: dict[str, np.ndarray] = {}
        self._read = KeptFeatures()
        check_head(model, self.notes)
        self._seen = state_of(model)

    def check_unchanged(self) -> None:
        """Refuse a model that was merged with an edit, trained or moved since the task read it.

        Raises
        ------
        ValueError
            If it was: what the task knows of it would be another model's.
        """
        if state_of(self.model) != self._seen:
            raise ValueError(
                "the model was changed or moved since the task read it, or has an edit attached: "
                "make a new ForgetTask, outside of any edit's with block"
            )

    def aimed_at(self, label: str) -> ForgetTask:
        """The same task with another class to forget; what does not depend on it is shared.

        Raises
        ------
        ValueError
            If the label is unknown.
        """
        check_choice(label, self.labels, what="label")
        self.check_unchanged()
        self.teacher, self.thresholds  # noqa: B018  computed here if they were not yet, for both
        other = copy.copy(self)
        other.forget = self.labels.index(label)
        vars(other).pop("is_forget", None)
        return other

    def about(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None
    ) -> ForgetTask:
        """The same notes, labels, splits and resamples about another model of the same outputs."""
        return type(self)(
            model,
            self.tokenizer if tokenizer is None else tokenizer,
            self.notes,
            self.targets if self.outputs == "sigmoid" else self.targets.argmax(axis=1),
            labels=self.labels,
            forget=self.labels[self.forget],
            groups=self.groups,
            splits=self.splits,
            precision=self.precision,
            n_bootstrap=self.n_bootstrap,
            seed=self.seed,
        )

    def index(self, split: str) -> np.ndarray:
        """Positions of one split's notes, int64 (n,)."""
        check_choice(split, SPLITS, what="split")
        return np.flatnonzero(self.splits == split)

    @cached_property
    def train(self) -> np.ndarray:
        """Positions of the training notes."""
        return self.index("train")

    @cached_property
    def validation(self) -> np.ndarray:
        """Positions of the validation notes."""
        return self.index("validation")

    @cached_property
    def test(self) -> np.ndarray:
        """Positions of the test notes."""
        return self.index("test")

    @cached_property
    def is_forget(self) -> np.ndarray:
        """Which notes carry the class to forget, (N,) bool."""
        return self.targets[:, self.forget] == 1

    @property
    def device(self) -> str:
        """Where the model lives, "cpu" or "cuda"."""
        return self.model.device.type

    @property
    def retained(self) -> list[int]:
        """Columns of the other labels."""
        return retained(len(self.labels), self.forget)

    @cached_property
    def teacher(self) -> Teacher:
        """Features and logits of the original model for every note, computed once."""
        self.check_unchanged()
        return Teacher.of(self.model, self.notes, precision=self.precision)

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Log-odds thresholds tuned on validation for the original model, (C,)."""
        index = self.validation
        return tune_thresholds(self.targets[index], self.log_odds(index))

    def weights(self, split: str = "test") -> np.ndarray:
        """Bootstrap weights of a split's notes, (1 + n_bootstrap, n); the same for every method.

        Splits are drawn apart: of one seed, as many patients would be drawn alike in each.
        """
        if split not in self._weights:
            groups = self.groups[self.index(split)]
            seed = self.seed if split == "test" else [self.seed, 1 + SPLITS.index(split)]
            self._weights[split] = group_weights(groups, n_bootstrap=self.n_bootstrap, seed=seed)
        return self._weights[split]

    @cached_property
    def origin(self) -> Origin:
        """What an edit made for this task says of where it belongs."""
        return Origin(weights_hash(self.model), tokenizer_hash(self.tokenizer), self.labels)

    @torch.inference_mode(False)  # what is kept is written to and trained beside elsewhere
    def features(self, index: np.ndarray, edit: Edit | None = None) -> torch.Tensor:
        """What the head takes of the notes at `index` under the edit, (n, H).

        A note that the edit cannot touch keeps the original's, and none is read twice under an edit
        that was looked at lately.
        """
        index = positions(index, len(self.notes))
        if edit is None:
            return self.teacher.features[index]
        check_edit(edit)
        features, known = self._known(edit)
        fresh = index[~known[index]]
        if len(fresh):
            self.check_unchanged()
            with edit.attached(self.model):
                found = extract_features(self.model, self.notes, fresh, precision=self.precision)
            features[fresh] = found
            known[fresh] = True
        return features[index]

    def remember(self, edit: Edit, features: torch.Tensor) -> None:
        """Take features (N, H) of all notes under the edit from whoever read them already."""
        kept, known = self._known(edit)
        touched = on_device(edit.touched(self.notes), kept.device)
        kept[touched] = features.to(kept)[touched]  # the others keep the original's, bit for bit
        known[:] = True

    def _known(self, edit: Edit) -> Known:
        """Features under the edit (N, H), and of which notes they are known (N,) bool."""

        def begin() -> Known:
            self.check_unchanged()
            self._check_own(edit)
            return self.teacher.features.clone(), ~edit.touched(self.notes)

        return self._read.of(edit, begin)

    def _check_own(self, edit: Edit) -> None:
        if edit.origin is None:
            return
        if edit.origin.model != self.origin.model:
            raise ValueError(
                f"the edit belongs to the model {edit.origin.model[:12]}…; this task is about "
                f"{self.origin.model[:12]}…: give it the edit that was made for its model, or make "
                "a task about the edit's, without any edit merged"
            )
        edit.origin.check_outputs(self.labels, name="the edit")
        check_tokenizer(edit.origin.tokenizer, self.tokenizer)

    @torch.no_grad()
    @without_autocast()
    def logits(self, index: np.ndarray, edit: Edit | None = None) -> np.ndarray:
        """Logits of the notes at `index` under the edit, (n, C)."""
        self.check_unchanged()
        return self.head(edit)(self.features(index, edit)).cpu().numpy()

    def head(self, edit: Edit | None = None) -> nn.Module:
        """The head under the edit, a copy that is the caller's."""
        if edit is None:
            return copy_of_head(self.model)
        check_edit(edit)
        return edit.edited_head(self.model)

    def log_odds(self, index: np.ndarray, edit: Edit | None = None) -> np.ndarray:
        """Log-odds of every label for the notes at `index`, (n, C); for sigmoids the logits.

        Raises
        ------
        Diverged
            If some are no numbers: what compares them would take them for silence.
        """
        said = log_odds(self.logits(index, edit), self.outputs)
        check_answers(said)
        return said


def about_task(function: _Function) -> _Function:
    """Let a public function of a task refuse anything else, and compute outside of any autocast.

    Raises
    ------
    ValueError
        If the first thing that it is given is no task.
    """

    @wraps(function)
    def asked(*given: Any, **settings: Any) -> Any:
        task = settings.get("task", given[0] if given else None)
        if (given or "task" in settings) and not isinstance(task, ForgetTask):
            raise ValueError(
                f"{function.__name__} expects a task; found {type(task).__name__}: make one with "
                "steu.ForgetTask(model, tokenizer, texts, targets, forget=…)"
            )
        with without_autocast():
            return function(*given, **settings)

    return cast(_Function, asked)
