"""The roster: the players and the game of a server."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, PlainSerializer

from lanrage_events.abc import Person

# More than any server holds. Without a limit, a log without leaves would fill the memory.
PLAYERS_MAX = 4096


@dataclass(slots=True)
class Roster:
    """The players on a server and the current game, as far as its log says."""

    present: dict[str, str] = field(default_factory=dict)
    """the name of each player in the game, in the order in which they joined"""
    peer_ids: dict[str, str] = field(default_factory=dict)
    """the id of each player in the game whose join had one"""
    unreported: set[str] = field(default_factory=set)
    """the players whose join was not reported, as it was before the log was followed"""
    connecting: list[str] = field(default_factory=list)
    """the players who are connecting but not in the game yet"""
    game_name: str | None = None
    """the current game"""
    started: Annotated[AwareDatetime, PlainSerializer(datetime.isoformat)] | None = None
    """when the game started"""
    started_clock: int | None = None
    """when the game started by the log's time of day, in seconds"""
    running: bool | None = None
    """whether the server runs, None if the log has not said it yet"""

    def copy(self) -> Roster:
        """Return a copy that changes on its own."""
        return Roster(**{field.name: copy(getattr(self, field.name)) for field in fields(self)})

    def clear(self) -> None:
        """Remove all players and the game, because the server restarted."""
        self.present.clear()
        self.peer_ids.clear()
        self.unreported.clear()
        self.connecting.clear()
        self.end_game()
        if self.running:
            self.running = None

    def end_game(self) -> None:
        """Forget the current game."""
        self.game_name = self.started = self.started_clock = None

    def connect(self, player: str) -> None:
        """Add a player who is connecting."""
        self.running = True
        if player not in self.connecting:
            self.connecting = [*self.connecting, player][-PLAYERS_MAX:]

    def join(self, player: str, name: str, peer_id: str | None = None) -> bool:
        """Add a player to the game; return False if already present."""
        self.running = True
        if player in self.connecting:
            self.connecting.remove(player)

        if player in self.present:
            return False

        if len(self.present) >= PLAYERS_MAX:
            oldest = next(iter(self.present))
            del self.present[oldest]
            self.peer_ids.pop(oldest, None)
            self.unreported.discard(oldest)

        self.present[player] = name
        if peer_id is not None:
            self.peer_ids[player] = peer_id

        return True

    def forget(self, person: Person) -> int:
        """Remove a person, and return how many players that were."""
        known = {*self.present, *self.connecting}
        named = {
            player
            for player in known
            for name in (player, self.present.get(player), self.peer_ids.get(player))
            if person.is_called(name)
        }
        for player in named:
            self.present.pop(player, None)
            self.peer_ids.pop(player, None)
            self.unreported.discard(player)

        self.connecting = [player for player in self.connecting if player not in named]
        return len(named)

    def leave(self, player: str, name: str | None) -> tuple[str | None, str | None]:
        """Remove a player; return the name and the id of the join, None if not in the game.

        :param name: None if the line does not have it
        """
        if player in self.connecting:
            self.connecting.remove(player)

        self.unreported.discard(player)
        known = self.present.pop(player, None)
        return known and (name or known), self.peer_ids.pop(player, None)
