"""The clients for programs: they publish events in a running daemon, and retry."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, NoReturn, Self, TypeAlias

import anyio
import httpx

from lanrage_events import Event, LanrageEventsError
from lanrage_events.cli import counted
from lanrage_events.events import FieldProblem

from .address import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, parse_token, parse_url
from .answers import DaemonError
from .blocking import BlockingDaemonClient
from .client import DaemonClient
from .delivery import Delivery, deliver, deliver_blocking
from .exchange import Exchange, Options
from .publish import new_ids
from .publish_file import BATCH_MAX_BYTES, BATCH_MAX_EVENTS

EventData: TypeAlias = Event | Mapping[str, Any]

ARGUMENTS = Options("the argument 'url'", "give it as the argument 'token'")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the daemon has accepted: its durable plugins have these events, so a crash loses none."""

    ids: tuple[str, ...] = ()
    """the ids of the accepted events, in their order"""
    repeated: frozenset[str] = frozenset()
    """those among them that the daemon had before, so that it did not publish them again"""
    dropped: Mapping[str, tuple[FieldProblem, ...]] = field(default_factory=dict)
    """by id: fields that the daemon dropped, since it does not know them"""


class PublishError(LanrageEventsError):
    """Raised when not all events could be published; the same events can be published again.

    :param reason: why, and the remedy, in one line
    :param receipt: what was accepted nevertheless
    :param rejected: by position: what is wrong with events that are not valid. It is empty if the
        daemon was away or could not accept them
    :param status: the HTTP status, if there is an answer
    :param is_in_doubt: whether an answer is missing, so that more may have been accepted
    """

    def __init__(
        self,
        reason: str,
        *,
        receipt: Receipt | None = None,
        rejected: Mapping[int, tuple[FieldProblem, ...]] | None = None,
        status: int | None = None,
        is_in_doubt: bool = False,
    ) -> None:
        self.receipt: Receipt = receipt or Receipt()
        self.rejected: dict[int, tuple[FieldProblem, ...]] = dict(rejected or {})
        self.status = status
        self.is_in_doubt = is_in_doubt
        super().__init__(reason)


class Settings:
    """What both clients have in common.

    :param url: of the daemon, None for the environment variable or the default
    :param token: the daemon's, None for the environment variable
    :param timeout: seconds that a call may take
    :param attempts: how often each request is tried
    """

    def __init__(self, url: str | None, token: str | None, timeout: float, attempts: int) -> None:
        _check("timeout", timeout, int | float, "a number of seconds")
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout}")

        _check("attempts", attempts, int, "a whole number")
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts}")

        text, origin = token, "the argument 'token'"
        if text is None:
            text = os.environ.get(TOKEN_VARIABLE, "")
            origin = f"the environment variable {TOKEN_VARIABLE}"

        self.url = parse_url(os.environ.get(URL_VARIABLE, DEFAULT_URL) if url is None else url)
        self.token = parse_token(text, origin)
        self.timeout = timeout
        self.attempts = attempts


class Publication:
    """The events of one call of ``publish``, which are posted in batches, and what became of them.

    :param events: one, or several
    :param settings: of the client
    :param clock: returns seconds
    """

    def __init__(
        self,
        events: EventData | Iterable[EventData],
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        several = [events] if isinstance(events, (Event, Mapping)) else events
        if isinstance(several, (str, bytes)) or not isinstance(several, Iterable):
            raise _wrong(several)

        ids = new_ids()
        self._events = [_as_json(position, event, ids) for position, event in enumerate(several)]
        self._attempts = settings.attempts
        self._clock = clock
        self._deadline = clock() + settings.timeout
        self._done: list[tuple[int, Delivery]] = []
        """the deliveries, and the position of the first event of each"""

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the delivery of each batch in order."""
        start = 0
        while start < len(self._events):
            end, size = start, 0
            while end < len(self._events) and end - start < BATCH_MAX_EVENTS:
                size += self._events[end][1]
                if size > BATCH_MAX_BYTES and end > start:
                    break

                end += 1

            delivery = Delivery(
                [event for event, _ in self._events[start:end]],
                timeout=self._deadline - self._clock(),
                on_retry=logger.info,
                clock=self._clock,
                attempts=self._attempts,
                strict=False,
                limited=True,
            )
            self._done.append((start, delivery))
            yield delivery
            start = end

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Add to an error what was accepted."""
        try:
            yield
        except DaemonError as error:
            raise PublishError(
                str(error),
                receipt=self._receipt(),
                rejected=self._rejected(),
                status=error.status,
                is_in_doubt=self._done[-1][1].is_in_doubt,
            ) from None

    def receipt(self) -> Receipt:
        """Return what was accepted.

        :raises PublishError: if the daemon rejects events
        """
        rejected = self._rejected()
        if not rejected:
            return self._receipt()

        position, problems = next(iter(rejected.items()))
        verb = "is" if len(rejected) == 1 else "are"
        raise PublishError(
            f"{len(rejected)} of {counted(len(self._events), 'event')} {verb} not valid: event "
            f"{position}: {', '.join(map(str, problems))}",
            receipt=self._receipt(),
            rejected=rejected,
            status=422,
        )

    def _receipt(self) -> Receipt:
        taken = [self._id(s + p) for s, d in self._done for p in sorted(d.taken)]
        repeated = frozenset(id for _, d in self._done for id in d.repeated_ids)
        dropped = {self._id(s + p): f for s, d in self._done for p, f in d.dropped.items()}
        return Receipt(tuple(taken), repeated, dropped)

    def _rejected(self) -> dict[int, tuple[FieldProblem, ...]]:
        return {s + p: errors for s, d in self._done for p, errors in sorted(d.rejected.items())}

    def _id(self, position: int) -> str:
        id: str = self._events[position][0]["id"]
        return id


class Client:
    """Publishes events in a running daemon, from a program without an event loop.

    Use it in a ``with`` block or close it. Threads may share it. A process that was forked gets
    connections of its own; it cannot be pickled, so that no token is.

    :param url: of the daemon; the default is the environment variable ``LANRAGE_EVENTS_URL``, or
        http://127.0.0.1:8666
    :param token: the daemon's; the default is the environment variable ``LANRAGE_EVENTS_TOKEN``
    :param timeout: seconds that a call may take, with all attempts
    :param attempts: how often a request is tried
    :param transport: instead of the network, for tests
    :raises ValueError: if one of them is not valid
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        attempts: int = 10,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings(url, token, timeout, attempts)
        self._transport = transport
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise _cannot_be_pickled(self)

    def publish(
        self, events: Event | Mapping[str, Any] | Iterable[Event | Mapping[str, Any]]
    ) -> Receipt:
        """Publish an event or several, and return when the durable plugins of the daemon have them.

        While the daemon is away or busy, it tries again, with the same ids, so that no event is
        published twice. Several events are posted in batches, in their order.

        :param events: events, or mappings such as ``{"type": "peer_joined", "peer_name": "Ann"}``; a
            mapping without ``id`` gets one
        :returns: what the daemon has accepted, with the ids
        :raises PublishError: if some were not published; valid events are, even beside others
        :raises TypeError: if they are not events
        :raises ValueError: if JSON cannot express a mapping
        """
        if self._pid != os.getpid():
            self._connect()

        publication = Publication(events, self._settings, time.monotonic)
        with publication.errors():
            for delivery in publication.deliveries():
                deliver_blocking(self._daemon, delivery)

        return publication.receipt()

    def close(self) -> None:
        """Close the connections."""
        self._daemon.close()

    def _connect(self) -> None:
        url, token = self._settings.url, self._settings.token
        exchange = Exchange(url, token, ARGUMENTS, is_patient=True)
        self._daemon = BlockingDaemonClient(url, exchange, self._transport)
        self._pid = os.getpid()
        """connections are not shared with a process that was forked"""


class AsyncClient:
    """Publishes events in a running daemon, from a program on asyncio or Trio.

    Use it in an ``async with`` block, in one event loop. Tasks may share it. It has the parameters of
    :class:`Client`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        attempts: int = 10,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings(url, token, timeout, attempts)
        self._daemon = DaemonClient(
            self._settings.url,
            self._settings.token,
            transport=transport,
            options=ARGUMENTS,
            is_patient=True,
        )

    async def __aenter__(self) -> Self:
        await self._daemon.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._daemon.__aexit__(*exc_info)

    def __reduce__(self) -> NoReturn:
        raise _cannot_be_pickled(self)

    async def publish(
        self, events: Event | Mapping[str, Any] | Iterable[Event | Mapping[str, Any]]
    ) -> Receipt:
        """Do what :meth:`Client.publish` does.

        If it is cancelled, a request that is on its way has at most two seconds to end.
        """
        publication = Publication(events, self._settings, anyio.current_time)
        with publication.errors():
            for delivery in publication.deliveries():
                await deliver(self._daemon, delivery)

        return publication.receipt()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._daemon.__aexit__(None, None, None)


def _check(name: str, value: object, kind: type | UnionType, expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{name} must be {expected}, not {value!r}")


def _as_json(position: int, event: object, ids: Iterator[str]) -> tuple[dict[str, Any], int]:
    """Return the JSON form of an event, with an id, and its length."""
    if not isinstance(event, Event | Mapping):
        raise _wrong(event)

    data = event.to_dict() if isinstance(event, Event) else dict(event)
    data.setdefault("id", next(ids))
    try:
        return data, len(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"JSON cannot express event {position}: {error}") from None


def _wrong(events: object) -> TypeError:
    return TypeError(
        f"{type(events).__name__} is no event: publish an Event, a mapping with its 'type', or an "
        "iterable of these"
    )


def _cannot_be_pickled(client: object) -> TypeError:
    name = type(client).__name__
    return TypeError(
        f"{name} cannot be pickled, since it holds connections and a token: create one in each "
        f"process, which finds the token in the environment variable {TOKEN_VARIABLE}"
    )
