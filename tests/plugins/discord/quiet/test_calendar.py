"""The calendar of quiet hours, against a walk through all minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord._quiet import Calendar, Loudness, QuietTimes

MINUTE = timedelta(minutes=1)
EVERY_DAY = frozenset(range(7))
# Each clock is set forward in the first night and back in the second.
NIGHTS = [
    ("Europe/Berlin", date(2026, 3, 28), date(2026, 10, 24)),
    ("America/New_York", date(2026, 3, 7), date(2026, 10, 31)),
    ("Australia/Lord_Howe", date(2026, 10, 3), date(2026, 4, 4)),
    # At midnight, so that one date begins twice.
    ("America/Havana", date(2026, 3, 7), date(2026, 10, 31)),
]
CLOCKS = [(name, day) for name, *days in NIGHTS for day in days]


def times(
    start: str,
    end: str,
    zone: str = "UTC",
    then: Loudness = Loudness.HOLD,
    days: object = EVERY_DAY,
) -> QuietTimes:
    (from_hour, from_minute), (to_hour, to_minute) = (
        map(int, text.split(":")) for text in (start, end)
    )
    assert isinstance(days, frozenset)
    return QuietTimes(
        from_hour * 60 + from_minute, to_hour * 60 + to_minute, days, ZoneInfo(zone), then
    )


def changes(calendar: Calendar, begin: datetime, end: datetime) -> Iterator[tuple[datetime, bool]]:
    """Yield each change between two times, and whether it is quiet from then on."""
    when = calendar.next_change(begin)
    while when is not None and when < end:
        yield when, bool(calendar.at(when))
        when = calendar.next_change(when)


@pytest.mark.parametrize(
    ("name", "night", "hours"),
    [
        (name, night, hours)
        for name, forward, back in NIGHTS[:2]
        for night, hours in ((forward, 8), (back, 10), (date(2026, 6, 1), 9))
    ]
    + [
        ("Australia/Lord_Howe", date(2026, 10, 3), 8.5),
        ("Australia/Lord_Howe", date(2026, 4, 4), 9.5),
        ("Australia/Lord_Howe", date(2026, 6, 1), 9),
    ],
)
def test_a_night_is_as_long_as_the_clock_says(name: str, night: date, hours: float) -> None:
    zone = ZoneInfo(name)
    begin = datetime(night.year, night.month, night.day, 12, tzinfo=zone).astimezone(UTC)
    found = list(
        changes(Calendar([times("23:00", "08:00", name)]), begin, begin + timedelta(days=1))
    )
    assert [is_quiet for _, is_quiet in found] == [True, False]
    (start, _), (end, _) = found
    assert f"{start.astimezone(zone):%H:%M} {end.astimezone(zone):%H:%M}" == "23:00 08:00"
    assert end - start == timedelta(hours=hours)


def test_an_hour_that_the_clock_skips_has_no_quiet_hours() -> None:
    calendar = Calendar([times("02:15", "02:45", "Europe/Berlin")])
    begin = datetime(2026, 3, 28, 12, tzinfo=UTC)
    [first, _] = list(changes(calendar, begin, begin + timedelta(days=2)))
    assert first[0] == datetime(2026, 3, 30, 0, 15, tzinfo=UTC)
    # Those that begin in it begin when it is over.
    late = Calendar([times("02:30", "05:00", "Europe/Berlin")])
    [(start, _), (end, _)] = list(changes(late, begin, begin + timedelta(days=1)))
    assert (start.hour, end.hour) == (1, 3)


def test_an_hour_that_the_clock_shows_twice_is_quiet_twice() -> None:
    calendar = Calendar([times("02:15", "02:45", "Europe/Berlin")])
    begin = datetime(2026, 10, 24, 12, tzinfo=UTC)
    found = [f"{when:%H:%M}" for when, _ in changes(calendar, begin, begin + timedelta(days=1))]
    assert found == ["00:15", "00:45", "01:15", "01:45"]


@pytest.mark.parametrize(
    ("when", "is_quiet"),
    [
        ("2026-12-04T23:30", True),  # a Friday
        ("2026-12-05T07:59", True),  # Saturday's morning belongs to Friday's night
        ("2026-12-05T08:00", False),
        ("2026-12-05T23:30", False),
        ("2026-12-04T22:59", False),
        ("2026-12-04T07:00", False),  # Friday's morning belongs to Thursday's night
    ],
)
def test_the_morning_belongs_to_the_day_before(when: str, is_quiet: bool) -> None:
    calendar = Calendar([times("23:00", "08:00", days=frozenset({4}))])
    assert bool(calendar.at(datetime.fromisoformat(f"{when}+00:00"))) == is_quiet


def test_the_strictest_of_several_counts() -> None:
    calendar = Calendar(
        [
            times("20:00", "23:00", then=Loudness.SILENT),
            times("22:00", "02:00", then=Loudness.DROP),
            times("21:00", "08:00", then=Loudness.HOLD),
        ]
    )
    day = datetime(2026, 6, 1, 12, tzinfo=UTC)
    found = [
        (f"{when:%H}", calendar.at(when).name)
        for when, _ in changes(calendar, day, day + timedelta(days=1))
    ]
    assert found == [
        ("20", "SILENT"),
        ("21", "HOLD"),
        ("22", "DROP"),
        ("02", "HOLD"),
        ("08", "LOUD"),
    ]


def test_whole_days_and_no_times_never_change() -> None:
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    whole = Calendar([times("00:00", "24:00")])
    assert (whole.at(now), whole.next_change(now)) == (Loudness.HOLD, None)
    assert (Calendar().at(now), Calendar().next_change(now)) == (Loudness.LOUD, None)
    weekend = Calendar([times("00:00", "24:00", days=frozenset({5, 6}))])
    assert weekend.next_change(now) == datetime(2026, 6, 6, tzinfo=UTC)
    assert weekend.next_change(datetime(2026, 6, 6, tzinfo=UTC)) == datetime(2026, 6, 8, tzinfo=UTC)


def test_own_time_of_the_computer_is_used_without_a_zone() -> None:
    local = Calendar([QuietTimes(23 * 60, 8 * 60, EVERY_DAY)])
    quiet = datetime(2026, 6, 1, 23, 30).astimezone()
    assert local.at(quiet)
    end = local.next_change(quiet)
    assert end is not None
    assert f"{end.astimezone():%d %H:%M}" == "02 08:00"


# Against a walk


def is_shown(one: QuietTimes, now: datetime) -> bool:
    """Return whether the clock shows one of the minutes, each of which is counted from its day."""
    wall = now.astimezone(one.zone).replace(tzinfo=None)
    length = (one.end - one.start) % 1440 or 1440
    for day in (wall.date(), wall.date() - timedelta(days=1)):
        passed = wall - datetime(day.year, day.month, day.day) - timedelta(minutes=one.start)
        if day.weekday() in one.days and timedelta() <= passed < timedelta(minutes=length):
            return True

    return False


def walk(calendar: Calendar, windows: list[QuietTimes], begin: datetime, minutes: int) -> None:
    """Check each minute, and that each change is found from the minute before and from the last."""
    expected: datetime | None = None
    level = calendar.at(begin)
    announced = calendar.next_change(begin)
    for minute in range(minutes):
        now = begin + minute * MINUTE
        shown = max((one.then for one in windows if is_shown(one, now)), default=Loudness.LOUD)
        assert calendar.at(now) == shown, now
        if shown != level:
            assert announced == now
            level, expected = shown, now
            announced = Calendar(windows).next_change(now)
        elif announced is not None:
            assert announced > now

    assert expected is None or expected <= begin + minutes * MINUTE


minutes_of_day = st.one_of(
    st.integers(0, 1439), st.sampled_from([0, 60, 90, 119, 120, 121, 150, 179, 180, 1439])
)
windows = st.builds(
    lambda start, end, days, name, then: QuietTimes(
        start, end if end != start else (start + 1) % 1441, days, ZoneInfo(name), then
    ),
    minutes_of_day,
    st.one_of(minutes_of_day, st.just(1440)),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.sampled_from([name for name, *_ in NIGHTS]),
    st.sampled_from([Loudness.SILENT, Loudness.HOLD, Loudness.DROP]),
)


@pytest.mark.slow
@given(st.lists(windows, min_size=1, max_size=3), st.sampled_from(CLOCKS), st.integers(0, 59))
def test_each_minute_of_a_night_is_as_the_clock_shows(
    found: list[QuietTimes], clock: tuple[str, date], second: int
) -> None:
    name, day = clock
    begin = datetime(day.year, day.month, day.day, 20, tzinfo=ZoneInfo(name)).astimezone(UTC)
    walk(Calendar(found), found, begin, 16 * 60)
    # Within a minute, nothing changes.
    now = begin + timedelta(seconds=second)
    assert Calendar(found).next_change(now) == Calendar(found).next_change(begin)


@pytest.mark.slow
@given(windows, st.sampled_from(CLOCKS), st.integers(0, 20 * 1440))
def test_next_change_is_the_next_one(one: QuietTimes, clock: tuple[str, date], minute: int) -> None:
    name, day = clock
    now = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(name)).astimezone(UTC)
    now += timedelta(days=-10, minutes=minute)
    calendar = Calendar([one])
    change = calendar.next_change(now)
    if change is None:
        # All others change within a fortnight.
        assert (one.start, one.end, len(one.days)) == (0, 1440, 7)
        return

    assert is_shown(one, change) != is_shown(one, now)
    assert is_shown(one, change - timedelta(seconds=1)) == is_shown(one, now)
    steps = (change - now) // timedelta(minutes=7)
    assert all(
        is_shown(one, now + timedelta(minutes=7 * n)) == is_shown(one, now) for n in range(steps)
    )
