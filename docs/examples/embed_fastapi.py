"""A bus in an application of FastAPI: ``uvicorn embed_fastapi:app``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from lanrage_events import EventBus, PeerJoined


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, EventBus]]:
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, lambda event: print(event.peer_name, "signed up"))
        yield {"bus": bus}


app = FastAPI(lifespan=lifespan)


@app.post("/players/{name}", status_code=202)
async def sign_up(name: str, request: Request) -> dict[str, str]:
    bus: EventBus = request.state.bus
    event = PeerJoined(peer_name=name, party_name="Friday LAN")
    await bus.publish(event)
    return {"id": event.id}
