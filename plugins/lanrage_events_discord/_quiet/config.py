"""The configuration of quiet hours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from lanrage_events.config import ConfigModel, Duration

from .calendar import Calendar, Loudness, QuietTimes
from .mutes import check_length
from .time_zone import find_time_zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Then = Literal["silent", "hold", "drop"]

_DAYS: tuple[str, ...] = get_args(Day)
# Also for the JSON Schema, so only with what JavaScript supports.
_START_PATTERN = r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$"
_TIME_PATTERN = r"^(([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)$"


def _check_clock_time(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_TIME_PATTERN, value):
        return value

    raise ValueError("expected a time of the day with hours and minutes, such as '23:00'")


def _one_is_a_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _check_day(value: object) -> object:
    if value in _DAYS:
        return value

    short, known = str(value)[:3].lower(), ", ".join(_DAYS)
    hint = f", did you mean '{short}'?" if short in _DAYS else f", known: {known}"
    raise ValueError(f"no day is named {str(value)[:50]!r}{hint}")


def _check_days(days: tuple[Day, ...]) -> tuple[Day, ...]:
    if not days:
        raise ValueError("no day is named, so they never apply: leave 'days' out for every day")

    return days


def _check_time_zone(name: str | None) -> str | None:
    if name is not None:
        find_time_zone(name)

    return name


ClockTime = Annotated[
    str,
    BeforeValidator(_check_clock_time),
    WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN, "examples": ["23:00"]}),
]


def _check_start(value: str) -> str:
    if value == "24:00":
        raise ValueError("only an end may be '24:00': write '00:00', and in 'days' the day after")

    return value


MuteLength = Annotated[Duration, AfterValidator(check_length)]
"""for how long something is muted, in seconds"""


class QuietTimesConfig(ConfigModel):
    """Times of the day at which something is quiet."""

    start: Annotated[
        ClockTime,
        AfterValidator(_check_start),
        WithJsonSchema({"type": "string", "pattern": _START_PATTERN, "examples": ["23:00"]}),
    ] = Field(alias="from")
    """when they begin, on a clock on the wall"""
    end: ClockTime = Field(alias="to")
    """when they end; a time before ``from`` is on the next day"""
    days: Annotated[
        tuple[Annotated[Day, BeforeValidator(_check_day)], ...],
        BeforeValidator(_one_is_a_list),
        AfterValidator(_check_days),
        WithJsonSchema(
            {"anyOf": [{"enum": _DAYS}, {"type": "array", "items": {"enum": _DAYS}, "minItems": 1}]}
        ),
    ] = get_args(Day)
    """the days on which they begin: the night from Sunday to Monday is ``sun``"""
    time_zone: Annotated[
        str | None, AfterValidator(_check_time_zone), Field(examples=["Europe/Berlin"])
    ] = None
    """the time zone of the clock; that of this computer if it is missing"""

    @field_validator("end")
    @classmethod
    def _check_end(cls, value: str, info: ValidationInfo) -> str:
        start = info.data.get("start")
        if start is not None and _minutes(start) == _minutes(value):
            raise ValueError("they end when they begin: for whole days, write from 00:00 to 24:00")

        return value

    def to_times(self, then: Loudness = Loudness.SILENT) -> QuietTimes:
        """Return the times, and what happens to messages meanwhile."""
        return QuietTimes(
            _minutes(self.start),
            _minutes(self.end),
            frozenset(map(_DAYS.index, self.days)),
            None if self.time_zone is None else find_time_zone(self.time_zone),
            then,
        )


class QuietConfig(QuietTimesConfig):
    """Quiet hours, and what happens to messages in them."""

    then: Then = "silent"
    """``silent`` posts without a notification, ``hold`` posts at the end what came meanwhile, and
    ``drop`` does not post it at all. No one is mentioned meanwhile. Where several apply, ``drop``
    counts before ``hold``, and ``hold`` before ``silent``"""


def make_calendar(times: Iterable[QuietTimesConfig]) -> Calendar:
    """Return the calendar of quiet hours."""
    return Calendar(
        one.to_times(
            Loudness[one.then.upper()] if isinstance(one, QuietConfig) else Loudness.SILENT
        )
        for one in times
    )


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    return hours * 60 + minutes
