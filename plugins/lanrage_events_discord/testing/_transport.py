"""The stand-in as a transport for httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import httpx

from ._engine import Delivery, Engine, RawRequest
from ._network import Network, pause

# https://docs.discord.com/developers/resources/webhook
_DISCORD_HOSTS = frozenset(
    f"{prefix}{domain}"
    for prefix in ("", "ptb.", "canary.")
    for domain in ("discord.com", "discordapp.com")
)

# About as many as the status line and the headers of Discord have.
_HEAD_BYTES = 300


class StandInTransport(httpx.AsyncBaseTransport):
    """Reaches a stand-in without a socket; keeps to httpx's read timeout."""

    def __init__(self, discord: Engine) -> None:
        self._discord = discord
        self._network = discord._network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.netloc.decode("ascii")
        if host not in _DISCORD_HOSTS and host != self._discord.host:
            raise RuntimeError(f"the stand-in for Discord got a request for {request.url.host}")

        wire = _Wire(self._network, request)
        content = await request.aread()
        raw = RawRequest(
            request.method,
            request.url.raw_path.decode("ascii"),
            {name.lower(): value for name, value in request.headers.items()},
            content,
        )
        if not self._network.up:
            await pause(self._discord.latency)
            raise httpx.ConnectError("Connection refused", request=request)

        delivery: Delivery | None = None
        with anyio.CancelScope() as scope, self._network.link(scope.cancel):
            try:
                with anyio.fail_after(wire.timeout):
                    delivery = await self._discord._exchange(raw, pause)
            except TimeoutError:
                raise httpx.ReadTimeout("The stand-in did not answer", request=request) from None

        if delivery is None:
            raise httpx.ReadError("Connection reset by peer", request=request)

        reply = delivery.reply
        interval = delivery.drip / (_HEAD_BYTES + len(reply.body))
        if delivery.drip:
            await wire.wait(interval, _HEAD_BYTES)

        return httpx.Response(
            reply.status,
            headers=list(reply.headers.items()),
            stream=_Stream(reply.body, interval, wire),
            extensions={"http_version": b"HTTP/1.1"},
        )


class _Wire:
    """Lets the time pass that bytes take, unless the network is cut or the client gives up."""

    def __init__(self, network: Network, request: httpx.Request) -> None:
        self._network = network
        self._request = request
        self.timeout: float | None = request.extensions.get("timeout", {}).get("read")

    async def wait(self, interval: float, count: int = 1) -> None:
        if self.timeout is not None and interval > self.timeout:
            await pause(self.timeout)
            raise httpx.ReadTimeout("The stand-in is too slow", request=self._request)

        with anyio.CancelScope() as scope, self._network.link(scope.cancel):
            await pause(interval * count)

        if scope.cancelled_caught:
            raise httpx.ReadError("Connection reset by peer", request=self._request)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, body: bytes, interval: float, wire: _Wire) -> None:
        self._body = body
        self._interval = interval
        self._wire = wire

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not self._interval:
            yield self._body
            return

        for position in range(len(self._body)):
            await self._wire.wait(self._interval)
            yield self._body[position : position + 1]
