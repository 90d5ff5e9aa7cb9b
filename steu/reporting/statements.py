"""What the paper says, or this book adds, as data: what each statement needs and when it holds.

Numbers of the paper carry a grade: [A] its abstract, [D] a secondary digest of its text that may
contain errors, [I] arithmetic done here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from steu._errors import suggestion
from steu.evaluation.results import BESIDE
from steu.evaluation.verdicts import SILENT
from steu.reporting.display_names import METHODS, METRICS, READER, READER_UNSEEN

MARGIN = 0.02  # a score that differs by less than this counts as the same
NEAR = 1.1  # a divergence of fewer times another counts as the same
CHANCE = 0.6  # an AUROC below this counts as near to chance
DENSE = ("direct_suppression", "gradient_ascent", "influence_weighted")
COUNTED = ("log_odds", "chi2", "tfidf", "mutual_information")
TOW, JS_RETAIN = "tow_relabelled", "js_retain_relabelled"
AUDITED = "told_from_references"  # of the verdict: 0 is no, 1 is yes, ½ [0, 1] is undecided

Number = tuple[str, str]  # a measured one is found by its method and metric


@dataclass(frozen=True)
class Statement:
    """Something the paper says, or this book adds, and how the results of one seed speak to it.

    Raises
    ------
    ValueError
        If it needs a method or metric that no page of the book writes; the nearest is offered.
    """

    key: str  # by which pages name it
    claim: str
    grade: str
    paper: str
    page: str
    needs: tuple[Number, ...]
    below: float = inf  # it holds where the statistic, as a mean over seeds, lies between these two
    above: float = -inf
    statistic: Callable[..., Any] = np.asarray  # of what is needed, in this order: numbers, arrays
    against: tuple[Number, ...] = ()  # it holds only if it does beside each, which comes last then
    written: str = ".3f"  # how its number is written

    def __post_init__(self) -> None:
        if (self.below == inf) == (self.above == -inf):
            raise ValueError(f"statement {self.key!r}: give it one limit, below or above")
        for method, metric in (*self.needs, *self.against):
            metric, pair, other = metric.partition(BESIDE)
            for one in (method, other) if pair else (method,):
                self._check(one, METHODS, what="method")
            self._check(metric, METRICS, what="metric")

    def _check(self, name: str, known: dict[str, str], *, what: str) -> None:
        """A name with a slip would read as a stage that was not run."""
        if name not in known:
            raise ValueError(
                f"statement {self.key!r}: no page writes the {what} {name!r}; "
                f"{suggestion(name, known)}, or list a new one in steu/reporting/display_names.py"
            )


def _times(value: ArrayLike, of: ArrayLike) -> np.ndarray:
    """How many times `of`; two that are equal are one time the other, also where both are 0."""
    value, of = np.asarray(value, float), np.asarray(of, float)
    times = np.divide(value, of, out=np.full(value.shape, inf), where=of != 0)
    return np.where(value == of, 1.0, times)


def _read_beside(method: str, *others: str) -> tuple[Number, ...]:
    """What readers find at the head of a method minus what they find at others'.

    An edit may hide the class better in the notes that it was trained on: a reader of unseen notes
    has to miss it too.
    """
    return tuple(
        (method, f"{reader}{BESIDE}{other}")
        for other in others
        for reader in (READER, READER_UNSEEN)
    )


STATEMENTS = (
    Statement(
        key="silent",
        claim="STEU stops the model from predicting the class",
        grade="A",
        paper="forget F1 0.0004 (MIMIC-IV, BioClinicalBERT, one seed)",
        page="notebooks/04_unlearning",
        needs=(("steu", "forget_f1"),),
        below=SILENT,
    ),
    Statement(
        key="others_keep_f1",
        claim="the other classes keep their F1",
        grade="A",
        paper="retained average F1 0.4766; the original model's is not known",
        page="notebooks/04_unlearning",
        needs=(("steu", f"retain_macro_f1{BESIDE}original"),),
        above=-MARGIN,
    ),
    Statement(
        key="small_share",
        claim="the edit changes a small share of the parameters (under 1 %)",
        grade="A",
        paper="0.19 % (201K of BioClinicalBERT's)",
        page="notebooks/04_unlearning",
        needs=(("steu", "parameters_share"),),
        below=0.01,
        written=".2%",
    ),
    Statement(
        key="rows_do_not_suffice",
        claim="embedding rows alone do not suffice: the head has to move too",
        grade="D",
        paper="forget F1 0.276 without the head; that the head has to move is our reading of it",
        page="notebooks/04_unlearning",
        needs=(("embedding_only", "forget_f1"),),
        above=SILENT,
    ),
    Statement(
        key="one_bias_silences",
        claim="beyond the paper: one number, the bias of the class, is enough for a forget F1 "
        "near 0",
        grade="–",
        paper="the null edit is not reported",
        page="notebooks/04_unlearning",
        needs=(("null", "forget_f1"),),
        below=SILENT,
    ),
    Statement(
        key="head_alone_silences",
        claim="beyond the paper: training the head alone stops the class from being predicted too",
        grade="–",
        paper="the head alone is not reported",
        page="notebooks/04_unlearning",
        needs=(("head_only", "forget_f1"),),
        below=SILENT,
    ),
    Statement(
        key="erases_more_than_head",
        claim="beyond the paper: STEU erases something, and does not only silence: the strongest "
        "reader, of training notes and of unseen ones, finds the class less well in what the head "
        "reads than in the original, where training the head alone leaves it",
        grade="–",
        paper="no reader is reported",
        page="notebooks/05_baselines",
        needs=(),
        against=_read_beside("steu_tuned", "original"),
        below=-MARGIN,
    ),
    Statement(
        key="erases_more_than_blind_rows",
        claim="beyond the paper: STEU erases more than blind rows do, into which the rows of other "
        "words were put and nothing was trained (strongest reader, of training and unseen notes)",
        grade="–",
        paper="no such yardstick is reported",
        page="notebooks/08_audit",
        needs=(),
        against=_read_beside("steu_tuned", "blind_rows"),
        below=-MARGIN,
    ),
    Statement(
        key="as_retrained",
        claim="beyond the paper: after STEU no audit finds more of the class than in models that "
        "were retrained without it (the verdict is 'indistinguishable')",
        grade="–",
        paper="audits and retrained models are not reported",
        page="notebooks/08_audit",
        needs=(("steu_tuned", AUDITED),),
        below=0.5,
    ),
    Statement(
        key="steu_e_as_retrained",
        claim="beyond the paper: after STEU-E, with as many rows, none finds more either",
        grade="–",
        paper="STEU-E is this book's",
        page="notebooks/08_audit",
        needs=(("steu_e", AUDITED),),
        below=0.5,
    ),
    Statement(
        key="steu_e_keeps",
        claim="beyond the paper: STEU-E leaves the others' ranking as it was (macro-AUROC)",
        grade="–",
        paper="STEU-E is this book's",
        page="notebooks/05_baselines",
        needs=(("steu_e", f"retain_macro_auroc{BESIDE}original"),),
        above=-MARGIN,
    ),
    Statement(
        key="steu_e_keeps_f1",
        claim="beyond the paper: and their F1 (macro-F1)",
        grade="–",
        paper="STEU-E is this book's",
        page="notebooks/05_baselines",
        needs=(("steu_e", f"retain_macro_f1{BESIDE}original"),),
        above=-MARGIN,
    ),
    Statement(
        key="steu_e_is_quick",
        claim="beyond the paper: STEU-E takes at most twice as long as STEU",
        grade="–",
        paper="STEU-E is this book's",
        page="notebooks/05_baselines",
        needs=(("steu_e", "seconds"), ("steu_tuned", "seconds")),
        statistic=_times,
        below=2.0,
    ),
    Statement(
        key="rivals_silence",
        claim="every baseline that edits the encoder silences the class too",
        grade="D",
        paper="forget F1 0.0000 for all three",
        page="notebooks/05_baselines",
        needs=(),
        against=tuple((rival, "forget_f1") for rival in DENSE),
        below=SILENT,
    ),
    Statement(
        key="retains_more_than_rivals",
        claim="STEU retains more than every baseline that edits the encoder",
        grade="D",
        paper="0.4766 against 0.4912 for direct suppression: the digest contradicts itself",
        page="notebooks/05_baselines",
        needs=(),
        against=tuple(("steu_tuned", f"retain_macro_f1{BESIDE}{rival}") for rival in DENSE),
        above=MARGIN,
    ),
    Statement(
        key="pmi_beats_random",
        claim="beyond the paper: tokens chosen by PMI erase more than as many random ones that are "
        "as frequent (strongest reader, of training and unseen notes)",
        grade="–",
        paper="no other choice of tokens is reported",
        page="notebooks/05_baselines",
        needs=(),
        against=_read_beside("steu_tuned", "random_tokens"),
        below=-MARGIN,
    ),
    Statement(
        key="pmi_beats_counts",
        claim="beyond the paper: PMI erases more than any other score that counts tokens "
        "(strongest reader, of training and unseen notes)",
        grade="–",
        paper="no other score is reported",
        page="notebooks/06b_selectors",
        needs=(),
        against=_read_beside("selector_pmi", *(f"selector_{other}" for other in COUNTED)),
        below=-MARGIN,
    ),
    Statement(
        key="nothing_left_in_note",
        claim="beyond the paper: the tokens that are not edited no longer tell the class "
        f"(AUROC < {CHANCE:g})",
        grade="–",
        paper="what other tokens tell is not reported",
        page="notebooks/06b_selectors",
        needs=(("selector_pmi", "lexical_remainder_auroc"),),
        below=CHANCE,
    ),
    Statement(
        key="nearer_than_null",
        claim="beyond the paper: STEU comes nearer to a retrained model than the null edit "
        "(Tug-of-War)",
        grade="–",
        paper="no retrained model is reported",
        page="notebooks/05b_references",
        needs=(("steu_tuned", f"{TOW}{BESIDE}null"),),
        above=MARGIN,
    ),
    Statement(
        key="others_near_retrained",
        claim="beyond the paper: on the other classes STEU is as near to a retrained model as the "
        f"original was (Jensen-Shannon divergence, less than {NEAR:g} times the original's)",
        grade="–",
        paper="no retrained model is reported",
        page="notebooks/05b_references",
        needs=(("steu_tuned", JS_RETAIN), ("original", JS_RETAIN)),
        statistic=_times,
        below=NEAR,
    ),
)

PAPER = pd.DataFrame(
    [
        ("steu", "forget_f1", 0.0004, "A"),
        ("steu", "retain_macro_f1", 0.4766, "A"),
        ("steu", "parameters_share", 0.0019, "A"),
        ("steu", "parameters_changed", 201_216, "I"),
        ("embedding_only", "forget_f1", 0.276, "D"),
        ("direct_suppression", "forget_f1", 0.0, "D"),
        ("direct_suppression", "retain_macro_f1", 0.4912, "D"),
        ("direct_suppression", "parameters_share", 0.196, "D"),
        ("direct_suppression", "parameters_changed", 21_263_616, "I"),
        ("gradient_ascent", "forget_f1", 0.0, "D"),
        ("gradient_ascent", "parameters_share", 0.196, "D"),
        ("gradient_ascent", "parameters_changed", 21_263_616, "I"),
        ("influence_weighted", "forget_f1", 0.0, "D"),
        ("influence_weighted", "parameters_share", 0.196, "D"),
        ("influence_weighted", "parameters_changed", 21_263_616, "I"),
    ],
    columns=["method", "metric", "value", "grade"],
)
