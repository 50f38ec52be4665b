"""The engine of the stand-in: requests in, answers and scripted faults out, without a wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from urllib.parse import urlsplit

import anyio

from lanrage_events.events import utc_now

from ._api import WebhookAPI
from ._body import read_body
from ._faults import Drip, Fail, Fault, Faults, Hang, Reset
from ._journal import Journal, Record, StandInRequest
from ._limits import Limits, WindowKind
from ._network import Network
from ._reply import Reply
from ._routes import Route

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


class Engine:
    """Everything that happens between a request and its answer, faults included."""

    def __init__(
        self,
        *,
        limit: int | None = 5,
        per: float = 2.0,
        channel_limit: int | None = None,
        channel_per: float = 60.0,
        channel_window: WindowKind = "fixed",
        global_limit: int | None = 50,
        invalid_limit: int = 10_000,
        ban_seconds: float = 3600.0,
        old_edit_limit: int | None = 3,
        old_edit_per: float = 6.0,
        latency: float = 0.0,
    ) -> None:
        self._limits = Limits(
            limit=limit,
            per=per,
            channel_limit=channel_limit,
            channel_per=channel_per,
            channel_window=channel_window,
            global_limit=global_limit,
            invalid_limit=invalid_limit,
            ban_seconds=ban_seconds,
            old_edit_limit=old_edit_limit,
            old_edit_per=old_edit_per,
        )
        self._network = Network()
        self._api = WebhookAPI(self._limits)
        self._epoch: float | None = None
        self._arrived = 0
        self.base_url = _DISCORD_URL
        """``https://discord.com``, or the loopback server's address once there is one"""
        self.latency = latency
        self.journal: Journal = Journal()
        self.faults: Faults = Faults(self._network, self._limits)

    @property
    def host(self) -> str:
        """Host and port of :attr:`base_url`, such as ``127.0.0.1:8123``."""
        return urlsplit(self.base_url).netloc

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
        done = reply or Reply(0, reason="connection reset")
        record = Record(
            **known,
            status=None if isinstance(fault, Reset) else done.status,
            accepted=reply is not None and reply.accepted,
            code=done.code,
            reason=done.reason,
            scope=done.scope,
            retry_after=done.retry_after,
            message_id=done.message_id,
            message=done.message,
            fault="" if fault is None else repr(fault),
        )
        self.journal._append(record)

    def _find_epoch(self) -> float:
        if self._epoch is None:
            self._epoch = utc_now().timestamp() - anyio.current_time()

        return self._epoch
