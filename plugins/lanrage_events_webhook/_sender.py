"""Sends a request once, and says what its answer means."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import metadata
from urllib.parse import quote

import httpx

from lanrage_events import Event, Health, Redactor
from lanrage_events.config import SecretStr
from lanrage_events.delivery import Outcome, OutcomeKind, send_request
from lanrage_events.events import utc_now

from ._config import TargetConfig, decode_key, secret

ANSWER_MAX_BYTES = 64 * 1024
_AGENT = f"lanrage-events/{metadata.version('lanrage-events')}"


class Sender:
    """Sends to one target.

    :param target: its settings
    :param client: stays open
    :param redactor: masks secrets in what the target answers
    """

    def __init__(self, target: TargetConfig, client: httpx.AsyncClient, redactor: Redactor) -> None:
        self._target = target
        self._client = client
        self._redactor = redactor

    async def send(self, events: Sequence[Event], kind: str, content: bytes) -> Outcome:
        """Send the content that was made of events."""
        target, service = self._target, self._target.service
        # Not the id of an event, which others may choose: a dot in it could forge a signature.
        id = sha256("\n".join(event.id for event in events).encode()).hexdigest()[:32]
        headers = {"Content-Type": kind}
        if target.sign is not None:
            headers |= sign(target.sign, f"msg_{id}", int(utc_now().timestamp()), content)

        method = service.method or target.method
        return await self._request(method, service.path, headers, content, id)

    async def look(self) -> Health | None:
        """Ask whether the settings are right, without sending; None if nothing answers that."""
        if not self._target.service.look:
            return None

        outcome = await self._request("GET", self._target.service.look)
        is_wrong = outcome.kind in (OutcomeKind.STOP, OutcomeKind.DEAD)
        is_right = outcome.kind is OutcomeKind.DELIVERED
        return Health("failed" if is_wrong else "ok" if is_right else "degraded", outcome.reason)

    async def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        id: str = "",
    ) -> Outcome:
        target, service, token = self._target, self._target.service, secret(self._target.token)
        url = (secret(target.url) or service.url).rstrip("/" if path else "")
        to = quote(target.to or "", safe="")
        sent = httpx.Headers({"User-Agent": _AGENT, **(headers or {})})
        sent.update({name: secret(value) for name, value in target.headers.items()})
        if token and "{token}" not in path:
            sent["Authorization"] = f"Bearer {token}"

        answer = await send_request(
            self._client,
            method,
            url + path.format(to=to, token=quote(token, safe=":"), id=id),
            headers=sent,
            content=content,
            timeout=target.timeout,
            max_bytes=ANSWER_MAX_BYTES,
        )
        outcome = answer.outcome(self._redactor)
        if outcome.kind is OutcomeKind.DEAD and any(
            map(outcome.detail.__contains__, service.stops)
        ):
            return Outcome.stop(outcome.reason, code=outcome.code)

        return outcome


def sign(key: SecretStr, id: str, time: int, content: bytes) -> dict[str, str]:
    """Return the headers of a signature by Standard Webhooks.

    :param time: of this attempt, in seconds since 1970
    """
    code = hmac.digest(decode_key(key), f"{id}.{time}.".encode() + content, "sha256")
    signature = f"v1,{b64encode(code).decode()}"
    return {"webhook-id": id, "webhook-timestamp": f"{time}", "webhook-signature": signature}
