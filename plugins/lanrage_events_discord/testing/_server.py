"""The stand-in as a server on loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import h11
from anyio.abc import TaskGroup

from ._connection import Connection, ConnectionLost
from ._engine import Delivery, Engine
from ._reply import cloudflare

_BACKLOG_CONNECTIONS = 1024


@asynccontextmanager
async def serve(discord: Engine, host: str, port: int) -> AsyncIterator[str]:
    """Serve a stand-in; see :meth:`StandInDiscord.serve`."""
    server = _Server(discord, host, port)
    discord.base_url = f"http://{host}:{server.port}"
    try:
        async with anyio.create_task_group() as tasks:
            with discord._network.link(server.stop_listening):
                tasks.start_soon(server.run, tasks)
                yield discord.base_url

            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # A failed assertion in the body should be seen as such.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None

        raise
    finally:
        server.close()


class _Server:
    """Accepts connections while the network is up, and keeps its port while it is down."""

    def __init__(self, discord: Engine, host: str, port: int) -> None:
        self._discord = discord
        self._host = host
        self._listening = False
        self._socket = self._bind(port)
        self.port: int = self._socket.getsockname()[1]
        if discord._network.up:
            self._listen()

    def stop_listening(self) -> None:
        """Refuse new connections at once."""
        if self._listening:
            self._listening = False
            self.close()
            # A socket that is bound and does not listen holds the port and refuses connections.
            self._socket = self._bind(self.port)

    def close(self) -> None:
        """Free the port."""
        anyio.notify_closing(self._socket)
        self._socket.close()

    async def run(self, tasks: TaskGroup) -> None:
        """Serve every connection in a task of its own, for ever."""
        while True:
            if not self._listening:
                await self._discord._network.wait_up()
                self._listen()

            try:
                await anyio.wait_readable(self._socket)
                connected, _ = self._socket.accept()
            except (anyio.ClosedResourceError, BlockingIOError, ConnectionAbortedError):
                continue
            except OSError:
                if self._listening:
                    raise
            else:
                tasks.start_soon(self._serve, Connection(connected))

    async def _serve(self, connection: Connection) -> None:
        try:
            with self._discord._network.link(connection.reset):
                while await self._answer(connection):
                    continue
        except ConnectionLost:
            pass
        finally:
            connection.close()

    async def _answer(self, connection: Connection) -> bool:
        """Answer the next request; return whether there may be another one."""
        try:
            raw = await connection.receive_request()
        except h11.RemoteProtocolError as error:
            reply = cloudflare(400, f"<h1>400 Bad Request</h1>{error}\n", reason=str(error))
            return await connection.send_reply(Delivery(reply))

        delivery = await self._discord._exchange(raw, connection.pause)
        if delivery is None:
            connection.reset()
            return False

        return await connection.send_reply(delivery)

    def _listen(self) -> None:
        self._socket.listen(_BACKLOG_CONNECTIONS)
        self._listening = True

    def _bind(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setblocking(False)
        # On Windows this option would let another program take the port.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        try:
            listener.bind((self._host, port))
        except OSError:
            listener.close()
            raise

        return listener
