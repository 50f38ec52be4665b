"""Where Discord clients listen on this computer, and how to connect to them there."""

from __future__ import annotations

import asyncio
import glob
import os
import platform
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import ByteStream, UNIXSocketStream
from anyio.lowlevel import current_token

IS_WINDOWS = os.name == "nt"
NUMBERS = range(10)
"""a client listens at the first number that is free"""

# https://docs.discord.com/developers/topics/rpc#rpc-over-ipc-ipc-path
SOCKET_NAME = "discord-ipc-"
_PIPES = "\\\\?\\pipe\\"
_TEMPORARY = ("TMPDIR", "TMP", "TEMP")
# Without these variables Discord uses the first; relays of WSL listen in both.
_LAST = ("/tmp", "/var/run")  # noqa: S108 - is_own checks what is found there
# Flatpak shares app/ID with other programs, as the wrapper of com.discordapp.Discord does, and newer
# versions .flatpak/ID/xdg-run, which Vesktop uses; Snap has a folder for each package.
_SANDBOXES = ("app/*/", ".flatpak/*/xdg-run/", "snap.*/")


def find_sockets(number: int | None = None) -> list[str]:
    """Return the paths at which to try to connect, in this order.

    :param number: the only number to look for; all by default
    """
    if IS_WINDOWS:
        numbers = NUMBERS if number is None else (number,)
        return [f"{_PIPES}{SOCKET_NAME}{number}" for number in numbers]

    pattern = SOCKET_NAME + ("[0-9]" if number is None else str(number))
    runtime, *others = _folders()
    found: dict[str, str] = {}
    for folder, parts in ((runtime, ("", *_SANDBOXES)), *((folder, ("",)) for folder in others)):
        for part in parts:
            for name in sorted(glob.glob(part + pattern, root_dir=folder)):
                path = os.path.join(folder, name)
                found.setdefault(os.path.realpath(path), path)  # many link one to the other

    return list(found.values())


def describe_search(number: int | None = None) -> str:
    """Describe what :func:`find_sockets` looks for, and where."""
    name = f"{SOCKET_NAME}{f'0 to {NUMBERS[-1]}' if number is None else number}"
    if IS_WINDOWS:
        return f"{_PIPES}{name}"

    folders = _folders()
    text = f"{name} in {', '.join(folders)}, or a folder of Flatpak or Snap in {folders[0]}"
    if "microsoft" in platform.release().lower():
        text += " (WSL needs a relay to Windows: see docs/presence.md)"

    return text


def is_own(path: str) -> bool:
    """Return whether a socket was made by this user or root.

    Everyone can make one in ``/tmp``, and would receive who plays what.

    :raises OSError: if there is none
    """
    return IS_WINDOWS or os.geteuid() == 0 or os.stat(path).st_uid in (0, os.geteuid())


async def connect_socket(path: str) -> ByteStream:
    """Connect to a Unix socket or, on Windows, a named pipe.

    :raises OSError: if that is not possible
    """
    if path.startswith("\\\\"):
        # Neither AnyIO nor Trio can.
        connect = getattr(current_token().native_token, "create_pipe_connection", None)
        if connect is None:
            raise OSError("on Windows, Rich Presence needs 'backend: asyncio'")

        return await _AsyncioStream.make(connect, path)

    # Not anyio.connect_unix: if the queue of the peer is full, that is busy until it is cancelled on
    # asyncio, and on Trio returns a socket that is not connected.
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.setblocking(False)
        connected.connect(path)
        return await open_stream(connected)
    except BaseException:
        connected.close()
        raise


async def open_stream(connected: socket.socket) -> ByteStream:
    """Return a stream of a Unix socket that is connected and does not block."""
    connect = getattr(current_token().native_token, "create_unix_connection", None)
    if connect is None:
        return await UNIXSocketStream.from_socket(connected)

    # AnyIO's stream makes asyncio log an InvalidStateError if it is cancelled while data arrives.
    return await _AsyncioStream.make(connect, sock=connected)


def _folders() -> list[str]:
    """Return the folders of sockets; the first also has those of sandboxed clients."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    folder, name = os.path.split(runtime.rstrip("/"))
    if name.startswith("snap."):  # in a program that is a Snap, such as the terminal of an editor
        runtime = folder

    temporary = (os.environ.get(variable) for variable in _TEMPORARY)
    return list(dict.fromkeys(path for path in (runtime, *temporary, *_LAST) if path))


class _AsyncioStream(ByteStream):
    """A stream of asyncio."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def make(cls, connect: Callable[..., Any], *address: str, **parts: Any) -> _AsyncioStream:
        """Connect by one of the functions of an event loop."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await connect(lambda: protocol, *address, **parts)
        loop = asyncio.get_running_loop()
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        data = await self._reader.read(max_bytes)
        if not data:
            raise anyio.EndOfStream

        return data

    async def send(self, item: bytes) -> None:
        self._writer.write(item)
        await self._writer.drain()

    async def send_eof(self) -> None:
        self._writer.write_eof()

    async def aclose(self) -> None:
        try:
            self._writer.close()
            with suppress(OSError):  # the peer has closed it
                await self._writer.wait_closed()

        finally:
            self._writer.transport.abort()
