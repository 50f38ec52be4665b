"""A stand-in for the Discord client, to test Rich Presence."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from ._sockets import open_stream

Manner = Literal["answer", "split", "silence", "garble", "flood", "reject", "close"]
"""How the stand-in handles a request: it answers as Discord does, answers in pieces, stays silent,
sends invalid JSON, announces a frame that is too long, answers with an error, or closes the
connection."""

_HEADER = struct.Struct("<II")
_HANDSHAKE, _FRAME, _CLOSE = 0, 1, 2
_PIECE_BYTES = 7
_READY: dict[str, Any] = {
    "cmd": "DISPATCH",
    "evt": "READY",
    "data": {"v": 1, "user": {"id": "1", "username": "ann"}},
    "nonce": None,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that a program sent to the stand-in."""

    opcode: int
    body: Mapping[str, Any]

    @property
    def activity(self) -> Mapping[str, Any] | None:
        """The activity that it sets, ``None`` if it clears it."""
        activity: Mapping[str, Any] | None = self.body.get("args", {}).get("activity")
        return activity


@dataclass(eq=False)
class StandInDiscordClient:
    """Listen where programs look for the Discord client, and record what they send.

    Run it with :meth:`listen`, again for each restart of Discord. Programs find it if the environment
    variable ``XDG_RUNTIME_DIR`` is its folder. It needs Unix sockets.

    :param folder: the folder of the socket, whose path can have at most 107 characters
    :param number: its number, the 0 of ``discord-ipc-0``
    """

    folder: Path
    on_handshake: Manner = "answer"
    on_activity: Manner = "answer"
    known_ids: Sequence[str] | None = None
    """the ids of known applications, ``None`` for all"""
    frames: list[Frame] = field(default_factory=list)
    """the received frames, including handshakes and closing frames"""
    number: int = 0
    _streams: set[ByteStream] = field(default_factory=set)
    _changed: anyio.Event = field(default_factory=anyio.Event)
    _sending: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def path(self) -> Path:
        """The path of the socket."""
        return self.folder / f"discord-ipc-{self.number}"

    @property
    def activities(self) -> list[Mapping[str, Any] | None]:
        """The activities that were set, and ``None`` each time that one was cleared."""
        return [frame.activity for frame in self.frames if frame.opcode == _FRAME]

    @property
    def connections(self) -> int:
        """The number of connected programs."""
        return len(self._streams)

    async def wait(self, condition: Callable[[StandInDiscordClient], bool]) -> None:
        """Wait until a condition of the stand-in is true."""
        while not condition(self):
            self._changed = anyio.Event()
            await self._changed.wait()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Run the stand-in; on exit, end all connections, as when Discord is killed."""
        self.path.unlink(missing_ok=True)
        listener = await anyio.create_unix_listener(self.path)
        try:
            async with listener, anyio.create_task_group() as tasks:
                tasks.start_soon(listener.serve, self._serve)
                yield
                tasks.cancel_scope.cancel()
        finally:
            self.path.unlink(missing_ok=True)

    async def send(self, opcode: int, body: object) -> None:
        """Send an unexpected frame to all connected programs."""
        for stream in list(self._streams):
            await self._send(stream, _pack(opcode, body))

    async def hang_up(self) -> None:
        """End all connections, but keep listening."""
        for stream in list(self._streams):
            await stream.aclose()

    async def _serve(self, accepted: SocketStream) -> None:
        stream = await open_stream(accepted.extra(SocketAttribute.raw_socket))  # noqa: S610 - not Django
        try:
            async with stream:
                await self._talk(stream)
        except (
            anyio.EndOfStream,
            anyio.IncompleteRead,
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
        ):
            pass  # the program is gone, or only checked whether the socket exists
        finally:
            self._streams.discard(stream)
            self._changed.set()

    async def _talk(self, stream: ByteStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        while True:
            opcode, length = _HEADER.unpack(await reader.receive_exactly(_HEADER.size))
            body = json.loads(await reader.receive_exactly(length))
            self.frames.append(Frame(opcode, body))
            self._streams.add(stream)
            self._changed.set()
            if opcode == _CLOSE:
                return

            if opcode not in (_HANDSHAKE, _FRAME):
                continue

            if opcode == _HANDSHAKE:
                client_id = body.get("client_id")
                if self.known_ids is not None and client_id not in self.known_ids:
                    problem = {"code": 4000, "message": "Invalid Client ID"}
                    await self._send(stream, _pack(_CLOSE, problem))
                    return

                manner, opcode, answer = self.on_handshake, _FRAME, _READY
            else:
                manner, activity = self.on_activity, body.get("args", {}).get("activity")
                answer = {key: body.get(key) for key in ("cmd", "nonce")}
                answer |= {"data": activity, "evt": None}

            if not await self._answer(stream, manner, opcode, answer):
                return

    async def _send(self, stream: ByteStream, data: bytes) -> None:
        async with self._sending:
            await stream.send(data)

    async def _answer(
        self, stream: ByteStream, manner: Manner, opcode: int, answer: Mapping[str, Any]
    ) -> bool:
        """Handle a request as configured; return whether to keep the connection."""
        match manner:
            case "answer":
                await self._send(stream, _pack(opcode, answer))
            case "split":
                data = _pack(opcode, answer)
                for begin in range(0, len(data), _PIECE_BYTES):
                    await self._send(stream, data[begin : begin + _PIECE_BYTES])
                    await anyio.lowlevel.checkpoint()
            case "silence":
                pass
            case "garble":
                await self._send(stream, _HEADER.pack(opcode, 5) + b"{\xff\x00}\n")
            case "flood":
                await self._send(stream, _HEADER.pack(opcode, 0xFFFF_FFFF) + bytes(1024))
            case "reject":
                message = 'child "activity" fails because [child "state" fails]'
                rejection = {**answer, "evt": "ERROR", "data": {"code": 4000, "message": message}}
                await self._send(stream, _pack(opcode, rejection))
            case "close":
                return False

        return True


def _pack(opcode: int, body: object) -> bytes:
    data = json.dumps(body).encode()
    return _HEADER.pack(opcode, len(data)) + data
