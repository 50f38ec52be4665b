from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from lanrage_events.backoff import Backoff, in_words, retry_after


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


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"RETRY-AFTER": "-3"}, None),
        ({"Retry-After": "1e300"}, 86_400.0),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"Retry-After": "Fri, 31 Dec 9998 23:59:59 GMT"}, 86_400.0),
        ({"Retry-After": "Fri, 31 Feb 1999 23:59:59 GMT"}, None),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "today"}, 0.0),
        (
            {
                "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
                "Date": "Fri, 31 Dec 1999 23:59:29 GMT",
            },
            30.0,
        ),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_without_a_date_of_the_answer_the_clock_of_this_machine_counts() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    seconds = retry_after({"Retry-After": soon})
    assert seconds is not None
    assert 90 < seconds <= 100


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.04, "0.1 s"),
        (2.0, "2 s"),
        (41.2, "42 s"),
        (42.01, "42 s"),
        (119.5, "2 min"),
        (121.0, "2 min"),
        (3600.01, "1 h"),
        (3540.0, "59 min"),
        (3600.0, "1 h"),
        (86400.0, "24 h"),
    ],
)
def test_length_of_time_is_written_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
