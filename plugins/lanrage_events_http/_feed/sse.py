"""Server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from typing import Protocol

import anyio
from starlette.types import Receive, Scope, Send

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Nginx would otherwise collect what it passes on.
    (b"x-accel-buffering", b"no"),
]


def frame(event: str, data: str, id: str) -> bytes:
    """Return one event as the stream shows it.

    :param event: its name
    :param data: text in one line
    :param id: with which a client asks for what came after it
    """
    return f"id: {id}\nevent: {event}\ndata: {data}\n\n".encode("utf-8", "replace")


def comment(text: str) -> bytes:
    """Return a line that clients skip, which shows both sides that the other is still there."""
    return f": {text}\n\n".encode()


class Source(Protocol):
    """Where the bytes of a stream come from."""

    scope: anyio.CancelScope | None
    """ends the answer when it is cancelled; set while there is one"""

    def end(self) -> None:
        """Let the chunks end."""

    def chunks(self) -> AsyncGenerator[bytes]:
        """Yield what is sent."""
        ...


class StreamResponse:
    """An answer that lasts until its source ends, the client leaves or the server stops.

    :param source: is entered for as long as the answer lasts
    :param stopping: set when the server stops
    """

    def __init__(self, source: AbstractContextManager[Source], stopping: anyio.Event) -> None:
        self._source = source
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._source as source:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            is_whole = scope["method"] == "HEAD"
            if not is_whole:
                async with anyio.create_task_group() as task_group:
                    source.scope = task_group.cancel_scope
                    task_group.start_soon(_cancel_when_left, receive, task_group.cancel_scope)
                    task_group.start_soon(_end_when_stopping, self._stopping, source)
                    async with aclosing(source.chunks()) as chunks:
                        async for chunk in chunks:
                            await send(_body(chunk, more=True))

                    is_whole = True
                    task_group.cancel_scope.cancel()

        # Otherwise it is broken off: whoever left or takes nothing would hold this up, too.
        if is_whole:
            await send(_body(b"", more=False))


def _body(chunk: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _cancel_when_left(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

    scope.cancel()


async def _end_when_stopping(stopping: anyio.Event, source: Source) -> None:
    await stopping.wait()
    source.end()
