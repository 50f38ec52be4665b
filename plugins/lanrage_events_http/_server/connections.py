"""Connections, limited in number and in how long a peer may stay idle or slow."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import anyio
from anyio.abc import SocketAttribute, SocketStream

from .addresses import TrustedProxies, is_own, source_of
from .shares import Shares

logger = logging.getLogger(__name__)

# How the system probes a silent peer, so that one without power does not keep a live feed open.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
SECONDS_BETWEEN_WARNINGS = 60.0
SPARE = 4
"""connections beyond the limit, one for each address, on which only health is answered; this
machine has as many as are kept for it, at least these"""
_SECONDS_OF_PROBLEM = 60.0
_MOST_NAMED = 3
"""addresses that a problem names"""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the server waits, in seconds."""

    first_request: float = 10.0
    """until the head of a connection's first request is complete"""
    next_request: float = 15.0
    """the same for each later request"""
    body: float = 30.0
    """until the body of a request is complete"""
    first_answer: float = 60.0
    """until a handler begins to answer"""
    write: float = 20.0
    """until the peer has taken a chunk of the answer, or a page file"""
    spare: float = 2.0
    """until the head of the only request of a spare connection is complete"""
    stop: float = 3.0
    """until answers that still run are cut off when the server stops"""
    accept: float = 0.1
    """before it accepts again after an error"""


class Connection:
    """A stream of bytes from and to a peer, with timeouts.

    The server reads and writes through it and works within :meth:`living`. While no request is
    being answered, a deadline runs; single bytes of a request do not move it.

    :param stream: the peer's
    :param cut_off: called when the peer was too slow
    :param address: the peer's
    :param is_spare: whether it is one beyond the limit, for a request about health
    """

    def __init__(
        self,
        stream: SocketStream,
        timeouts: Timeouts,
        cut_off: Callable[[], None],
        address: str,
        *,
        is_spare: bool = False,
    ) -> None:
        self.address = address
        self.is_spare = is_spare
        self._stream = stream
        self._timeouts = timeouts
        self._cut_off = cut_off
        self._scope = anyio.CancelScope()
        self._requests = 0
        self._is_heard = False
        """whether a part of the next request has arrived"""
        self._is_gone = False
        self._stopping = False
        self._is_aborted = False

    @contextmanager
    def living(self) -> Iterator[None]:
        """Cancel the block when the peer has sent no request for too long."""
        timeouts = self._timeouts
        seconds = timeouts.spare if self.is_spare else timeouts.first_request
        self._scope.deadline = anyio.current_time() + seconds
        with self._scope:
            yield

        # Being closed while idle is the usual end of a connection.
        is_slow = self._is_heard and not self._is_gone and not self._stopping
        if self._scope.cancelled_caught and is_slow:
            self._cut_off()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Suspend the deadline while a request is being answered."""
        self._requests += 1
        self._scope.deadline = math.inf
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._is_heard = False
                seconds = 0 if self._is_gone else self._timeouts.next_request
                self._scope.deadline = anyio.current_time() + seconds

    @property
    def is_silent(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not (self._requests or self._is_heard)

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
            # The server would go on waiting for the next request.
            self._is_gone = True
            if not self._requests:
                self._scope.cancel()

            raise

        self._is_heard = True
        return data

    async def send(self, item: bytes) -> None:
        """Send data, or cut off a peer that does not take it in time.

        :raises anyio.BrokenResourceError: if it was cut off
        """
        if self._is_aborted:
            raise anyio.BrokenResourceError

        with anyio.move_on_after(self._timeouts.write) as scope:
            await self._stream.send(item)

        if scope.cancelled_caught:
            self._is_aborted = True
            self._cut_off()
            await anyio.aclose_forcefully(self._stream)
            raise anyio.BrokenResourceError

    async def send_eof(self) -> None:
        """Signal the end of the data to the peer."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream, even when cancelled."""
        with anyio.CancelScope(shield=True):
            await self._stream.aclose()

    def extra(self, attribute: Any, *default: Any) -> Any:
        """Return an attribute of the stream."""
        return self._stream.extra(attribute, *default)  # noqa: S610 - no Django


class Connections:
    """The open connections, limited in number, each address to its share.

    :param limit: how many may be open at the same time
    :param timeouts: of each
    :param proxies: those that are trusted
    :param clock: in seconds
    """

    def __init__(
        self,
        limit: int,
        timeouts: Timeouts = Timeouts(),
        proxies: TrustedProxies = TrustedProxies(),  # noqa: B008 - immutable
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.limit = limit
        self.timeouts = timeouts
        self.accepted = 0
        self.rejected = 0
        """connections for which there was no room"""
        self.cut_off = 0
        """connections of peers that were too slow"""
        self._shares = Shares(limit, proxies, "connections")
        self._clock = clock
        self._open: set[Connection] = set()
        self._spare: dict[Connection, None] = {}
        """the oldest first"""
        self._turned_away: dict[str, float] = {}
        """by address: when it last got no connection, the latest last"""
        self._lack = ""
        """why the last of them got none"""
        self._warned_at = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    @property
    def problem(self) -> str | None:
        """Who got no connection within the last minute, why, and the remedy."""
        since = self._clock() - _SECONDS_OF_PROBLEM
        recent = [source for source, at in self._turned_away.items() if at > since]
        if not recent:
            return None

        who = ", ".join(reversed(recent[-_MOST_NAMED:]))
        more = " and others" if len(recent) > _MOST_NAMED else ""
        return (
            f"new connections of {who}{more} are closed: {self._lack}; {self._remedy(recent[-1])}"
        )

    async def add(self, stream: SocketStream) -> Connection | None:
        """Count a new connection; return None and close it if there are too many.

        Beyond the limit or the share of an address, it is a spare one, if there is still room.
        """
        address = _address(stream)
        lack = self._shares.lack(address)
        if lack is None:
            connection = Connection(stream, self.timeouts, self._count_cut_off, address)
            self._shares.add(address)
            self._open.add(connection)
            self.accepted += 1
            _enable_keepalive(stream)
            return connection

        self.rejected += 1
        self._note(source_of(address), lack)
        if self._has_spare_room(address):
            count, timeouts = self._count_cut_off, self.timeouts
            connection = Connection(stream, timeouts, count, address, is_spare=True)
            self._spare[connection] = None
            return connection

        await anyio.aclose_forcefully(stream)
        return None

    def _has_spare_room(self, address: str) -> bool:
        """Whether there is a spare connection for an address, perhaps that of a silent peer."""
        if not is_own(address):
            others = [spare for spare in self._spare if not is_own(spare.address)]
            source = source_of(address)
            return len(others) < SPARE and all(source_of(s.address) != source for s in others)

        own = [spare for spare in self._spare if is_own(spare.address)]
        if len(own) < max(SPARE, self._shares.kept):
            return True

        # A request about health comes at once.
        silent = next((spare for spare in own if spare.is_silent), None)
        if silent is None:
            return False

        del self._spare[silent]
        silent.stop()
        return True

    def _note(self, source: str, lack: str) -> None:
        self._turned_away.pop(source, None)
        self._turned_away[source] = now = self._clock()
        self._lack = lack
        if len(self._turned_away) > _MOST_NAMED + 1:
            del self._turned_away[next(iter(self._turned_away))]

        if now - self._warned_at >= SECONDS_BETWEEN_WARNINGS:
            self._warned_at = now
            logger.warning(
                "a new connection of %s is closed, as are further ones: %s; %s",
                source,
                lack,
                self._remedy(source),
            )

    def _remedy(self, source: str) -> str:
        remedy = "close some, or raise 'max_connections'"
        if self._shares.of(source) < self.limit - self._shares.kept:
            remedy += f"; if {source} is a proxy, name it in 'trusted_proxies'"

        return remedy

    async def close(self, connection: Connection) -> None:
        """Close a connection and make room for another."""
        try:
            await connection.aclose()
        finally:
            self._spare.pop(connection, None)
            if connection in self._open:
                self._open.remove(connection)
                self._shares.remove(connection.address)

    def stop(self) -> None:
        """Close the connections on which no request is being answered."""
        for connection in (*self._open, *self._spare):
            connection.stop()

    def _count_cut_off(self) -> None:
        self.cut_off += 1


def _address(stream: SocketStream) -> str:
    raw_socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django
    try:
        return str(raw_socket.getpeername()[0])
    except OSError:  # the peer is gone already
        return ""


def _enable_keepalive(stream: SocketStream) -> None:
    raw_socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - no Django
    try:
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):  # not everywhere
                raw_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    except OSError:  # the peer is gone already
        logger.debug("cannot set options of a connection", exc_info=True)
