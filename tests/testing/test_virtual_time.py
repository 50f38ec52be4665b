from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from lanrage_events import EventBus, Notification, PeerJoined
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox
from lanrage_events.testing import CheckedBus, sample, virtual_time

HOUR = timedelta(hours=1)


def is_real(time: datetime) -> bool:
    return abs(datetime.now(UTC) - time) < timedelta(minutes=1)


async def test_the_clock_of_the_bus_moves_with_virtual_time(bus: CheckedBus) -> None:
    begun = bus.now()
    assert begun.tzinfo is UTC
    assert is_real(begun)
    await anyio.sleep(HOUR.total_seconds())
    assert bus.now() - begun == HOUR


async def test_the_times_of_new_events_move_with_it(bus: CheckedBus) -> None:
    await anyio.sleep(HOUR.total_seconds())
    assert Notification(title="a", message="b").time == bus.now()
    assert sample(PeerJoined).time == bus.now()


async def test_the_entries_of_an_outbox_expire_by_it(tmp_path: Path, bus: CheckedBus) -> None:
    async with Outbox(tmp_path / "outbox", inline=True) as outbox:
        await outbox.put("lane", "text", expires=bus.now() + HOUR)
        await anyio.sleep(HOUR.total_seconds() - 1)
        assert await outbox.expire("lane") == []
        await anyio.sleep(1)
        (expired,) = await outbox.expire("lane")
        assert expired.count == 1


async def test_another_thread_reads_the_same_time(bus: CheckedBus) -> None:
    await anyio.sleep(HOUR.total_seconds())
    found: list[datetime] = []
    thread = threading.Thread(target=lambda: found.append(bus.now()))
    thread.start()
    thread.join()
    assert found == [bus.now()]


@pytest.mark.real_clock
async def test_without_virtual_time_it_is_the_machines() -> None:
    async with EventBus() as bus:
        before = datetime.now(UTC)
        assert before <= bus.now() <= datetime.now(UTC)


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_it_ends_with_the_event_loop(name: str) -> None:
    async def sleep() -> datetime:
        await anyio.sleep(10 * HOUR.total_seconds())
        return utc_now()

    backend, options = virtual_time("asyncio" if name == "asyncio" else "trio")
    assert not is_real(anyio.run(sleep, backend=backend, backend_options=options))
    assert is_real(utc_now())
