"""The pace of a lane, whatever happens when: in virtual time, with either kind of hidden limit."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, PeerJoined
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Record, StandInDiscord

NAME = re.compile(r"player\d+")
CHANNEL_LIMIT = 30
MINUTE = 60.0

Step = tuple[float, int, Literal["nothing", "fail", "wait", "global"]]

steps = st.lists(
    st.tuples(
        st.floats(0, 8),
        st.integers(0, 25),
        st.sampled_from(["nothing", "nothing", "nothing", "fail", "wait", "global"]),
    ),
    max_size=25,
)
batches = st.fixed_dictionaries(
    {
        "style": st.sampled_from(["digest", "embeds"]),
        "immediate": st.booleans(),
        "window": st.sampled_from(["0ms", "500ms", "3s"]),
        "max_messages": st.sampled_from([None, 1, 3]),
    }
)


def names_in(record: Record) -> list[str]:
    return NAME.findall(str(record.body["embeds"]))


class Run:
    """What a lane did in front of a stand-in."""

    def __init__(self, window: Literal["fixed", "sliding"], batch: dict[str, Any]) -> None:
        self.discord = StandInDiscord(
            latency=0.04, channel_limit=CHANNEL_LIMIT, channel_window=window
        )
        self.webhook = self.discord.create_webhook()
        self.batch = batch
        self.published: dict[str, float] = {}
        self.rejections_of_ours = 0
        self.learnt_at = 0
        """how many requests there were when the limit was known and its window over"""

    async def follow(self, steps: list[Step]) -> None:
        config = {"webhook_url": self.webhook.url, "batch": self.batch}
        async with httpx.AsyncClient(transport=self.discord.transport()) as http:
            plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
            bus = EventBus(drain_timeout=1)
            bus.register(plugin, "discord")
            async with bus:
                for _ in range(CHANNEL_LIMIT + 5):
                    await self._publish(bus)
                    await anyio.sleep(1.2)

                await self._delivered(bus, plugin)
                await anyio.sleep(2 * MINUTE)
                self.learnt_at = len(self.discord.journal)
                for pause, count, fault in steps:
                    await anyio.sleep(pause)
                    self._break(fault)
                    for _ in range(count):
                        await self._publish(bus)

                await self._delivered(bus, plugin)

    async def _publish(self, bus: EventBus) -> None:
        name = f"player{len(self.published):05}"
        self.published[name] = anyio.current_time()
        await bus.publish(PeerJoined(peer_name=name, party_name="LAN"))

    async def _delivered(self, bus: EventBus, plugin: DiscordPlugin) -> None:
        await bus.drain()
        while plugin.pending:  # noqa: ASYNC110 - virtual time
            await anyio.sleep(0.5)

    def _break(self, fault: str) -> None:
        faults = self.discord.faults
        match fault:
            case "fail":
                faults.fail(503, times=1)
            case "wait":
                self.rejections_of_ours += 1
                faults.fail(429, retry_after=2.0, times=1)
            case "global":
                self.rejections_of_ours += 1
                faults.fail(429, retry_after=1.0, scope="global", times=1)


@pytest.mark.slow
@pytest.mark.parametrize("window", ["fixed", "sliding"])
@settings(max_examples=12, deadline=None)
@given(steps, batches, st.sampled_from(["asyncio", "trio"]))
@example([(0.1, 1, "nothing")] * 200, {"style": "digest"}, "trio")
@example([(0.1, 1, "nothing")] * 200, {"style": "embeds", "immediate": False}, "asyncio")
@example([(0.5, 25, "nothing")] * 20, {"style": "embeds"}, "trio")
def test_known_limits_are_kept_and_nothing_is_lost(
    window: Literal["fixed", "sliding"],
    steps: list[Step],
    batch: dict[str, Any],
    backend: Literal["asyncio", "trio"],
) -> None:
    run = Run(window, batch)
    name, options = virtual_time(backend)
    anyio.run(run.follow, steps, backend=name, backend_options=options)
    journal = run.discord.journal
    accepted = [record for record in journal if record.accepted]

    told = [name for record in accepted for name in names_in(record)]
    assert told == sorted(set(told))
    if batch.get("max_messages") is None:
        assert told == sorted(run.published)

    # The hidden limit costs one rejection before it is known, and none from then on.
    rejected = [record for record in journal if record.status == 429]
    assert len(rejected) - run.rejections_of_ours <= 1
    ours = [record for record in journal[run.learnt_at :] if record.status == 429]
    assert all(record.fault for record in ours)
    times = [record.time for record in accepted[-CHANNEL_LIMIT * 20 :]]
    known = [time for time in times if time >= journal[run.learnt_at - 1].time]
    for first, after in zip(known, known[CHANNEL_LIMIT:], strict=False):
        assert after - first >= MINUTE

    # What Discord asked to wait was waited, and not much more than once as long.
    for one, following in pairwise(journal):
        if one.status == 429 and one.retry_after:
            assert following.time - one.time >= one.retry_after
