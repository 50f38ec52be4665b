"""The streaming answer to a client of the feed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, aclosing

import anyio
from starlette.types import Receive, Scope, Send

from .feed import FeedClient

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Otherwise nginx would buffer the answer.
    (b"x-accel-buffering", b"no"),
]


class StreamResponse:
    """An answer that lasts until the feed ends it, or the peer disconnects.

    :param opening: the context of the feed's client
    :param ends: each ends it when it is set, such as when the server stops
    """

    def __init__(
        self, opening: AbstractContextManager[FeedClient], ends: Sequence[anyio.Event]
    ) -> None:
        self._opening = opening
        self._ends = ends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opening as client:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            is_whole = scope["method"] == "HEAD"
            if not is_whole:
                async with anyio.create_task_group() as task_group:
                    client.scope = task_group.cancel_scope
                    task_group.start_soon(_cancel_on_disconnect, receive, task_group.cancel_scope)
                    for end in self._ends:
                        task_group.start_soon(_end_when_set, end, client)

                    async with aclosing(client.chunks()) as chunks:
                        async for chunk in chunks:
                            await send(_body(chunk, more=True))

                    is_whole = True
                    task_group.cancel_scope.cancel()

        # Otherwise it is cut off: a peer that has left or reads nothing would block this, too.
        if is_whole:
            await send(_body(b"", more=False))


def _body(chunk: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

    scope.cancel()


async def _end_when_set(end: anyio.Event, client: FeedClient) -> None:
    await end.wait()
    client.end()
