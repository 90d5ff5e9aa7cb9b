"""What each rival that trains whole layers minimises.

Most were defined for notes with one label. Here an example is a *pair* of a note and a label: to be
forgotten are the pairs of a note with the class and the class, all others are to be retained. KL is
that of two Bernoulli distributions, in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from steu.unlearning.objective import utility_loss


@dataclass(frozen=True)
class Step:
    """What a loss looks at in one step: B_f notes with the class, then B_r without it.

    Attributes
    ----------
    logits, teacher, targets : tensors of shape (B_f + B_r, C)
        Of the model in training, of the original model, and the true labels.
    n_forget : int
        B_f.
    forget : int
        The class.
    blind : tensor of shape (B_f + B_r,)
        The class's logits by an encoder and head that were never trained.
    """

    logits: torch.Tensor
    teacher: torch.Tensor
    targets: torch.Tensor
    n_forget: int
    forget: int
    blind: torch.Tensor

    def lost(self, values: torch.Tensor) -> torch.Tensor:
        """Of values (B, C) or (B,) those of the pairs to forget, (B_f,)."""
        return values[: self.n_forget, self.forget] if values.ndim == 2 else values[: self.n_forget]

    def kept(self, values: torch.Tensor) -> torch.Tensor:
        """Of values (B, C) those of all other pairs, (B C − B_f,)."""
        others = torch.ones_like(values, dtype=torch.bool)
        others[: self.n_forget, self.forget] = False
        return values[others]


Pair = tuple[torch.Tensor, torch.Tensor]  # what makes forget, what keeps the rest


def gradient_ascent(step: Step) -> Pair:
    """−BCE(z_f, 1) = log σ(z_f), which has no minimum; the others by L_utility."""
    return logsigmoid(step.lost(step.logits)).mean(), _utility(step)


def direct_suppression(step: Step) -> Pair:
    """BCE(z_f, 0); the others by L_utility."""
    return softplus(step.lost(step.logits)).mean(), _utility(step)


def neg_grad_plus(step: Step) -> Pair:
    """−BCE(z_f, 1); the retained pairs by their true labels (NegGrad+ of arXiv 2302.09880)."""
    return logsigmoid(step.lost(step.logits)).mean(), _task_loss(step)


def scrub(step: Step) -> Pair:
    """−KL(teacher ‖ student) on what is forgotten; KL + BCE on the rest (arXiv 2302.09880).

    The two are taken in turns: a pass over notes without the class keeps, one over those with it
    drives the class away and keeps their other labels; the last passes keep alone. In the paper the
    pass that drives away goes first and does nothing else; of a divergence from the original the
    first such pass would have no slope.
    """
    away = -_mean(_kl(step.lost(step.teacher), step.lost(step.logits)))
    near = _mean(_kl(step.kept(step.teacher), step.kept(step.logits)))
    return away, near + _task_loss(step)


def bad_teacher(step: Step) -> Pair:
    """KL to a teacher that knows nothing; on the rest to the original (arXiv 2205.08096).

    The incompetent teacher is the same architecture with weights drawn at random. Of one sigmoid it
    says about ½, whoever has the class: notes that are to be forgotten go there, while those
    without the class stay where they were, below, so that the class stays ranked.
    """
    unknowing = _mean(_kl(step.lost(step.blind), step.lost(step.logits)))
    return unknowing, _mean(_kl(step.kept(step.teacher), step.kept(step.logits)))


def relabelling(step: Step) -> Pair:
    """BCE(z_f, 0), for of two labels the other is the random one; the rest by their true labels.

    SalUn (arXiv 2310.12508) with it moves salient weights alone.
    """
    return softplus(step.lost(step.logits)).mean(), _task_loss(step)


@dataclass(frozen=True)
class Rival:
    """A loss, and what else is its method's own.

    Attributes
    ----------
    losses : function of a `Step`
    ascents : int
        Epochs, not the last of several among them, with a pass over the notes with the class alone,
        after that over the others; 0 takes both at once.
    blind : bool
        Whether it asks what a model that was never trained says.
    salient : float
        Share of the weights that may move: those where the class's loss is steepest.
    """

    losses: Callable[[Step], Pair]
    ascents: int = 0
    blind: bool = False
    salient: float = 1.0


RIVALS = {
    "gradient_ascent": Rival(gradient_ascent),
    "direct_suppression": Rival(direct_suppression),
    "neg_grad_plus": Rival(neg_grad_plus),
    "scrub": Rival(scrub, ascents=3),  # of five epochs, so that it ends with two of repair
    "bad_teacher": Rival(bad_teacher, blind=True),
    "salun": Rival(relabelling, salient=0.5),  # the paper's: above the median
}


def _utility(step: Step) -> torch.Tensor:
    n = step.n_forget
    return utility_loss(step.logits[n:], step.teacher[n:], step.forget)


def _task_loss(step: Step) -> torch.Tensor:
    each = binary_cross_entropy_with_logits(step.logits, step.targets, reduction="none")
    return _mean(step.kept(each))


def _kl(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) of each pair's Bernoulli distributions, in nats."""
    wanted = teacher.sigmoid()
    cross, entropy = (
        binary_cross_entropy_with_logits(z, wanted, reduction="none") for z in (student, teacher)
    )
    return cross - entropy


def _mean(values: torch.Tensor) -> torch.Tensor:
    """The mean; of nothing, 0."""
    return values.sum() / max(values.numel(), 1)
