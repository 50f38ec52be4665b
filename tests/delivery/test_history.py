"""The last minutes of a lane, compared with a plain list of what happened."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.delivery import Bucket, History

BUCKETS, SECONDS_PER_BUCKET = History.count, History.seconds_per_bucket

WINDOW = BUCKETS * SECONDS_PER_BUCKET


def bucket_at(history: History, time: float, now: float) -> Bucket:
    (found,) = [
        bucket
        for bucket in history.buckets(now)
        if bucket.start <= time < bucket.start + SECONDS_PER_BUCKET
    ]
    return found


def test_without_anything_all_buckets_are_empty() -> None:
    buckets = History().buckets(1000.0)
    assert len(buckets) == BUCKETS
    assert {(b.sent, b.failed, b.rate_limited, b.waited, b.waiting) for b in buckets} == {
        (0, 0, 0, 0.0, 0)
    }


def test_buckets_follow_each_other_and_the_last_one_is_now() -> None:
    starts = [bucket.start for bucket in History().buckets(1003.2)]
    assert starts[-1] == 1000.0
    assert [b - a for a, b in itertools.pairwise(starts)] == [5.0] * (BUCKETS - 1)


def test_what_happens_is_counted_where_it_happened() -> None:
    history = History()
    history.sent(1.0, 3)
    history.failed(4.9, 2)
    history.rate_limited(5.0)
    history.sent(12.0, 1)
    assert bucket_at(history, 0.0, 13.0).sent == 3
    assert bucket_at(history, 0.0, 13.0).failed == 2
    assert bucket_at(history, 5.0, 13.0).rate_limited == 1
    assert bucket_at(history, 10.0, 13.0).sent == 1


def test_what_waits_goes_on_waiting_in_the_gaps() -> None:
    history = History()
    history.waiting(1.0, 7)
    history.waiting(2.0, 3)
    history.waiting(21.0, 0)
    found = [bucket_at(history, time, 26.0).waiting for time in (0, 5, 10, 15, 20, 25)]
    assert found == [7, 3, 3, 3, 3, 0]


def test_what_waits_for_longer_than_the_window_is_still_seen() -> None:
    history = History()
    history.waiting(1.0, 4)
    assert {bucket.waiting for bucket in history.buckets(10_000.0)} == {4}
    history.waiting(10_001.0, 5)
    assert [bucket.waiting for bucket in history.buckets(10_001.0)][-2:] == [4, 5]


def test_wait_is_divided_among_the_buckets_that_it_lasted_through() -> None:
    history = History()
    history.wait_begins(3.0)
    history.wait_begins(9.0)
    history.wait_ends(16.0)
    history.wait_ends(17.0)
    found = [bucket_at(history, time, 20.0).waited for time in (0, 5, 10, 15, 20)]
    assert found == pytest.approx([2.0, 5.0, 5.0, 1.0, 0.0])


def test_wait_that_goes_on_is_seen_before_it_ends() -> None:
    history = History()
    history.wait_begins(3.0)
    assert bucket_at(history, 0.0, 4.0).waited == pytest.approx(1.0)
    assert bucket_at(history, 5.0, 7.0).waited == pytest.approx(2.0)
    history.wait_ends(8.0)
    assert bucket_at(history, 5.0, 9.0).waited == pytest.approx(3.0)


def test_wait_of_hours_fills_the_window_and_no_more() -> None:
    history = History()
    history.wait_begins(0.0)
    history.wait_ends(36_000.0)
    waited = [bucket.waited for bucket in history.buckets(36_000.0)]
    assert waited == [5.0] * (BUCKETS - 1) + [0.0]
    assert len(history._waited) <= BUCKETS


def test_what_is_older_than_the_window_is_forgotten() -> None:
    history = History()
    for number in range(10_000):
        history.sent(number * 5.0, 1)
        history.wait_begins(number * 5.0)
        history.wait_ends(number * 5.0 + 1)

    assert len(history._counts) <= BUCKETS
    assert len(history._waited) <= BUCKETS
    assert sum(bucket.sent for bucket in history.buckets(9_999 * 5.0)) == BUCKETS


@dataclass(frozen=True)
class Happening:
    pause: float
    kind: str
    count: int


HAPPENINGS = st.lists(
    st.builds(
        Happening,
        st.one_of(st.floats(0, 12), st.sampled_from([0.0, 5.0, 60.0, 299.0, 400.0])),
        st.sampled_from(["sent", "failed", "rate_limited", "waiting", "begin", "end"]),
        st.integers(0, 50),
    ),
    max_size=60,
)


@pytest.mark.slow
@given(HAPPENINGS, st.floats(0, 700))
def test_history_is_what_a_list_of_everything_says(
    happenings: list[Happening], later: float
) -> None:
    history = History()
    now = 0.0
    counted: list[tuple[float, str, int]] = []
    waits: list[tuple[float, float]] = []
    begun: float | None = None
    for happening in happenings:
        now += happening.pause
        match happening.kind:
            case "sent":
                history.sent(now, happening.count)
            case "failed":
                history.failed(now, happening.count)
            case "rate_limited":
                history.rate_limited(now)
            case "waiting":
                history.waiting(now, happening.count)
            case "begin":
                history.wait_begins(now)
                begun = now if begun is None else begun
            case "end":
                history.wait_ends(now)
                if begun is not None:
                    waits.append((begun, now))
                    begun = None

        counted.append((now, happening.kind, happening.count))

    now += later
    if begun is not None:
        waits.append((begun, now))

    buckets = history.buckets(now)
    assert len(buckets) == BUCKETS
    for bucket in buckets:
        start, end = bucket.start, bucket.start + SECONDS_PER_BUCKET
        inside = [one for one in counted if start <= one[0] < end]
        assert bucket.sent == sum(count for _, kind, count in inside if kind == "sent")
        assert bucket.failed == sum(count for _, kind, count in inside if kind == "failed")
        assert bucket.rate_limited == sum(kind == "rate_limited" for _, kind, _ in inside)
        before = [c for time, kind, c in counted if kind == "waiting" and time < start]
        within = [count for _, kind, count in inside if kind == "waiting"]
        assert bucket.waiting == max([before[-1] if before else 0, *within])
        waited = sum(max(0.0, min(e, end) - max(b, start)) for b, e in waits)
        assert bucket.waited == pytest.approx(waited, abs=1e-6)
