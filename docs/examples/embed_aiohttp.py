"""A bus in a server on aiohttp."""

from __future__ import annotations

from aiohttp import web

from lanrage_events import BusRunner, EventBus, PeerJoined

RUNNER = web.AppKey("runner", BusRunner)


async def sign_up(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    bus = request.app[RUNNER].bus
    await bus.publish(PeerJoined(peer_name=name, party_name="Friday LAN"))
    return web.Response(status=202)


async def start_bus(app: web.Application) -> None:
    await app[RUNNER].start()


async def stop_bus(app: web.Application) -> None:
    await app[RUNNER].stop()


def make_app() -> web.Application:
    bus = EventBus()
    bus.subscribe(PeerJoined, lambda event: print(event.peer_name, "signed up"))
    app = web.Application()
    app[RUNNER] = BusRunner(bus)
    app.on_startup.append(start_bus)
    app.on_cleanup.append(stop_bus)
    app.add_routes([web.post("/players/{name}", sign_up)])
    return app


if __name__ == "__main__":
    web.run_app(make_app())
