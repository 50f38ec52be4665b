"""What a big screen shows: one party, who is in it, its last events, and the invite."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Literal

from pydantic import AwareDatetime, Field

from lanrage_events import GameEnded, GameStarted, Parties, Party, PartyEvent, PeerLeft
from lanrage_events.cli import install_command
from lanrage_events.config import ConfigModel
from lanrage_events.events import utc_now
from lanrage_events.http import Route, RouteRequest

from ._api import Name, PartyEntry, cut, entry_of, name_or_none, select

logger = logging.getLogger("lanrage_events.parties")

EVENTS_MAX = 8
"""of a party that are shown"""
OTHERS_MAX = 10
"""other parties that are named"""
INVITE_MAX_CHARACTERS = 500
"""of an invite, beyond which it is not shown: from afar, no camera reads its QR code"""

EventType = Literal["peer_joined", "peer_left", "game_started", "game_ended"]


class ScreenEvent(ConfigModel):
    """Something that happened in the party."""

    type: EventType
    time: AwareDatetime
    name: Name = Field(examples=["Ann"])
    """of the player or of the game"""


class OtherParty(ConfigModel):
    """Another party that is active."""

    name: Name | None
    size: int


class Invite(ConfigModel):
    """Where people talk."""

    url: str = Field(examples=["https://discord.gg/abc123"])
    qr: str | None
    """a picture of the QR code as a data URI; null without the library segno"""


class ScreenQuery(ConfigModel):
    """Which party to show."""

    party: str | None = Field(default=None, max_length=1000, examples=["Friday LAN"])
    """its id, or its name in any case"""
    shown: str | None = Field(default=None, max_length=100)
    """what the last answer had as ``shown``: that party stays while it is active"""


class Screen(ConfigModel):
    """What a big screen shows."""

    time: AwareDatetime
    """the clock of the daemon"""
    party: PartyEntry | None
    """the one that is asked for, else the one that is shown, else the largest, with all of its members;
    null if none of them is active"""
    shown: str | None = Field(examples=["3b1f0c9a7e52"])
    """a short name of the party, for the next query; a ``key`` may be too long for a URL"""
    events: list[ScreenEvent]
    """the last ones of the party, the newest first"""
    others: list[OtherParty]
    """other active parties that are asked for, the largest first"""
    invite: Invite | None


class LastEvents:
    """The last leaves and games of each party; joins are known by the members."""

    def __init__(self) -> None:
        self._by_party: dict[str, deque[ScreenEvent]] = {}

    def add(self, event: PartyEvent, keys: Sequence[str]) -> None:
        """Note an event of parties, its own first."""
        if keys and (shown := _shown(event)) is not None:
            self._by_party.setdefault(keys[0], deque(maxlen=EVENTS_MAX)).append(shown)

    def drop(self, key: str) -> None:
        """Drop those of a party that is over."""
        self._by_party.pop(key, None)

    def clear(self) -> None:
        """Drop all, such as when a person is forgotten, whose name is not known of each."""
        self._by_party.clear()

    def of(self, party: Party) -> list[ScreenEvent]:
        """Return those of a party with its last joins, the newest first, each once."""
        # A server's party may have the key of one that is over.
        events = [one for one in self._by_party.get(party.key, ()) if one.time >= party.since]
        last = sorted(party.members, key=lambda member: member.since)[-EVENTS_MAX:]
        events += [_event("peer_joined", member.since, member.name) for member in last]
        unique = {(event.type, event.time, event.name): event for event in events}
        return sorted(unique.values(), key=lambda event: event.time, reverse=True)[:EVENTS_MAX]


def _shown(event: PartyEvent) -> ScreenEvent | None:
    match event:
        case PeerLeft():
            return _event("peer_left", event.time, event.peer_name)
        case GameStarted():
            return _event("game_started", event.time, event.game_name)
        case GameEnded():
            return _event("game_ended", event.time, event.game_name)
        case _:
            return None


def _event(type: EventType, time: datetime, name: str) -> ScreenEvent:
    return ScreenEvent(type=type, time=time, name=cut(name))


class ScreenAPI:
    """Answers what a big screen shows.

    :param parties: returns the parties
    :param events: their last events
    :param invite_url: returns the invite, None if there is none
    """

    def __init__(
        self,
        parties: Callable[[], Parties],
        events: LastEvents,
        invite_url: Callable[[], str | None],
    ) -> None:
        self._parties = parties
        self._events = events
        self._invite_url = invite_url

    def route(self) -> Route:
        """Return the operation."""
        # No party has this key: each has a colon.
        return Route(
            method="GET",
            path="/screen",
            handler=self.show,
            query=ScreenQuery,
            response=Screen,
            scope="read",
        )

    async def show(self, request: RouteRequest) -> Screen:
        """Return what a big screen shows: one party, its last events, and the invite."""
        query: ScreenQuery = request.query
        active = select(self._parties(), query.party, active=True)
        by_size = sorted(active, key=lambda party: party.size, reverse=True)
        shown = (one for one in active if query.shown and query.shown == _short_name(one))
        party = next(chain(shown, by_size), None)
        others = [one for one in by_size if one is not party]
        return Screen(
            time=utc_now(),
            party=None if party is None else entry_of(party),
            shown=None if party is None else _short_name(party),
            events=[] if party is None else self._events.of(party),
            others=[
                OtherParty(name=name_or_none(one.name), size=one.size)
                for one in others[:OTHERS_MAX]
            ],
            invite=_invite(self._invite_url()),
        )


def _short_name(party: Party) -> str:
    return hashlib.sha256(party.key.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _invite(url: str | None) -> Invite | None:
    if not url or len(url) > INVITE_MAX_CHARACTERS or not url.isprintable():
        return None

    return Invite(url=url, qr=_qr(url))


@lru_cache(maxsize=8)
def _qr(text: str) -> str | None:
    """Return a QR code as the data URI of an SVG picture."""
    try:
        import segno  # of the extra "http"
    except ImportError:
        logger.warning(
            "the screen shows no QR code, since segno is not installed: %s", install_command("http")
        )
        return None

    code = segno.make(text, micro=False)
    return code.svg_data_uri(light="#fff", omitsize=True)
