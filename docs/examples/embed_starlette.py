"""A bus in an application of Starlette.

Serve it on either backend: ``anycorn embed_starlette:app`` or ``anycorn -k trio embed_starlette:app``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lanrage_events import EventBus, EventDecodeError, PeerJoined


class State(TypedDict):
    bus: EventBus


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: print(event.peer_name, "signed up"))
        yield {"bus": bus}


async def sign_up(request: Request) -> JSONResponse:
    bus: EventBus = request.state.bus
    try:
        event = bus.events.from_json(await request.body())
    except EventDecodeError as error:
        return JSONResponse({"problem": str(error)}, 422)

    await bus.publish(event)
    return JSONResponse({"id": event.id}, 202)


app = Starlette(routes=[Route("/events", sign_up, methods=["POST"])], lifespan=lifespan)
