"""Whatever times and lengths an event, a template or a setting holds, nothing raises."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lanrage_events import EventDecodeError, EventError, GameStarted, PartyCreated, PartyEvent
from lanrage_events.config import Duration
from lanrage_events.events import EventRegistry, format_event, in_utc
from lanrage_events_discord._config import RouteConfig
from lanrage_events_discord._rendering import Entry, Renderer
from lanrage_events_discord._routing import Router
from lanrage_events_logfile._config import FileConfig
from lanrage_events_logfile._parsing import Roster, Translator
from lanrage_events_presence import PresenceConfig, PresenceView


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceEnded(PartyEvent):
    began: datetime
    length: timedelta = timedelta(0)
    score: float = 0.0
    laps: tuple[datetime, ...] = ()
    best: dict[str, datetime] | None = None


REGISTRY = EventRegistry()
REGISTRY.register(RaceEnded)
YEAR_ONE = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
YEAR_9999 = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-14)))
TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)

offsets = st.integers(-24 * 60 + 1, 24 * 60 - 1).map(lambda m: timezone(timedelta(minutes=m)))
edges = st.sampled_from(
    [
        datetime.min,
        datetime.max,
        datetime(1, 1, 2),
        datetime(9999, 12, 30, 23),
        datetime(1969, 1, 1),
    ]
)
moments = edges | st.datetimes()
times = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), moments, st.none() | offsets)
races = st.builds(
    RaceEnded,
    time=times,
    began=times,
    length=st.timedeltas(),
    score=st.floats(),
    laps=st.lists(times, max_size=2).map(tuple),
    best=st.none() | st.dictionaries(st.sampled_from(["Ann"]), times),
)

PAGE = """
title: "{{ began }} {{ laps }} {{ best }}"
description: "{{ time }} {{ length }} {{ length | duration }} {{ score | duration }} {{ score }}"
timestamp: "{{ began }}"
digest: {group: races, heading: "{count} races", item: "{{ began }} {{ score | duration }}"}
"""


def is_valid(time: datetime) -> bool:
    try:
        in_utc(time)
    except ValueError:
        return False

    return True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", "0001-01-01T00:00:00+01:00"),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("time", "0001-01-01T00:00:00Z"),
        ("time", "9999-12-31T23:59:59-01:00"),
        ("began", "0001-01-01T00:00:00+01:00"),
        ("laps.1", ["2026-01-31T20:15:00Z", "9999-12-31T23:59:59-14:00"]),
        ("best.Ann", {"Ann": "0001-01-01T00:00:00"}),
    ],
)
def test_a_time_outside_of_the_calendar_is_named(field: str, value: object) -> None:
    data = {"type": "race_ended", "began": "2026-01-31T20:15:00Z", field.split(".")[0]: value}

    with pytest.raises(EventDecodeError) as raised:
        REGISTRY.from_dict(data)

    assert [problem.field for problem in raised.value.problems] == [field]
    assert "a time from 0001-01-02 to 9999-12-30 in UTC was expected" in str(raised.value)


@pytest.mark.slow
@given(races)
@example(RaceEnded(time=YEAR_ONE, began=TIME))
@example(RaceEnded(time=TIME, began=YEAR_9999, length=timedelta.max, score=float("inf")))
def test_an_event_from_json_is_valid_or_is_named(race: RaceEnded) -> None:
    data = race.to_dict()
    text = format_event(data)
    assert text
    try:
        event = REGISTRY.from_dict(data)
    except EventError:
        found = [race.time, race.began, *race.laps, *(race.best or {}).values()]
        is_wrong = not all(map(is_valid, found)) or race.time.tzinfo is None
        assert is_wrong or data["score"] is None
    else:
        assert in_utc(event.time) == event.time == race.time
        assert is_valid(race.began)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("templates")
    for kind, text in (
        ("discord", PAGE),
        ("presence", "start: '{{ began }}'\nstate: '{{ time }}'"),
    ):
        (folder / kind).mkdir()
        (folder / kind / "race_ended.yaml").write_text(text, encoding="utf-8")

    return folder


@pytest.mark.slow
@given(race=races)
@example(race=RaceEnded(time=YEAR_ONE, began=YEAR_ONE, score=float("nan")))
@example(race=RaceEnded(time=YEAR_9999, began=YEAR_9999, score=1e300, length=timedelta.min))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_event_of_a_program_is_rendered_for_discord(folder: Path, race: RaceEnded) -> None:
    problems: list[str] = []
    renderer = Renderer([folder], invite_url=lambda: None, report=lambda e: problems.append(str(e)))

    entry = renderer.render(race)

    assert "UTC" in entry.embed.title or str(race.began.year) in entry.embed.title
    assert entry.embed.description
    assert len(entry.embed.description) < 300
    assert "timestamp" not in entry.embed.to_dict() or is_valid(race.began)
    assert all("timestamp: a time from" in problem for problem in problems)
    assert Entry.from_json(entry.to_json()).time == entry.time


@pytest.mark.slow
@given(race=races, max_age=st.floats(min_value=0, exclude_min=True))
@example(race=RaceEnded(time=datetime(9999, 12, 30, tzinfo=UTC), began=TIME), max_age=86_400.0)
@example(race=RaceEnded(time=TIME, began=TIME), max_age=1e300)
def test_what_lasts_beyond_the_calendar_never_expires(race: RaceEnded, max_age: float) -> None:
    router = Router([RouteConfig()], ["main"], {"race_ended": max_age})

    expires = router.expires(race)

    assert expires is None or (expires - in_utc(race.time)).total_seconds() == pytest.approx(
        max_age, abs=1e-5
    )


@pytest.mark.slow
@given(race=races)
@example(race=RaceEnded(time=YEAR_ONE, began=YEAR_ONE))
@example(race=RaceEnded(time=TIME, began=datetime(1969, 12, 31, tzinfo=UTC)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rich_presence_shows_only_a_start_that_discord_shows(folder: Path, race: RaceEnded) -> None:
    view = PresenceView(PresenceConfig(), [folder], report=lambda _: None)
    view.follow(PartyCreated(time=race.time, party_id="1", party_name="LAN", host="Ann"))
    view.follow(GameStarted(time=race.time, party_id="1", game_name="Quake", players=("Ann",)))
    view.follow(race)

    assert view.activity is not None
    assert str(view.activity)
    assert view.activity.start is None or view.activity.start >= 1


@pytest.mark.slow
@given(st.floats() | st.from_regex(r"[0-9]{1,45}(d|h|m|s|ms)", fullmatch=True))
@example("9" * 45 + "d")
@example(float("inf"))
def test_a_duration_of_the_settings_is_one_that_a_timer_takes(value: float | str) -> None:
    try:
        seconds = TypeAdapter[float](Duration).validate_python(value)
    except ValidationError:
        assert math.isnan(float(value))
    else:
        assert seconds <= 36_500 * 86_400


@pytest.mark.slow
@given(moments, st.text("0123456789:", max_size=12), st.text("0123456789.einfa", max_size=8))
@example(datetime(1, 1, 1), "0:0:0", "nan")
@example(datetime(9999, 12, 31, 23), "9" * 10 + ":0:0", "abc")
def test_a_dated_line_of_a_log_has_an_event_or_a_problem(
    moment: datetime, clock: str, minutes: str
) -> None:
    config = FileConfig.model_validate(
        {
            "path": "a.log",
            "prefix": r"(?P<time>\S+) ",
            "time_format": "%Y-%m-%dT%H:%M:%S",
            "patterns": {
                "game_started": r"start (?P<clock>.*)",
                "game_ended": r"end (?P<clock>.*) (?P<duration_minutes>.*)",
            },
        }
    )
    translator = Translator(config, REGISTRY)
    date = moment.replace(microsecond=0).isoformat()
    roster = Roster()

    begun = translator.translate(f"{date} start {clock}", roster, "1")
    ended = translator.translate(f"{date} end {clock} {minutes}", roster, "2")

    assert [event.type for event in begun.events] == ["game_started"]
    assert len(ended.events) + len(ended.problems) >= 1
    for event in (*begun.events, *ended.events):
        REGISTRY.from_dict(json.loads(event.to_json()))


def test_an_event_class_that_computes_from_its_time_is_contained() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class TimerSet(PartyEvent):
        length: int

        def __post_init__(self) -> None:
            _ = self.time + timedelta(days=self.length)

    registry = EventRegistry()
    registry.register(TimerSet)
    data: dict[str, Any] = {"type": "timer_set", "length": 999_999_999}

    with pytest.raises(EventDecodeError, match="timer_set: cannot be created: OverflowError"):
        registry.from_dict(data)
