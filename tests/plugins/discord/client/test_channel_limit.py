"""The hidden limit of a channel: how it is learnt, and that it is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord._client import ChannelLimit
from lanrage_events_discord._client.channel_limit import (
    FEWEST_MESSAGES,
    FORGET_SECONDS,
    MARGIN_SECONDS,
    MESSAGES_PER_WINDOW,
    WINDOW_SECONDS,
)


def send(limit: ChannelLimit, time: float, round_trip: float = 0.0) -> None:
    limit.leaves(time)
    limit.withdrawn(time)
    limit.answered(time + round_trip)


def learnt(count: int) -> ChannelLimit:
    limit = ChannelLimit()
    for number in range(count):
        send(limit, number / 2)

    now = count / 2
    limit.rejected(now, WINDOW_SECONDS - now)
    return limit


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(30, 30), (29, 30), (31, 30), (33, 30), (40, 40), (12, 12), (1, FEWEST_MESSAGES)],
)
def test_what_was_sent_within_the_window_is_the_limit(sent: int, expected: int) -> None:
    assert learnt(sent).limit == expected


def test_nothing_waits_before_the_first_rejection() -> None:
    limit = ChannelLimit()
    for number in range(200):
        assert limit.free_at(number / 10, is_full=False) <= number / 10
        send(limit, number / 10)


def test_rejection_for_longer_than_the_window_is_about_another_limit() -> None:
    limit = ChannelLimit()
    send(limit, 1.0)
    limit.rejected(1.5, 1336.57)
    assert limit.limit is None


def test_full_messages_leave_as_soon_as_the_window_moves_on() -> None:
    limit = learnt(30)
    assert limit.free_at(15.0, is_full=True) == WINDOW_SECONDS + MARGIN_SECONDS
    send(limit, 60.1)
    assert limit.free_at(60.1, is_full=True) == 0.5 + WINDOW_SECONDS + MARGIN_SECONDS


def test_answer_counts_from_when_discord_may_have_counted_it() -> None:
    limit = ChannelLimit()
    limit.restore(FEWEST_MESSAGES, 0.0)
    for _ in range(FEWEST_MESSAGES):
        send(limit, 1.0, round_trip=0.5)

    assert limit.free_at(2.0, is_full=True) == 1.5 + WINDOW_SECONDS + MARGIN_SECONDS


def test_message_that_was_not_taken_uses_up_nothing() -> None:
    limit = ChannelLimit()
    limit.restore(FEWEST_MESSAGES, 0.0)
    for number in range(FEWEST_MESSAGES):
        limit.leaves(float(number))

    limit.withdrawn(2.0)
    limit.withdrawn(2.0)
    assert limit.free_at(5.0, is_full=True) <= 5.0


def test_second_rejection_shows_that_it_is_less_and_quiet_minutes_that_it_is_more() -> None:
    limit = learnt(30)
    for number in range(28):
        send(limit, 60.0 + number)

    limit.rejected(90.0, 30.0)
    assert limit.limit == 29
    for number in range(12):
        send(limit, 130.0 + number)

    limit.rejected(150.0, 40.0)
    assert limit.limit == 12
    seen = []
    for minute in range(1, 12):
        limit.free_at(150.0 + minute * 60, is_full=True)
        seen.append(limit.limit)

    assert seen[0] == 15
    assert seen[-1] == MESSAGES_PER_WINDOW
    assert seen == sorted(seen)


def test_limit_is_forgotten_a_day_after_it_was_seen() -> None:
    limit = ChannelLimit()
    limit.restore(30, -100.0)
    assert limit.learnt_at == -100.0
    limit.free_at(FORGET_SECONDS - 101, is_full=True)
    assert limit.limit == 30
    limit.free_at(FORGET_SECONDS - 100, is_full=True)
    assert limit.limit is None


PAUSES = st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 3.0, 40.0])
ROUND_TRIPS = st.sampled_from([0.0, 0.04, 0.5, 2.0])


@pytest.mark.slow
@given(
    st.integers(FEWEST_MESSAGES, 60),
    st.lists(
        st.tuples(PAUSES, st.booleans(), ROUND_TRIPS, st.booleans()), min_size=40, max_size=150
    ),
)
def test_no_window_of_either_kind_has_more_than_the_limit(
    count: int, messages: list[tuple[float, bool, float, bool]]
) -> None:
    limit = ChannelLimit()
    limit.restore(count, 0.0)
    highest = max(count, MESSAGES_PER_WINDOW)
    now = 0.0
    # When Discord counted them: at any moment between the sending and the answer.
    counted: list[float] = []
    for pause, is_full, round_trip, is_early in messages:
        now = max(now + pause, limit.free_at(now + pause, is_full=is_full))
        limit.leaves(now)
        limit.withdrawn(now)
        counted.append(now if is_early else now + round_trip)
        now += round_trip
        limit.answered(now)

    for first, after in zip(counted, counted[highest:], strict=False):
        assert after - first >= WINDOW_SECONDS


@given(st.integers(FEWEST_MESSAGES, 60), st.floats(0.01, 5.0))
def test_message_that_may_become_longer_never_waits_for_the_end_of_the_window(
    count: int, pause: float
) -> None:
    limit = ChannelLimit()
    limit.restore(count, 0.0)
    now = 0.0
    times = []
    while now < 300:
        now = max(now + pause, limit.free_at(now, is_full=False))
        send(limit, now)
        times.append(now)

    assert all(b - a <= max(pause, 15.0) + 0.1 for a, b in pairwise(times))
