"""The fold: which party an event is about, and what becomes of it."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count, islice

from .._events import (
    Event,
    GameEnded,
    GameStarted,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from .party import Member, Party
from .people import fold
from .record import PartyRecord

logger = logging.getLogger("lanrage_events.parties")

_IDS_MAX = 1_000
# A game without the id of its party is looked for in the parties that changed last; with more
# parties, nobody can do without ids.
_CANDIDATES_MAX = 20
_BOUNDS = {
    "parties": "more than {limit} parties: what changed longest ago was ended, so far {count} times",
    "members": "more than {limit} players in a party: so far {count} were not counted",
    "visitors": "more than {limit} players were in a party: so far {count} who left were forgotten",
    "games": "more than 100 games in a party: so far {count} were not counted",
}


class Parties:
    """Follow parties by their events: who is in them, since when, and what they play.

    It has no clock and does no input or output: the same events give the same parties. Keep one of
    your own for each consumer, and let it follow the events that the consumer receives.

    People differ by their ``peer_id`` where there is one, else by their names, in which case
    does not matter. Parties differ by their ``party_id`` or, without one, by their names.
    An event that was followed before changes nothing: it is known by its id among the last 1,000.
    Neither does one that is older than the last one about the same player or game.

    What is beyond its bounds is left out, counted in :attr:`bounded` and logged.

    :param max_parties: beyond it, the party that changed longest ago is ended
    :param max_members: how many players a party has at most. Those who left count too, but the first
        of them are forgotten when there is no room
    :param ended: called with each party that :meth:`follow` ends because another one takes its
        place, or because there are too many
    """

    def __init__(
        self,
        max_parties: int = 10_000,
        max_members: int = 1_000,
        *,
        ended: Callable[[Party], object] | None = None,
    ) -> None:
        self._max_parties = max_parties
        self._max_members = max_members
        self._ended = ended
        self._records = OrderedDict[str, PartyRecord]()
        """by key, what changed longest ago first"""
        self._by_id: dict[str, PartyRecord] = {}
        self._by_name: dict[str, PartyRecord | dict[PartyRecord, None]] = {}
        """by the form for comparison; of several with one name, what got it first, first"""
        self._ids = OrderedDict[str, PartyRecord]()
        """of the last events, with the party that each was about"""
        self._number = 0
        self._is_sorted = True
        self._bounded = Counter[str](dict.fromkeys(_BOUNDS, 0))

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __iter__(self) -> Iterator[Party]:
        """Iterate over the parties, beginning with the one that changed longest ago."""
        self._sort()
        return iter([record.party() for record in self._records.values()])

    @property
    def bounded(self) -> Mapping[str, int]:
        """How often a bound left something out: ``parties``, ``members``, ``visitors``, ``games``."""
        return self._bounded

    def get(self, key: str) -> Party | None:
        """Return a party, ``None`` if there is none with that key."""
        record = self._records.get(key)
        return None if record is None else record.party()

    def size(self, key: str) -> int:
        """Return the number of members of a party, 0 if there is none with that key."""
        record = self._records.get(key)
        return 0 if record is None else len(record.people.members)

    def find(self, event: PartyEvent) -> str | None:
        """Return the key of the party that an event is about, ``None`` if it is not known.

        The event may be one that a plugin adds: its party is that of its ``party_id`` or else of its
        ``party_name``.
        """
        record = self._find(event, None)
        return None if record is None else record.key

    def member(self, event: PeerJoined | PeerLeft) -> Member | None:
        """Return the member whom an event is about, ``None`` if the player is not in the party.

        A leave may also be about a player who is not in it any more, for a minute: a server that stops
        leaves nobody in its party, and then says who leaves. A leave that is older than the last event
        about the player is about no member.
        """
        record = self._find(event, None)
        person = record and record.people.find(event.peer_name, event.peer_id or None)
        if not person:
            return None

        since, time = person.since, _aware(event.time)
        if isinstance(event, PeerLeft):
            since = None if time < person.at else person.began(time)

        return None if since is None else Member(name=person.name, since=since)

    def follow(self, event: Event, default: str | None = None) -> Sequence[str]:
        """Change the parties by an event.

        :param event: one that is not about parties, their people, games or servers changes nothing
        :param default: the key of the party that a game is of if neither a ``party_id`` nor its
            players say; the empty text for a party of its own. By default it is the only party
        :return: the keys of the parties that changed; those of which :meth:`get` returns ``None``
            are over
        """
        self._sort()
        if not isinstance(event, PartyEvent) or event.id in self._ids:
            return ()

        known = self._find(event, default)
        record = known or self._begin(event)
        if record is None:
            return ()

        over: list[Party] = []
        id, name = record.id, record.name
        is_changed = self._apply(record, event, over)
        if is_changed or known is not None:
            record.remember(event.id)
            self._remember(event.id, record)

        if not is_changed:
            return ()

        self._number += 1
        record.changed = self._number
        self._records[record.key] = record
        self._records.move_to_end(record.key)
        record.id = record.id or event.party_id
        record.name = _name(event) if record.name is None else record.name
        if record.name != name:
            record.number = self._number
            self._unlist(record, name)

        if known is None or record.id != id or record.name != name:
            self._list(record)

        if record.is_idle and record.server is None:
            self._remove(record)

        while len(self._records) > self._max_parties:
            oldest = next(iter(self._records.values()))
            over.append(oldest.party(oldest.last_change))
            self._remove(oldest)
            self._note_bound("parties")

        if self._ended is not None:
            for party in over:
                self._ended(party)

        return tuple(dict.fromkeys([record.key, *(party.key for party in over)]))

    def end(self, key: str, time: datetime) -> Party:
        """End a party, such as one that has been empty for a while.

        If its server runs, :meth:`get` returns another party with the same key afterwards, that
        nobody has been in.

        :param key: which party
        :param time: when it ended
        :return: the party as it was then
        :raises LookupError: if there is none with that key
        """
        self._sort()
        record = self._known(key)
        party = record.party(max(_aware(time), record.since))
        record.begin_again(_aware(time))
        if record.server is None:
            self._remove(record)

        return party

    def stale(self, before: datetime, *, empty: bool = False) -> list[str]:
        """Return the keys of the parties that no event has changed since a time.

        A server that runs and that nobody has been on is not stale.

        :param before: the time
        :param empty: whether to return only those that nobody is in, and in which no game was started
        """
        self._sort()
        return [
            record.key
            for record in self._records.values()
            if record.last_change < before and (record.is_empty if empty else not record.is_idle)
        ]

    def forget(
        self, matches: Callable[[str], bool], names: Callable[[str], bool] | None = None
    ) -> list[str]:
        """Forget players by their names or ids; how many there were stays known.

        :param matches: returns whether a name, or a ``peer_id``, is meant
        :param names: returns whether the id of an event names them, which is forgotten then; by
            default, ``matches``
        :return: the keys of the parties that changed
        """
        names = names or matches
        return [one.key for one in self._records.values() if one.forget(matches, names)]

    def dump(self, key: str) -> str:
        """Return all that is known of a party as JSON in one line, for :meth:`load`.

        It includes the ids of the last 50 events of the party, so that a repeated one is known later.

        :raises LookupError: if there is none with that key
        """
        return self._known(key).dump()

    def load(self, text: str) -> str:
        """Add a party that was dumped, in place of one with the same key, and return its key.

        :raises ValueError: if the text is not one that was dumped
        """
        record = PartyRecord.load(text, self._max_members, self._note_bound)
        self.remove(record.key)
        self._records[record.key] = record
        self._number = max(self._number, record.number, record.changed)
        self._is_sorted = False
        return record.key

    def remove(self, key: str) -> None:
        """Remove a party, if there is one with that key, and forget that its events were followed."""
        if (record := self._records.get(key)) is not None:
            self._remove(record)

        for id in [id for id, record in self._ids.items() if record.key == key]:
            del self._ids[id]

    def _known(self, key: str) -> PartyRecord:
        record = self._records.get(key)
        if record is None:
            raise LookupError(f"there is no party with the key {key!r}: it may have ended before")

        return record

    def _apply(self, record: PartyRecord, event: PartyEvent, over: list[Party]) -> bool:
        """Change a record by an event; return whether it did, and add a party that it ended."""
        time = _aware(event.time)
        match event:
            case PeerJoined():
                return record.join(time, event.peer_name, event.peer_id or None)
            case PeerLeft():
                return record.leave(time, event.peer_name, event.peer_id or None)
            case GameStarted():
                return record.start_game(time, event.game_name, event.players)
            case GameEnded():
                return record.end_game(time, event.game_name)
            case ServerStarted():
                return record.restart(time, event.game_name)
            case ServerStopped():
                return record.restart(time, None)
            case PartyCreated():
                if record.created_at is not None:
                    if time < record.created_at:
                        return False

                    over.append(record.party(time))
                    record.begin_again(time)

                record.create(time, event.party_name, event.host)
                return True
            case PartyEnded():
                begun_after = (record.since - _aware(event.since)).total_seconds()
                # The next one may have begun before the end of this one was published.
                is_next = record.is_idle or 0 < begun_after >= event.duration
                if is_next or time < record.last_change:
                    return False

                record.begin_again(time)
                return True

        return False

    def _find(self, event: PartyEvent, default: str | None) -> PartyRecord | None:
        self._sort()
        known = None if event.party_id is None else self._by_id.get(event.party_id)
        if known is not None:
            return known

        name = _name(event)
        if event.party_id is not None:
            # Its id may have been unknown until now, except at its end.
            is_over = isinstance(event, PartyEnded)
            named = self._records.get(f"name:{fold(name)}") if name and not is_over else None
            return named if named is not None and named.id is None else None

        if name is not None:
            found = self._by_name.get(fold(name))
            return next(reversed(found)) if isinstance(found, dict) else found

        if isinstance(event, GameStarted):
            return self._find_players(event.players) or self._find_default(event, default)

        if isinstance(event, GameEnded):
            running = [record for record in self._recent() if record.is_playing(event.game_name)]
            return max(running, key=_game_order, default=None)

        return None

    def _find_players(self, players: Sequence[str]) -> PartyRecord | None:
        """Return the party that most of the players are in, of several the last one."""
        names = {fold(player) for player in players}
        found = {record: sum(map(record.people.has, names)) for record in self._recent()}
        best = max(found, key=lambda record: (found[record], record.number), default=None)
        return best if best is not None and found[best] else None

    def _recent(self) -> Iterable[PartyRecord]:
        return islice(reversed(self._records.values()), _CANDIDATES_MAX)

    def _find_default(self, event: GameStarted, default: str | None) -> PartyRecord | None:
        if default is None and len(self._records) == 1:
            return next(iter(self._records.values()))

        return self._records.get(default or f"game:{fold(event.game_name)}")

    def _begin(self, event: PartyEvent) -> PartyRecord | None:
        """Return a new record for the party of an event, if the event can begin one."""
        if not isinstance(event, PeerJoined | PartyCreated | ServerStarted | GameStarted):
            return None

        if event.party_id is not None:
            base = f"id:{event.party_id}"
        elif isinstance(event, GameStarted):
            base = f"game:{fold(event.game_name)}"
        else:
            base = f"name:{fold(_name(event) or '')}"

        key = base
        for number in count(2):
            if key not in self._records:
                break

            key = f"{base}#{number}"  # the party with that key has another name by now

        time = _aware(event.time)
        return PartyRecord(self._max_members, self._note_bound, key, time, time)

    def _remove(self, record: PartyRecord) -> None:
        del self._records[record.key]
        if record.id is not None:
            self._by_id.pop(record.id, None)

        self._unlist(record, record.name)

    def _list(self, record: PartyRecord) -> None:
        if record.id is not None:
            self._by_id[record.id] = record

        if record.name is not None:
            named = self._by_name.setdefault(fold(record.name), record)
            if isinstance(named, dict):
                named[record] = None
            elif named is not record:
                self._by_name[fold(record.name)] = {named: None, record: None}

    def _unlist(self, record: PartyRecord, name: str | None) -> None:
        named = None if name is None else self._by_name.get(fold(name))
        if isinstance(named, dict):
            named.pop(record, None)

        if name is not None and (named is record or not named):
            self._by_name.pop(fold(name), None)

    def _remember(self, id: str, record: PartyRecord) -> None:
        self._ids[id] = record
        if len(self._ids) > _IDS_MAX:
            oldest, its_record = self._ids.popitem(last=False)
            its_record.forget_id(oldest)

    def _sort(self) -> None:
        """Bring what was loaded into the order in which it was dumped."""
        if self._is_sorted:
            return

        self._is_sorted = True
        records = sorted(self._records.values(), key=lambda record: record.number)
        self._by_name.clear()
        for record in records:
            self._list(record)

        records.sort(key=lambda record: record.changed)
        for record in records:
            self._records.move_to_end(record.key)
            for id in record.ids:
                self._remember(id, record)

    def _note_bound(self, kind: str) -> None:
        """Count what a bound left out, and log the first ones and then fewer and fewer."""
        self._bounded[kind] += 1
        times = self._bounded[kind]
        if times & (times - 1) == 0:
            limit = self._max_parties if kind == "parties" else self._max_members
            logger.warning(_BOUNDS[kind].format(limit=f"{limit:,}", count=f"{times:,}"))


def _name(event: PartyEvent) -> str | None:
    """Return the name that an event gives its party."""
    name = getattr(event, "party_name", getattr(event, "server_name", None))
    return name if isinstance(name, str) else None


def _aware(time: datetime) -> datetime:
    # Values of events are not validated inside the process.
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _game_order(record: PartyRecord) -> tuple[datetime, int]:
    return (record.game_since or record.since, record.number)
