from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from lanrage_events import Event, EventBus, Health, PeerJoined, PluginStartError, hookimpl

SECRET = "made-up-secret-0123456789"
ANN = PeerJoined(id="ann-1", peer_name="Ann", party_name="Friday LAN")


class Traced:
    fails_to_start = False
    fails_to_end = False

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
        if self.fails_to_start:
            raise OSError("no start")

        yield
        if self.fails_to_end:
            raise OSError("no end")

    @hookimpl
    async def peer_joined(self, event: PeerJoined) -> None:
        await anyio.lowlevel.checkpoint()

    @hookimpl
    def party_event(self, event: Event) -> None:
        raise ValueError(f"{SECRET} \x1b[2J")

    @hookimpl
    async def event(self, event: Event) -> None:
        raise ValueError

    @hookimpl
    def health(self) -> Health:
        return Health()


class Batches:
    @hookimpl
    def event_batch(self, events: Sequence[Event]) -> None: ...


def lines(text: str) -> list[str]:
    """The lines of the trace, with the times taken out."""
    traced = (line for line in text.splitlines() if line.startswith("trace: "))
    return [re.sub(r" \d+\.\d{3} ms", "", line.removeprefix("trace: ")) for line in traced]


async def test_each_call_is_printed_with_its_plugin_its_time_and_its_outcome(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bus = EventBus(trace=True)
    bus.redactor.add(SECRET)
    bus.register(Traced(), "traced")
    async with bus:
        await bus.publish(ANN)
        await bus.drain()
        bus.health()

    assert lines(capsys.readouterr().err) == [
        "traced.lifespan start ok",
        "traced.peer_joined peer_joined ann-1 ok",
        "traced.party_event peer_joined ann-1 ValueError: ********** \\u001b[2J",
        "traced.event peer_joined ann-1 ValueError",
        "traced.health ok",
        "traced.lifespan end ok",
    ]


async def test_a_batch_is_printed_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    async with EventBus(trace=True) as bus:
        bus.register(Batches(), "batches")
        await bus.publish_many_and_wait([ANN, ANN], "all")

    assert lines(capsys.readouterr().err) == ["batches.event_batch 2 events ok"]


async def test_a_start_that_fails_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plugin = Traced()
    plugin.fails_to_start = True
    bus = EventBus(trace=True)
    bus.register(plugin, "traced")
    with pytest.raises(PluginStartError):
        async with bus:
            pass

    assert lines(capsys.readouterr().err) == ["traced.lifespan start OSError: no start"]


async def test_an_end_that_fails_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plugin = Traced()
    plugin.fails_to_end = True
    async with EventBus(trace=True) as bus:
        bus.register(plugin, "traced")

    assert lines(capsys.readouterr().err)[-1] == "traced.lifespan end OSError: no end"


async def test_the_environment_can_ask_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_TRACE", "1")
    async with EventBus() as bus:
        bus.register(Batches(), "batches")
        await bus.publish_many_and_wait([ANN], "all")

    assert lines(capsys.readouterr().err) == ["batches.event_batch 1 events ok"]
    async with EventBus(trace=False) as bus:
        bus.register(Batches(), "batches")
        await bus.publish_many_and_wait([ANN], "all")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", ["", "0", " "])
async def test_an_empty_value_asks_for_nothing(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_TRACE", value)
    async with EventBus() as bus:
        bus.register(Batches(), "batches")
        await bus.publish_many_and_wait([ANN], "all")

    assert capsys.readouterr().err == ""
