"""The server: it accepts connections, and anycorn speaks HTTP on them.

No other module uses anycorn. Its ``serve()`` accepts without limit, ends all connections on an
error in one, and has to be stopped in a particular way, so we only use its HTTP protocol for one
connection.
"""

from __future__ import annotations

import errno
import logging
import math
import socket
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from time import monotonic
from typing import Any

import anycorn
import anyio
import h11
from anycorn.logging import Logger as AnycornLogger
from anycorn.protocol import ProtocolWrapper
from anycorn.protocol.h11 import H11Protocol
from anycorn.tcp_server import TCPServer
from anycorn.typing import ConnectionState
from anycorn.utils import wrap_app
from anycorn.worker_context import WorkerContext
from anyio.abc import SocketAttribute, SocketListener, TaskGroup
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lanrage_events import Redactor
from lanrage_events.config import ConfigError

from .._problem import Problem
from .connections import SECONDS_BETWEEN_WARNINGS, Connection, Connections
from .guard import IS_SPARE, MAX_HEAD_BYTES
from .headers import add_headers
from .hosts import is_unspecified, url

logger = logging.getLogger(__name__)

_BACKLOG = 128
_CONNECTION = "lanrage_events_http.connection"
# Transient errors: the process or the machine lacks a resource, or a peer left before we accepted
# its connection. https://man7.org/linux/man-pages/man2/accept.2.html
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_DISCONNECTS = frozenset(
    {errno.ECONNABORTED, errno.ECONNRESET, errno.EINVAL, errno.EPERM, errno.EPROTO}
)
_NOT_HTTP = "this is not a request of HTTP/1.1"
_DETAILS = {
    431: f"the head of a request may have {MAX_HEAD_BYTES:,} bytes at most",
    501: "a body may have the Transfer-Encoding chunked only",
}
_MAX_DISCONNECTS = 100
"""in a row; more are another error"""
# What anycorn raises when a peer disconnects, or breaks the protocol during an answer.
_ERRORS_OF_PEERS = (OSError, h11.ProtocolError)


async def listen(host: str, port: int) -> list[SocketListener]:
    """Listen on all addresses of a host.

    :param port: 0 for any free one, the same on each address
    :raises ConfigError: if that is not possible
    """
    try:
        # Bound to ::, anyio would listen on IPv6 only.
        everywhere = host == "::" and socket.has_dualstack_ipv6()
        listener = await anyio.create_tcp_listener(
            local_host=None if everywhere else host, local_port=port, backlog=_BACKLOG
        )
    except (OSError, UnicodeError) as error:
        raise ConfigError([_explain(error, host, port)]) from error

    return list(listener.listeners)  # type: ignore[arg-type]  # of TCP, as anyio promises


def _explain(error: OSError | UnicodeError, host: str, port: int) -> str:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    causes = _causes(error)
    if any(isinstance(cause, (socket.gaierror, UnicodeError)) for cause in causes):
        return f"host: no address of '{host}' is known: give an address, such as '127.0.0.1'"

    codes = {cause.errno for cause in causes if isinstance(cause, OSError)}
    if errno.EADDRINUSE in codes:
        return (
            f"port: {address} is in use by another program: stop it, or give another port "
            "(0 for any free one)"
        )

    if errno.EACCES in codes or errno.EPERM in codes:
        return (
            f"port: this user may not listen on {address}: give a port above 1023, "
            "or another one if it is reserved"
        )

    if errno.EADDRNOTAVAIL in codes:
        return f"host: this machine has no address {host}: give one of its own, or '0.0.0.0'"

    return f"host: cannot listen on {address}: {error}"


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, with those inside groups."""
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or current in found:
            continue

        found.append(current)
        pending += current.__cause__, current.__context__
        if isinstance(current, BaseExceptionGroup):
            pending += current.exceptions

    return found


class Server:
    """Answers HTTP requests on listeners until it is stopped.

    Start :meth:`run` in a task group. An error in a connection is logged and ends that connection;
    an error of a listener is raised.

    :param app: the ASGI application; it gets no lifespan messages
    :param listeners: closed at the end
    :param connections: limits them, and has the timeouts
    :param stopping: set by :meth:`stop`; endless answers have to end on it
    """

    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[SocketListener],
        connections: Connections,
        stopping: anyio.Event,
    ) -> None:
        self._listeners = listeners
        self._connections = connections
        self._stopping = stopping
        self._config = _anycorn_config()
        self._context = WorkerContext(None)
        self._app = wrap_app(_with_connection(app), 0, "asgi")  # type: ignore[arg-type]  # its own types
        self._accepting = anyio.CancelScope()
        self._ended = anyio.Event()
        self._logged_at = -SECONDS_BETWEEN_WARNINGS

    async def run(self) -> None:
        """Serve until it is stopped or cancelled."""
        try:
            async with AsyncExitStack() as stack:
                for listener in self._listeners:
                    stack.push_async_callback(_close, listener)

                # Answers go on when no more connections are accepted.
                async with anyio.create_task_group() as answering:
                    with self._accepting:
                        async with anyio.create_task_group() as accepting:
                            for listener in self._listeners:
                                accepting.start_soon(self._accept, listener, answering)

                    timeout = self._connections.timeouts.stop
                    answering.cancel_scope.deadline = anyio.current_time() + timeout
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Accept no more connections, give the answers a few seconds to end, then cut them off."""
        self._stopping.set()
        self._accepting.cancel()
        await self._context.terminated.set()
        self._connections.stop()
        await self._ended.wait()

    async def _accept(self, listener: SocketListener, answering: TaskGroup) -> None:
        failures = 0
        while True:
            try:
                stream = await listener.accept()
                failures = 0
            except (OSError, anyio.BrokenResourceError) as error:
                failures += 1
                codes = {cause.errno for cause in _causes(error) if isinstance(cause, OSError)}
                if codes & _SHORTAGES:
                    self._log_error("cannot accept connections for the moment", error)
                elif not codes & _DISCONNECTS or failures > _MAX_DISCONNECTS:
                    raise

                await anyio.sleep(self._connections.timeouts.accept)
                continue

            # Counted here, not in the task: a flood arrives faster than tasks start.
            connection = await self._connections.add(stream)
            if connection is not None:
                answering.start_soon(self._answer, connection)

    async def _answer(self, connection: Connection) -> None:
        # No await before the try: a task starts even if it is cancelled before.
        with self._contained():
            try:
                with connection.living():
                    await _HTTP1Server(
                        self._app,
                        self._config,
                        self._context,
                        ConnectionState({_CONNECTION: connection}),
                        connection,  # type: ignore[arg-type]  # all of a stream that it uses
                    ).run()
            finally:
                await self._connections.close(connection)

    @contextmanager
    def _contained(self) -> Iterator[None]:
        """Log an error of one connection, so that the others go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it must not end other connections
            group = error if isinstance(error, ExceptionGroup) else ExceptionGroup("", [error])
            if group.split(_ERRORS_OF_PEERS)[1] is None:
                logger.debug("a connection broke: %s", error)
            else:
                self._log_error("a connection failed", error)

    def _log_error(self, what: str, error: Exception) -> None:
        if monotonic() - self._logged_at >= SECONDS_BETWEEN_WARNINGS:
            self._logged_at = monotonic()
            logger.error("%s: %s", what, error, exc_info=error)


class _HTTP1Server(TCPServer):
    """Serves one connection, and ignores offers to upgrade to HTTP/2.

    Java's HTTP client makes that offer with its first request, and gets its answer all the same.
    """

    @property
    def protocol(self) -> ProtocolWrapper:
        """The HTTP protocol."""
        return self._protocol

    @protocol.setter  # which anycorn has as an attribute:
    def protocol(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, protocol: ProtocolWrapper
    ) -> None:
        self._protocol = protocol
        protocol.protocol = _HTTP1Protocol(
            protocol.app,
            protocol.config,
            protocol.context,
            protocol.task_group,
            protocol.state,
            protocol.client,
            protocol.server,
            protocol.send,
            protocol.tls,
            zero_copy_send=protocol.zero_copy_send,
        )


class _HTTP1Protocol(H11Protocol):
    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignore an offer of another protocol, as a server may, and reject a body with two ends.

        https://www.rfc-editor.org/rfc/rfc9110#section-7.8

        A proxy in front may see the end of such a body elsewhere, and take the rest for another
        client's request: https://www.rfc-editor.org/rfc/rfc9112#section-6.1

        :raises h11.RemoteProtocolError: to close the connection after the answer
        """
        names = {name for name, _ in event.headers}
        if b"transfer-encoding" in names and (
            b"content-length" in names or event.http_version < b"1.1"
        ):
            await self._send_problem(
                400,
                "the length of the body is ambiguous: send either Content-Length or, with "
                "HTTP/1.1, Transfer-Encoding",
            )
            raise h11.RemoteProtocolError("a body with two ends")

        if event.method == b"PRI":
            await super()._check_protocol(event)

    async def _send_error_response(self, status_code: int) -> None:
        """Answer what cannot be read as a request."""
        await self._send_problem(status_code, _DETAILS.get(status_code, _NOT_HTTP))

    async def _send_problem(self, status: int, detail: str) -> None:
        response = Problem(status, detail).response(Redactor())
        message: Message = {"type": "http.response.start", "headers": response.raw_headers}
        add_headers("/api", message)
        close = (b"connection", b"close")
        headers = [*message["headers"], close, *self.config.response_headers("h11")]
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        await self._send_h11_event(h11.Data(data=bytes(response.body)))
        await self._send_h11_event(h11.EndOfMessage())


class _Logger(AnycornLogger):
    """Logs what anycorn reports at debug level, such as a line for each malformed request."""

    async def info(self, message: str, *args: Any, **kwargs: Any) -> None:
        await self.debug(message, *args, **kwargs)

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        # The guard raises nothing, so this is about sending: the peer broke the protocol.
        await self.debug(message, *args, exc_info=True, **kwargs)


def _anycorn_config() -> anycorn.Config:
    config = anycorn.Config()
    config.errorlog = logger
    config.logger_class = _Logger
    config.include_server_header = False
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    # HTTP/2 and WebSockets are rejected; these limit peers that try.
    config.h2_max_concurrent_streams = 1
    config.h2_max_header_list_size = MAX_HEAD_BYTES
    config.websocket_max_message_size = 1
    # Connection has the deadlines.
    config.keep_alive_timeout = math.inf
    return config


def _with_connection(app: ASGIApp) -> ASGIApp:
    """Suspend the connection's deadline during a request, and hide the connection from the app."""

    async def run_app(scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"].pop(_CONNECTION)
        if connection.is_spare:
            scope["state"][IS_SPARE] = True
            send = _closing(send)

        # Without extensions, answers go through the connection and its write timeout.
        scope.pop("extensions", None)
        with connection.request():
            await app(scope, receive, send)

    return run_app


def _closing(send: Send) -> Send:
    """Close the connection after the answer."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            message = {**message, "headers": headers}

        await send(message)

    return send_and_close


async def _close(listener: SocketListener) -> None:
    with anyio.CancelScope(shield=True):
        await listener.aclose()


def address_of(listeners: Sequence[SocketListener], host: str) -> str:
    """Return the URL of the page, with an address that other machines can reach if there is one.

    :param host: what the listeners were made for
    """
    port = port_of(listeners)
    return url(_own_address() if is_unspecified(host) else host, port)


def addresses_of(listeners: Sequence[SocketListener]) -> list[str]:
    """Return the addresses that were bound."""
    return [str(item.extra(SocketAttribute.raw_socket).getsockname()[0]) for item in listeners]  # noqa: S610 - no Django


def port_of(listeners: Sequence[SocketListener]) -> int:
    """Return the port that was bound."""
    return int(listeners[0].extra(SocketAttribute.local_port))  # noqa: S610 - no Django


def _own_address() -> str:
    """Return this machine's address in its network, the loopback address if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # This sends nothing and only picks a route. The address is reserved for documentation:
            # https://www.rfc-editor.org/rfc/rfc5737
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
