"""The party to show: which of the known ones, and as templates see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import lanrage_events
from lanrage_events import (
    GameStarted,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
    replace_names,
)
from lanrage_events.abc import Person

# Names come from outside, so their number is limited; no evening has as many.
MAX_PARTIES = 64
MAX_MEMBERS = 1_000

_NAMELESS = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The party to show: ``my_party`` in templates."""

    id: str | None
    name: str
    """empty if no event named it; a question mark if one named it by an empty text"""
    host: str
    """who created it; empty if unknown"""
    members: tuple[str, ...]
    """the names of its members, in the order in which they joined"""
    max: int
    """the maximum number of members; never less than its size"""
    game: str
    """the current game; empty if there is none"""
    players: tuple[str, ...]
    """the names of those who play it"""
    since: datetime
    """when the game began or, without a game, when the party began"""

    @property
    def size(self) -> int:
        """The number of members, at least one."""
        return max(1, len(self.members))


class Parties:
    """Follow parties by their events, and pick the one to show.

    :param player: show only parties that this player is in; all parties by default
    :param party: the id or the name of the only party to show
    :param max_size: the maximum number of members of a party
    :param is_occasion: returns whether the party is rendered by an event's template from then on
    """

    def __init__(
        self,
        *,
        player: str | None = None,
        party: str | None = None,
        max_size: int = 8,
        is_occasion: Callable[[PartyEvent], bool] = lambda event: True,
    ) -> None:
        self._player = None if player is None else _fold(player)
        self._party = party
        self._max_size = max_size
        self._is_occasion = is_occasion
        self._parties = lanrage_events.Parties(MAX_PARTIES, MAX_MEMBERS)
        self._occasions: dict[str, PartyEvent] = {}
        """the event whose template renders a party, by the key of each that may be shown, in the
        order in which they began, or were last entered by the player"""

    def __len__(self) -> int:
        return len(self._occasions)

    def follow(self, event: PartyEvent) -> None:
        """Update the parties by an event."""
        shown = self._shown()
        # Strangers who play are not the player's party.
        is_apart = isinstance(event, GameStarted) and event.players and self._player is not None
        changed = self._parties.follow(event, "" if shown is None or is_apart else shown.key)
        key = changed[0] if changed else self._parties.find(event)
        if key is None and event.party_id is None and not hasattr(event, "party_name"):
            key = None if shown is None else shown.key

        for other in changed[1:]:
            self._occasions.pop(other, None)

        if key is not None:
            self._note(event, key, is_change=bool(changed))

    def forget(self, person: Person) -> int:
        """Remove a person from the parties, and return how many of them changed."""

        def without(name: str) -> str:
            return _NAMELESS if person.is_called(name) else name

        # Templates render them.
        self._occasions = {
            key: replace_names(event, without) for key, event in self._occasions.items()
        }
        return len(self._parties.forget(person.is_called))

    def shown(self) -> tuple[Party, PartyEvent] | None:
        """Return the party to show and the event whose template renders it, or None."""
        party = self._shown()
        if party is None:
            return None

        members = _names(party)
        return (
            Party(
                id=party.id,
                name=_text(party.name),
                host=_text(party.host),
                members=members,
                max=max(self._max_size, len(members)),
                game=_text(party.game),
                players=party.players,
                since=party.game_since or party.since,
            ),
            self._occasions[party.key],
        )

    def _note(self, event: PartyEvent, key: str, *, is_change: bool) -> None:
        """Note what an event means for the party that it is about: whether and how it is shown."""
        party = self._parties.get(key)
        is_left = is_change and isinstance(event, _LEAVING)
        if party is None or (is_left and not _names(party)):
            self._occasions.pop(key, None)
            if party is not None:
                self._parties.end(key, event.time)

            return

        if is_change and isinstance(event, PartyCreated):
            self._occasions.pop(key, None)  # it takes the place of another one

        is_begun = is_change and isinstance(event, PartyCreated | PeerJoined | GameStarted)
        is_known = key in self._occasions
        if (is_known and self._is_occasion(event)) or (not is_known and is_begun):
            self._occasions[key] = event

        if key in self._occasions and self._player in _folded(_entered(event)):
            self._occasions[key] = self._occasions.pop(key)

    def _shown(self) -> lanrage_events.Party | None:
        for key in reversed(self._occasions):
            party = self._parties.get(key)
            if party is not None and self._is_chosen(party) and self._has_player(party):
                return party

        return None

    def _has_player(self, party: lanrage_events.Party) -> bool:
        return self._player is None or self._player in _folded(_names(party))

    def _is_chosen(self, party: lanrage_events.Party) -> bool:
        wanted = self._party
        return wanted in (None, party.id) or _fold(wanted or "") == _fold(party.name or "")


# What may leave nobody in a party, which is over then.
_LEAVING = (PeerLeft, ServerStarted, ServerStopped, PartyEnded)


def _entered(event: PartyEvent) -> Iterable[str]:
    """Return who entered a party, or plays in it, by an event."""
    match event:
        case PartyCreated():
            return (event.host,)
        case PeerJoined():
            return (event.peer_name,)
        case GameStarted():
            return event.players

    return ()


def _names(party: lanrage_events.Party) -> tuple[str, ...]:
    """Return the names of who is in a party or plays in it."""
    members = tuple(member.name for member in party.members)
    known = _folded(members)
    return (*members, *(name for name in party.players if _fold(name) not in known))


def _text(text: str | None) -> str:
    return "" if text is None else text or _NAMELESS


def _folded(names: Iterable[str]) -> set[str]:
    return {_fold(name) for name in names}


def _fold(name: str) -> str:
    """Return the form of a name for comparison, which ignores case."""
    return str(name).strip().casefold()
