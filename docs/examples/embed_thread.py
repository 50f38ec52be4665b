"""A bus beside a synchronous game: it runs in a thread, and the game waits only to pass it events.

With the environment variable ``DISCORD_WEBHOOK_URL``, it posts to a Discord channel, too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from lanrage_events import BusThread, Event, EventBus, GameEnded, GameStarted, run_in_thread
from lanrage_events_discord import DiscordConfig, DiscordPlugin


def start_events(webhook_url: str = "", state: Path | None = None) -> BusThread:
    bus = EventBus(state_folder=state, drain_timeout=5)
    bus.subscribe(Event, lambda event: print("published", event.type))
    if webhook_url:
        config = DiscordConfig.model_validate({"webhook_url": webhook_url})
        bus.register(DiscordPlugin(config), "discord")

    return run_in_thread(bus)


def game(events: BusThread, frames: int = 30) -> None:
    """Play like any game that knows nothing about event loops."""
    events.publish(GameStarted(game_name="Pong", players=("Ann", "Ben")))
    began = time.monotonic()
    for _ in range(frames):
        time.sleep(1 / 60)

    events.publish(GameEnded(game_name="Pong", duration=time.monotonic() - began))


if __name__ == "__main__":
    with start_events(os.environ.get("DISCORD_WEBHOOK_URL", "")) as events:
        game(events)
