"""A client of a running daemon's HTTP API that waits; each method sends one request."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Self

import anyio
import httpx

from .address import Token, is_loopback
from .answers import PostAnswer, media_type
from .exchange import (
    ANSWER_MAX_BYTES,
    ATTEMPT_SECONDS,
    COMMAND_OPTIONS,
    CONNECT_SECONDS,
    NETWORK_ERRORS,
    Exchange,
    Options,
    post_request,
    request_headers,
)

# The stream has a heartbeat every 15 seconds; a connection without three of them is dead.
SILENCE_SECONDS = 45.0

_CLOSE_SECONDS = 2.0


class DaemonClient:
    """A client of one daemon: an async context manager that owns its connections.

    :param url: of the daemon, from :func:`parse_url`
    :param token: the daemon's, if it has one
    :param transport: instead of the network, for tests
    :param max_answer: bytes of an answer that are read
    :param options: where a user gives address and token, for messages
    :param is_patient: whether a daemon that has never answered is worth another attempt
    """

    def __init__(
        self,
        url: httpx.URL,
        token: Token | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        max_answer: int = ANSWER_MAX_BYTES,
        options: Options = COMMAND_OPTIONS,
        is_patient: bool = False,
    ) -> None:
        self.exchange = exchange = Exchange(url, token, options, is_patient=is_patient)
        self.url = exchange.url
        self._max_answer = max_answer
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=exchange.headers,
            follow_redirects=False,
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            transport=transport,
            # A proxy does not reach this machine.
            trust_env=not is_loopback(url.host),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._http.aclose()

    async def event_types(self) -> dict[str, Mapping[str, Any]]:
        """Return the JSON Schema of each event type that the daemon knows.

        :raises DaemonError: if the request fails
        """
        response, data = await self._request("GET", "api/events/types")
        if response.status_code != 200:
            raise self.exchange.rejection(response, data)

        types = data.get("types")
        if not isinstance(types, list):
            raise self.exchange.unexpected_server(response.status_code)

        return {
            entry["type"]: entry["schema"]
            for entry in types
            if isinstance(entry, dict)
            and isinstance(entry.get("type"), str)
            and isinstance(entry.get("schema"), dict)
        }

    async def get(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object at a path, such as ``api/plugins``.

        :raises DaemonError: if the request fails
        """
        response, data = await self._request("GET", path)
        if response.status_code != 200:
            raise self.exchange.rejection(response, data)

        return data

    async def send(self, path: str, body: Mapping[str, Any], *, limit: float) -> Mapping[str, Any]:
        """Post a JSON object to a path, and return that of the answer.

        :param limit: seconds that it may take
        :raises DaemonError: if the request fails
        """
        response, data = await self._request("POST", path, json.dumps(body).encode(), limit)
        if response.status_code != 200:
            raise self.exchange.rejection(response, data)

        return data

    async def post(
        self,
        events: Sequence[Mapping[str, Any]],
        *,
        strict: bool = True,
        limit: float = ATTEMPT_SECONDS,
    ) -> PostAnswer:
        """Post events, in one attempt.

        :param events: as JSON values, each with an id, so that they may be posted again
        :param strict: whether a field that the event type does not have is an error
        :param limit: seconds that the attempt may take
        :raises DaemonError: if none was accepted, or there is no answer
        """
        path, content = post_request(events, strict=strict)
        response, data = await self._request("POST", path, content, limit)
        return self.exchange.post_answer(response, data, len(events))

    @asynccontextmanager
    async def stream(
        self, types: Sequence[str], last_event_id: str | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the live feed and yield its bytes, in chunks of any size.

        :param types: the event types to receive, all if it is empty
        :param last_event_id: the feed's id of the event after which to begin
        :raises DaemonError: if it cannot be opened or read
        """
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id

        params = [("type", name) for name in types]
        async with self._open(
            "GET", "api/events/stream", params=params, headers=headers
        ) as response:
            if response.status_code != 200:
                raise self.exchange.rejection(response, await self._read(response))

            if media_type(response.headers) != "text/event-stream":
                raise self.exchange.unexpected_server(response.status_code)

            async with aclosing(self._chunks(response)) as chunks:
                yield chunks

    @asynccontextmanager
    async def _open(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        with self.exchange.network_errors():
            request = self._http.build_request(method, path, **options)
            response = await self._http.send(request, stream=True)

        self.exchange.has_answered = True
        try:
            yield response
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await response.aclose()

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[bytes]:
        async with _body(response) as chunks:
            while True:
                with self.exchange.network_errors():
                    chunk = await anext(chunks, None)

                if chunk is None:
                    return

                yield chunk

    async def _request(
        self, method: str, path: str, content: bytes = b"", limit: float = ATTEMPT_SECONDS
    ) -> tuple[httpx.Response, Mapping[str, Any]]:
        headers = request_headers(content)
        try:
            with anyio.fail_after(limit):
                async with self._open(method, path, content=content, headers=headers) as response:
                    return response, await self._read(response)
        except TimeoutError:
            raise self.exchange.too_slow(limit) from None

    async def _read(self, response: httpx.Response) -> Mapping[str, Any]:
        """Return the JSON object of an answer: the result, or problem details."""
        body = bytearray()
        with self.exchange.network_errors():
            async with _body(response) as chunks:
                async for chunk in chunks:
                    body += chunk[: self._max_answer - len(body)]
                    if len(body) == self._max_answer:
                        break

        return self.exchange.decode(response, body)


@asynccontextmanager
async def _body(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    chunks = response.aiter_bytes()
    try:
        yield chunks
    finally:
        # httpx leaves its generators to the garbage collector, about which Trio warns. Cancelling
        # them where they wait ends them.
        with suppress(*NETWORK_ERRORS), anyio.CancelScope() as scope:
            scope.cancel()
            async for _ in chunks:
                pass
