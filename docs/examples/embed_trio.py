"""A bus in a program on Trio: a tournament whose games run at the same time."""

from __future__ import annotations

import trio

from lanrage_events import EventBus, GameEnded, GameStarted


async def play(bus: EventBus, game: str, seconds: float) -> None:
    await bus.publish(GameStarted(game_name=game, players=("Ann", "Ben")))
    await trio.sleep(seconds)
    await bus.publish(GameEnded(game_name=game, duration=seconds))


async def main() -> None:
    async with EventBus() as bus:
        bus.subscribe(GameStarted, lambda event: print(event.game_name, "begins"))
        bus.subscribe(GameEnded, lambda event: print(event.game_name, "is over"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, bus, "Quake", 0.2)
            nursery.start_soon(play, bus, "Trackmania", 0.4)


if __name__ == "__main__":
    trio.run(main)
