"""A bus that stops waits for what the outboxes of plugins hold, and says what they keep."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from lanrage_events import EventBus, Health, Notification, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.delivery import Delivery, Entry, Outcome
from lanrage_events.outbox import Outbox


class Sender:
    """Delivers from an outbox until its lifespan ends, as a plugin with one of its own may.

    :param seconds: how long one takes; endless by default
    """

    def __init__(
        self, seconds: float | None = None, path: Path | None = None, *, closes: bool = False
    ) -> None:
        self.sent = 0
        self._seconds = seconds
        self._path = path
        self._closes = closes
        self._outbox: Outbox | None = None

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        async with (
            Outbox(self._path, inline=True) as self._outbox,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self._deliver, self._outbox)
            yield
            tasks.cancel_scope.cancel()

        if self._closes:
            self._outbox = None

    @hookimpl
    async def notification(self, event: Notification) -> None:
        assert self._outbox is not None
        await self._outbox.put("pager", event.to_json())

    @hookimpl
    def outbox(self) -> Outbox | None:
        return self._outbox

    async def _deliver(self, outbox: Outbox) -> None:
        while self._seconds is not None:
            await outbox.wait("pager")
            for entry in await outbox.read("pager"):
                await anyio.sleep(self._seconds)
                await outbox.acknowledge([entry.id])
                self.sent += 1


async def leave(sender: Sender, drain_timeout: float = 10.0) -> tuple[EventBus, float]:
    """Publish three events, and return the bus once it was left, with how long that took."""
    async with EventBus(drain_timeout=drain_timeout) as bus:
        await bus.plugins.register_and_wait(sender, name="pager")
        for _ in range(3):
            await bus.publish_and_wait(Notification(title="Call", message="Come"))

        began = anyio.current_time()

    return bus, anyio.current_time() - began


@pytest.mark.parametrize("drain_timeout", [10.0, float("inf")])
async def test_a_stop_waits_until_an_outbox_is_empty(drain_timeout: float) -> None:
    sender = Sender(2.0)
    bus, seconds = await leave(sender, drain_timeout)
    assert sender.sent == 3
    assert seconds == pytest.approx(6, abs=0.1)
    assert bus.health()["pager"] == Health()


async def test_a_stop_says_how_much_it_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await leave(Sender(4.0), 20.0)

    waiting = [r.getMessage() for r in caplog.records if "waits for" in r.getMessage()]
    assert waiting == [
        f"the bus is closing, and waits for 'pager' ({count} in its outbox)" for count in (2, 1)
    ]


@pytest.mark.parametrize("closes", [True, False])
async def test_what_is_left_counts_as_undelivered(
    closes: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sender = Sender(4.0, tmp_path / "a", closes=closes)
    bus, seconds = await leave(sender)
    assert seconds == pytest.approx(9, abs=0.1)
    assert bus.health()["pager"] == Health(undelivered=1)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "plugin 'pager': 1 entry is kept in its outbox for the next start"
    )


async def test_an_outbox_from_which_nothing_leaves_is_not_waited_for_without_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bus, seconds = await leave(Sender(), float("inf"))
    assert seconds == pytest.approx(10, abs=0.1)
    assert bus.health()["pager"] == Health(undelivered=3)
    assert "plugin 'pager': 3 entries are lost: its outbox was in memory only" in caplog.text


async def test_what_waits_is_in_the_health_while_the_bus_runs() -> None:
    async with EventBus(drain_timeout=0) as bus:
        await bus.plugins.register_and_wait(Sender(), name="pager")
        await bus.publish_and_wait(Notification(title="Call", message="Come"))
        assert bus.health()["pager"] == Health(undelivered=1)


@pytest.mark.parametrize("answer", ["text", None, KeyError("bug")])
async def test_a_wrong_answer_of_the_hook_harms_nothing(answer: object) -> None:
    class Wrong:
        @hookimpl
        def outbox(self) -> object:
            if isinstance(answer, Exception):
                raise answer

            return answer

    async with EventBus() as bus:
        bus.register(Wrong(), name="wrong")
        assert bus.health()["wrong"] == Health()


class NoOutbox:
    """What a plugin returns in place of an outbox, which has the names that one has."""

    def __init__(self, pending: object) -> None:
        self._pending = pending

    durable = drains = False

    def statistics(self) -> NoOutbox:
        if isinstance(self._pending, BaseException):
            raise self._pending

        return self

    @property
    def pending(self) -> object:
        return self._pending


@pytest.mark.parametrize("pending", ["many", SystemExit(3), KeyError("bug")])
async def test_what_only_looks_like_an_outbox_does_not_keep_the_bus_from_ending(
    pending: object,
) -> None:
    class Wrong:
        @hookimpl
        def outbox(self) -> object:
            return NoOutbox(pending)

    async with EventBus() as bus:
        await bus.plugins.register_and_wait(Wrong(), name="wrong")
        assert bus.health()["wrong"] == Health()

    assert bus.statistics().plugins["wrong"].state == "stopped"


class Silent:
    """Has a delivery, and no hook that says what became of it."""

    durable = True

    def __init__(self) -> None:
        self.delivery = Delivery(self.send)

    async def send(self, entries: Sequence[Entry]) -> Outcome:
        return Outcome.stop("the token is wrong")

    @hookimpl
    def lifespan(self, bus: Bus) -> AbstractAsyncContextManager[None]:
        return self.delivery.running(bus, self)

    @hookimpl
    async def notification(self, event: Notification) -> None:
        await self.delivery.put(event)


async def test_what_a_delivery_holds_counts_although_no_hook_returns_it(tmp_path: Path) -> None:
    bus = EventBus(state_folder=tmp_path)
    bus.register(Silent(), "silent")
    async with bus:
        await bus.publish_and_wait(Notification(title="Pizza", message="It is here."))
        assert bus.health()["silent"].undelivered == 1

    assert bus.health()["silent"].undelivered == 1
