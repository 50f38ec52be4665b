"""A client of a running daemon's HTTP API that blocks, without an event loop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

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
        :param limit: seconds for the answer to begin, and for the answer to end
        :raises DaemonError: if none was accepted, or there is no answer
        """
        deadline = time.monotonic() + limit
        path, content = post_request(events, strict=strict)
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
                if time.monotonic() > deadline:
                    raise self.exchange.too_slow(limit)

                if len(body) == ANSWER_MAX_BYTES:
                    break

        return self.exchange.post_answer(
            response, self.exchange.decode(response, body), len(events)
        )
