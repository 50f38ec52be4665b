"""A party that is followed, with its cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lanrage_events import Party, PartyCreated, PartyEvent

from .card import Card


@dataclass(slots=True, eq=False)
class Followed:
    """A party that is followed, or that is over."""

    id: str
    key: str
    """in the fold; a party that begins again under it is another one"""
    cards: dict[str, Card] = field(default_factory=dict)
    """by webhook"""
    called: tuple[str | None, str | None] | None = None
    """its id and its name when it was looked at for new cards, None before"""
    over: Party | None = None
    """the party as it ended, None while it lasts"""
    ended_at: float | None = None
    """when that was followed, in seconds since 1970"""

    def may_get_cards(self, event: PartyEvent) -> bool:
        """Whether an event about it may say that it is one that has cards."""
        if self.called is None or isinstance(event, PartyCreated):
            return True

        return any(new and not old for new, old in zip(called(event), self.called, strict=True))


def called(event: PartyEvent) -> tuple[str | None, str | None]:
    """Return the id and the name that an event gives its party."""
    return event.party_id, getattr(event, "party_name", getattr(event, "server_name", None))


def names(id: str | None, name: str | None) -> Iterator[str]:
    """Yield what a party is found by, the surest first."""
    if id:
        yield f"id {id}"

    if name:
        yield f"name {str(name).strip().casefold()}"
