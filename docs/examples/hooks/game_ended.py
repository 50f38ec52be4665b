from __future__ import annotations

from lanrage_events import GameEnded, hookimpl


@hookimpl
def game_ended(event: GameEnded) -> None:
    latency = "unknown" if event.avg_latency is None else f"{event.avg_latency:.0f} ms"
    print(f"{event.game_name} took {event.duration:.0f} s, latency {latency}")
