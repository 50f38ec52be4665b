"""The people of a party: who is in it, who was, and which of them an event means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from sys import intern

AWAY_AT_MOST = timedelta(minutes=1)
"""who is back within this time of leaving has not been away, since the line had dropped; and who leaves
within it of leaving, as after the stop of a server, leaves now"""


def fold(name: str) -> str:
    """Return the form of a name for comparison, which ignores case."""
    return str(name).strip().casefold()


@dataclass(slots=True, eq=False)
class Person:
    """Someone who was in a party."""

    name: str
    """as the last join wrote it"""
    id: str | None
    at: datetime
    """the time of the last join or leave; older ones change nothing"""
    since: datetime | None = None
    """when the person joined, ``None`` if not in the party now"""
    seconds: float = 0.0
    """how long the person was in the party before"""
    stay: datetime | None = None
    """when the person had joined who left last, to go on with it"""

    def began(self, time: datetime) -> datetime | None:
        """Return when the stay began that lasts at a time, ``None`` if the person was away then."""
        if self.since is None and time - self.at > AWAY_AT_MOST:
            return None

        return self.since or self.stay

    def resume(self, time: datetime) -> None:
        """Go on with the last stay, if the person was not away until a time."""
        began = self.began(time)
        if self.since is None and began is not None:
            self.seconds -= (self.at - began).total_seconds()
            self.since = began

    def stayed(self, until: datetime) -> float:
        """Return for how many seconds the person was in the party, up to a time."""
        now = 0.0 if self.since is None else (until - self.since).total_seconds()
        return self.seconds + max(0.0, now)


class People:
    """Who is in a party and who was, found by id or by name.

    :param limit: how many are kept; of those who left, the first are forgotten
    :param bounded: called when someone is not taken in, or forgotten, with ``members`` or
        ``visitors``
    """

    __slots__ = ("_bounded", "_by_id", "_by_name", "_limit", "gone", "members")

    def __init__(self, limit: int, bounded: Callable[[str], object]) -> None:
        self._limit, self._bounded = limit, bounded
        self._by_id: dict[str, Person] | None = None
        """None without ids, since there are many parties, and most have few people"""
        self._by_name: dict[str, Person] = {}
        """by the form for comparison, who joined last of those with one name"""
        self.members: tuple[Person, ...] = ()
        """in the order in which they joined"""
        self.gone: tuple[Person, ...] = ()
        """who left, in the order in which they did"""

    def __iter__(self) -> Iterator[Person]:
        yield from self.members
        yield from self.gone

    def find(self, name: str, peer_id: str | None) -> Person | None:
        """Return whom an event means.

        With an id it is the person with that id, or the one of that name who has no id yet. With a
        name alone it is who joined last of those with that name.
        """
        named = self._by_name.get(fold(name))
        if peer_id is None:
            return named

        known = None if self._by_id is None else self._by_id.get(peer_id)
        return named if known is None and named is not None and named.id is None else known

    def is_meant(self, person: Person) -> bool:
        """Return whether the person's name alone means this one, not another of that name."""
        return self._by_name.get(fold(person.name)) is person

    def has(self, name: str) -> bool:
        """Return whether the one whom a name means is in the party."""
        person = self._by_name.get(name)
        return person is not None and person.since is not None

    def enter(self, person: Person, time: datetime, name: str, peer_id: str | None) -> bool:
        """Let a person be a member, of that name and id; return whether there is room."""
        is_here = person in self.members
        is_new = not is_here and person not in self.gone
        if is_new and len(self.members) + len(self.gone) >= self._limit:
            if not self.gone:
                self._bounded("members")
                return False

            self._bounded("visitors")
            self.forget(self.gone[0])

        if not is_new and person.name != name:
            self._unname(person)

        if not is_here:
            self.gone = self.gone if is_new else _without(self.gone, person)
            self.members += (person,)

        person.resume(time)
        person.since, person.stay = person.since or time, None
        person.name, person.id, person.at = name, person.id or peer_id, time
        self._index(person, is_meant=True)
        if not is_here and person.since != time:
            self.members = tuple(sorted(self.members, key=lambda one: one.since or one.at))

        return True

    def leave(self, person: Person, time: datetime) -> None:
        """Let a person be no member from a time on, not even one who left just before."""
        person.resume(time)
        person.seconds = person.stayed(time)
        person.stay, person.since, person.at = person.since, None, time
        self.members = _without(self.members, person)
        if person not in self.gone:
            self.gone += (person,)

    def forget(self, person: Person) -> None:
        """Forget a person."""
        self.members = _without(self.members, person)
        self.gone = _without(self.gone, person)
        if self._by_id is not None:
            self._by_id.pop(person.id or "", None)

        self._unname(person)

    def restore(self, person: Person, *, is_meant: bool) -> None:
        """Take a person in as it is.

        :param is_meant: see the method
        """
        if person.since is None:
            self.gone += () if person in self.gone else (person,)
        elif person not in self.members:
            self.members += (person,)

        self._index(person, is_meant=is_meant)

    def _index(self, person: Person, *, is_meant: bool) -> None:
        if person.id is not None:
            self._by_id = {} if self._by_id is None else self._by_id
            self._by_id[person.id] = person

        if is_meant:
            key = fold(person.name)
            self._by_name[key if key in self._by_name else intern(key)] = person

    def _unname(self, person: Person) -> None:
        if self.is_meant(person):
            del self._by_name[fold(person.name)]


def _without(people: tuple[Person, ...], person: Person) -> tuple[Person, ...]:
    if person not in people:
        return people

    index = people.index(person)
    return people[:index] + people[index + 1 :]
