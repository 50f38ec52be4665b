"""A bus in a program on asyncio: a lobby server that prints who comes in and leaves.

Try it with ``nc localhost 7777`` and type a name.
"""

from __future__ import annotations

import asyncio
from functools import partial

from lanrage_events import EventBus, PeerJoined, PeerLeft


async def welcome(
    bus: EventBus, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    name = (await reader.readline()).decode(errors="replace").strip()
    await bus.publish(PeerJoined(peer_name=name, party_name="Lobby"))
    await reader.read()  # until the player disconnects
    await bus.publish(PeerLeft(peer_name=name, party_name="Lobby"))
    writer.close()


async def main(port: int = 7777) -> None:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: print(event.peer_name, "came in", flush=True))
        bus.subscribe(PeerLeft, lambda event: print(event.peer_name, "left", flush=True))
        server = await asyncio.start_server(partial(welcome, bus), "127.0.0.1", port)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
