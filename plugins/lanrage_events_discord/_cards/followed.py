"""Parties that are followed, with their cards, and what is kept of those that are over."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from lanrage_events import Member, Party, PartyCreated, PartyEnded, PartyEvent
from lanrage_events.abc import Person

from .card import Card

_TIMES = ("since", "game_since", "last_change", "ended")


@dataclass(slots=True, eq=False)
class Followed:
    """A party that is followed, or that is over."""

    id: str
    key: str
    """in the fold; a party that begins again under it is another one"""
    cards: tuple[Card, ...] = ()
    """at most one of each webhook"""
    has_id: bool | None = None
    """whether it had an id when it was looked at for new cards, None before"""
    has_name: bool = False
    """the same of a name"""
    over: Party | None = None
    """the party as it ended, None while it lasts"""
    ended_at: float | None = None
    """when that was followed, in seconds since 1970"""

    def may_get_cards(self, event: PartyEvent) -> bool:
        """Whether an event about it may say that it is one that has cards."""
        if self.has_id is None or isinstance(event, PartyCreated):
            return True

        id, name = called(event)
        return bool((id and not self.has_id) or (name and not self.has_name))

    def put(self, card: Card) -> None:
        """Add a card, in place of the one of the same webhook."""
        self.cards = (*[one for one in self.cards if one.webhook != card.webhook], card)

    def drop(self, card: Card) -> None:
        """Remove a card."""
        self.cards = tuple(one for one in self.cards if one is not card)

    def place(self, names: Collection[str], webhook_ids: Mapping[str, str]) -> list[Card]:
        """Give each card to the webhook that has posted it, whatever its name is now.

        :param names: those of the webhooks that have cards
        :param webhook_ids: Discord's ids of webhooks by name
        :return: the cards that have another webhook now; some may have none any more
        """
        placed: dict[str, Card] = {}
        for card in self.cards:
            for name in (card.webhook, *names):
                if webhook_ids.get(name) == card.webhook_id and name not in placed:
                    placed[name] = card
                    break

        for card in set(self.cards).difference(placed.values()):
            placed.setdefault(card.webhook, card)

        moved = [card for name, card in placed.items() if name != card.webhook]
        for name, card in placed.items():
            card.webhook = name

        self.cards = tuple(placed.values())
        return moved


def called(event: PartyEvent) -> tuple[str | None, str | None]:
    """Return the id and the name that an event gives its party."""
    return event.party_id, getattr(event, "party_name", getattr(event, "server_name", None))


def names(id: str | None, name: str | None) -> Iterator[str]:
    """Yield what a party is found by, the surest first."""
    if id:
        yield f"id {id}"

    if name:
        yield f"name {str(name).strip().casefold()}"


class EndedParties:
    """The parties that are over, with their cards, what ended first first."""

    def __init__(self) -> None:
        self._all: dict[Followed, None] = {}
        self._named: dict[str, Followed] = {}
        """by what they were called; of those with one name, the last"""

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Followed]:
        return iter(tuple(self._all))

    def add(self, followed: Followed) -> None:
        """Add one."""
        self._all[followed] = None
        if (party := followed.over) is not None:
            self._named |= dict.fromkeys(names(party.id, party.name), followed)

    def discard(self, followed: Followed) -> None:
        """Remove one, if it is here."""
        self._all.pop(followed, None)
        if (party := followed.over) is not None:
            for name in names(party.id, party.name):
                if self._named.get(name) is followed:
                    del self._named[name]

    def before(self, time: float) -> list[Followed]:
        """Return those that ended before a time, in seconds since 1970."""
        return list(takewhile(lambda one: (one.ended_at or 0.0) < time, self._all))

    def find(self, event: PartyEvent) -> Followed | None:
        """Return the one that an event is about that comes late or again, None if there is none."""
        found = self._named.get(next(names(*called(event)), ""))
        if found is None or found.over is None or isinstance(event, PartyEnded):
            return found

        # Values of events are not validated inside the process.
        time = event.time if event.time.tzinfo is not None else event.time.replace(tzinfo=UTC)
        return found if time <= found.over.last_change else None


def dump_party(party: Party) -> str:
    """Return a party as JSON in one line, for :func:`load_party`."""
    return json.dumps(asdict(party), default=datetime.isoformat, separators=(",", ":"))


def load_party(text: str) -> Party:
    """Return a party from its text.

    :raises ValueError: if it is not one
    """
    try:
        data: dict[str, Any] = json.loads(text)
        data |= {name: datetime.fromisoformat(data[name]) for name in _TIMES if data[name]}
        data |= {name: tuple(map(tuple, data[name])) for name in ("games", "loyal")}
        data["players"] = tuple(data["players"])
        data["members"] = tuple(
            Member(name=one["name"], since=datetime.fromisoformat(one["since"]))
            for one in data["members"]
        )
        return Party(**data)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no party: {error!r}") from None


def without(party: Party, person: Person) -> Party:
    """Return a party without the names of a person; how many there were stays known."""
    is_meant = person.is_called
    return replace(
        party,
        host=None if is_meant(party.host) else party.host,
        members=tuple(one for one in party.members if not is_meant(one.name)),
        players=tuple(name for name in party.players if not is_meant(name)),
        loyal=tuple(one for one in party.loyal if not is_meant(one[0])),
    )
