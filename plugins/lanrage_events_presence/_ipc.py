"""The connection to the Discord client, by pypresence, in a thread of its own."""

from __future__ import annotations

import json
import os
import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

import anyio

from ._activity import Activity
from ._connection import ActivityRefused, DiscordUnreachable
from ._thread import LoopThread

INSTALL_HINT = "pypresence is not installed: pip install 'lanrage-events[presence]'"

# Discord answers within milliseconds; one that is starting, within a few seconds.
HANDSHAKE_SECONDS = 10.0
ANSWER_SECONDS = 10.0
# A thread that hangs is given up a little later than a peer that does.
OPEN_SECONDS = HANDSHAKE_SECONDS + 1
CLOSE_SECONDS = 1.0

# https://github.com/discord/discord-rpc/blob/master/src/rpc_connection.h: MaxRpcFrameSize
FRAME_MAX_BYTES = 64 * 1024
_HEADER = struct.Struct("<II")
_CLOSE, _PING, _PONG = 2, 3, 4
# https://docs.discord.com/developers/topics/opcodes-and-status-codes#rpc-rpc-close-event-codes
_INVALID_CLIENT_ID = 4000

_REASON_MAX_CHARACTERS = 200

NOT_RUNNING = "Discord is not running on this computer"
NO_ANSWER = "Discord does not answer"
CLOSED = "Discord closed the connection"
GARBLED = "Discord answered what cannot be read"


def is_installed() -> bool:
    """Whether pypresence is there, which comes with the extra ``presence``."""
    return find_spec("pypresence") is not None


class DiscordIPC:
    """Opens connections to the Discord client on this computer, one after another.

    :param client_id: the id of the application
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._stuck: LoopThread | None = None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[IPCConnection]:
        """Open a connection; leaving takes back what is shown, within a bounded time.

        :raises DiscordUnreachable: if there is none
        """
        # A socket whose owner hangs can block for ever, so no second thread is risked.
        if self._stuck is not None and not await self._stuck.stop():
            raise DiscordUnreachable(NO_ANSWER, "broken")

        thread = LoopThread("lanrage-events-presence")
        await thread.start()
        self._stuck = thread
        connection = IPCConnection(thread, self._client_id)
        try:
            await connection.open()
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
                if await thread.stop():
                    self._stuck = None


class IPCConnection:
    """A connection to the Discord client, whose socket belongs to a thread.

    :param thread: where the connection is made and used
    :param client_id: the id of the application
    """

    def __init__(self, thread: LoopThread, client_id: str) -> None:
        self._thread = thread
        self._session = _Session(client_id)

    async def open(self) -> None:
        """Find Discord and shake hands.

        :raises DiscordUnreachable: if it is not there, does not answer or does not want us
        """
        with anyio.move_on_after(OPEN_SECONDS):
            await self._thread.call(self._session.open)
            return

        raise DiscordUnreachable(NO_ANSWER, "broken")

    async def show(self, activity: Activity | None) -> None:
        """Replace what Discord shows."""
        await self._thread.call(lambda: self._session.show(activity))

    async def wait_closed(self) -> DiscordUnreachable:
        """Wait until Discord ends the connection; return why."""
        return await self._thread.call(self._session.wait_closed)

    async def aclose(self) -> None:
        """Take back what is shown and close, within a bounded time."""
        with suppress(RuntimeError), anyio.move_on_after(CLOSE_SECONDS):
            await self._thread.call(self._session.close)


class _Session:
    """What happens in the thread; there, everything is asyncio, as in pypresence."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._client: Any = None
        self._is_open = False
        self._reading: anyio.Lock

    async def open(self) -> None:
        self._reading = anyio.Lock()  # one of asyncio's, so not made elsewhere
        try:
            with anyio.fail_after(HANDSHAKE_SECONDS):
                self._client = _make_client(self._client_id)
                await self._client.connect()
        except Exception as error:
            raise self._explain(error) from error

        self._is_open = True

    async def show(self, activity: Activity | None) -> None:
        from pypresence.exceptions import ServerError

        try:
            async with self._reading:
                if activity is None:
                    await self._client.clear(pid=os.getpid())
                else:
                    await self._client.update(pid=os.getpid(), **_arguments(activity))

        except ServerError as error:
            raise ActivityRefused(_printable(str(error))) from error
        except Exception as error:
            self._is_open = False
            raise self._explain(error) from error

    async def wait_closed(self) -> DiscordUnreachable:
        # pypresence reads only when it waits for an answer, and would not notice the end.
        reader: StreamReader = self._client.sock_reader.stream
        try:
            async with self._reading:
                while True:
                    opcode, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                    # Half a frame must not be left in the stream.
                    with anyio.fail_after(ANSWER_SECONDS, shield=True):
                        body = await reader.readexactly(_checked(length))

                    if opcode == _CLOSE:
                        return self._refused(json.loads(body))

                    if opcode == _PING:
                        self._client.send_data(_PONG, json.loads(body))

        except Exception as error:  # noqa: BLE001 - whatever it is, the connection is of no use
            self._is_open = False
            return self._explain(error)

    async def close(self) -> None:
        writer = self._client and self._client.sock_writer
        if writer is None:
            return

        try:
            if self._is_open:
                async with self._reading:
                    await self._client.clear(pid=os.getpid())
                    # Not pypresence's close(), which closes the running loop and leaks the socket.
                    self._client.send_data(_CLOSE, {"v": 1, "client_id": self._client_id})
        except Exception:  # noqa: BLE001, S110 - whoever is gone shows nothing any more
            pass
        finally:
            writer.close()

    def _explain(self, error: Exception) -> DiscordUnreachable:
        """Say what an error of pypresence or of the socket means."""
        from pypresence import exceptions

        if isinstance(error, exceptions.DiscordError):
            return self._refused({"code": error.code, "message": str(error)})

        if isinstance(
            error, (exceptions.DiscordNotFound, FileNotFoundError, ConnectionRefusedError)
        ):
            return DiscordUnreachable(NOT_RUNNING)

        if isinstance(
            error, (exceptions.ConnectionTimeout, exceptions.ResponseTimeout, TimeoutError)
        ):
            return DiscordUnreachable(NO_ANSWER, "broken")

        if isinstance(error, PermissionError):
            return DiscordUnreachable(
                "this user may not talk to the Discord that runs here", "broken"
            )

        if isinstance(error, (exceptions.InvalidPipe, exceptions.PipeClosed, EOFError, OSError)):
            return DiscordUnreachable(CLOSED)

        if isinstance(error, (ValueError, LookupError, TypeError, AttributeError, RecursionError)):
            return DiscordUnreachable(GARBLED, "broken")

        description = _printable(f"{type(error).__name__}: {error}")
        return DiscordUnreachable(f"the connection to Discord failed with {description}", "broken")

    def _refused(self, answer: Any) -> DiscordUnreachable:
        code, message = answer.get("code"), _printable(str(answer.get("message", "")))
        if code == _INVALID_CLIENT_ID:
            return DiscordUnreachable(
                f"Discord knows no application with the client_id {self._client_id} ({message}): "
                "copy it from General Information, Application ID, in Discord's developer portal",
                "refused",
            )

        return DiscordUnreachable(f"Discord ended the connection: {message}")


class _WholeReader:
    """Reads as much as pypresence asks for, where it would take half a frame for a whole one."""

    def __init__(self, stream: StreamReader) -> None:
        self.stream = stream

    async def read(self, count: int) -> bytes:
        try:
            return await self.stream.readexactly(_checked(count))
        except IncompleteReadError as error:
            return error.partial


def _make_client(client_id: str) -> Any:
    # It costs 50 ms, which only this thread waits for.
    from pypresence.presence import AioPresence

    class Client(AioPresence):
        sock_reader: Any

        async def create_reader_writer(self, ipc_path: str) -> None:
            # pypresence has no annotations here.
            await super().create_reader_writer(ipc_path)  # type: ignore[no-untyped-call]
            self.sock_reader = _WholeReader(self.sock_reader)

    make: Any = Client
    return make(client_id, connection_timeout=HANDSHAKE_SECONDS, response_timeout=ANSWER_SECONDS)


def _arguments(activity: Activity) -> dict[str, Any]:
    """Return what pypresence calls the parts of an activity; empty ones would hide it."""
    parts = {
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
    return {name: value for name, value in parts.items() if value}


def _checked(length: int) -> int:
    if not 0 <= length <= FRAME_MAX_BYTES:
        raise ValueError("no frame is so long")

    return length


def _printable(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text)
    return text[:_REASON_MAX_CHARACTERS]
