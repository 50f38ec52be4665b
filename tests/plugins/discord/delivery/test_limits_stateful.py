"""Random limits, reloads, restarts and kills: nothing is sent within a wait, nothing is lost.

A kill leaves what the state folder holds at that moment: the next life gets a copy of it.
``LANRAGE_EVENTS_EXAMPLES`` says how many lifetimes are tried, 25 by default.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

LATENCY = 0.04
START_SECONDS = 2.5
"""what a start of a process takes: by then what was sent before does not count any more"""
MARK = re.compile(r"E\d{5}(?!\d)")
EXAMPLES = os.environ.get("LANRAGE_EVENTS_EXAMPLES")
LANES = {"one": "lobby", "two": "lobby", "three": "games"}
"""the channel of each webhook"""

steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from((1, 1, 3, 12))),
        st.tuples(st.just("pause"), st.sampled_from((0.01, 0.3, 1.0, 5.0, 40.0, 200.0))),
        st.tuples(
            st.just("limit"),
            st.tuples(
                st.sampled_from(("user", "shared", "global", "ban", "503")),
                st.sampled_from((3.0, 20.0, 300.0, 3000.0)),
                st.sampled_from(tuple(LANES)),
            ),
        ),
        st.tuples(st.sampled_from(("reload", "restart", "kill")), st.none()),
    ),
    min_size=3,
    max_size=25,
)


class Plugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(self._state_file(bus, "outbox"), inline=True)

    @staticmethod
    def _wall_clock() -> float:
        return anyio.current_time()


class Wire(httpx.AsyncBaseTransport):
    """The way to Discord, which knows what is under way, and can be cut for good."""

    def __init__(self, discord: StandInDiscord) -> None:
        self._inner = discord.transport()
        self.under_way = 0
        self.is_cut = False

    async def idle(self) -> None:
        """Wait until every answer has come, and was handled."""
        quiet = 0
        while quiet < 3:
            await anyio.sleep(0.001)
            quiet = 0 if self.under_way else quiet + 1

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("the process was killed")

        self.under_way += 1
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self.under_way -= 1


@dataclass(frozen=True)
class Wait:
    """What an answer asked for."""

    begins: float
    ends: float
    scope: str
    webhook_id: str | None


class World:
    """A Discord, and a community that posts to it over several lives."""

    def __init__(self, folder: Path) -> None:
        self.discord = StandInDiscord(latency=LATENCY)
        self.webhooks = {name: self.discord.create_webhook(LANES[name]) for name in LANES}
        self.number = 0
        self._folder = folder
        self._lives = 0

    async def run(self, steps: Sequence[tuple[str, Any]]) -> None:
        """Do all steps, in as many lives as they need, and then deliver the rest."""
        remaining = [*steps, ("settle", None)]
        state = self._folder / "0"
        state.mkdir()
        while remaining:
            ended = await self._live(state, remaining)
            if ended == "killed":
                state = self._folder / f"{self._lives}"

            await anyio.sleep(START_SECONDS)

    async def _live(
        self, state: Path, remaining: list[tuple[str, Any]]
    ) -> Literal["killed", "ended"]:
        self._lives += 1
        wire = Wire(self.discord)
        bus = EventBus(state_folder=state, drain_timeout=20)
        bus.register(self._make(wire), "discord")
        async with bus:
            while remaining:
                name, argument = remaining.pop(0)
                if name == "restart":
                    break

                if name == "kill":
                    await wire.idle()
                    shutil.copytree(state, self._folder / f"{self._lives}")
                    wire.is_cut = True
                    bus.plugins.drain_timeout = 0
                    return "killed"

                await self._step(bus, wire, name, argument)

        return "ended"

    def _make(self, wire: Wire) -> Plugin:
        config = {
            "webhooks": {name: {"url": webhook.url} for name, webhook in self.webhooks.items()},
            "batch": {"window": "50ms"},
        }
        http = httpx.AsyncClient(transport=wire)
        return Plugin(DiscordConfig.model_validate(config), http=http)

    async def _step(self, bus: EventBus, wire: Wire, name: str, argument: Any) -> None:
        match name:
            case "publish":
                for _ in range(argument):
                    self.number += 1
                    event = PeerJoined(peer_name=f"E{self.number:05}", party_name="LAN")
                    await bus.publish_and_wait(event, plugins="durable")
            case "pause":
                await anyio.sleep(argument)
            case "limit":
                kind, seconds, lane = argument
                self._limit(kind, seconds, self.webhooks[lane])
            case "reload":
                await bus.plugins.replace("discord", self._make(wire))
            case _:
                await anyio.sleep(2 * 3000)
                self.discord.faults.clear()
                await anyio.sleep(4 * 3000)

    def _limit(self, kind: str, seconds: float, webhook: Any) -> None:
        faults = self.discord.faults
        match kind:
            case "ban":
                faults.ban(seconds)
            case "503":
                faults.fail(503, html=True, retry_after=seconds, webhook=webhook, times=1)
            case scope:
                faults.fail(429, scope=scope, retry_after=seconds, webhook=webhook, times=1)  # type: ignore[arg-type]

    def check(self) -> None:
        """Compare what Discord saw with what it asked for."""
        waits: list[Wait] = []
        for record in self.discord.journal:
            for wait in waits:
                about_it = wait.scope == "global" or wait.webhook_id == record.webhook_id
                within = wait.begins < record.time < wait.ends
                assert not (about_it and within), (wait, record)

            if record.retry_after is not None:
                answered = record.time + LATENCY / 2
                is_global = record.scope == "global" or (
                    record.scope is None and record.status == 429
                )
                waits.append(
                    Wait(
                        # What was on its way already cannot know of it.
                        answered + LATENCY / 2,
                        record.time + record.retry_after,
                        "global" if is_global else "webhook",
                        record.webhook_id,
                    )
                )

        marks = Counter[tuple[str | None, str]]()
        for record in self.discord.journal.accepted:
            for mark in MARK.findall(str(record.body)):
                marks[record.webhook_id, mark] += 1

        published = [f"E{number + 1:05}" for number in range(self.number)]
        expected = {(w.id, mark): 1 for w in self.webhooks.values() for mark in published}
        assert dict(marks) == expected


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(
    max_examples=int(EXAMPLES or 25),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if EXAMPLES else [])),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(backend=st.sampled_from(["asyncio", "trio"]), steps=steps)
def test_nothing_is_sent_within_a_wait_and_everything_once(
    backend: Literal["asyncio", "trio"], steps: list[tuple[str, Any]]
) -> None:
    name, options = virtual_time(backend)

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            await world.run(steps)
            world.check()

    anyio.run(main, backend=name, backend_options=options)
