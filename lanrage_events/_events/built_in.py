"""The built-in events."""

# No "from __future__ import annotations" here, for the same reason as in event.py.
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from .event import Event, PartyEvent


class _PlayerNameMark:
    def __repr__(self) -> str:
        return "PlayerName"


PLAYER_NAME = _PlayerNameMark()
PlayerName: TypeAlias = Annotated[str, PLAYER_NAME]
"""The type of a field that holds the name of a player, which the rules of a configuration can hide.

To type checkers and in JSON it is a text. Lists and the like may hold it, too, such as
``tuple[PlayerName, ...]``.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyCreated(PartyEvent):
    """A player opened a party."""

    # Narrowed from optional: a party that was created has an id.
    party_id: str  # pyright: ignore[reportGeneralTypeIssues] - all fields are keyword-only
    party_name: str
    """what the party is called"""
    host: PlayerName
    """the name of the player who opened it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerJoined(PartyEvent):
    """A player joined a party."""

    peer_name: PlayerName
    """the player's name"""
    party_name: str
    """what the party is called"""
    peer_id: str | None = None
    """which player, as the source knows it, such as a Steam id; the same in joins and leaves,
    ``None`` in both where there is none"""
    first_time: bool | None = None
    """whether the player was in no party before; ``None`` if unknown, as without the plugin
    ``parties``"""
    count: int | None = None
    """how many members the party has now; ``None`` if unknown, as without the plugin ``parties``"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerLeft(PartyEvent):
    """A player left a party."""

    peer_name: PlayerName
    """the player's name"""
    party_name: str
    """what the party is called"""
    peer_id: str | None = None
    """which player, as the source knows it, such as a Steam id; the same in joins and leaves,
    ``None`` in both where there is none"""
    duration: float | None = None
    """how long the player was in the party, in seconds, with absences of up to a minute; ``None`` if
    unknown, as without the plugin ``parties``"""
    count: int | None = None
    """how many members the party still has; ``None`` if unknown, as without the plugin ``parties``"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GameStarted(PartyEvent):
    """A party started a game."""

    game_name: str
    """what the game is called"""
    players: tuple[PlayerName, ...]
    """the names of the players"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GameEnded(PartyEvent):
    """A game ended."""

    game_name: str
    """what the game is called"""
    duration: float
    """how long it took, in seconds"""
    avg_latency: float | None = None
    """the players' mean latency in milliseconds, ``None`` if it was not measured"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStarted(PartyEvent):
    """A game server started, and nobody is on it yet.

    Its party is that of the party id or, without one, the party that is called as the server is.
    """

    server_name: str
    """what the server is called, which is the name of its party"""
    game_name: str
    """what is played on it, until it stops"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStopped(PartyEvent):
    """A game server stopped, and everyone on it is gone.

    Its party is that of the party id or, without one, the party that is called as the server is.
    """

    server_name: str
    """what the server is called, which is the name of its party"""
    game_name: str
    """what was played on it"""
    reason: Literal["stopped", "crashed", "restarted", "unknown"] = "unknown"
    """why; ``restarted`` if it starts at once, ``unknown`` if it does not answer any more"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyEnded(PartyEvent):
    """A party ended: how long it took, who came and what they played.

    The plugin parties publishes it when a party was empty for a while.
    """

    party_name: str
    """what the party is called"""
    since: datetime
    """when it began, aware"""
    duration: float
    """how long it took, in seconds"""
    peak: int
    """how many members it had at most at the same time"""
    visitors: int
    """how many different players were in it"""
    players: tuple[PlayerName, ...]
    """the names of those who were in it longest, the longest first"""
    games: tuple[str, ...]
    """what was played, the longest first"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification(Event):
    """A message in free text, which has no event type of its own."""

    title: str
    """the headline"""
    message: str
    """the text below it"""
    color: int | None = None
    """0xRRGGBB, ``None`` for the consumer's default"""


BUILT_IN_EVENTS: tuple[type[Event], ...] = (
    PartyCreated,
    PeerJoined,
    PeerLeft,
    GameStarted,
    GameEnded,
    ServerStarted,
    ServerStopped,
    PartyEnded,
    Notification,
)
