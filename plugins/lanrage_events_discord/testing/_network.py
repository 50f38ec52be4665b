"""The wire between the clients and the stand-in, which can be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from ._journal import Signal


class Network:
    """Knows what is connected, and refuses connections while it is down."""

    def __init__(self) -> None:
        self._down_until = float("-inf")
        self._links: set[Callable[[], object]] = set()
        self._changed = Signal()

    @property
    def up(self) -> bool:
        """Whether a connection would be accepted now."""
        return anyio.current_time() >= self._down_until

    def cut(self, seconds: float) -> None:
        """Reset every connection now and refuse new ones for some seconds."""
        self._down_until = max(self._down_until, anyio.current_time() + seconds)
        self._changed.set()
        for sever in list(self._links):
            sever()

    def restore(self) -> None:
        """Accept connections again."""
        self._down_until = float("-inf")
        self._changed.set()

    async def wait_up(self) -> None:
        """Wait until connections are accepted."""
        while (seconds := self._down_until - anyio.current_time()) > 0:
            with anyio.move_on_after(seconds):
                await self._changed.wait()

    @contextmanager
    def link(self, sever: Callable[[], object]) -> Iterator[None]:
        """Call a function if the network is cut within the block."""
        self._links.add(sever)
        try:
            yield
        finally:
            self._links.discard(sever)


async def pause(seconds: float) -> None:
    """Sleep, for ever if the seconds are infinite; always a checkpoint."""
    if seconds == float("inf"):
        await anyio.sleep_forever()

    await anyio.sleep(seconds)
