"""One HTTP/1.1 connection of the loopback server."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import anyio
import h11
from anyio.lowlevel import checkpoint

from ._body import REQUEST_MAX_BYTES
from ._engine import Delivery, RawRequest
from ._reply import Reply, phrase

_HEAD_MAX_BYTES = 65536
_RECEIVE_BYTES = 65536
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class ConnectionLost(Exception):
    """Raised when the client is gone or the connection was reset."""


class Connection:
    """Reads requests from a socket, and writes answers to it.

    It uses the socket itself and not one of AnyIO's streams, which shut down
    gracefully when they close: a client must see a real reset.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_MAX_BYTES)
        self._is_head = False
        self._closed = False

    async def receive_request(self) -> RawRequest:
        """Return the next request.

        :raises h11.RemoteProtocolError: if it is not HTTP/1.1
        :raises ConnectionLost: if there is none, since the client closed the connection
        """
        await checkpoint()
        request: h11.Request | None = None
        body = bytearray()
        while True:
            match event := await self._next_event():
                case h11.Request() if event.http_version in (b"1.0", b"1.1"):
                    request = event
                    self._is_head = event.method == b"HEAD"
                case h11.Request():
                    raise h11.RemoteProtocolError("the request is not HTTP/1.1")
                case h11.Data():
                    # What exceeds Discord's limit is thrown away.
                    body += event.data[: REQUEST_MAX_BYTES + 1 - len(body)]
                case h11.EndOfMessage() if request is not None:
                    return RawRequest(
                        request.method.decode("latin-1"),
                        request.target.decode("latin-1"),
                        {k.decode("latin-1"): v.decode("latin-1") for k, v in request.headers},
                        bytes(body),
                    )
                case _:
                    raise ConnectionLost

    async def send_reply(self, delivery: Delivery) -> bool:
        """Send an answer; return whether there may be another request.

        :raises ConnectionLost: if the client is gone
        """
        data = self._encode(delivery.reply)
        if delivery.drip:
            for position in range(len(data)):
                await self.pause(delivery.drip / len(data))
                await self._send(data[position : position + 1])
        else:
            await self._send(data)

        if self._http.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False

        self._http.start_next_cycle()
        return True

    async def pause(self, seconds: float) -> None:
        """Wait some seconds for as long as the client is there.

        :raises ConnectionLost: as soon as it is not
        """
        await checkpoint()
        if seconds <= 0:
            return

        with anyio.move_on_after(seconds):
            # What arrives meanwhile belongs to the next request.
            while True:
                await self._receive()

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

    async def _next_event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Event):
                return event

            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
                await self._send(self._http.send(go_on) or b"")

            await self._receive()

    def _encode(self, reply: Reply) -> bytes:
        headers = list(reply.headers.items())
        # https://www.rfc-editor.org/rfc/rfc9110#section-8.6 forbids a length in a 204
        if reply.status != HTTPStatus.NO_CONTENT:
            headers.append(("Content-Length", str(len(reply.body))))

        if self._http.their_state is h11.ERROR:
            headers.append(("Connection", "close"))

        response = h11.Response(
            status_code=reply.status, headers=headers, reason=phrase(reply.status)
        )
        events: list[h11.Event] = [response, h11.Data(data=reply.body), h11.EndOfMessage()]
        if self._is_head:
            del events[1]

        return b"".join(self._http.send(event) or b"" for event in events)

    async def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                await self._wait(anyio.wait_writable)
            except OSError as error:
                raise ConnectionLost from error

    async def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                await self._wait(anyio.wait_readable)
            except OSError as error:
                raise ConnectionLost from error
            else:
                break

        if not data:
            raise ConnectionLost

        self._http.receive_data(data)

    async def _wait(self, ready: Callable[[socket.socket], Awaitable[None]]) -> None:
        try:
            await ready(self._socket)
        except anyio.ClosedResourceError as error:
            raise ConnectionLost from error
