from __future__ import annotations

import pytest

from lanrage_events.backoff import Backoff


def test_waits_become_longer_but_not_for_ever() -> None:
    backoff = Backoff(1, 5)
    assert [backoff.next() for _ in range(100)] == [1, 2, 4, *[5] * 97]
    backoff.longest = 30
    assert backoff.next() == 30


def test_a_wait_is_as_long_as_the_other_side_asks_for() -> None:
    backoff = Backoff(1, 8, jitter=0.5)
    assert backoff.next(at_least=60) == 60
    assert backoff.next(at_least=60) == 60
    assert 2 <= backoff.next() <= 4


def test_after_a_reset_waits_are_short_again() -> None:
    backoff = Backoff(0.25, 8)
    assert [backoff.next(), backoff.next()] == [0.25, 0.5]
    backoff.reset()
    assert [backoff.next(), backoff.next()] == [0.25, 0.5]


@pytest.mark.parametrize("jitter", [0.5, 1.0])
def test_a_part_of_a_wait_is_left_to_chance(jitter: float) -> None:
    backoff = Backoff(8, 8, jitter=jitter)
    waits = [backoff.next() for _ in range(100)]
    assert all(8 * (1 - jitter) <= wait <= 8 for wait in waits)
    assert len(set(waits)) > 1
