"""The visitors: who was ever in a party of a name, as far as it is remembered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from lanrage_events import PartyCreated, PartyEvent, PeerJoined

MOST_VISITORS = 100_000
"""that are remembered; beyond them, those who were not there for longest are forgotten"""

Visit = tuple[int, str, str, str]
"""a number that grows, the party's name, the person's id or name, and the person's name"""


class Visitors:
    """Remembers who was in a party, by the party's name and the person's ``peer_id``, else the name.

    Upper and lower case are the same. Names are only in the file: in memory there is a hash.

    :param most: how many are remembered
    """

    def __init__(self, most: int = MOST_VISITORS) -> None:
        self._most = most
        self._known: dict[int, int] = {}
        """by hash: the number of the visit"""
        self._expected: dict[int, str] = {}
        """by hash: the id of the event by which someone comes who is not known yet"""
        self._number = 0

    def __len__(self) -> int:
        return len(self._known)

    def load(self, visits: Iterable[Sequence[object]]) -> None:
        """Replace what is known.

        :param visits: numbers, parties and persons, in the order of the numbers
        """
        self._known = {hash((party, person)): int(str(n)) for n, party, person in visits}
        self._number = max(self._known.values(), default=0)

    def expect(self, event: PartyEvent) -> bool:
        """Return whether an event that is being published brings someone for the first time."""
        visit = _visit(event)
        if visit is None or self._number_of(visit) is not None:
            return False

        return self._expected.setdefault(hash(visit[:2]), event.id) == event.id

    def unexpect(self, event: PartyEvent) -> None:
        """Forget an event that was not published after all."""
        visit = _visit(event)
        if visit is not None and self._expected.get(hash(visit[:2])) == event.id:
            del self._expected[hash(visit[:2])]

    def follow(self, event: PartyEvent) -> Visit | None:
        """Remember whom an event brings, and return what to write, None for nothing."""
        visit = _visit(event)
        if visit is None:
            return None

        self.unexpect(event)
        number = self._number_of(visit)
        # Regulars become recent now and then, not each time, which would be one write more.
        if number is not None and self._number - number < self._most // 2:
            return None

        self._number += 1
        self._known[hash(visit[:2])] = self._number
        return (self._number, *visit)

    def _number_of(self, visit: tuple[str, str, str]) -> int | None:
        party, person, name = visit
        number = self._known.get(hash((party, person)))
        # The first time, there may have been no id.
        return self._known.get(hash((party, _folded(name)))) if number is None else number

    def forget(self, numbers: Collection[int]) -> None:
        """Forget visits, by their numbers."""
        gone = set(numbers)
        self._known = {key: number for key, number in self._known.items() if number not in gone}

    def forget_oldest(self) -> int:
        """Forget the oldest if there are too many, and return up to which number."""
        if len(self._known) <= self._most:
            return 0

        # Some more, so that it is seldom needed.
        numbers = sorted(self._known.values())
        last = numbers[len(numbers) - self._most + self._most // 10]
        self._known = {found: number for found, number in self._known.items() if number > last}
        return last


def _visit(event: PartyEvent) -> tuple[str, str, str] | None:
    """Return the name of the party, the person, and the name of the person."""
    if isinstance(event, PeerJoined):
        person, name = event.peer_id or event.peer_name, event.peer_name
    elif isinstance(event, PartyCreated):
        person = name = event.host
    else:
        return None

    return _folded(event.party_name), _folded(person), name


def _folded(name: str) -> str:
    return str(name).strip().casefold()
