"""One HTTP/1.1 connection of the loopback server."""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Mapping

import anyio
from anyio.lowlevel import checkpoint

from ._body import REQUEST_MAX_BYTES
from ._discord import RawRequest

_HEAD_MAX_BYTES = 65536
_RECEIVE_BYTES = 65536
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)

# https://www.rfc-editor.org/rfc/rfc9112#name-request-line
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.([01])")


class ConnectionLost(Exception):
    """Raised when the client is gone or the connection was reset."""


class BadRequest(Exception):
    """Raised when the client does not speak HTTP/1.1."""


class Connection:
    """Reads requests from a socket, and writes to it.

    It uses the socket itself and not one of AnyIO's streams, which say a polite good-bye before
    they close: a client must see a real reset.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._buffer = bytearray()
        self._closed = False

    async def receive_request(self) -> tuple[RawRequest, bool]:
        """Return the next request and whether the connection stays open.

        :raises BadRequest: if it is not HTTP/1.1
        :raises ConnectionLost: if there is none, since the client closed the connection
        """
        await checkpoint()
        while not (head := await self._receive_line(b"\r\n\r\n")).strip():
            # Empty lines may stand before a request.
            continue

        method, target, headers, persistent = _parse_head(head.decode("latin-1"))
        if headers.get("expect", "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = await self._receive_chunked()
        else:
            body = bytearray()
            await self._receive_into(body, _parse_length(headers.get("content-length", "0"), 10))

        return RawRequest(method, target, headers, bytes(body)), persistent

    async def send(self, data: bytes) -> None:
        """Send all of the data.

        :raises ConnectionLost: if the client is gone
        """
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await self._wait_writable()
            except OSError as error:
                raise ConnectionLost from error

    async def pause(self, seconds: float) -> None:
        """Wait some seconds for as long as the client is there.

        :raises ConnectionLost: as soon as it is not
        """
        await checkpoint()
        if seconds <= 0:
            return

        with anyio.move_on_after(seconds):
            # What arrives meanwhile belongs to the next request and stays in the buffer.
            while await self._receive():
                pass

            raise ConnectionLost

    def close(self) -> None:
        """Close the connection; closing it again does nothing."""
        if not self._closed:
            self._closed = True
            anyio.notify_closing(self._socket)
            self._socket.close()

    def reset(self) -> None:
        """Close the connection so that the client gets an error and no end of file."""
        if not self._closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.close()

    async def _receive(self) -> bool:
        """Receive some bytes into the buffer; return False at the end of the stream."""
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                await self._wait_readable()
            except OSError as error:
                raise ConnectionLost from error
            else:
                self._buffer += data
                return bool(data)

    async def _wait_readable(self) -> None:
        try:
            await anyio.wait_readable(self._socket)
        except anyio.ClosedResourceError as error:
            raise ConnectionLost from error

    async def _wait_writable(self) -> None:
        try:
            await anyio.wait_writable(self._socket)
        except anyio.ClosedResourceError as error:
            raise ConnectionLost from error

    async def _receive_line(self, end: bytes) -> bytes:
        """Take what comes before an end mark, and the mark."""
        while (index := self._buffer.find(end)) < 0:
            if len(self._buffer) > _HEAD_MAX_BYTES:
                raise BadRequest("the headers are too long")

            if not await self._receive():
                raise ConnectionLost

        return self._take(index + len(end))

    async def _receive_into(self, body: bytearray, length: int) -> None:
        """Receive some bytes of a body; those above Discord's bound are thrown away."""
        while length > 0:
            if not self._buffer and not await self._receive():
                raise ConnectionLost

            data = self._take(min(length, len(self._buffer)))
            length -= len(data)
            body += data[: REQUEST_MAX_BYTES + 1 - len(body)]

    async def _receive_chunked(self) -> bytearray:
        body = bytearray()
        while True:
            line = await self._receive_line(b"\r\n")
            length = _parse_length(line.decode("latin-1").partition(";")[0], 16)
            if length == 0:
                break

            await self._receive_into(body, length)
            if await self._receive_line(b"\r\n") != b"\r\n":
                raise BadRequest("a chunk is longer than it says")

        while (await self._receive_line(b"\r\n")).strip():
            # A trailer, which says nothing to Discord.
            continue

        return body

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data


def _parse_head(head: str) -> tuple[str, str, Mapping[str, str], bool]:
    """Return method, target, headers and whether the connection stays open."""
    first, *lines = head.strip("\r\n").split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise BadRequest("the request line is not HTTP/1.1")

    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise BadRequest("a header has no name")

        headers[name.lower()] = value.strip()

    connection = headers.get("connection", "").lower()
    persistent = "keep-alive" in connection if match[3] == "0" else "close" not in connection
    return match[1], match[2], headers, persistent


def _parse_length(text: str, base: int) -> int:
    text = text.strip()
    # int() would take signs, underscores and digits of other scripts too.
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}", text):
        raise BadRequest("a length is not a number")

    try:
        return int(text, base)
    except ValueError as error:
        raise BadRequest("a length is not a number") from error
