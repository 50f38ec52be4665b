"""An application in several processes, which publish in one daemon with the plugin http.

Start it with ``uvicorn --workers 4 embed_workers:app``.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request

from lanrage_events import PeerJoined
from lanrage_events_http import AsyncClient, PublishError


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, AsyncClient]]:
    async with AsyncClient(timeout=10) as client:
        yield {"client": client}


app = FastAPI(lifespan=lifespan)


@app.post("/players/{name}", status_code=202)
async def sign_up(name: str, request: Request) -> dict[str, object]:
    client: AsyncClient = request.state.client
    try:
        receipt = await client.publish(PeerJoined(peer_name=name, party_name="Friday LAN"))
    except PublishError as error:
        raise HTTPException(503, str(error)) from error

    return {"ids": receipt.ids, "process": os.getpid()}
