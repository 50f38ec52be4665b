"""The requests to reload the configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import ObjectReceiveStream

from .watch import Folders, watch


@asynccontextmanager
async def reload_requests(
    wait_signal: Callable[[], Awaitable[str]],
    file: Path | None = None,
    folders: Folders = lambda: (),
) -> AsyncIterator[ObjectReceiveStream[str]]:
    """Receive reasons to reload: a signal, or a change of what is watched.

    :param wait_signal: waits for the next signal, and returns its name
    :param file: the configuration file, if it and the templates are watched
    :param folders: returns the template folders
    """
    send, receive = anyio.create_memory_object_stream[str](1)

    def request(reason: str) -> None:
        try:
            send.send_nowait(reason)
        except anyio.WouldBlock:
            return  # a request is already waiting, and will see this change too

    async def listen() -> None:
        while True:
            request(await wait_signal())

    async with send, receive, anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        if file is not None:
            tasks.start_soon(watch, file, folders, request)

        yield receive
        tasks.cancel_scope.cancel()
