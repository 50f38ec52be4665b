"""Bounds on connections: how many there are, how long each may do nothing, and slow readers."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

logger = logging.getLogger(__name__)

# A whole request head must be there by then, however slowly it comes.
FIRST_REQUEST_SECONDS = 10.0
NEXT_REQUEST_SECONDS = 15.0
# What the peer has to take within this time is at most a chunk of the answer, or a page file.
WRITE_SECONDS = 20.0
# A peer that is gone without a word holds a live feed for so long.
_GONE_PEER_SECONDS = 60
_GONE_PEER_PROBE_SECONDS = 10
_GONE_PEER_PROBES = 3
SECONDS_BETWEEN_WARNINGS = 60.0


class Connection:
    """A stream of bytes from and to a peer, with bounds in time.

    The server reads and writes through it and works within :meth:`living`. While no request is
    being answered, a deadline runs, which is not moved by single bytes of a request.

    :param stream: what the peer is connected by
    :param cut_off: called when the peer was too slow
    """

    def __init__(self, stream: SocketStream, cut_off: Callable[[], None]) -> None:
        self._stream = stream
        self._cut_off = cut_off
        self._scope = anyio.CancelScope()
        self._requests = 0
        self._is_heard = False
        """whether a part of a next request has come"""
        self._is_gone = False
        self._stopping = False
        self._is_aborted = False

    @contextmanager
    def living(self) -> Iterator[None]:
        """Cancel what is in the block when the peer has sent no request for too long."""
        self._scope.deadline = anyio.current_time() + FIRST_REQUEST_SECONDS
        with self._scope:
            yield

        # To be closed while it is idle is the usual end of a connection.
        is_slow = self._is_heard and not self._is_gone and not self._stopping
        if self._scope.cancelled_caught and is_slow:
            self._cut_off()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Let the peer wait, for as long as the answer takes, within a ``with`` block."""
        self._requests += 1
        self._scope.deadline = math.inf
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._is_heard = False
                patience = 0 if self._is_gone else NEXT_REQUEST_SECONDS
                self._scope.deadline = anyio.current_time() + patience

    def stop(self) -> None:
        """Close it unless a request is being answered."""
        self._stopping = True
        if not self._requests:
            self._scope.cancel()

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """Return what the peer sent."""
        try:
            data = await self._stream.receive(max_bytes)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            # The server would go on waiting for a next request.
            self._is_gone = True
            if not self._requests:
                self._scope.cancel()

            raise

        self._is_heard = True
        return data

    async def send(self, item: bytes) -> None:
        """Send, or cut off a peer that does not take it in time.

        :raises anyio.BrokenResourceError: if it was cut off
        """
        if self._is_aborted:
            raise anyio.BrokenResourceError

        with anyio.move_on_after(WRITE_SECONDS) as scope:
            await self._stream.send(item)

        if scope.cancelled_caught:
            self._is_aborted = True
            self._cut_off()
            await anyio.aclose_forcefully(self._stream)
            raise anyio.BrokenResourceError

    async def send_eof(self) -> None:
        """Tell the peer that nothing more comes."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it, in any case."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()

    def extra(self, attribute: Any, *default: Any) -> Any:
        """Return what the stream knows about the peer."""
        return self._stream.extra(attribute, *default)  # noqa: S610 - no Django


class Connections:
    """The open connections, at most so many.

    :param limit: how many may be open at the same time
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.accepted = 0
        self.refused = 0
        """connections that were closed at once, because there were too many"""
        self.cut_off = 0
        """connections of peers that were too slow"""
        self._open: set[Connection] = set()
        self._warned_at = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether the next connection would be closed at once."""
        return len(self._open) >= self.limit

    async def add(self, stream: SocketStream) -> Connection | None:
        """Count a new connection, or close it and return None if there are too many."""
        if not self.is_full:
            connection = Connection(stream, self._count_cut_off)
            _detect_gone_peer(stream)
            self.accepted += 1
            self._open.add(connection)
            return connection

        self.refused += 1
        if monotonic() - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            self._warned_at = monotonic()
            logger.warning(
                "%d connections are open, which is max_connections: new ones are closed",
                len(self._open),
            )

        await anyio.aclose_forcefully(stream)
        return None

    async def close(self, connection: Connection) -> None:
        """Close one and make room for another."""
        try:
            await connection.aclose()
        finally:
            self._open.discard(connection)

    def stop(self) -> None:
        """Close those on which no request is being answered."""
        for connection in tuple(self._open):
            connection.stop()

    def _count_cut_off(self) -> None:
        self.cut_off += 1


def _detect_gone_peer(stream: SocketStream) -> None:
    """Have the system probe a silent connection, so that a peer without power does not keep it."""
    raw_socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django
    options = {
        "TCP_KEEPIDLE": _GONE_PEER_SECONDS,
        "TCP_KEEPINTVL": _GONE_PEER_PROBE_SECONDS,
        "TCP_KEEPCNT": _GONE_PEER_PROBES,
    }
    try:
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):  # not everywhere
                raw_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError:  # it is gone already
        logger.debug("cannot set options of a connection", exc_info=True)
