"""A client of a running daemon's HTTP API; each method sends one request."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from typing import Any, Self

import anyio
import httpx

from .address import TOKEN_VARIABLE, URL_VARIABLE, Token, is_loopback
from .answers import (
    TRANSIENT_STATUSES,
    DaemonError,
    Receipt,
    field_errors,
    media_type,
    rejections,
    retry_after,
    texts,
)

# A daemon answers within milliseconds, unless its disk or its plugins are slow.
ATTEMPT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
# The stream has a heartbeat every 15 seconds; a connection without three of them is dead.
SILENCE_SECONDS = 45.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024

_CLOSE_SECONDS = 2.0
_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, anyio.BrokenResourceError)


class DaemonClient:
    """A client of one daemon: an async context manager that owns its connections.

    :param url: of the daemon, from :func:`parse_url`
    :param token: the daemon's, if it has one
    :param transport: instead of the network, for tests
    :param max_answer: bytes of an answer that are read
    """

    def __init__(
        self,
        url: httpx.URL,
        token: Token | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        max_answer: int = ANSWER_MAX_BYTES,
    ) -> None:
        self.url = str(url).rstrip("/")
        self._token = token
        self._max_answer = max_answer
        self._has_answered = False
        headers = {
            "User-Agent": f"lanrage-events/{version('lanrage-events')}",
            "Accept-Encoding": "identity",
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"

        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
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
            raise self._rejection(response, data)

        types = data.get("types")
        if not isinstance(types, list):
            raise self._unexpected_server(response.status_code)

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
            raise self._rejection(response, data)

        return data

    async def post(self, events: Sequence[Mapping[str, Any]]) -> Receipt:
        """Post events, in one attempt.

        :param events: as JSON values, each with an id, so that they may be posted again
        :raises DaemonError: if none was accepted, or there is no answer
        """
        content = json.dumps(events, separators=(",", ":")).encode()
        # Unlike another program, who types a field wants to know that it is wrong.
        response, data = await self._request("POST", "api/events?strict=true", content)
        if response.status_code == 202:
            if not isinstance(data.get("ids"), list):
                raise self._unexpected_server(response.status_code)

            return Receipt(texts(data["ids"]), texts(data.get("repeated")))

        error = self._rejection(response, data)
        if "taken" not in data and "refused" not in data:
            raise error

        return Receipt(
            texts(data.get("taken")),
            texts(data.get("repeated")),
            tuple(rejections(data.get("refused"), len(events))),
            error if error.is_transient else None,
        )

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
                raise self._rejection(response, await self._read(response))

            if media_type(response.headers) != "text/event-stream":
                raise self._unexpected_server(response.status_code)

            async with aclosing(self._chunks(response)) as chunks:
                yield chunks

    @asynccontextmanager
    async def _open(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        with self._network_errors():
            request = self._http.build_request(method, path, **options)
            response = await self._http.send(request, stream=True)

        self._has_answered = True
        try:
            yield response
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await response.aclose()

    async def _chunks(self, response: httpx.Response) -> AsyncGenerator[bytes]:
        async with _body(response) as chunks:
            while True:
                with self._network_errors():
                    chunk = await anext(chunks, None)

                if chunk is None:
                    return

                yield chunk

    async def _request(
        self, method: str, path: str, content: bytes = b""
    ) -> tuple[httpx.Response, Mapping[str, Any]]:
        headers = {"Accept": "application/json, application/problem+json"}
        if content:
            headers["Content-Type"] = "application/json"

        try:
            with anyio.fail_after(ATTEMPT_SECONDS):
                async with self._open(method, path, content=content, headers=headers) as response:
                    return response, await self._read(response)
        except TimeoutError:
            raise DaemonError(
                f"no answer from the daemon at {self.url} within {ATTEMPT_SECONDS:g} seconds",
                is_transient=self._has_answered,
            ) from None

    @contextmanager
    def _network_errors(self) -> Iterator[None]:
        """Turn errors of the network and the peer into ours."""
        try:
            yield
        except _ERRORS as error:
            raise self._network_error(error) from None

    async def _read(self, response: httpx.Response) -> Mapping[str, Any]:
        """Return the JSON object of an answer: the result, or problem details."""
        body = bytearray()
        with self._network_errors():
            async with _body(response) as chunks:
                async for chunk in chunks:
                    body += chunk[: self._max_answer - len(body)]
                    if len(body) == self._max_answer:
                        break

        status, headers = response.status_code, response.headers
        if media_type(headers) in ("application/json", "application/problem+json"):
            try:
                data = json.loads(body)
            except (ValueError, RecursionError):
                data = None

            if isinstance(data, dict):
                return data

        if status in TRANSIENT_STATUSES:
            raise DaemonError(
                f"the proxy in front of the daemon at {self.url} gets no answer from it "
                f"(HTTP status {status})",
                is_transient=True,
                retry_after=retry_after(headers),
                status=status,
            )

        if 300 <= status < 400:
            raise DaemonError(
                f"{self.url} redirects to another address, which is not followed since it would get "
                "the token: give the right one with --url",
                status=status,
            )

        raise self._unexpected_server(status)

    def _unexpected_server(self, status: int) -> DaemonError:
        return DaemonError(
            f"{self.url} answers (HTTP status {status}), but not as lanrage-events does: it is "
            f"another program's address; give the daemon's with --url or {URL_VARIABLE}",
            status=status,
        )

    def _rejection(self, response: httpx.Response, data: Mapping[str, Any]) -> DaemonError:
        """Return the error in problem details, https://www.rfc-editor.org/rfc/rfc9457."""
        status = response.status_code
        if status == 401:
            return DaemonError(self._unauthorized(), status=status)

        reason = next(
            (
                text
                for key in ("detail", "title")
                if isinstance(text := data.get(key), str) and text
            ),
            f"HTTP status {status}",
        )
        # The reason may repeat some of them.
        errors = [item for item in field_errors(data.get("errors")) if item.message not in reason]
        if errors:
            reason += ": " + ", ".join(map(str, errors))

        return DaemonError(
            f"the daemon at {self.url} rejected the request: {reason}",
            is_transient=status in TRANSIENT_STATUSES,
            retry_after=retry_after(response.headers),
            status=status,
        )

    def _unauthorized(self) -> str:
        if self._token is not None:
            return f"the daemon at {self.url} has another token than {self._token.origin}"

        return (
            f"the daemon at {self.url} requires its token: put it into the environment variable "
            f"{TOKEN_VARIABLE}, or name a file that holds it with --token-file"
        )

    def _network_error(self, error: Exception) -> DaemonError:
        detail = str(error)
        if "certificate" in detail.lower():
            return DaemonError(f"no safe connection to {self.url}: {detail}")

        if isinstance(error, httpx.ProxyError):
            return DaemonError(
                f"the proxy of the environment does not reach {self.url}: {detail}",
                is_transient=self._has_answered,
            )

        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            if self._has_answered:
                return DaemonError(f"the daemon at {self.url} is gone", is_transient=True)

            return DaemonError(
                f"no daemon answers at {self.url}: start one with 'lanrage-events run', with the "
                f"plugin 'http', or say where it is with --url or {URL_VARIABLE}"
            )

        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return self._unexpected_server(0)

        return DaemonError(
            f"the connection to the daemon at {self.url} broke: {detail or type(error).__name__}",
            is_transient=True,
        )


@asynccontextmanager
async def _body(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    chunks = response.aiter_bytes()
    try:
        yield chunks
    finally:
        # httpx leaves its generators to the garbage collector, about which Trio warns. Cancelling
        # them where they wait ends them.
        with suppress(*_ERRORS), anyio.CancelScope() as scope:
            scope.cancel()
            async for _ in chunks:
                pass
