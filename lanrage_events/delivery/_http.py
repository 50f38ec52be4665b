"""HTTP for sinks: a client for many receivers, and one request with a bounded answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from .._redaction import Redactor, safe_text
from ..backoff import parse_seconds
from ._outcome import Outcome, OutcomeKind
from ._sink_lane import NO_ANSWER

if TYPE_CHECKING:
    import httpx

HTTP_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
"""those that log addresses, which may hold secrets: for :meth:`Redactor.redacting`"""

_CLOSE_SECONDS = 2.0
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    host: str
    """that was asked"""
    status: int | None
    """HTTP's status; None if there was no answer"""
    headers: Mapping[str, str]
    """by their names in lower case"""
    content: bytes
    """as far as it came, and at most what was asked for"""
    error: Exception | None = None
    """why there was no answer, or not all of it; None also if it took too long"""

    def outcome(self, redactor: Redactor) -> Outcome:
        """Return what the answer usually means, see :meth:`Outcome.from_status`.

        If no header says how long to wait, the ``retry_after`` or ``retry_after_ms`` of a JSON
        answer does, which may stand below ``parameters``.

        :param redactor: masks secrets in what the receiver says
        """
        if self.status is None:
            why = "no answer in time" if self.error is None else type(self.error).__name__
            return Outcome.retry(f"{self.host}: {why}", code=NO_ANSWER)

        text = safe_text(" ".join(self.content.decode(errors="replace").split()))
        shown = redactor.redact(text)[:_SHOWN_CHARACTERS]
        outcome = Outcome.from_status(self.status, self.headers, shown)
        if outcome.kind is OutcomeKind.DELIVERED:
            return outcome

        reason = f"{outcome.reason}: {shown}" if shown else outcome.reason
        if outcome.kind is OutcomeKind.RETRY and outcome.after is None:
            return Outcome.retry(reason, after=_asked_wait(self.content), code=outcome.code)

        return replace(outcome, reason=reason)


async def send_request(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL | str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    json: object = None,
    timeout: float = 10.0,
    max_bytes: int = 64 * 1024,
) -> Answer:
    """Make one request, and return what came back; errors of the network are not raised.

    A redirect is not followed. The status says what the receiver did, even if the rest of the answer
    does not come.

    :param headers: their values may hold secrets
    :param json: a value of JSON to send in place of ``content``, with its type
    :param timeout: seconds from looking for a connection to the end of the answer
    :param max_bytes: of the answer that are read at most
    """
    import httpx

    if json is not None:
        content = _as_json(json)
        headers = {"content-type": "application/json"} | {
            name.lower(): value for name, value in (headers or {}).items()
        }

    status: int | None = None
    got: Mapping[str, str] = {}
    body = bytearray()
    failed: Exception | None = None
    host = ""
    try:
        url = httpx.URL(url)
        host = url.host
        # An answer that is not packed cannot unpack into gigabytes.
        sent = httpx.Headers({"Accept-Encoding": "identity"})
        sent.update(headers)
        with anyio.move_on_after(timeout) as scope:
            async with client.stream(
                method,
                url,
                content=content or None,
                headers=sent,
                follow_redirects=False,
                timeout=None,
            ) as response:
                status, got = response.status_code, response.headers
                async for chunk in response.aiter_bytes():
                    body += chunk[: max_bytes - len(body)]
                    if len(body) == max_bytes:
                        scope.cancel()
    except (httpx.HTTPError, httpx.InvalidURL, OSError, anyio.BrokenResourceError) as error:
        failed = error

    named = {name.lower(): value for name, value in got.items()}
    return Answer(host, status, named, bytes(body), failed)


@asynccontextmanager
async def open_http_client(
    given: httpx.AsyncClient | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that sends to many receivers, and close it at the end.

    A receiver that hangs keeps no connection from another one, no cookies are kept, and this machine
    is asked without a proxy. It trusts the certificates, and uses the proxies, that the environment
    names.

    :param given: a client to use instead, which stays open
    """
    if given is not None:
        yield given
        return

    with ThreadPoolExecutor(1, "certificates") as executor:
        made = executor.submit(_make_client)
        # While a task waits for a thread, virtual time would jump, and the start be too late.
        while not made.done():
            await checkpoint()

    client = made.result()
    try:
        yield client
    finally:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await client.aclose()


def _make_client() -> httpx.AsyncClient:
    """Return a client that trusts the usual certificates, which takes long to read."""
    from http.cookiejar import CookieJar

    import httpx

    class NoCookies(CookieJar):
        """Keeps none: they would link one receiver to another."""

        def extract_cookies(self, response: object, request: object) -> None:
            """Ignore the cookies of an answer."""

    return httpx.AsyncClient(
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0
        ),
        cookies=NoCookies(),
        mounts={f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")},
    )


def _as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _asked_wait(content: bytes) -> float | None:
    """Return the seconds that a JSON answer asks to wait, None if it does not say."""
    try:
        data = json.loads(content)
        found = {**data, **data.get("parameters", {})}
        milliseconds = found.get("retry_after_ms")
        wait = found.get("retry_after") if milliseconds is None else milliseconds / 1000
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None

    return parse_seconds(wait)
