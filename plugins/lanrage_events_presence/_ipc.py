"""The connection to the Discord client, with pypresence in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from ._activity import Activity
from ._connection import ActivityRejected, DiscordUnreachable
from ._thread import LoopThread

# https://github.com/discord/discord-rpc/blob/master/src/rpc_connection.h: MaxRpcFrameSize
FRAME_MAX_BYTES = 64 * 1024
_HEADER = struct.Struct("<II")
_HANDSHAKE, _FRAME, _CLOSE, _PING, _PONG = range(5)
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#rpc-rpc-close-event-codes
_INVALID_CLIENT_ID = 4000

_REASON_MAX_CHARACTERS = 200

NOT_RUNNING = "Discord is not running on this computer"
NO_ANSWER = "Discord does not answer"
CLOSED = "Discord closed the connection"
GARBLED = "Discord sent an invalid answer"


class DiscordIPC:
    """Connect to the Discord client on this computer, one connection at a time.

    :param client_id: the id of the application
    :param answer_seconds: how long Discord may take to answer
    :param close_seconds: how long closing the connection and ending its thread may each take
    """

    def __init__(
        self,
        client_id: str,
        *,
        # Discord answers within milliseconds, or within a few seconds while it is starting.
        answer_seconds: float = 10.0,
        close_seconds: float = 1.0,
    ) -> None:
        self._client_id = client_id
        self._answer_seconds = answer_seconds
        self._close_seconds = close_seconds
        self._stuck: LoopThread | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[IPCConnection]:
        """Open a connection; on exit, clear the activity and close it, within a bounded time.

        :raises DiscordUnreachable: if that is not possible
        """
        # Connecting can block for ever if Discord hangs, so never start a second thread.
        if self._stuck is not None and not await self._stuck.stop():
            raise DiscordUnreachable(NO_ANSWER, "broken")

        thread = LoopThread("lanrage-events-presence", grace_seconds=self._close_seconds)
        self._stuck = thread
        session = _Session(self._client_id, self._answer_seconds)
        try:
            # Longer than the timeout in the thread, which may hang.
            with anyio.move_on_after(self._answer_seconds + self._close_seconds) as scope:
                await thread.call(session.open)

            if scope.cancelled_caught:
                raise DiscordUnreachable(NO_ANSWER, "broken")

            yield IPCConnection(thread, session)
        finally:
            with anyio.CancelScope(shield=True):
                with suppress(RuntimeError):
                    with anyio.move_on_after(self._close_seconds):
                        await thread.call(session.close)

                    # The call may have been cancelled before it began, or while it was flushing.
                    thread.call_soon(session.abort)

                if await thread.stop():
                    self._stuck = None


class IPCConnection:
    """A connection to the Discord client."""

    def __init__(self, thread: LoopThread, session: _Session) -> None:
        self._thread = thread
        self._session = session

    async def show(self, activity: Activity | None) -> None:
        await self._thread.call(self._session.show, activity)

    async def wait_closed(self) -> DiscordUnreachable:
        return await self._thread.call(self._session.wait_closed)


class _Session:
    """The connection within the thread, where everything uses asyncio as pypresence does."""

    def __init__(self, client_id: str, answer_seconds: float) -> None:
        self._client_id = client_id
        self._answer_seconds = answer_seconds
        self._client: Any = None
        self._is_open = False
        self._answer: asyncio.Future[Any]
        self._reading: asyncio.Task[DiscordUnreachable]

    async def open(self) -> None:
        """Connect to Discord and shake hands."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                self._client = await _find_client(self._client_id)
                self._answer = asyncio.Future()
                self._reading = asyncio.create_task(self._read())
                await self._request(_HANDSHAKE, {"v": 1, "client_id": self._client_id})
        except Exception as error:
            raise _explain(error) from error

        self._is_open = True

    async def show(self, activity: Activity | None) -> None:
        try:
            answer = await self._request(_FRAME, _payload(activity))
            rejection = answer["data"]["message"] if answer["evt"] == "ERROR" else None
        except Exception as error:
            self._is_open = False
            raise _explain(error) from error

        if rejection is not None:
            raise ActivityRejected(_printable(str(rejection)))

    async def wait_closed(self) -> DiscordUnreachable:
        return await asyncio.shield(self._reading)

    async def close(self) -> None:
        if self._client is None:
            return

        try:
            if self._is_open:
                await self.show(None)
                # Not pypresence's close(), which closes the running loop and leaks the socket.
                self._client.send_data(_CLOSE, {"v": 1, "client_id": self._client_id})
        except (ActivityRejected, DiscordUnreachable):
            pass  # Discord then shows nothing anyway

        self._client.sock_writer.close()
        with suppress(OSError):
            await self._client.sock_writer.wait_closed()

    def abort(self) -> None:
        """Close the socket at once, without sending what is buffered."""
        if self._client is not None:
            self._client.sock_writer.transport.abort()

    async def _request(self, opcode: int, body: Any) -> Any:
        """Send a frame and return Discord's answer.

        :raises DiscordUnreachable: if Discord ends the connection
        :raises TimeoutError: if Discord does not answer in time
        """
        self._answer = asyncio.Future()
        self._client.send_data(opcode, body)
        async with asyncio.timeout(self._answer_seconds):
            ends = {self._answer, self._reading}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

        if self._answer.done():
            return self._answer.result()

        raise self._reading.result()

    async def _read(self) -> DiscordUnreachable:
        """Read frames until the connection ends; return why."""
        # pypresence reads only when it expects an answer, accepts partial frames, and does not notice
        # the end of the connection.
        reader: asyncio.StreamReader = self._client.sock_reader
        try:
            while True:
                opcode, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                if length > FRAME_MAX_BYTES:
                    raise ValueError("the frame is too long")

                body = json.loads(await reader.readexactly(length))
                if opcode == _CLOSE:
                    return self._explain_close(body)

                if opcode == _PING:
                    self._client.send_data(_PONG, body)
                elif not self._answer.done():
                    self._answer.set_result(body)

        except Exception as error:  # noqa: BLE001 - any error makes the connection unusable
            return _explain(error)

    def _explain_close(self, body: Any) -> DiscordUnreachable:
        message = _printable(str(body.get("message", "")))
        if body.get("code") == _INVALID_CLIENT_ID:
            return DiscordUnreachable(
                f"Discord does not know the client_id {self._client_id} ({message}): "
                "copy it from General Information, Application ID, in Discord's developer portal",
                "rejected",
            )

        return DiscordUnreachable(f"Discord ended the connection: {message}")


async def _find_client(client_id: str) -> Any:
    """Connect to the socket or named pipe of the Discord client."""
    # The import takes 50 ms, so it is done in this thread.
    from pypresence.baseclient import BaseClient
    from pypresence.utils import get_ipc_path

    path = get_ipc_path()  # type: ignore[no-untyped-call]
    if path is None:
        raise DiscordUnreachable(NOT_RUNNING)

    client: Any = BaseClient(client_id)
    await client.create_reader_writer(path)
    return client


def _payload(activity: Activity | None) -> Any:
    from pypresence.payloads import Payload

    if activity is None:
        return Payload.set_activity(os.getpid(), activity=None)

    parts: dict[str, Any] = {
        "details": activity.details,
        "state": activity.state,
        "party_size": list(activity.party_size or ()),
        "start": activity.start,
        "large_image": activity.large_image,
        "large_text": activity.large_text,
        "small_image": activity.small_image,
        "small_text": activity.small_text,
        "buttons": [{"label": b.label, "url": b.url} for b in activity.buttons],
    }
    # Empty parts would hide the activity.
    return Payload.set_activity(os.getpid(), **{name: part for name, part in parts.items() if part})


def _explain(error: Exception) -> DiscordUnreachable:
    """Convert an error of the socket."""
    match error:
        case DiscordUnreachable():
            return error
        case TimeoutError():
            return DiscordUnreachable(NO_ANSWER, "broken")
        case FileNotFoundError() | ConnectionRefusedError():
            return DiscordUnreachable(NOT_RUNNING)
        case PermissionError():
            reason = "this user is not allowed to connect to Discord on this computer"
            return DiscordUnreachable(reason, "broken")
        case EOFError() | OSError():
            return DiscordUnreachable(CLOSED)
        case ValueError() | LookupError() | TypeError() | AttributeError() | RecursionError():
            return DiscordUnreachable(GARBLED, "broken")

    description = _printable(f"{type(error).__name__}: {error}")
    return DiscordUnreachable(f"the connection to Discord failed with {description}", "broken")


def _printable(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    return text[:_REASON_MAX_CHARACTERS]
