"""One thread beside the caller's: it makes the next item ahead, or ends the last call behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items in order; while one is used, a thread makes the next."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as aside:
        upcoming = aside.submit(list, islice(iterator, 1))
        while one := upcoming.result():
            upcoming = aside.submit(list, islice(iterator, 1))
            yield from one


@contextmanager
def behind() -> Iterator[Callable[..., None]]:
    """Calls made in order by a thread, at most one at a time, while the caller goes on.

    Yields a function of a function and its arguments. It waits for the call before, and raises
    that one's error; the last one's comes at the end of the block.
    """
    with ThreadPoolExecutor(1) as aside:
        last = aside.submit(lambda: None)

        def call(function: Callable[..., Any], *arguments: Any) -> None:
            nonlocal last
            last.result()
            last = aside.submit(function, *arguments)

        yield call
        last.result()
