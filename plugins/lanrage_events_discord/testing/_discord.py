"""The stand-in itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from ._api import WebhookAPI
from ._body import read_body
from ._faults import Drip, Fail, Fault, Faults, Hang, Reset
from ._journal import Journal, Record, StandInRequest
from ._limits import Limits
from ._network import Network
from ._reply import Reply
from ._routes import Route
from ._webhooks import Channel, StandInWebhook

if TYPE_CHECKING:
    import httpx

_DISCORD_URL = "https://discord.com"


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as the wire brings it."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """names in lower case"""
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer and how the wire takes it back."""

    reply: Reply
    drip: float = 0.0
    """seconds from its first byte to its last"""


class StandInDiscord:
    """Behaves as Discord's webhook API does towards whoever posts to it.

    Use :meth:`transport` for httpx in the same event loop, in virtual time too, or
    :meth:`serve` for any client. One stand-in belongs to one event loop.

    :param limit: requests that one webhook may send within ``per`` seconds; None: no limit
    :param per: seconds that the window of ``limit`` lasts; it begins with its first request
    :param channel_limit: messages that a channel takes within ``channel_per`` seconds from all
        its webhooks, which no header shows; None: no limit
    :param channel_per: seconds that the window of ``channel_limit`` lasts
    :param global_limit: requests that an address may send within a second; None: no limit
    :param invalid_limit: answers of 401, 403 and 429 (not with scope ``shared``) within 600
        seconds after which Cloudflare bans the address
    :param ban_seconds: how long that ban lasts
    :param old_edit_limit: edits of messages older than an hour that a channel takes within an
        hour, then 429 with code 30046; None: no limit
    :param latency: seconds from request to answer; Discord acts after half of them
    """

    def __init__(
        self,
        *,
        limit: int | None = 5,
        per: float = 2.0,
        channel_limit: int | None = None,
        channel_per: float = 60.0,
        global_limit: int | None = 50,
        invalid_limit: int = 10_000,
        ban_seconds: float = 3600.0,
        old_edit_limit: int | None = None,
        latency: float = 0.0,
    ) -> None:
        self._limits = Limits(
            limit=limit,
            per=per,
            channel_limit=channel_limit,
            channel_per=channel_per,
            global_limit=global_limit,
            invalid_limit=invalid_limit,
            ban_seconds=ban_seconds,
            old_edit_limit=old_edit_limit,
        )
        self._network = Network()
        self._api = WebhookAPI(self._limits)
        self._epoch: float | None = None
        self._arrived = 0
        self._base_url = _DISCORD_URL
        self.latency = latency
        self.journal = Journal()
        self.faults = Faults(self._network, self._limits)

    def __repr__(self) -> str:
        return f"<StandInDiscord at {self._base_url}, {len(self.journal)} requests>"

    @property
    def base_url(self) -> str:
        """``https://discord.com``, or the loopback server's address once there is one."""
        return self._base_url

    @property
    def host(self) -> str:
        """Host and port of :attr:`base_url`, such as ``127.0.0.1:8123``."""
        return urlsplit(self._base_url).netloc

    @property
    def webhooks(self) -> tuple[StandInWebhook, ...]:
        """The webhooks that were created, deleted ones included."""
        return tuple(self._api.webhooks.values())

    def create_webhook(
        self,
        channel: str | None = None,
        *,
        forum: bool = False,
        require_tag: bool = False,
        name: str = "LANrage",
    ) -> StandInWebhook:
        """Make a webhook.

        :param channel: name of the channel that it posts to; webhooks with the same one share
            its limit and its threads; the default is a channel of its own
        :param forum: whether the channel is a forum, where each message goes into a thread
        :param require_tag: whether a new thread of the forum must have a tag
        :param name: the name that messages without a ``username`` carry
        :raises ValueError: if the channel exists and is of the other kind
        """
        channel = f"channel-{len(self._api.channels) + 1}" if channel is None else channel
        place = self._api.channels.get(channel)
        if place is None:
            place = Channel(self._api.snowflakes.next(), channel, forum, require_tag)
            self._api.channels[channel] = place
        elif (place.forum, place.require_tag) != (forum, require_tag):
            raise ValueError(f"channel '{channel}' exists with another forum or require_tag")

        webhook = StandInWebhook(place, name, self._api.snowflakes, lambda: self._base_url)
        self._api.webhooks[webhook.id] = webhook
        return webhook

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for :class:`httpx.AsyncClient` that reaches the stand-in."""
        from ._transport import StandInTransport

        return StandInTransport(self)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve HTTP/1.1 within an ``async with`` block, which gets the base URL.

        From then on the webhooks' URLs lead to the server.

        :param host: address to listen on
        :param port: port to listen on; 0 takes a free one
        """
        from ._server import serve

        return serve(self, host, port)

    async def _exchange(
        self, raw: RawRequest, pause: Callable[[float], Awaitable[None]]
    ) -> Delivery | None:
        """Take a request and return what goes back; None if the connection is to be reset.

        :param pause: waits some seconds for as long as the client is there
        """
        await pause(self.latency / 2)
        route = Route.parse(raw.method, raw.target)
        body = read_body(raw.headers.get("content-type", ""), raw.body)
        self._arrived += 1
        request = StandInRequest(
            number=self._arrived,
            time=anyio.current_time(),
            method=raw.method,
            path=route.redacted,
            action=route.action,
            webhook_id=route.webhook_id,
            query=route.query,
            headers=raw.headers,
            body=body.data,
        )
        fault = self.faults._pick(request)
        match fault:
            case Reset(accepted=False):
                self._record(request, fault, None)
                return None
            case Hang(accepted=False):
                await pause(fault.seconds)
                request = replace(request, time=anyio.current_time())

        if isinstance(fault, Fail):
            reply = fault.reply()
        else:
            reply = self._api.answer(route, body, request.time, self._find_epoch())

        self._limits.count_answer(reply.status, reply.scope, request.time)
        self._record(request, fault, reply)
        match fault:
            case Reset():
                return None
            case Hang(accepted=True):
                await pause(fault.seconds)

        await pause(self.latency / 2)
        return Delivery(reply, fault.seconds if isinstance(fault, Drip) else 0.0)

    def _record(self, request: StandInRequest, fault: Fault | None, reply: Reply | None) -> None:
        known = {item.name: getattr(request, item.name) for item in fields(request)}
        name = "" if fault is None else repr(fault)
        if reply is None:
            record = Record(
                **known, status=None, accepted=False, reason="connection reset", fault=name
            )
        else:
            record = Record(
                **known,
                status=None if isinstance(fault, Reset) else reply.status,
                accepted=reply.accepted,
                code=reply.code,
                reason=reply.reason,
                scope=reply.scope,
                retry_after=reply.retry_after,
                message_id=reply.message_id,
                message=reply.message,
                fault=name,
            )

        self.journal._append(record)

    def _find_epoch(self) -> float:
        if self._epoch is None:
            self._epoch = time.time() - anyio.current_time()

        return self._epoch
