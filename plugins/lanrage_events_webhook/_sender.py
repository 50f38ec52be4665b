"""Sends a request once, and says what its answer means."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib import metadata
from urllib.parse import quote

import anyio
import httpx

from lanrage_events import Event, Health, Redactor
from lanrage_events.cli import safe_text
from lanrage_events.config import SecretStr
from lanrage_events.delivery import Outcome, OutcomeKind
from lanrage_events.events import utc_now

from ._config import TargetConfig, decode_key, secret

ANSWER_MAX_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 300
# Telegram answers these with 400, although no message would be accepted.
_NO_CHAT = ("chat not found", "group chat was upgraded", "not enough rights")
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
        service = self._target.service
        # Not the id of an event, which others may choose: a dot in it could forge a signature.
        id = sha256("\n".join(event.id for event in events).encode()).hexdigest()[:32]
        headers = {"Content-Type": kind}
        if self._target.sign is not None:
            headers |= sign(self._target.sign, f"msg_{id}", int(utc_now().timestamp()), content)

        method = service.method or self._target.method
        return await self._request(method, service.path, headers, content, id)

    async def look(self) -> Health | None:
        """Ask whether the settings are right, without sending; None if nothing answers that."""
        path = self._target.service.look
        if not path:
            return None

        outcome = await self._request("GET", path)
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
        target = self._target
        token = secret(target.token)
        to = quote(target.to or "", safe="")
        url = (secret(target.url) or target.service.url).rstrip("/" if path else "")
        url += path.format(to=to, token=quote(token, safe=":"), id=id)
        sent = httpx.Headers({"User-Agent": _AGENT, **(headers or {})})
        sent.update({name: secret(value) for name, value in target.headers.items()})
        if token and "{token}" not in path:
            sent["Authorization"] = f"Bearer {token}"

        answer = bytearray()
        response: httpx.Response | None = None
        why = "no answer in time"
        try:
            with anyio.move_on_after(target.timeout) as scope:
                async with self._client.stream(
                    method, url, headers=sent, content=content, follow_redirects=False
                ) as response:
                    async for chunk in response.aiter_bytes():
                        answer += chunk[: ANSWER_MAX_BYTES - len(answer)]
                        if len(answer) == ANSWER_MAX_BYTES:
                            scope.cancel()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = type(error).__name__

        if response is None:
            return Outcome.retry(f"{httpx.URL(url).host}: {why}", code="no_answer")

        # The status says what the target did, even if the rest of the answer is missing.
        return self._outcome(response, answer.decode(errors="replace"))

    def _outcome(self, response: httpx.Response, answer: str) -> Outcome:
        status, code = response.status_code, f"http_{response.status_code}"
        shown = self._redactor.redact(safe_text(" ".join(answer.split())))[:_SHOWN_CHARACTERS]
        if status == 400 and any(text in answer for text in _NO_CHAT):
            return Outcome.stop(f"HTTP {status}: {shown}", code=code)

        outcome = Outcome.from_status(status, response.headers, shown)
        if outcome.kind is OutcomeKind.DELIVERED or not shown:
            return outcome

        after = _asked_wait(answer) if outcome.after is None else outcome.after
        return replace(outcome, reason=f"{outcome.reason}: {shown}", after=after)


def sign(key: SecretStr, id: str, time: int, content: bytes) -> dict[str, str]:
    """Return the headers of a signature by Standard Webhooks.

    :param time: of this attempt, in seconds since 1970
    """
    code = hmac.digest(decode_key(key), f"{id}.{time}.".encode() + content, "sha256")
    signature = f"v1,{b64encode(code).decode()}"
    return {"webhook-id": id, "webhook-timestamp": f"{time}", "webhook-signature": signature}


def _asked_wait(answer: str) -> float | None:
    """Return the seconds that Telegram, or an older Matrix, asks to wait in its answer."""
    try:
        data = json.loads(answer)
        wait = data.get("retry_after_ms")
        return float(data["parameters"]["retry_after"] if wait is None else wait / 1000)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
