"""The journal: every request that reached the stand-in, and its outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, overload

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events.cli import counted

from ._webhooks import Message, StandInWebhook

A_WEEK = 7 * 86_400.0
"""seconds after which what a test waits for will not come"""

Action: TypeAlias = Literal[
    "execute",
    "edit",
    "delete",
    "get_message",
    "get_webhook",
    "modify_webhook",
    "delete_webhook",
    "unknown",
]
"""What a request asks for; ``execute`` posts a message, ``edit`` and ``delete`` concern one."""

Scope: TypeAlias = Literal["user", "global", "shared"]
"""Discord's word for what a 429 counts: one webhook, one address, or a whole channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInRequest:
    """A request that reached the stand-in."""

    number: int
    """1 for the first request that arrived"""
    time: float
    """when it arrived, in seconds of :func:`anyio.current_time`"""
    method: str
    """``POST``, ``PATCH``, ``GET`` or ``DELETE``"""
    path: str
    """path and query, with ``***`` in place of the token"""
    action: Action
    """what it asks for"""
    webhook_id: str | None
    """the webhook that it names, existing or not"""
    query: Mapping[str, str]
    """the query's parameters"""
    headers: Mapping[str, str] = field(repr=False)
    """the headers, with names in lower case"""
    body: Any
    """the JSON body (of a multipart request its ``payload_json``), None if it has none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(StandInRequest):
    """A request and its outcome."""

    status: int | None
    """status of the answer, None if the connection was reset instead"""
    accepted: bool
    """whether Discord did what was asked; the client may not know it if the answer was lost"""
    code: int = 0
    """Discord's own error code, 0 if there is none"""
    reason: str = ""
    """why it was rejected, with the path to each bad field; empty if it was accepted"""
    scope: Scope | None = None
    """which limit a 429 stands for"""
    retry_after: float | None = None
    """how many seconds a 429 asked the client to wait"""
    message_id: str | None = None
    """the message that was posted, edited or deleted"""
    message: Message | None = field(default=None, repr=False)
    """the message as it was posted or edited"""
    fault: str = ""
    """the scripted fault that hit it, such as ``Reset(accepted=True)``; empty without"""


class Signal:
    """Wakes the tasks that wait for the next change."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Wake every task that waits now."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next :meth:`set`."""
        if self._event is None:
            self._event = anyio.Event()

        await self._event.wait()


class Journal(Sequence[Record]):
    """Every request that reached the stand-in, oldest first; it grows while requests arrive."""

    def __init__(
        self,
        records: list[Record] | None = None,
        signal: Signal | None = None,
        webhook_id: str | None = None,
    ) -> None:
        self._records: list[Record] = [] if records is None else records
        self._signal = signal or Signal()
        self._webhook_id = webhook_id

    def __repr__(self) -> str:
        return f"<Journal of {len(self)} requests>"

    def __len__(self) -> int:
        return sum(1 for _ in self) if self._webhook_id else len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return filter(self._shows, self._records) if self._webhook_id else iter(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Record, ...]: ...

    def __getitem__(self, index: int | slice) -> Record | tuple[Record, ...]:
        records = list(self) if self._webhook_id else self._records
        return tuple(records[index]) if isinstance(index, slice) else records[index]

    @property
    def accepted(self) -> tuple[Record, ...]:
        """The requests that were carried out, even if the client got no answer."""
        return tuple(record for record in self if record.accepted)

    @property
    def rejected(self) -> tuple[Record, ...]:
        """The requests that were not carried out."""
        return tuple(record for record in self if not record.accepted)

    @property
    def statuses(self) -> Counter[int | None]:
        """How many requests were answered with each status; a status that was not used gives 0."""
        return Counter(record.status for record in self)

    def messages(self) -> list[Message]:
        """Return the messages that were accepted, as they were posted, oldest first."""
        return [
            record.message
            for record in self
            if record.action == "execute" and record.message is not None
        ]

    def of(self, webhook: StandInWebhook) -> Journal:
        """Return the part of the journal that concerns one webhook; it grows too."""
        return Journal(self._records, self._signal, webhook.id)

    async def wait_for(self, condition: Callable[[Journal], object]) -> None:
        """Wait until a condition on the journal holds.

        It waits for a week at most, which takes no time in virtual time.

        :param condition: called with the journal now and after each request
        :raises TimeoutError: if it does not hold in that week
        """
        await checkpoint()
        try:
            with anyio.fail_after(A_WEEK):
                while not condition(self):
                    await self._signal.wait()
        except TimeoutError:
            requests = counted(len(self), "request")
            raise TimeoutError(f"the condition does not hold after {requests}") from None

    def follow(self) -> AsyncIterator[Record]:
        """Iterate over every request, those to come included; this never ends."""
        return _Follower(self)

    def _shows(self, record: Record) -> bool:
        return self._webhook_id is None or record.webhook_id == self._webhook_id

    def _append(self, record: Record) -> None:
        self._records.append(record)
        self._signal.set()


class _Follower(AsyncIterator[Record]):
    # Not an async generator: Trio warns of each one that is left before its end.
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._position = 0

    async def __anext__(self) -> Record:
        await checkpoint()
        journal = self._journal
        while True:
            while self._position < len(journal._records):
                record = journal._records[self._position]
                self._position += 1
                if journal._shows(record):
                    return record

            await journal._signal.wait()
