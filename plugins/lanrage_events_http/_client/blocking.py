"""A client of a running daemon's HTTP API that blocks, without an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any, TypeAlias

import httpx

from .address import is_loopback
from .answers import PostAnswer
from .exchange import (
    ANSWER_MAX_BYTES,
    ATTEMPT_SECONDS,
    CONNECT_SECONDS,
    Exchange,
    post_request,
    request_headers,
)

Answer: TypeAlias = tuple[httpx.Response, bytearray]


class BlockingDaemonClient:
    """A client of one daemon that owns its connections; any thread may use it.

    :param url: of the daemon, from :func:`parse_url`
    :param exchange: what to send, and what answers mean
    :param transport: instead of the network, for tests
    """

    def __init__(
        self, url: httpx.URL, exchange: Exchange, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.exchange = exchange
        self._http = httpx.Client(
            base_url=url,
            headers=exchange.headers,
            follow_redirects=False,
            transport=transport,
            # A proxy does not reach this machine.
            trust_env=not is_loopback(url.host),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def post(
        self, events: Sequence[Mapping[str, Any]], *, strict: bool, limit: float = ATTEMPT_SECONDS
    ) -> PostAnswer:
        """Post events, in one attempt.

        :param events: as JSON values, each with an id, so that they may be posted again
        :param strict: whether a field that the event type does not have is an error
        :param limit: seconds that the attempt may take
        :raises DaemonError: if none was accepted, or there is no answer
        """
        path, content = post_request(events, strict=strict)
        response, body = self._within(limit, partial(self._exchange, path, content, limit))
        return self.exchange.post_answer(
            response, self.exchange.decode(response, body), len(events)
        )

    def _within(self, limit: float, request: Callable[[], Answer]) -> Answer:
        """Send a request in a thread, since a timeout of a socket only bounds each byte."""
        answer: Future[Answer] = Future()

        def run() -> None:
            try:
                answer.set_result(request())
            except BaseException as error:  # noqa: BLE001 - raised below
                answer.set_exception(error)

        try:
            Thread(target=run, name="lanrage-events request", daemon=True).start()
        except RuntimeError:  # Python ends and starts no threads, or there are too many
            run()

        try:
            return answer.result(limit)
        except TimeoutError:
            raise self.exchange.too_slow(limit) from None

    def _exchange(self, path: str, content: bytes, limit: float) -> Answer:
        deadline = time.monotonic() + limit
        body = bytearray()
        with (
            self.exchange.network_errors(),
            self._http.stream(
                "POST",
                path,
                content=content,
                headers=request_headers(content),
                timeout=httpx.Timeout(limit, connect=min(limit, CONNECT_SECONDS)),
            ) as response,
        ):
            self.exchange.has_answered = True
            for chunk in response.iter_bytes():
                body += chunk[: ANSWER_MAX_BYTES - len(body)]
                if time.monotonic() > deadline:  # nobody waits for it any more
                    raise self.exchange.too_slow(limit)

                if len(body) == ANSWER_MAX_BYTES:
                    break

        return response, body
