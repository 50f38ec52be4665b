"""A bus beside a synchronous game: it runs in a thread, and the game waits only to pass it events.

With the environment variable ``DISCORD_WEBHOOK_URL``, it posts to a Discord channel, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from lanrage_events import Event, EventBus, GameEnded, GameStarted
from lanrage_events_discord import DiscordConfig, DiscordPlugin


@contextmanager
def events(webhook_url: str = "", state: Path | None = None) -> Iterator[Callable[[Event], None]]:
    """Run a bus in a thread, and yield a function that publishes from any other thread."""
    bus = EventBus(state_folder=state, drain_timeout=5)
    bus.subscribe(Event, lambda event: print("published", event.type))
    if webhook_url:
        config = DiscordConfig.model_validate({"webhook_url": webhook_url})
        bus.register(DiscordPlugin(config), "discord")

    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(bus):
        yield bus.publish_from_thread


def game(publish: Callable[[Event], None], frames: int = 30) -> None:
    """Play like any game that knows nothing about event loops."""
    publish(GameStarted(game_name="Pong", players=("Ann", "Ben")))
    began = time.monotonic()
    for _ in range(frames):
        time.sleep(1 / 60)

    publish(GameEnded(game_name="Pong", duration=time.monotonic() - began))


if __name__ == "__main__":
    with events(os.environ.get("DISCORD_WEBHOOK_URL", "")) as publish:
        game(publish)
