"""The body of a request, limited in size and time, and read to its end before we hang up."""

from __future__ import annotations

import math

import anyio
from starlette.types import Message, Receive, Scope

from .._problem import Problem

_REST_SECONDS = 2.0
_REST_BYTES = 16 * 1_024 * 1_024


class Body:
    """Receives a request's body within its limits.

    :param scope: the request's
    :param receive: the server's
    :param limit: the largest body, in bytes
    :param timeout: seconds for the whole body
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int, timeout: float) -> None:
        self._receive = receive
        self._limit = limit
        self._timeout = timeout
        self._size = 0
        self._give_up_at = math.inf
        self.problem: Problem | None = None
        """what :meth:`receive` raised; the application may have caught it"""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        self._length = int(length) if length.isdigit() else 0
        self.is_there = self._length > 0 or b"transfer-encoding" in headers
        self.has_rest = self.is_there
        """whether some of it has not been received yet"""

    def check_length(self) -> None:
        """Check the Content-Length.

        :raises Problem: if it exceeds the limit
        """
        if self._length > self._limit:
            raise self._too_long()

    async def receive(self) -> Message:
        """Return the next ASGI message.

        :raises Problem: if the body is too long or too slow
        """
        if not self.has_rest:
            return await self._receive()

        if self._give_up_at == math.inf:
            self._give_up_at = anyio.current_time() + self._timeout

        message: Message | None = None
        with anyio.CancelScope(deadline=self._give_up_at):
            message = await self._receive()

        if message is None:
            self.problem = Problem(
                408, f"the body did not arrive within {self._timeout:g} seconds", headers=_CLOSE
            )
            self.has_rest = False
            raise self.problem

        self._take(message)
        if self._size > self._limit:
            self.problem = self._too_long()
            raise self.problem

        return message

    async def read_rest(self) -> None:
        """Read and discard the rest for a while, so that the peer sees the answer.

        Closing a connection while data is on the way resets it, and the answer is lost.
        """
        with anyio.move_on_after(_REST_SECONDS):
            while self.has_rest and self._size <= _REST_BYTES:
                self._take(await self._receive())

    def _take(self, message: Message) -> None:
        self._size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.has_rest = False

    def _too_long(self) -> Problem:
        return Problem(413, f"the body may have {self._limit:,} bytes at most: send less at once")


_CLOSE = {"Connection": "close"}
