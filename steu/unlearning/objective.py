"""What an edit is trained for: silence about one class, and the others as they were.

Both losses are means in nats a label for independent sigmoids, as in the paper, and in nats a note
for a softmax over single labels.
"""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from steu.models.outputs import Outputs


def forget_loss(
    logits: torch.Tensor,
    targets: torch.Tensor,
    forget: int,
    *,
    teacher: torch.Tensor | None = None,
    outputs: Outputs = "sigmoid",
) -> torch.Tensor:
    """L_forget = BCE(z'(B_f), y^(0)): the true labels with the target class set to 0, in nats.

    Parameters
    ----------
    logits, targets : tensors of shape (B, C)
        Of notes with the class.
    teacher : tensor of shape (B, C), optional
        The original model's logits; needed for a softmax, where the mass of the class is given
        back to the others in the shares that the original model gave them.
    """
    without = targets.clone()
    without[:, forget] = 0.0
    if outputs == "sigmoid":
        return binary_cross_entropy_with_logits(logits, without)
    if teacher is None:
        raise ValueError("a softmax needs the teacher's logits: they say who gets the class's mass")
    others = teacher.clone()
    others[:, forget] = -torch.inf
    given_back = targets[:, forget, None] * others.softmax(dim=1)
    return cross_entropy(logits, without + given_back)


def utility_loss(
    logits: torch.Tensor, teacher: torch.Tensor, forget: int, *, outputs: Outputs = "sigmoid"
) -> torch.Tensor:
    """L_utility = 1/(C-1) Σ_{c≠f} BCE(σ(z'_c(B_r)), σ(z0_c(B_r))), in nats a label.

    `teacher` are the original model's logits (B, C). The value at z' = z0 is the entropy of the
    teacher, not 0; the gradient there is 0. A softmax is compared over the other classes alone.
    """
    kept, wanted = (
        torch.cat([z[:, :forget], z[:, forget + 1 :]], dim=1) for z in (logits, teacher)
    )
    if outputs == "softmax":
        return cross_entropy(kept, wanted.softmax(dim=1))
    return binary_cross_entropy_with_logits(kept, wanted.sigmoid())
