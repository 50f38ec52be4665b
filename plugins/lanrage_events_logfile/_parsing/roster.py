from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

# More than any server holds; without a bound, one whose log lacks leaves would fill the memory.
PLAYERS_MAX = 4096


class Roster:
    """Who is on a server, and which game goes on, as far as its log has told."""

    def __init__(self) -> None:
        self._present: dict[str, str] = {}
        self._connecting: dict[str, None] = {}
        self.game_name: str | None = None
        """the game that goes on"""
        self.started: datetime | None = None
        """when that began, as far as it is known"""
        self.started_clock: int | None = None
        """the time of day that the log had for it, in seconds"""

    @property
    def names(self) -> list[str]:
        """The names of those who are there, in the order of their coming."""
        return list(self._present.values())

    def clear(self) -> None:
        """Note that nobody is there, because the server begins anew."""
        self._present.clear()
        self._connecting.clear()
        self.end_game()

    def end_game(self) -> None:
        """Note that no game goes on."""
        self.game_name = self.started = self.started_clock = None

    def connect(self, player: str) -> None:
        """Note that somebody comes who is not there yet."""
        self._present.pop(player, None)
        _put(self._connecting, player, None)

    def join(self, player: str, name: str) -> bool:
        """Note that somebody is there; return whether that is new."""
        self._connecting.pop(player, None)
        if player in self._present:
            return False

        _put(self._present, player, name)
        return True

    def leave(self, player: str, name: str | None) -> str | None:
        """Note that somebody went; return the name, None if there is nothing to tell.

        :param name: None if the log does not say it here
        """
        known = self._present.pop(player, None)
        if known is None and player in self._connecting:
            del self._connecting[player]
            return None

        return name or known

    def to_dict(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return {
            "present": dict(self._present),
            "connecting": list(self._connecting),
            "game_name": self.game_name,
            "started": self.started and self.started.isoformat(),
            "started_clock": self.started_clock,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make it of what :meth:`to_dict` returned.

        :raises ValueError: if that cannot be
        """
        roster = cls()
        roster._present = {str(player): str(name) for player, name in data["present"].items()}
        roster._connecting = dict.fromkeys(map(str, data["connecting"]))
        roster.game_name = data["game_name"]
        roster.started_clock = data["started_clock"]
        if data["started"] is not None:
            roster.started = datetime.fromisoformat(data["started"]).astimezone(UTC)

        return roster


def _put(players: dict[str, Any], player: str, value: object) -> None:
    if len(players) >= PLAYERS_MAX:
        del players[next(iter(players))]

    players[player] = value
