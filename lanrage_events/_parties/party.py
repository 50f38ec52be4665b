"""A party and its members at one moment: what readers get."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A player who joined a party and has not left it."""

    name: str
    """as the last join wrote it"""
    since: datetime
    """when the player joined; who is back within a minute of leaving has not been away"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """People who are together, as events say. It does not change: get it again after an event."""

    key: str
    """which party, for :class:`Parties`; it stays the same while the party lasts"""
    id: str | None
    """the ``party_id`` of its events, ``None`` if they have none"""
    name: str | None
    """what it is called, ``None`` if no event named it"""
    host: str | None
    """the name of the player who opened it, ``None`` if unknown"""
    since: datetime
    """when it began; for a server that had been empty, when the first player joined"""
    members: tuple[Member, ...]
    """who joined and has not left, in the order in which they joined"""
    peak: int
    """how many members it had at most at the same time"""
    game: str | None
    """the current game, or else that of its server; ``None`` if there is none"""
    game_since: datetime | None
    """when the game began, ``None`` without a game"""
    players: tuple[str, ...]
    """the names of those who play, as the event of the game said; they need not be members"""
    games: tuple[tuple[str, float, int], ...]
    """what was played, the longest first: the name, for how many seconds, and how many times"""
    visitors: int
    """how many different players were in it"""
    loyal: tuple[tuple[str, float], ...]
    """who was in it longest, at most three: the name, and for how many seconds"""
    last_change: datetime
    """the time of the last event that changed it; ``games`` and ``loyal`` count up to it"""
    is_empty: bool
    """whether it is over for all that is known: someone was in it, nobody is now, and no game runs
    but that of its server"""
    is_idle: bool
    """whether it has not begun: its server runs, and nobody has been on it"""
    ended: datetime | None = None
    """when it ended, ``None`` while it lasts"""

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self.members)
