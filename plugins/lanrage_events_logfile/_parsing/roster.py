"""The roster: the players and the game of a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer

# More than any server holds. Without a limit, a log without leaves would fill the memory.
PLAYERS_MAX = 4096


@dataclass(slots=True)
class Roster:
    """The players on a server and the current game, as far as its log says."""

    present: dict[str, str] = field(default_factory=dict)
    """the name of each player in the game, in the order in which they joined"""
    connecting: list[str] = field(default_factory=list)
    """the players who are connecting but not in the game yet"""
    game_name: str | None = None
    """the current game"""
    started: Annotated[AwareDatetime, PlainSerializer(datetime.isoformat)] | None = None
    """when the game started"""
    started_clock: int | None = None
    """when the game started by the log's time of day, in seconds"""

    def clear(self) -> None:
        """Remove all players and the game, because the server restarted."""
        self.present.clear()
        self.connecting.clear()
        self.end_game()

    def end_game(self) -> None:
        """Forget the current game."""
        self.game_name = self.started = self.started_clock = None

    def connect(self, player: str) -> None:
        """Add a player who is connecting."""
        self.present.pop(player, None)
        if player not in self.connecting:
            self.connecting = [*self.connecting, player][-PLAYERS_MAX:]

    def join(self, player: str, name: str) -> bool:
        """Add a player to the game; return False if already present."""
        if player in self.connecting:
            self.connecting.remove(player)

        if player in self.present:
            return False

        if len(self.present) >= PLAYERS_MAX:
            del self.present[next(iter(self.present))]

        self.present[player] = name
        return True

    def leave(self, player: str, name: str | None) -> str | None:
        """Remove a player; return the name, None if there is no event.

        :param name: None if the line does not have it
        """
        known = self.present.pop(player, None)
        if known is None and player in self.connecting:
            self.connecting.remove(player)
            return None

        return name or known
