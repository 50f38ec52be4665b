"""The record of one party: what changes with each event, and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Any

from .party import Member, Party
from .people import People, Person, fold

# Names come from outside, so their number is limited; no party plays as many.
_GAMES_MAX = 100
_LOYAL = 3
# With as many, a party of twelve takes less than 4 KB.
_DUMPED_IDS_MAX = 50
_FORMAT = 1
# There are many parties, and most have none.
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class PartyRecord:
    """What is known of one party. Its methods that follow an event return whether it changed."""

    limit: int
    """how many people it has at most, with those who left"""
    bounded: Callable[[str], object]
    """called with what a bound left out: ``members``, ``visitors``, ``games``"""
    key: str
    since: datetime
    last_change: datetime
    id: str | None = None
    name: str | None = None
    host: str | None = None
    created_at: datetime | None = None
    peak: int = 0
    visitors: int = 0
    server: str | None = None
    """the game of its server, ``None`` if none runs"""
    server_at: datetime | None = None
    """the time of the last event of its server; what happened before changes nothing"""
    match: str | None = None
    """the game that was started, which hides that of the server"""
    match_at: datetime | None = None
    """the time of the last event of a match; what happened before changes nothing"""
    players: Mapping[str, str] = field(default_factory=lambda: _NONE)
    """who plays the match, by the form for comparison"""
    game: str | None = None
    """the match, or else the game of the server"""
    game_since: datetime | None = None
    played: Mapping[str, tuple[str, float, int]] = field(default_factory=lambda: _NONE)
    """the games before, by the form for comparison"""
    ids: list[str] | tuple[()] = ()
    """of its last events"""
    number: int = 0
    """when it got its name, as a number that grows with each event"""
    changed: int = 0
    """when it changed last, likewise"""
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.limit, self.bounded)

    @property
    def is_idle(self) -> bool:
        """Whether nothing has begun: at most a server runs that nobody has been on."""
        return not self.visitors and self.created_at is None and self.match is None

    @property
    def is_empty(self) -> bool:
        """Whether something had begun, and now nobody is here and no match runs."""
        return not self.is_idle and not self.people.members and self.match is None

    def create(self, time: datetime, name: str, host: str) -> None:
        """Follow the creation of the party by a host."""
        self.created_at, self.name, self.host = time, name, host
        self.since = min(self.since, time)
        self._change(time)
        self.join(time, host, None)

    def join(self, time: datetime, name: str, peer_id: str | None) -> bool:
        """Follow a join."""
        if self.server_at is not None and time < self.server_at:
            return False  # everyone who joined before has left since

        person = self.people.find(name, peer_id)
        if time < person.at if person is not None else not (peer_id or fold(name)):
            return False

        known = person and (person.name, person.at, person.id if peer_id else None)
        is_known = (
            known == (name, time, peer_id) and person is not None and person.since is not None
        )
        is_first, is_idle = person is None, self.is_idle
        if not self.people.enter(person or Person(name, peer_id, time), time, name, peer_id):
            return False

        if is_idle:
            self.since = time
            self.game_since = self.game_since and time

        self.visitors += is_first
        self.peak = max(self.peak, len(self.people.members))
        return not is_known and self._change(time)

    def leave(self, time: datetime, name: str, peer_id: str | None) -> bool:
        """Follow a leave."""
        person = self.people.find(name, peer_id)
        if person is not None and time < person.at:
            return False

        was_playing = self._quit(name)
        if person is not None and person.since is not None:
            self._quit(person.name)
            self.people.leave(person, time)
        else:
            is_known = person is None or person.at == time
            if person is not None and not is_known:
                self.people.leave(person, time)

            if is_known and not was_playing:
                return False

        if self.match is not None and not self.people.members and not self.players:
            self._end_match(time)

        return self._change(time)

    def start_game(self, time: datetime, game: str, players: Iterable[str]) -> bool:
        """Follow the start of a match."""
        if self.match_at is not None and time < self.match_at:
            return False

        playing = {fold(name): name for name in players if fold(name)}
        if len(playing) > self.limit:
            self.bounded("members")
            playing = dict(list(playing.items())[: self.limit])

        is_known = self.match_at == time and self.is_playing(game) and playing == self.players
        self.match_at, self.players = time, playing
        if not self.is_playing(game):
            self._play(game, time)
            self.match = game

        return not is_known and self._change(time)

    def is_playing(self, game: str) -> bool:
        """Return whether a match of that game runs."""
        return self.match is not None and fold(self.match) == fold(game)

    def end_game(self, time: datetime, game: str) -> bool:
        """Follow the end of a match, which may be published after the start of the next one."""
        if not self.is_playing(game) or (self.match_at is not None and time < self.match_at):
            return False

        self._end_match(time)
        return self._change(time)

    def restart(self, time: datetime, game: str | None) -> bool:
        """Follow the start or the stop of the server, both of which leave nobody here.

        :param game: what is played on it, ``None`` if it stopped
        """
        if self.server_at is not None and time < self.server_at:
            return False

        self.server, self.server_at = game, time
        for person in [person for person in self.people.members if person.at <= time]:
            self.people.leave(person, time)

        if self.match_at is None or self.match_at <= time:
            self._end_match(time)

        return self._change(time)

    def forget(self, matches: Callable[[str], bool], names: Callable[[str], bool]) -> bool:
        """Forget those whose names or ids match, and the ids of events that name them."""
        people = [one for one in self.people if matches(one.name) or (one.id and matches(one.id))]
        players = {key: name for key, name in self.players.items() if not matches(name)}
        is_host = self.host is not None and matches(self.host)
        ids = [id for id in self.ids if not names(id)] or ()
        is_changed = bool(people) or is_host or (players, ids) != (self.players, self.ids)
        for person in people:
            self.people.forget(person)

        self.players, self.host = players, None if is_host else self.host
        self.ids = ids
        return is_changed

    def begin_again(self, time: datetime) -> None:
        """Let another party take the place of this one, with nobody in it; its server runs on."""
        self.people = People(self.limit, self.bounded)
        self.since = self.last_change = time
        self.host = self.created_at = self.match = self.match_at = None
        self.peak = self.visitors = 0
        self.players = self.played = _NONE
        self.game, self.game_since = self.server, None if self.server is None else time

    def party(self, ended: datetime | None = None) -> Party:
        """Return what is known of the party now, or when it ended."""
        until = ended or self.last_change
        loyal = sorted(self.people, key=lambda person: -person.stayed(until))[:_LOYAL]
        played = self.played
        if self.game is not None and not self.is_idle:
            played = {**played, fold(self.game): self._total(self.game, until)}

        return Party(
            key=self.key,
            id=self.id,
            name=self.name,
            host=self.host,
            since=self.since,
            members=tuple(Member(name=p.name, since=p.since or p.at) for p in self.people.members),
            peak=self.peak,
            game=self.game,
            game_since=self.game_since,
            players=tuple(self.players.values()),
            games=tuple(sorted(played.values(), key=lambda game: -game[1])),
            visitors=self.visitors,
            loyal=tuple((person.name, person.stayed(until)) for person in loyal),
            last_change=self.last_change,
            is_empty=self.is_empty,
            is_idle=self.is_idle,
            ended=ended,
        )

    def dump(self) -> str:
        """Return the record as JSON in one line."""
        people = [
            [
                *(p.name, p.id, _text(p.at), _text(p.since), p.seconds),
                *(self.people.is_meant(p), _text(p.stay)),
            ]
            for p in self.people
        ]
        times = {name: _text(getattr(self, name)) for name in _TIMES}
        values = {name: getattr(self, name) for name in _VALUES}
        values |= {name: dict(values[name]) for name in _MAPPINGS}
        data = {
            "format": _FORMAT,
            **values,
            **times,
            "people": people,
            "ids": self.ids[-_DUMPED_IDS_MAX:],
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def load(cls, text: str, limit: int, bounded: Callable[[str], object]) -> PartyRecord:
        """Return a record from its JSON form.

        :raises ValueError: if it is not one
        """
        try:
            data: dict[str, Any] = json.loads(text)
            if data["format"] != _FORMAT:
                raise ValueError(f"the format {_FORMAT} was expected, not {data['format']}")

            values = {name: data[name] for name in _VALUES}
            times: dict[str, Any] = {name: _time(data[name]) for name in _TIMES}
            if values["changed"] == values["number"]:
                values["changed"] = values["number"]  # one object is enough

            record = cls(limit, bounded, **values, **times, ids=list(data["ids"]) or ())
            record.players = record.players or _NONE
            played = {key: (name, s, n) for key, (name, s, n) in record.played.items()}
            record.played = played or _NONE
            for name, id, at, since, seconds, is_meant, stay in data["people"]:
                joined = _time(since)
                # Players are in many parties.
                name = intern(name) if isinstance(name, str) else name
                person = Person(name, id, _moment(at), joined, seconds or 0.0, _time(stay))
                record.people.restore(person, is_meant=is_meant)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not a party that was dumped: {error!r}") from None

        return record

    def remember(self, id: str) -> None:
        """Note the id of an event that was followed."""
        if self.ids:
            self.ids.append(id)
        else:
            self.ids = [id]

    def forget_id(self, id: str) -> None:
        """Forget the id of an event, usually the first one."""
        if isinstance(self.ids, list) and id in self.ids:
            self.ids.remove(id)
            self.ids = self.ids or ()

    def _quit(self, name: str) -> bool:
        """Let a player play no more; return whether it was one who did."""
        if (key := fold(name)) not in self.players:
            return False

        players = {one: player for one, player in self.players.items() if one != key}
        self.players = players or _NONE
        return True

    def _change(self, time: datetime) -> bool:
        self.last_change = max(self.last_change, time)
        return True

    def _end_match(self, time: datetime) -> None:
        self.match_at = max(self.match_at or time, time)
        self._play(self.server, time)
        self.match, self.players = None, _NONE

    def _play(self, game: str | None, time: datetime) -> None:
        """Let a game be the current one, and count the one before."""
        before = self.game
        if before is not None and game is not None and fold(before) == fold(game):
            return

        if before is not None and not self.is_idle:
            if fold(before) in self.played or len(self.played) < _GAMES_MAX:
                self.played = {**self.played, fold(before): self._total(before, time)}
            else:
                self.bounded("games")

        self.game, self.game_since = game, None if game is None else time

    def _total(self, game: str, until: datetime) -> tuple[str, float, int]:
        """Return for how long and how often the current game was played, up to a time."""
        _, seconds, times = self.played.get(fold(game), (game, 0.0, 0))
        now = (until - (self.game_since or until)).total_seconds()
        return game, seconds + max(0.0, now), times + 1


_TIMES = ("since", "last_change", "created_at", "server_at", "match_at", "game_since")
_VALUES = (
    *("key", "id", "name", "host", "peak", "visitors", "number", "changed"),
    *("server", "match", "players", "game", "played"),
)
_MAPPINGS = ("players", "played")


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else _moment(text)


@lru_cache(maxsize=16)
def _moment(text: str) -> datetime:
    """Return a time, the same object for the equal ones that a party has."""
    return datetime.fromisoformat(text)
