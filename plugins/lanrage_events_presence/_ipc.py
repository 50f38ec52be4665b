"""The connection to the Discord client: frames of JSON over a socket."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import anyio
from anyio.abc import ByteStream

from ._activity import Activity
from ._connection import ActivityRejected, DiscordUnreachable
from ._sockets import connect_socket, describe_search, find_sockets, is_own

# https://github.com/discord/discord-rpc/blob/master/src/rpc_connection.h: MaxRpcFrameSize
FRAME_MAX_BYTES = 64 * 1024
_HEADER = struct.Struct("<II")
_HANDSHAKE, _FRAME, _CLOSE, _PING, _PONG = range(5)
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#rpc-rpc-close-event-codes
_INVALID_CLIENT_ID = 4000

_REASON_MAX_CHARACTERS = 200
_SEVERITY = ("absent", "broken", "rejected")

NOT_RUNNING = "Discord is not running on this computer"


class DiscordIPC:
    """Connect to a Discord client on this computer, one connection at a time.

    :param client_id: the id of the application
    :param socket: the number of the only socket to try, or its path; by default, all that there are
    :param answer_seconds: how long each client may take to answer
    :param close_seconds: how long closing the connection may take
    """

    def __init__(
        self,
        client_id: str,
        socket: int | str | None = None,
        *,
        # Discord answers within milliseconds, or within a few seconds while it is starting.
        answer_seconds: float = 10.0,
        close_seconds: float = 1.0,
    ) -> None:
        self._client_id = client_id
        self._socket = socket
        self._answer_seconds = answer_seconds
        self._close_seconds = close_seconds
        self._useless = ""
        """where a client shook hands last, and then showed nothing: it is the last to be tried"""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[IPCConnection]:
        """Open a connection; on exit, clear the activity and close it, within a bounded time.

        :raises DiscordUnreachable: if that is not possible
        """
        connection = await self._connect_to_first()
        try:
            yield connection
        except DiscordUnreachable:
            self._useless = "" if connection.has_shown else connection.path
            raise
        finally:
            with anyio.move_on_after(self._close_seconds, shield=True):
                await connection.close()

            await anyio.aclose_forcefully(connection.stream)

    async def _connect_to_first(self) -> IPCConnection:
        """Connect to the first client that answers."""
        failures: list[DiscordUnreachable] = []
        abandoned: list[str] = []
        for path in self._paths():
            try:
                if not isinstance(self._socket, str) and not is_own(path):
                    reason = f"{path} belongs to another user; if you trust it, set 'socket' to it"
                    raise DiscordUnreachable(reason, "broken")

                return await self._connect_to(path)
            except FileNotFoundError:
                pass  # it vanished, or is the path that was chosen
            except ConnectionRefusedError:
                abandoned.append(path)
            except Exception as error:  # noqa: BLE001 - there may be another client
                failures.append(_explain(error, path))

        failures.sort(key=lambda failure: _SEVERITY.index(failure.kind), reverse=True)
        reasons = [failure.reason for failure in failures]
        if abandoned:
            reasons.append(f"nothing listens at {', '.join(abandoned)}")

        if failures:
            raise DiscordUnreachable("; ".join(reasons), failures[0].kind)

        raise DiscordUnreachable(f"{NOT_RUNNING}: {reasons[0] if reasons else self._nothing()}")

    def _paths(self) -> list[str]:
        if isinstance(self._socket, str):
            return [self._socket]

        return sorted(find_sockets(self._socket), key=lambda path: path == self._useless)

    def _nothing(self) -> str:
        chosen = self._socket
        return f"there is no {chosen if isinstance(chosen, str) else describe_search(chosen)}"

    async def _connect_to(self, path: str) -> IPCConnection:
        with anyio.fail_after(self._answer_seconds):
            stream = await connect_socket(path)

        connection = IPCConnection(
            stream, path, self._client_id, self._answer_seconds, self._close_seconds
        )
        try:
            await connection.shake_hands()
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise

        return connection


class IPCConnection:
    """A connection to a Discord client, for one task at a time."""

    def __init__(
        self,
        stream: ByteStream,
        path: str,
        client_id: str,
        answer_seconds: float,
        send_seconds: float,
    ) -> None:
        self.stream = stream
        self.path = path
        self.has_shown = False
        """whether Discord accepted an activity"""
        self._client_id = client_id
        self._answer_seconds = answer_seconds
        self._send_seconds = send_seconds
        self._received = bytearray()
        self._is_usable = True

    async def shake_hands(self) -> None:
        rejection = await self._request(_HANDSHAKE, {"v": 1, "client_id": self._client_id})
        if rejection is not None:
            reason = f"Discord rejected the connection: {rejection} ({self.path})"
            raise DiscordUnreachable(reason, "broken")

    async def show(self, activity: Activity | None) -> None:
        rejection = await self._request(_FRAME, _command(activity))
        if rejection is not None:
            raise ActivityRejected(rejection)

        self.has_shown = self.has_shown or activity is not None

    async def wait_closed(self) -> DiscordUnreachable:
        try:
            while True:
                await self._receive()
        except Exception as error:  # noqa: BLE001 - any error makes the connection unusable
            return self._end(error)

    async def close(self) -> None:
        """Clear the activity and say goodbye, if the connection is good; leave the stream open."""
        if self._is_usable:
            # If it fails, Discord shows nothing anyway.
            with suppress(ActivityRejected, DiscordUnreachable, anyio.BrokenResourceError, OSError):
                await self.show(None)
                await self._send(_CLOSE, {"v": 1, "client_id": self._client_id})

    async def _request(self, opcode: int, body: dict[str, Any]) -> str | None:
        """Send a frame and wait for Discord's answer; return why it rejected it, if it did."""
        try:
            with anyio.fail_after(self._answer_seconds):
                await self._send(opcode, body)
                while not _is_answer(answer := await self._receive(), body.get("nonce")):
                    pass

            return _printable(str(answer["data"]["message"])) if answer["evt"] == "ERROR" else None
        except Exception as error:
            raise self._end(error) from error

    async def _send(self, opcode: int, body: object) -> None:
        data = json.dumps(body).encode()
        # Half a frame would make the next one unreadable.
        with anyio.fail_after(self._send_seconds, shield=True):
            await self.stream.send(_HEADER.pack(opcode, len(data)) + data)

    async def _receive(self) -> Any:
        """Return the body of the next frame that is about neither the connection nor its health."""
        while True:
            opcode, body = await self._receive_frame()
            if opcode == _CLOSE:
                raise self._explain_close(body)

            if opcode == _PING:
                await self._send(_PONG, body)
            elif opcode == _FRAME:
                return body

    async def _receive_frame(self) -> tuple[int, Any]:
        # It may be cancelled at any time, so what has arrived is kept until it is a frame.
        while (frame := self._take_frame()) is None:
            self._received += await self.stream.receive()

        opcode, data = frame
        return opcode, json.loads(data)

    def _take_frame(self) -> tuple[int, bytes] | None:
        if len(self._received) < _HEADER.size:
            return None

        opcode, length = _HEADER.unpack_from(self._received)
        if length > FRAME_MAX_BYTES:
            raise ValueError("the frame is too long")

        end = _HEADER.size + length
        if len(self._received) < end:
            return None

        data = bytes(self._received[_HEADER.size : end])
        del self._received[:end]
        return opcode, data

    def _end(self, error: Exception) -> DiscordUnreachable:
        self._is_usable = False
        return _explain(error, self.path)

    def _explain_close(self, body: Any) -> DiscordUnreachable:
        message = _printable(str(body.get("message", "")))
        if body.get("code") == _INVALID_CLIENT_ID:
            return DiscordUnreachable(
                f"Discord does not know the client_id {self._client_id} ({message}; {self.path}): "
                "copy it from General Information, Application ID, in Discord's developer portal",
                "rejected",
            )

        return DiscordUnreachable(f"Discord ended the connection: {message} ({self.path})")


def _is_answer(body: Any, nonce: str | None) -> bool:
    """Return whether a frame answers a request; a handshake has no nonce, and any frame does."""
    is_error = body.get("evt") == "ERROR" and body.get("nonce") is None
    return nonce is None or body.get("nonce") == nonce or is_error


def _command(activity: Activity | None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"pid": os.getpid()}
    if activity is not None:
        arguments["activity"] = _without_empty(
            {
                "type": 0,
                "status_display_type": 0,
                "details": activity.details,
                "state": activity.state,
                "timestamps": _without_empty({"start": activity.start}),
                "assets": _without_empty(
                    {
                        "large_image": activity.large_image,
                        "large_text": activity.large_text,
                        "small_image": activity.small_image,
                        "small_text": activity.small_text,
                    }
                ),
                "party": _without_empty({"size": activity.party_size}),
                "buttons": [{"label": b.label, "url": b.url} for b in activity.buttons],
                "instance": True,
            }
        )

    return {"cmd": "SET_ACTIVITY", "args": arguments, "nonce": str(uuid4())}


def _without_empty(parts: dict[str, Any]) -> dict[str, Any]:
    # Empty parts would hide the activity.
    return {name: part for name, part in parts.items() if part or part == 0}


def _explain(error: Exception, path: str) -> DiscordUnreachable:
    """Convert an error of the socket."""
    match error:
        case DiscordUnreachable():
            return error
        case TimeoutError() | BlockingIOError():
            return DiscordUnreachable(f"Discord does not answer ({path})", "broken")
        case PermissionError():
            return DiscordUnreachable(f"this user may not connect to Discord ({path})", "broken")
        case (
            anyio.EndOfStream()
            | anyio.BrokenResourceError()
            | anyio.ClosedResourceError()
            | ConnectionError()
        ):
            return DiscordUnreachable(f"Discord closed the connection ({path})")
        case ValueError() | LookupError() | TypeError() | AttributeError() | RecursionError():
            return DiscordUnreachable(f"Discord sent an invalid answer ({path})", "broken")

    description = _printable(f"{type(error).__name__}: {error}")
    reason = f"the connection to Discord failed with {description} ({path})"
    return DiscordUnreachable(reason, "broken")


def _printable(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    return text[:_REASON_MAX_CHARACTERS]
