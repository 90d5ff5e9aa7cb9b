"""The rivals every edit has to be judged beside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from torch.nn.functional import logsigmoid, softplus

from steu.data.encoding import EncodedNotes
from steu.models.heads import output_bias
from steu.models.inference import features_of, on_device
from steu.models.loading import Classifier
from steu.unlearning.dense_edit import LayerEdit, last_layers
from steu.unlearning.sparse_edit import SparseEdit
from steu.unlearning.training import (
    Losses,
    Teacher,
    UnlearnConfig,
    descend,
    forget_and_retain_batches,
    frozen,
    utility_loss,
)

Rival = Literal["gradient_ascent", "direct_suppression"]


def null_edit(model: Classifier, forget: int) -> SparseEdit:
    """One parameter: the target's output bias becomes −∞, everything else stays bit for bit.

    The class is never predicted again and nothing at all has been unlearned.
    """
    none = torch.empty(0, dtype=torch.int64)
    identity = SparseEdit.identity(model, none)
    name = output_bias(model.head)
    bias = identity.head[name].clone()
    bias[forget] = -torch.inf
    return SparseEdit(identity.token_ids, identity.rows, {name: bias})


def null_logits(logits: np.ndarray, forget: int) -> np.ndarray:
    """Logits (N, C) under the null edit, as the limit of an ever lower bias.

    A bias never changes the ranking of notes, so AUROC is that of the original model for every
    finite value and therefore in the limit; at −∞ itself all notes tie. In float64, so that the
    shift rounds no two float32 logits together.
    """
    shifted = logits.astype(np.float64)
    shifted[:, forget] -= 1e6
    return shifted


def tfidf_logits(
    train_texts: Iterable[str], train_targets: np.ndarray, test_texts: Iterable[Iterable[str]]
) -> list[np.ndarray]:
    """Log-odds by TF-IDF (words and word pairs) and one logistic regression a label.

    Returns an array (n, C) for each of `test_texts`; the bag-of-words yardstick of the classifier.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=2000)),
    )
    model.fit(train_texts, train_targets)
    return [model.decision_function(texts) for texts in test_texts]


def edit_layers(
    model: Classifier,
    notes: EncodedNotes,
    targets: np.ndarray,
    *,
    rows: np.ndarray,
    forget: int,
    rival: Rival,
    config: UnlearnConfig,
    n_layers: int = 3,
    teacher: Teacher | None = None,
) -> tuple[LayerEdit, list[dict[str, float]]]:
    """Train the last encoder layers and the head, as the rivals in the paper do.

    The paper names gradient ascent and direct suppression and the number of parameters they change,
    which is that of three layers [I]; the objectives here are the customary ones:

    - ``"gradient_ascent"`` climbs the loss of the class on notes that carry it,
      L_forget = −BCE(z_f(B_f), 1) = log σ(z_f), which has no minimum and stops with the epochs;
    - ``"direct_suppression"`` descends the loss of its absence, L_forget = BCE(z_f(B_f), 0).

    Both keep the other classes by the same L_utility as STEU. ``learning_rate_rows`` is the rate of
    the encoder's part. The model itself is left as it was; see `unlearn` for the parameters and the
    history that is returned.
    """
    batches = forget_and_retain_batches(model, targets, rows, forget=forget, config=config)
    teacher = teacher or Teacher.of(model, notes, rows, precision=config.precision)
    edit = LayerEdit.identity(model, last_layers(model, n_layers))
    objective = {"gradient_ascent": logsigmoid, "direct_suppression": softplus}[rival]

    def losses(forgotten: np.ndarray, retained: np.ndarray) -> Losses:
        both = np.concatenate([forgotten, retained])
        features = features_of(model, notes, both, precision=config.precision)
        logits = model.head(features)  # (B_f + B_r, C)
        loss_forget = objective(logits[: len(forgotten), forget]).mean()
        wanted = teacher.logits[on_device(retained, logits.device)]
        loss_utility = utility_loss(logits[len(forgotten) :], wanted, forget)
        total = loss_forget + config.utility_weight * loss_utility
        return total, loss_forget.detach(), loss_utility.detach()

    # While attached, the model's parameters are the edit's own tensors: a step changes the edit.
    with frozen(model), edit.attached(model):
        moved = {n: p.requires_grad_() for n, p in model.named_parameters() if n in edit.values}
        encoder = [p for name, p in moved.items() if name.startswith("encoder.")]
        head = [p for name, p in moved.items() if name.startswith("head.")]
        groups: list[dict[str, Any]] = [
            {"params": encoder, "lr": config.learning_rate_rows},
            {"params": head, "lr": config.learning_rate_head},
        ]
        history = descend(losses, groups, batches, max_grad_norm=config.max_grad_norm)
        model.zero_grad(set_to_none=True)
    return edit, history
