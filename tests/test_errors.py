"""Nearest names, in one line whatever they hold; losses that are no numbers."""

from __future__ import annotations

import math

import pytest

from steu._errors import Diverged, check_losses, suggestion


def test_the_nearest_name_is_offered_case_aside_or_all_of_them() -> None:
    assert suggestion("urologie", ["Urology", "Neurology"]) == "did you mean Urology?"
    assert suggestion("x", ["a", "b"]) == "known are a, b"
    assert suggestion("x", []) == "known are none"


def test_a_name_that_would_break_the_line_is_escaped() -> None:
    assert suggestion("x", ["a\nb", "ß"]) == "known are 'a\\nb', ß"
    assert suggestion("heart failure", ["heart\nfailure"]) == "did you mean 'heart\\nfailure'?"


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_the_first_loss_that_is_no_number_is_named_with_the_settings(loss: float) -> None:
    check_losses([1.0, 0.5], settings="rate 1")
    with pytest.raises(Diverged, match=f"the loss is {loss} at step 2 of 3 with rate 1; lower"):
        check_losses([1.0, loss, loss], settings="rate 1")
