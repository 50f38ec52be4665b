"""What exists while the plugin runs, for the operations of its HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import anyio

from lanrage_events import Event
from lanrage_events.abc import Bus
from lanrage_events.events import FieldProblem
from lanrage_events.http import RouteError
from lanrage_events.outbox import Outbox, OutboxError

from .._alerts import Alerts
from .._cards import Cards
from .._delivery import Lanes
from .._rendering import NamedThread, Renderer
from .._routing import UnroutedEvents
from .._setup import (
    InvalidSetting,
    NameTaken,
    SetInConfiguration,
    Setup,
    SetupError,
    SetupUnavailable,
    UnknownWebhook,
    WebhookDirectory,
)
from .test_message import MessageTest

NOT_RUNNING: Mapping[int, str] = {503: "the plugin is not running"}
CANNOT_ASK: Mapping[int, str] = {
    503: "Discord cannot be asked, the value cannot be saved, or the plugin is not running"
}

_STATUSES: Mapping[type[SetupError], int] = {
    SetInConfiguration: 409,
    NameTaken: 409,
    UnknownWebhook: 404,
    InvalidSetting: 422,
    SetupUnavailable: 503,
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What exists while the plugin runs."""

    bus: Bus
    setup: Setup
    directory: WebhookDirectory
    lanes: Lanes
    outbox: Outbox
    message_test: MessageTest
    unrouted: UnroutedEvents
    renderer: Renderer
    cards: Cards
    alerts: Alerts | None = None
    """None if no webhook gets alerts"""
    thread_of: Callable[[Event], NamedThread | None] = lambda _: NamedThread()
    """returns the thread in which the first webhook posts an event; None for that of its template"""


class RunningPlugin:
    """Finds what exists while the plugin runs.

    :param find: returns it, None before and afterwards
    """

    def __init__(self, find: Callable[[], Runtime | None]) -> None:
        self._find = find

    def __call__(self) -> Runtime:
        """Return it.

        :raises RouteError: if the plugin is not running
        """
        runtime = self._find()
        if runtime is None:
            raise RouteError(503, "the plugin is not running: try again in a moment")

        return runtime


@contextmanager
def setup_errors() -> Iterator[None]:
    """Answer with the reason why the setup cannot change something."""
    try:
        yield
    except SetupError as error:
        field = error.field if isinstance(error, InvalidSetting) else ""
        problems = [FieldProblem(field, str(error))] if field else []
        raise RouteError(_STATUSES[type(error)], str(error), problems) from None


async def count_pending(lanes: Lanes) -> dict[str, int]:
    """Return how many events wait in each lane, those of former webhooks included."""
    try:
        return {lane.name: lane.pending for lane in await lanes.count()}
    except (OutboxError, anyio.ClosedResourceError):
        # The plugin's health reports the outbox's problem; the rest of the status is still of use.
        return {name: lane.record.waiting for name, lane in lanes.items()}
