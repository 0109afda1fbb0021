"""Reading ahead: in order, in a thread, and no farther than it may."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lsdc.runtime.reading_ahead import read_ahead


def test_reading_ahead_keeps_the_order_and_raises_where_a_result_would_have_come() -> None:
    def fails() -> int:
        raise ValueError("broken")

    jobs: list[Callable[[], int]] = [lambda: 1, lambda: 2, fails]
    results = read_ahead(jobs)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_no_more_results_wait_than_the_depth_allows() -> None:
    begun: list[int] = []

    def jobs() -> Iterator[Callable[[], int]]:
        for number in range(10):
            begun.append(number)
            yield lambda number=number: number  # type: ignore[misc]

    results = read_ahead(jobs(), depth=3)
    assert next(results) == 0
    assert len(begun) == 4
    assert list(results) == list(range(1, 10))
