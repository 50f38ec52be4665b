"""Drops: for a minute, the health of a plugin reports that events were dropped."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from lanrage_events import EventBus, PeerJoined, hookimpl
from lanrage_events.abc import WhenFull

ANN = PeerJoined(peer_name="Ann", party_name="LAN")


class Slow:
    def __init__(self) -> None:
        self.opened = anyio.Event()

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await self.opened.wait()


def detail(bus: EventBus) -> str:
    health = bus.health()["slow"]
    assert (health.status == "ok") == (not health.detail)
    return health.detail


async def publish(bus: EventBus, count: int) -> None:
    for _ in range(count):
        await bus.publish(ANN)


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
async def test_drops_degrade_the_health_for_a_minute(policy: WhenFull) -> None:
    plugin = Slow()
    async with EventBus(drain_timeout=1, hook_timeout=1000) as bus:
        bus.register(plugin, "slow", mailbox_size=4, when_full=policy)
        await publish(bus, 5)
        assert detail(bus) == ""
        await publish(bus, 1)
        assert detail(bus) == (
            "it dropped 1 event, the last less than a minute ago, from its mailbox of 4: raise its "
            "mailbox_size, set its when_full to block, or make its hooks faster"
        )
        await anyio.sleep(59)
        assert "it dropped 1 event," in detail(bus)
        await publish(bus, 2)
        assert "it dropped 3 events," in detail(bus)
        await anyio.sleep(59)
        assert "it dropped 3 events," in detail(bus)
        await anyio.sleep(2)
        assert detail(bus) == ""
        await publish(bus, 1)
        assert "it dropped 1 event," in detail(bus)
        await anyio.sleep(61)
        assert detail(bus) == ""
        assert bus.statistics().plugins["slow"].dropped == 4
        plugin.opened.set()


async def test_a_drop_that_nothing_asked_for_is_old_after_a_minute() -> None:
    plugin = Slow()
    async with EventBus(drain_timeout=1, hook_timeout=1000) as bus:
        bus.register(plugin, "slow", mailbox_size=4)
        await publish(bus, 6)
        await anyio.sleep(61)
        assert detail(bus) == ""
        plugin.opened.set()


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_drop_outside_of_a_task_is_reported_too() -> None:
    plugin = Slow()
    async with EventBus(drain_timeout=1, hook_timeout=1000) as bus:
        bus.register(plugin, "slow", mailbox_size=1)
        await publish(bus, 1)
        await anyio.wait_all_tasks_blocked()
        for _ in range(3):
            asyncio.get_running_loop().call_soon(bus.publish_nowait, ANN)

        await anyio.wait_all_tasks_blocked()
        assert "it dropped 2 events" in detail(bus)
        await anyio.sleep(61)
        assert detail(bus) == ""
        plugin.opened.set()


async def test_a_plugin_that_is_replaced_begins_without_drops() -> None:
    plugin = Slow()
    async with EventBus(drain_timeout=1, hook_timeout=1000) as bus:
        bus.register(plugin, "slow", mailbox_size=4)
        await publish(bus, 8)
        assert "it dropped 3 events" in detail(bus)
        new = Slow()
        await bus.plugins.replace("slow", new, timeout=1, mailbox_size=64)
        assert detail(bus) == ""
        await publish(bus, 8)
        assert detail(bus) == ""
        new.opened.set()
