from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


def joined(*names: str) -> str:
    return "".join(
        f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
        for name in names
    )


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def kept_offset(tmp_path: Path) -> int:
    data = json.loads((tmp_path / "state" / "logfile.positions.json").read_text("utf-8"))
    [position] = data["files"].values()
    return int(position["mark"]["offset"])


async def test_an_event_that_a_durable_plugin_rejects_is_published_again_with_the_same_id(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(start="beginning") as server:
        first = kept_offset(tmp_path)
        server.durable.fails = True
        append(log, joined("Bob", "Cid"))
        await server.settle()
        await anyio.sleep(600)

        assert server.seen == ["+Ann"]
        assert kept_offset(tmp_path) == first
        assert server.health.status == "degraded"
        assert "no space left on device" in server.health.detail
        assert "bytes behind" not in server.health.detail
        assert 8 < len(server.durable.rejected) < 20
        assert len({event.id for event in server.durable.rejected}) == 1
        ours = [r for r in caplog.records if r.name.startswith("lanrage_events_logfile")]
        assert len([record for record in ours if record.levelname == "WARNING"]) == 1

        server.durable.fails = False
        await anyio.sleep(60)

        assert server.seen == ["+Ann", "+Bob", "+Cid"]
        assert server.ids[1] == server.durable.rejected[0].id
        assert server.health.status == "ok"
        assert kept_offset(tmp_path) == log.stat().st_size


class Privacy:
    """A required transform, which fails at first."""

    transform_required = True
    fails = True

    @hookimpl
    def transform(self, event: PeerJoined) -> Event:
        if self.fails:
            raise ValueError

        return event


async def test_an_event_that_a_required_transform_rejects_is_published_later(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    append(log, "")
    async with evening(start="beginning") as server:
        privacy = Privacy()
        server.bus.register(privacy, "privacy")
        append(log, joined("Ann", "Bob"))
        await server.settle()
        await anyio.sleep(50)
        assert server.seen == []
        assert server.health.status == "degraded"
        assert (
            "the transform of plugin 'privacy', which is required, failed" in server.health.detail
        )

        privacy.fails = False
        await anyio.sleep(100)
        assert server.seen == ["+Ann", "+Bob"]
        assert server.health.status == "ok"


class Picky(Privacy):
    """A required transform, which fails on one event."""

    @hookimpl
    def transform(self, event: PeerJoined) -> Event:
        if event.peer_name == "Ann":
            raise ValueError

        return event


async def test_an_event_that_a_transform_rejects_again_and_again_does_not_hold_up_the_others(
    evening: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "latest.log"
    append(log, "")
    async with evening(start="beginning") as server:
        server.bus.register(Picky(), "privacy")
        append(log, joined("Ann", "Bob"))
        await server.settle()
        await anyio.sleep(600)
        await server.settle()
        assert server.seen == ["+Bob"]
        assert server.health.status == "ok"
        assert kept_offset(tmp_path) == log.stat().st_size

    [message] = [m for m in caplog.messages if "an event is skipped" in m]
    assert "ValueError at test_publisher.py" in message


class NotReady(Privacy):
    fails = False

    def __init__(self) -> None:
        self.ready = anyio.Event()

    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        await self.ready.wait()
        yield


async def test_an_event_waits_for_a_required_transform_that_has_not_started(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    append(log, "")
    async with evening(start="beginning") as server:
        privacy = NotReady()
        server.bus.register(privacy, "privacy", start_timeout=10_000.0)
        append(log, joined("Ann"))
        await server.settle()
        await anyio.sleep(3600)
        assert server.seen == []
        assert "has not started yet" in server.health.detail
        privacy.ready.set()
        await anyio.sleep(100)
        assert server.seen == ["+Ann"]


async def test_a_stop_while_an_event_does_not_arrive_leaves_it_for_the_next_start(
    evening: Any, tmp_path: Path, durable: Any
) -> None:
    log = tmp_path / "latest.log"
    append(log, joined("Ann"))
    async with evening(durable, start="beginning") as server:
        durable.fails = True
        append(log, joined("Bob", "Cid"))
        await server.settle()

    rejected = durable.rejected[0]
    durable.fails = False
    async with evening(durable) as server:
        assert server.seen == ["+Ann", "+Bob", "+Cid"]
        assert server.ids[1] == rejected.id
        # There is no event of Bob from before.
        assert [event.type for event in durable.events] == ["peer_joined"] * 3


class Slow:
    """A durable plugin that takes a second for each event."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    async def event(self, event: Event) -> None:
        await anyio.sleep(1)
        self.events.append(event)


async def test_a_stop_while_catching_up_ends_after_the_event_in_hand(
    evening: Any, tmp_path: Path
) -> None:
    log = tmp_path / "latest.log"
    names = [f"P{number}" for number in range(100)]
    append(log, joined(*names))
    slow = Slow()
    async with evening(slow, start="beginning"):
        await anyio.sleep(10.5)

    assert len(slow.events) == 11
    assert kept_offset(tmp_path) == len(joined(*names[:11]))
    async with evening(slow):
        await anyio.sleep(200)

    assert [event.to_dict()["peer_name"] for event in slow.events] == names


async def test_a_slow_plugin_holds_up_reading(evening: Any, tmp_path: Path) -> None:
    log = tmp_path / "latest.log"
    append(log, joined(*[f"P{number}" for number in range(3000)]))
    async with evening(Slow(), start="beginning") as server:
        await anyio.sleep(5.5)

        assert server.bus.statistics().plugins["durable"].pending <= 1
        assert server.health.status == "ok"
        assert server.health.detail.endswith("bytes behind")


async def test_without_a_durable_plugin_all_are_waited_for_and_none_can_stop_it(
    tmp_path: Path,
) -> None:
    log = tmp_path / "latest.log"
    names = [f"P{number}" for number in range(500)]
    append(log, joined(*names))
    seen: list[str] = []

    def handle(event: PeerJoined) -> None:
        seen.append(event.peer_name)
        raise OSError("no space left on device")

    config = LogfileConfig(path=log, preset="minecraft", start="beginning", poll=3600)
    async with EventBus() as bus:
        bus.subscribe(PeerJoined, handle, mailbox_size=2, name="handler")
        bus.subscribe(PeerJoined, lambda _: None, mailbox_size=1, when_full="drop_newest")
        bus.register(LogfilePlugin(config))
        await anyio.sleep(1)

        assert seen == names
        assert bus.statistics().plugins["handler"].dropped == 0
