from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import PlainSerializer

# More than any server holds; without a bound, one whose log lacks leaves would fill the memory.
PLAYERS_MAX = 4096


@dataclass(slots=True)
class Roster:
    """Who is on a server, and which game goes on, as far as its log says."""

    present: dict[str, str] = field(default_factory=dict)
    """the name of each player who is there, in the order of their coming"""
    connecting: list[str] = field(default_factory=list)
    """the players who come but are not there yet"""
    game_name: str | None = None
    """the game that goes on"""
    started: Annotated[datetime, PlainSerializer(datetime.isoformat)] | None = None
    """when that began, as far as it is known"""
    started_clock: int | None = None
    """the time of day that the log had for it, in seconds"""

    def clear(self) -> None:
        """Note that nobody is there, because the server starts again."""
        self.present.clear()
        self.connecting.clear()
        self.end_game()

    def end_game(self) -> None:
        """Note that no game goes on."""
        self.game_name = self.started = self.started_clock = None

    def connect(self, player: str) -> None:
        """Note that a player comes who is not there yet."""
        self.present.pop(player, None)
        if player not in self.connecting:
            self.connecting = [*self.connecting, player][-PLAYERS_MAX:]

    def join(self, player: str, name: str) -> bool:
        """Note that a player is there; return whether that is new."""
        if player in self.connecting:
            self.connecting.remove(player)

        if player in self.present:
            return False

        if len(self.present) >= PLAYERS_MAX:
            del self.present[next(iter(self.present))]

        self.present[player] = name
        return True

    def leave(self, player: str, name: str | None) -> str | None:
        """Note that a player went; return the name, None if that is no event.

        :param name: None if the log does not say it here
        """
        known = self.present.pop(player, None)
        if known is None and player in self.connecting:
            self.connecting.remove(player)
            return None

        return name or known
