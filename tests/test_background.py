import threading
import time

import pytest

from steu.data.readers.background import ahead, behind


def test_items_come_in_order_and_at_most_one_is_made_ahead():
    made = []

    def items():
        for i in range(5):
            made.append(i)
            yield i

    for i in ahead(items()):
        time.sleep(0.01)
        assert made[-1] <= i + 1
    assert i == 4 and list(ahead([])) == []


def test_an_error_comes_where_its_item_would():
    def items():
        yield 1
        raise ValueError("second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)


def test_the_caller_goes_on_while_a_call_is_made():
    gone_on, waited = threading.Event(), []
    with behind() as call:
        call(lambda: waited.append(gone_on.wait(timeout=60)))
        gone_on.set()
    assert waited == [True]


def test_calls_are_made_in_order_beside_the_caller_and_done_in_the_end():
    done, here = [], threading.get_ident()
    with behind() as call:
        for i in range(5):
            call(lambda i: done.append((i, threading.get_ident() != here)), i)
            assert len(done) >= i
    assert done == [(i, True) for i in range(5)]


@pytest.mark.parametrize("calls_after", [0, 1])
def test_an_error_of_a_call_comes_with_the_next_or_at_the_end(calls_after):
    def fail():
        raise OSError("full")

    with pytest.raises(OSError, match="full"), behind() as call:
        call(fail)
        for _ in range(calls_after):
            call(lambda: None)
            pytest.fail("the next call should have said it")
