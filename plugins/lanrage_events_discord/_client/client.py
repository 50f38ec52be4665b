"""The HTTP client that posts messages to webhooks."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from types import TracebackType
from typing import Self

import anyio
import httpx

from lanrage_events.delivery import open_http_client, send_request

from .._embeds import Picture
from .outcome import Outcome, OutcomeKind, classify, read_id
from .urls import WebhookURL

# Discord answers a message within a second; what takes longer is an outage.
DEFAULT_DEADLINE = 8.0
UPLOAD_BYTES_PER_SECOND = 128 * 1024
"""what a slow connection sends at least; a request may take as much longer"""
# An answer holds the message: 6000 characters, each of which may be written as 12 bytes, and more.
ANSWER_MAX_BYTES = 256 * 1024

# How many parsed URLs are kept for the next requests.
_ADDRESSES_KEPT = 256
_MASK = "**********"
_PROJECT_URL = "https://pypi.org/project/lanrage-events"

# Why a request got no answer.
_UNANSWERED: Mapping[type[Exception], str] = {
    httpx.ProxyError: "the proxy does not let the request through",
    httpx.ConnectTimeout: "no connection to {host} in time",
    httpx.ConnectError: "no connection to {host}",
    httpx.PoolTimeout: "no connection was free in time",
    httpx.UnsupportedProtocol: "the address has a scheme that cannot be used",
    httpx.TimeoutException: "no answer from {host} in time",
    httpx.RemoteProtocolError: "the answer from {host} is not valid HTTP or broke off",
    httpx.DecodingError: "the answer from {host} cannot be unpacked",
    httpx.NetworkError: "the connection to {host} broke",
    httpx.HTTPError: "the request to {host} failed",
    httpx.InvalidURL: "the address or a redirect from {host} is not a URL",
    OSError: "the connection to {host} broke",
    anyio.BrokenResourceError: "the connection to {host} broke",
}
_NEVER_SENT = (
    httpx.ProxyError,
    httpx.ConnectTimeout,
    httpx.ConnectError,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


class WebhookClient:
    """Sends messages to webhooks, each exactly once, and returns their outcomes.

    Retrying, rate limits and order are up to the caller. It is an async context manager, and any
    number of tasks may use it at the same time.

    :param http: the client to send with, which stays open and keeps its own proxies and limits;
        without one a client of its own is made, which goes through the proxies and trusts the
        certificates that the environment names (``HTTPS_PROXY``, ``SSL_CERT_FILE`` and so on)
    :param deadline: seconds for a request, from looking for a connection to the end of the answer
    """

    def __init__(
        self, http: httpx.AsyncClient | None = None, *, deadline: float = DEFAULT_DEADLINE
    ) -> None:
        self._given = self._http = http
        self._opened = AsyncExitStack()
        self._deadline = deadline
        self._parsed = lru_cache(_ADDRESSES_KEPT)(httpx.URL)
        self._headers = {
            # https://docs.discord.com/developers/reference#user-agent
            "user-agent": f"DiscordBot ({_PROJECT_URL}, {_version()})",
            "content-type": "application/json",
        }

    async def __aenter__(self) -> Self:
        self._http = await self._opened.enter_async_context(open_http_client(self._given))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http = self._given
        await self._opened.aclose()

    async def execute(
        self,
        webhook: WebhookURL,
        body: Mapping[str, object],
        *,
        files: Sequence[Picture] = (),
        thread_id: str | None = None,
    ) -> Outcome:
        """Post one message, tried once within the deadline.

        :param webhook: where to
        :param body: Discord's JSON form of the message, see :meth:`Message.body`
        :param files: what its embeds show, see :attr:`Message.files`
        :param thread_id: the thread to post to, instead of the one that the URL names; a body that
            creates a thread by its ``thread_name`` goes to none
        :return: its outcome; errors of the network and of Discord are not raised
        :raises ValueError: if ``body`` has a ``thread_name`` and there is a ``thread_id`` too
        """
        creates_thread = bool(body.get("thread_name"))
        if creates_thread and thread_id is not None:
            raise ValueError("at most one of thread_id and the body's thread_name can be given")

        target = replace(webhook, thread_id=None) if creates_thread else webhook
        # https://docs.discord.com/developers/resources/webhook#execute-webhook: else it ignores them.
        with_components = "components" in body
        url = target.execute_url(thread_id=thread_id, with_components=with_components)
        outcome, _ = await self._request("POST", url, webhook, body, files)
        return outcome

    async def edit(
        self,
        webhook: WebhookURL,
        message_id: str,
        body: Mapping[str, object],
        *,
        files: Sequence[Picture] = (),
        had: Collection[str] | None = (),
        thread_id: str | None = None,
    ) -> Outcome:
        """Change a message that the webhook posted, tried once within the deadline.

        :param body: what changes, in Discord's JSON form; ``allowed_mentions`` must be given again,
            or else Discord's defaults apply
        :param files: what its embeds show from now on, see :attr:`Message.files`
        :param had: the names of those that the message has; if they are the same, they stay and are
            not sent again. None if that is not known
        :param thread_id: the thread that the message is in, instead of the one that the URL names
        :return: its outcome; errors of the network and of Discord are not raised
        """
        # https://docs.discord.com/developers/resources/webhook#edit-webhook-message
        url = webhook.message_url(message_id, thread_id, with_components="components" in body)
        if had is not None and {file.name for file in files} == set(had):
            files = ()
        else:
            # https://docs.discord.com/developers/reference#editing-message-attachments: without it,
            # those that the message has would stay.
            kept = [{"id": str(index)} for index, _ in enumerate(files)]
            body = {**body, "attachments": kept}

        outcome, _ = await self._request("PATCH", url, webhook, body, files)
        return outcome

    async def delete(
        self, webhook: WebhookURL, message_id: str, *, thread_id: str | None = None
    ) -> Outcome:
        """Delete a message that the webhook posted, tried once within the deadline.

        :param thread_id: the thread that the message is in, instead of the one that the URL names
        :return: its outcome; errors of the network and of Discord are not raised
        """
        # https://docs.discord.com/developers/resources/webhook#delete-webhook-message
        url = webhook.message_url(message_id, thread_id)
        outcome, _ = await self._request("DELETE", url, webhook)
        return outcome

    async def fetch(self, webhook: WebhookURL) -> Outcome:
        """Check whether a webhook exists, without posting anything.

        :return: the outcome, with the webhook's name and channel if it exists; errors of the network and of
            Discord are not raised
        """
        outcome, body = await self._request("GET", webhook.info_url(), webhook)
        if outcome.kind is not OutcomeKind.DELIVERED:
            return outcome

        # https://docs.discord.com/developers/resources/webhook#webhook-object
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None

        if isinstance(data, dict) and isinstance(data.get("id"), str):
            name = data.get("name")
            name = name if isinstance(name, str) else ""
            # These ids are the webhook's, and not those of a message.
            return replace(
                outcome,
                message_id=None,
                channel_id=None,
                webhook_name=name,
                webhook_channel_id=read_id(data, "channel_id"),
                webhook_guild_id=read_id(data, "guild_id"),
            )

        return Outcome(
            OutcomeKind.RETRY,
            f"the answer from {webhook.host} does not describe a webhook",
            status=outcome.status,
        )

    async def _request(
        self,
        method: str,
        url: str,
        webhook: WebhookURL,
        body: Mapping[str, object] | None = None,
        files: Sequence[Picture] = (),
    ) -> tuple[Outcome, bytes]:
        """Return the outcome of a request, and the body of the answer as far as it arrived."""
        if self._http is None:
            raise RuntimeError("a WebhookClient must be entered first: async with WebhookClient()")

        content = b"" if body is None else _encode(body)
        headers: Mapping[str, str] = self._headers
        if files:
            headers, content = _encode_form(headers, content, files)

        answer = await send_request(
            self._http,
            method,
            self._parsed(url),
            headers=headers,
            content=content,
            timeout=self._deadline + sum(map(len, files)) / UPLOAD_BYTES_PER_SECOND,
            max_bytes=ANSWER_MAX_BYTES,
        )
        if answer.status is None:
            return _unanswered(answer.error, webhook), b""

        # An answer may repeat the token.
        token = webhook.token
        headers = {name: value.replace(token, _MASK) for name, value in answer.headers.items()}
        masked = answer.content.replace(token.encode(), _MASK.encode())
        return classify(answer.status, headers, masked), answer.content


def _encode(body: Mapping[str, object]) -> bytes:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return content.encode(errors="replace")


def _encode_form(
    headers: Mapping[str, str], body: bytes, files: Sequence[Picture]
) -> tuple[Mapping[str, str], bytes]:
    """Return the headers and the content of a request with files.

    https://docs.discord.com/developers/reference#uploading-files
    """
    parts = [
        ("payload_json", (None, body, "application/json")),
        *((f"files[{at}]", (one.name, one.content, one.type)) for at, one in enumerate(files)),
    ]
    form = httpx.Request("POST", "https://discord.com", files=parts)
    return {**headers, "content-type": form.headers["content-type"]}, form.read()


def _unanswered(error: Exception | None, webhook: WebhookURL) -> Outcome:
    reason = _UNANSWERED[httpx.TimeoutException]
    detail = ""
    if error is not None:
        reason = next(text for kind, text in _UNANSWERED.items() if isinstance(error, kind))
        detail = str(error).replace(webhook.token, _MASK)[:200]

    reason = reason.replace("{host}", webhook.host)
    return Outcome(
        OutcomeKind.RETRY,
        f"{reason}: {detail}" if detail else reason,
        may_be_carried_out=not isinstance(error, _NEVER_SENT),
    )


def _version() -> str:
    try:
        return metadata.version("lanrage-events")
    except metadata.PackageNotFoundError:
        return "0"
