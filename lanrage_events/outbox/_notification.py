"""How one process notifies another of a change in an outbox."""

from __future__ import annotations

import hmac
import secrets
import socket
from contextlib import suppress

import anyio

_LOOPBACK = "127.0.0.1"
_ANSWER_TIMEOUT_SECONDS = 1.0
_MAX_DATAGRAM_BYTES = 256


class ChangeNotifier:
    """A loopback socket on which other processes report that they changed the outbox.

    Waiting for it costs nothing. The other process must send the token from the lock file, and gets
    an answer, by which it knows that the change was noticed.

    :raises OSError: if there is no loopback address
    """

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind((_LOOPBACK, 0))
        except BaseException:
            self._socket.close()
            raise

        self.port: int = self._socket.getsockname()[1]

    async def wait(self) -> None:
        """Wait until a process that knows the token notifies us, and answer.

        :raises anyio.ClosedResourceError: if the notifier is closed meanwhile
        """
        while True:
            await anyio.wait_readable(self._socket)
            # Windows reports here that an earlier answer could not be delivered.
            with suppress(BlockingIOError, ConnectionResetError):
                data, address = self._socket.recvfrom(_MAX_DATAGRAM_BYTES)
                if hmac.compare_digest(data, self.token.encode()):
                    with suppress(OSError):
                        self._socket.sendto(data, address)

                    return

    def close(self) -> None:
        """Stop listening."""
        anyio.notify_closing(self._socket)
        self._socket.close()


async def notify(port: int, token: str) -> bool:
    """Notify a process on this machine of a change; return whether it answered.

    :param port: where it listens
    :param token: what its lock file says
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        try:
            client.connect((_LOOPBACK, port))
            client.send(token.encode())
            with anyio.move_on_after(_ANSWER_TIMEOUT_SECONDS):
                await anyio.wait_readable(client)
                return hmac.compare_digest(client.recv(_MAX_DATAGRAM_BYTES), token.encode())

        except OSError:
            return False  # no process listens there any more

    return False
