from __future__ import annotations

from lanrage_events import Event, GameStarted, ServerStarted, hookimpl


@hookimpl
def replaced_events() -> list[tuple[Event, Event]]:
    before = GameStarted(game_name="Quake", players=())
    return [(before, ServerStarted(server_name="Basement", game_name="Quake"))]
