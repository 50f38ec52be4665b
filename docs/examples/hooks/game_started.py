from __future__ import annotations

from lanrage_events import GameStarted, hookimpl


@hookimpl
def game_started(event: GameStarted) -> None:
    print(f"{len(event.players)} players in {event.game_name}: {', '.join(event.players)}")
