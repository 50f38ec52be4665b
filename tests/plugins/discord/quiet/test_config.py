"""The configuration of quiet hours, and its errors with their places."""

from __future__ import annotations

import sys
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from lanrage_events.config import ConfigError, load_bus
from lanrage_events_discord._quiet import QuietTimesConfig, make_calendar

URL = "https://discord.com/api/webhooks/123456789012345678/" + "example-" * 8 + "token"


def load(folder: Path, *routes: str, plugins: str = "") -> list[str]:
    """Return the errors of a configuration, without its folder."""
    file = folder / "lanrage.yaml"
    lines = [
        f"state_folder: {folder / 'state'}",
        "plugins:",
        "  discord:",
        f'    webhook_url: "{URL}"',
    ]
    file.write_text("\n".join([*lines, "    routes:", *routes, plugins, ""]), "utf-8")
    try:
        bus = load_bus(file)
    except ConfigError as error:
        return [text.replace(f"{folder}/", "") for text in error.problems]

    return [str(problem) for problem in bus.plugins.problems("discord")]


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ('{from: "23:00", to: ^"25:00"}', "expected a time of the day with hours and minutes"),
        ('{from: ^23, to: "08:00"}', "expected a time of the day with hours and minutes"),
        ('{from: ^"25:00", to: "08:00"}', "expected a time of the day"),
        ('{from: "08:00", to: ^"08:00"}', "for whole days, write from 00:00 to 24:00"),
        ('{from: "8:00", to: "9:00", days: [^monday]}', "'monday', did you mean 'mon'?"),
        ('{from: "8:00", to: "9:00", days: ^xyz}', "known: mon, tue, wed, thu, fri, sat, sun"),
        ('{from: "8:00", to: "9:00", days: ^[]}', "leave 'days' out for every day"),
        (
            '{from: "8:00", to: "9:00", time_zone: ^Europe/Brelin}',
            "'Europe/Brelin', did you mean 'Europe/Berlin'?",
        ),
        ('{from: "8:00", to: "9:00", time_zone: ^berlin}', "did you mean 'Europe/Berlin'?"),
        ('{from: "8:00", to: "9:00", time_zone: ^New York}', "'America/New_York'?"),
        (
            '{from: ^"24:00", to: "8:00"}',
            "only an end may be '24:00': write '00:00', and in 'days'",
        ),
        ('{from: "8:00", to: "9:00", time_zone: ^../etc}', "no time zone is named '../etc'"),
        ('{from: "8:00", to: "9:00", time_zone: ^Europe}', "no time zone is named 'Europe'"),
        ('{from: "8:00", to: "9:00", time_zone: ^""}', "name a region such as Europe/Berlin"),
        ('^{from: "8:00"}', "to: required, but missing"),
        ('{from: "8:00", ^until: "9:00"}', "until: unknown key"),
    ],
)
def test_each_error_has_its_place(tmp_path: Path, times: str, text: str) -> None:
    route = f"      - {{mention: {{roles: ['123'], quiet: [{times}]}}}}"
    place = f"lanrage.yaml:6:{route.index('^') + 1}: "
    problems = load(tmp_path, route.replace("^", ""))
    assert any(one.startswith(place) and text in one for one in problems), problems


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CEST", ": name a region such as Europe/Berlin"),
        ("UTC+1", ": name a region such as Europe/Berlin"),
        ("GMT+1", ": name a region such as Europe/Berlin"),
        ("berlin", ", did you mean 'Europe/Berlin'?"),
        ("utc", ", did you mean 'UTC'?"),
    ],
)
def test_no_time_zone_is_suggested_that_moves_the_hours(name: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        QuietTimesConfig.model_validate({"from": "8:00", "to": "9:00", "time_zone": name})

    assert f"no time zone is named {name!r}{hint} " in str(caught.value).replace("[", " [")


def test_time_zones_need_their_data(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on Windows and in slim containers without the package.
    for name in ["tzdata", *(one for one in sys.modules if one.startswith("tzdata."))]:
        monkeypatch.setitem(sys.modules, name, None)

    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        times = {"from": "8:00", "to": "9:00", "time_zone": "Europe/Berlin"}
        with pytest.raises(ValidationError, match="pip install tzdata, or leave time_zone out"):
            QuietTimesConfig.model_validate(times)

        assert QuietTimesConfig.model_validate({**times, "time_zone": "UTC"}).time_zone == "UTC"
    finally:
        zoneinfo.reset_tzpath(before)


def test_defaults_are_every_day_on_the_clock_of_this_computer() -> None:
    calendar = make_calendar([QuietTimesConfig.model_validate({"from": "8:00", "to": "24:00"})])
    for day in range(1, 8):
        now = datetime(2026, 6, day, 12).astimezone()
        assert calendar.at(now)
        assert not calendar.at(datetime(2026, 6, day, 7, 59).astimezone())
        end = calendar.next_change(now)
        assert end is not None
        assert end.astimezone() == datetime(2026, 6, day + 1).astimezone()


def test_one_day_needs_no_list() -> None:
    times = {"from": "23:00", "to": "08:00", "days": "fri", "time_zone": "UTC"}
    calendar = make_calendar([QuietTimesConfig.model_validate(times)])
    assert calendar.at(datetime(2026, 12, 5, 7, tzinfo=UTC))
    assert not calendar.at(datetime(2026, 12, 4, 7, tzinfo=UTC))
