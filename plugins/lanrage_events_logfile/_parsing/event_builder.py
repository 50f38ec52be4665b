"""Building events from matched lines and the state of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from lanrage_events import (
    ConfigProblem,
    Event,
    EventDecodeError,
    GameEnded,
    GameStarted,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
    UnknownEventType,
)
from lanrage_events.cli import did_you_mean
from lanrage_events.events import EventRegistry, parse_event_fields, utc_now

from .._config import FileConfig
from .parser import PLAYER_CONNECTS, SERVER_BEGINS, Match
from .roster import Roster
from .times import CLOCK_GROUP, TIME_GROUP, seconds_of

PLAYER_GROUP = "player"
MINUTES_GROUP = "duration_minutes"
REASON_GROUPS = ("stopped", "crashed", "restarted")
_HELPERS = {TIME_GROUP, CLOCK_GROUP, PLAYER_GROUP, MINUTES_GROUP, *REASON_GROUPS}
_DAY_SECONDS = 86_400
# Fields that do not have to be in the line.
_COMPLETED = {
    GameStarted.type: {"players", "game_name"},
    GameEnded.type: {"game_name", "duration"},
    ServerStarted.type: {"server_name", "game_name"},
    ServerStopped.type: {"server_name", "game_name", "reason"},
}
# A clock may be a little ahead; one that is hours ahead is in another time zone.
_AHEAD_MAX = timedelta(minutes=1)


class EventBuilder:
    """Build events from a line and from what the lines before said.

    :param settings: the settings, including those of the preset
    :param events: the known event types
    """

    def __init__(self, settings: FileConfig, events: EventRegistry) -> None:
        self._settings = settings
        self._events = events
        self._schema = cache(events.json_schema)
        self._tracks_players = all(
            settings.patterns.get(event_type) for event_type in (PeerJoined.type, PeerLeft.type)
        )
        self._constants: dict[str, Any] = {
            "party_name": settings.party,
            "server_name": settings.party,
            "party_id": settings.party_id,
            "game_name": settings.game,
        }

    def build(self, match: Match, roster: Roster, ids: Iterator[str]) -> list[Event]:
        """Return the events of a line: who left because of it, and its own, if it has one.

        :param roster: the state of the server, which is updated
        :param ids: the ids of the events
        :raises EventDecodeError: if the line lacks a required field
        """
        now = utc_now()
        time = now if match.time is None or match.time > now + _AHEAD_MAX else match.time
        name = match.groups.get("peer_name")
        player = match.groups.get(PLAYER_GROUP, name)
        if match.rule == SERVER_BEGINS:
            left = self._leave(list(roster.present), roster, time, ids)
            roster.clear()
            return left

        if match.rule == PLAYER_CONNECTS:
            if player is None:
                return []

            # A player who is there and connects has left without a line, as in a crash.
            left = self._leave([player], roster, time, ids)
            roster.connect(player)
            return left

        # Maps and matches are games, but the first after a stop, when nobody is there, is the start.
        is_start = match.rule == GameStarted.type and roster.running is False
        event_type = ServerStarted.type if is_start else match.rule
        found = self._fields(match, event_type)
        left = []
        if event_type == ServerStarted.type:
            if roster.running and self._settings.server_begins:
                return []  # as after a reconnect to Steam

            left = self._leave(list(roster.present), roster, time, ids)
            roster.clear()
            roster.running = True
        elif event_type == ServerStopped.type:
            left = self._leave(list(roster.present), roster, time, ids)
            if not self._stop_server(match, roster, found):
                return left

        elif match.rule == PeerJoined.type and player is not None and self._tracks_players:
            if not roster.join(player, name or player, found.get("peer_id")):
                return []

            if not roster.unreported.isdisjoint(roster.present):
                found.setdefault("count", len(roster.present))

        elif match.rule == PeerLeft.type and player is not None and self._tracks_players:
            return self._leave([player], roster, time, ids, found)
        elif match.rule == GameStarted.type:
            found.setdefault("players", list(roster.present.values()))
            roster.started = time
            roster.started_clock = seconds_of(match.groups.get(CLOCK_GROUP))
            roster.game_name = str(found["game_name"])
        elif match.rule == GameEnded.type:
            self._end_game(match, roster, found, time)
            if "duration" not in found:
                return []

        return [*left, self._event(event_type, found, time, ids)]

    def _event(
        self, event_type: str, found: dict[str, Any], time: datetime, ids: Iterator[str]
    ) -> Event:
        return self._events.from_dict(
            {**found, "type": event_type, "id": next(ids), "time": time.isoformat()}
        )

    def _leave(
        self,
        players: Sequence[str],
        roster: Roster,
        time: datetime,
        ids: Iterator[str],
        found: dict[str, Any] | None = None,
    ) -> list[Event]:
        """Remove those of the players who are there, and return their leaves.

        While someone is there whose join was not reported, only the log knows how many are there.

        :param found: the fields of the line, if it says that they left
        """
        left = []
        for player in players:
            fields = self._constants_of(PeerLeft.type) if found is None else found
            counts = not roster.unreported.isdisjoint(roster.present)
            name, peer_id = roster.leave(player, fields.get("peer_name"))
            if name is not None:
                fields |= {"peer_name": name, "peer_id": peer_id}
                if counts:
                    fields.setdefault("count", len(roster.present))

                left.append(self._event(PeerLeft.type, fields, time, ids))

        return left

    def _constants_of(self, event_type: str) -> dict[str, Any]:
        """Return the fields that the configuration has."""
        known = self._schema(event_type)["properties"]
        found = {
            field: value
            for field, value in self._constants.items()
            if field in known and value is not None
        }
        return {**found, **self._settings.fields.get(event_type, {})}

    def _fields(self, match: Match, event_type: str) -> dict[str, Any]:
        """Return the fields that the configuration and the line have."""
        found = self._constants_of(event_type)
        if event_type == match.rule:
            schema = self._schema(event_type)
            known = schema["properties"]
            words = [f"{field}={value}" for field, value in match.groups.items() if field in known]
            found.update(parse_event_fields(schema, words))

        return found

    @staticmethod
    def _stop_server(match: Match, roster: Roster, found: dict[str, Any]) -> bool:
        """Add the reason, if known; return False if the log has said before that it stopped."""
        if roster.running is False:
            return False

        roster.running = False
        roster.connecting.clear()
        reasons = [reason for reason in REASON_GROUPS if reason in match.groups]
        found.update(reason=reasons[0] if reasons else found.get("reason", "unknown"))
        return True

    @staticmethod
    def _end_game(match: Match, roster: Roster, found: dict[str, Any], time: datetime) -> None:
        """Add the name of the game and its duration, if known."""
        if "game_name" not in match.groups and roster.game_name is not None:
            found["game_name"] = roster.game_name

        minutes = match.groups.get(MINUTES_GROUP)
        if minutes is not None:
            found.setdefault("duration", _in_seconds(minutes))
        elif roster.started is not None:
            found.setdefault(
                "duration",
                _duration(
                    roster.started,
                    time,
                    roster.started_clock,
                    seconds_of(match.groups.get(CLOCK_GROUP)),
                ),
            )

        roster.end_game()

    def problems(self) -> Iterator[ConfigProblem]:
        """Yield the problems of the patterns and fields, each with the path of its setting."""
        settings = self._settings
        if not any(settings.patterns.values()):
            yield ConfigProblem("no patterns: set 'preset' or 'patterns'", ("preset",))

        groups = re.compile(settings.prefix or "").groupindex
        if TIME_GROUP in groups and not settings.time_format and settings.time == "line":
            message = "the prefix has a group 'time': set 'time_format', or 'time: now'"
            yield ConfigProblem(message, ("prefix",))

        for section, event_types in (("fields", settings.fields), ("patterns", settings.patterns)):
            for event_type in event_types:
                try:
                    self._schema(event_type)
                except UnknownEventType as error:
                    message = error.problems[0].message
                    yield ConfigProblem(message, (section, event_type), about_key=True)
                    continue

                if section == "fields":
                    yield from self._problems_of_fields(event_type)
                else:
                    for index, pattern in enumerate(settings.patterns[event_type]):
                        yield from self._problems_of_pattern(event_type, index, pattern)

        for index, pattern in enumerate(settings.player_connects):
            if PLAYER_GROUP not in re.compile(pattern).groupindex:
                message = "the group (?P<player>...) is missing"
                yield ConfigProblem(message, ("player_connects", index))

    def _explain_name(self, event_type: str, field: str) -> str:
        """Return why an event has no field of a name, empty if it has."""
        known = self._schema(event_type)["properties"]
        if field in known and field not in ("type", "id"):
            return ""

        hint = did_you_mean(field, set(known) - {"type"})
        return f"{event_type} has no field '{field}'{hint}"

    def _problems_of_fields(self, event_type: str) -> Iterator[ConfigProblem]:
        fields = self._settings.fields[event_type]
        path = ("fields", event_type)
        for field in fields:
            if message := self._explain_name(event_type, field):
                yield ConfigProblem(message, (*path, field), about_key=True)

        try:
            self._events.from_dict({**fields, "type": event_type})
        except EventDecodeError as error:
            known = self._schema(event_type)["properties"]
            for problem in error.problems:
                keys = problem.field.split(".")
                if keys[0] in set(fields) & set(known):
                    inner = (int(key) if key.isdecimal() else key for key in keys)
                    yield ConfigProblem(problem.message, (*path, *inner))

    def _problems_of_pattern(
        self, event_type: str, index: int, pattern: str
    ) -> Iterator[ConfigProblem]:
        path = ("patterns", event_type, index)
        schema = self._schema(event_type)
        prefix = re.compile(self._settings.prefix or "").groupindex
        groups = re.compile(pattern).groupindex
        for field in set(groups) - _HELPERS:
            if message := self._explain_name(event_type, field):
                yield ConfigProblem(message, path)

        given = {*groups, *prefix, *self._settings.fields.get(event_type, {})}
        given |= {field for field, value in self._constants.items() if value is not None}
        given |= _COMPLETED.get(event_type, set())
        if event_type == PeerLeft.type and PLAYER_GROUP in given:
            given.add("peer_name")

        for field in schema.get("required", ()):
            if field not in given and field != "type":
                message = (
                    f"{event_type} needs '{field}': add the group (?P<{field}>...), or a value "
                    f"under 'fields.{event_type}'"
                )
                yield ConfigProblem(message, path)


def _in_seconds(minutes: str) -> float | str:
    """Return minutes in seconds; what is no number is left for the validation of the event."""
    try:
        return float(minutes) * 60
    except ValueError:
        return minutes


def _duration(
    started: datetime, time: datetime, started_clock: int | None, clock: int | None
) -> float:
    """Return how long the game took, in seconds.

    Lines that have only the time of day may all be read at once, long after they were written. The
    duration then follows from the times of day, except for whole days.
    """
    apart = max(0.0, (time - started).total_seconds())
    if clock is None or started_clock is None:
        return apart

    within_day = (clock - started_clock) % _DAY_SECONDS
    return float(within_day + _DAY_SECONDS * max(0, round((apart - within_day) / _DAY_SECONDS)))
