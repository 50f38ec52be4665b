"""Random events, faults and restarts against the stand-in: nothing is lost, nothing is twice.

Each life is a bus with the plugin, on the same outbox file; between two of them the process is
taken to have ended, in the midst of work if the drain timeout is short.
``LANRAGE_EVENTS_EXAMPLES`` says how many lifetimes are tried, 25 by default. Only
if it is set is what fails made smaller, since that may take minutes (``--timeout 0``, too).
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, GameEnded, Notification, PeerJoined
from lanrage_events.abc import Bus
from lanrage_events.outbox import Outbox, OutboxFull
from lanrage_events.testing import virtual_time
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import Fail, Record, StandInDiscord, StandInRequest

ROUND_TRIP = 0.04
RESTART_SECONDS = 2.5
"""what a start of a process takes: by then what was sent before does not count any more"""
MARK = re.compile(r"E\d{5}(?!\d)")
REFUSED = "Forbidden"
EXAMPLES = os.environ.get("LANRAGE_EVENTS_EXAMPLES")

Publish: TypeAlias = tuple[str, str, int, bool]
"""kind of event, what its name has besides the mark, how many, whether the publisher gives up"""


# What happens

hostile = st.one_of(
    st.sampled_from(
        ("", "x" * 5000, "**", "@everyone", "`", "\n\n", "](https://e.example)", "\u202e", "\ud800")
    ),
    st.text(st.characters(exclude_categories=["Nd"]), max_size=20),
)

publishes = st.tuples(
    st.just("publish"),
    st.sampled_from(("joined", "joined", "ended", "notification", "refused", "stale")),
    hostile,
    st.sampled_from((1, 2, 5, 12, 80)),
    st.booleans(),
)
waits = st.tuples(
    st.just("wait"), st.sampled_from((0.01, 0.02, 0.03, 0.1, 0.5, 0.6, 2.0, 7.0, 70.0))
)
faults = st.tuples(
    st.just("fault"),
    st.sampled_from(
        (
            "503",
            "500 json",
            "reset before",
            "reset after",
            "hang accepted",
            "hang refused",
            "drip",
            "429 user",
            "429 shared",
            "429 global",
            "429 cloudflare",
            "400",
            "outage",
        )
    ),
    st.integers(1, 4),
)
others = st.tuples(st.sampled_from(("delete webhook", "retry dead", "drop pending", "new url")))
actions = st.lists(
    st.one_of(publishes, publishes, publishes, waits, waits, faults, others),
    min_size=2,
    max_size=14,
)
lives = st.lists(st.tuples(actions, st.sampled_from((0.0, 0.01, 0.03, 1.0, 30.0))), max_size=3)


# What there is

CONFIGS = (
    {"one": {"batch": {"style": "digest"}}},
    {
        "one": {"batch": {"style": "embeds", "window": "100ms"}},
        "two": {"batch": {"style": "digest", "immediate": False}},
    },
    {
        "one": {"batch": {"style": "embeds", "immediate": False}},
        "two": {"batch": {"style": "digest"}, "thread_name": "Friday LAN"},
        "three": {"batch": {"window": "0s"}, "username": "LAN"},
    },
)


class Plugin(DiscordPlugin):
    """The plugin with an outbox that needs no thread, so that time can be virtual."""

    max_entries = 1000

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        path = self._state_file(bus, "outbox")
        return Outbox(
            path, inline=True, max_entries=self.max_entries, max_entries_per_lane=self.max_entries
        )


class Witness(httpx.AsyncBaseTransport):
    """Sees which answers came through to the client."""

    def __init__(self, discord: StandInDiscord) -> None:
        self._inner = discord.transport()
        self.unanswered: list[str] = []
        """the bodies of requests whose answer did not come through, or not all of it"""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode()
        self.unanswered.append(body)
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Watched(response.stream, lambda: self.unanswered.remove(body))
        return response


class _Watched(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, done: Callable[[], None]) -> None:
        self._stream = stream
        self._done = done

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

        self._done()


@dataclass
class Lane:
    """What is expected of one lane."""

    webhooks: list[Any]
    published: list[str] = field(default_factory=list)
    """marks in the order of publishing, whether or not the outbox took them"""
    exempt: set[str] = field(default_factory=set)
    """marks that may come out of order"""
    expired: int = 0
    is_dead: bool = False


class World:
    """A Discord, and whoever publishes to it over several lives."""

    def __init__(self, folder: Path, config: dict[str, Any], max_entries: int) -> None:
        self.discord = StandInDiscord(latency=ROUND_TRIP)
        self.discord.faults.script(self._moderate)
        self.witness = Witness(self.discord)
        self.folder = folder
        self.config = config
        self.max_entries = max_entries
        self.lanes = {name: Lane([self._create(name)]) for name in config}
        self.number = 0
        self.stale: set[str] = set()
        self.unwanted: set[str] = set()
        """marks of what Discord rejected for what it says"""
        self.rejections = 0
        """how often it is told to refuse something for no reason"""
        self.unsure: set[str] = set()
        """marks whose publisher gave up: they may be told or not"""
        self.failed: set[str] = set()
        """marks that at least one lane refused, since the outbox was full"""
        self.refused = 0
        self.dropped: dict[tuple[str, str], float] = {}
        """when marks were dropped, by lane and mark"""
        self.lives = 0
        self.plugin: DiscordPlugin

    def _create(self, name: str) -> Any:
        return self.discord.create_webhook(forum="thread_name" in self.config[name])

    @staticmethod
    def _moderate(request: StandInRequest) -> Fail | None:
        return Fail(400, 200000) if REFUSED in str(request.body) else None

    async def live(self, steps: Sequence[tuple[Any, ...]], drain_timeout: float) -> None:
        """Run the plugin from its start to its end."""
        webhooks = {
            name: {"url": lane.webhooks[-1].url, **self.config[name]}
            for name, lane in self.lanes.items()
        }
        config: dict[str, Any] = {
            "webhooks": webhooks,
            "max_age": {"game_ended": "1h"},
            "routes": [
                {"events": "notification", "webhook": "one", "immediate": True, "stop": True},
                {"events": "event", "mention": {"roles": ["7"], "cooldown": "1m"}},
            ],
        }
        self.lives += 1
        async with httpx.AsyncClient(transport=self.witness) as http:
            self.plugin = plugin = Plugin(DiscordConfig.model_validate(config), http=http)
            plugin.max_entries = self.max_entries
            bus = EventBus(state_folder=self.folder)
            bus.register(plugin, "discord")
            async with bus:
                for name, *arguments in steps:
                    act: Callable[..., Awaitable[None]] = getattr(self, name.replace(" ", "_"))
                    await act(bus, *arguments)

                bus.plugins.drain_timeout = drain_timeout

        assert plugin._outbox is not None
        self.refused += plugin._outbox.statistics().rejected
        for name, statistics in plugin.lanes.items():
            self.lanes[name].expired += statistics.expired

        await anyio.sleep(RESTART_SECONDS)

    # Steps

    async def publish(
        self, bus: EventBus, kind: str, text: str, count: int, gives_up: bool
    ) -> None:
        for _ in range(count):
            self.number += 1
            mark = f"E{self.number:05}"
            made = make_event(kind, mark, text)
            for lane in self._told_by(made):
                lane.published.append(mark)

            if kind == "stale":
                self.stale.add(mark)
            elif kind == "refused":
                self.unwanted.add(mark)

            scope = anyio.CancelScope(deadline=anyio.current_time() if gives_up else math.inf)
            try:
                with scope:
                    await bus.publish_and_wait(made, plugins="durable")
            except* OutboxFull:
                self.failed.add(mark)

            if scope.cancelled_caught:
                self.unsure.add(mark)

        await bus.drain()

    def _told_by(self, made: Event) -> list[Lane]:
        if isinstance(made, Notification):
            return [self.lanes["one"]]

        return list(self.lanes.values())

    async def wait(self, bus: EventBus, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def fault(self, bus: EventBus, kind: str, times: int) -> None:
        add = self.discord.faults
        match kind:
            case "503":
                add.fail(503, times=times)
            case "500 json":
                add.fail(500, code=130000, times=times)
            case "reset before" | "reset after":
                add.reset(accepted=kind == "reset after", times=times)
            case "hang accepted" | "hang refused":
                add.hang(60, accepted=kind == "hang accepted", times=times)
            case "drip":
                add.drip(20, times=times)
            case "429 cloudflare":
                add.fail(429, html=True, retry_after=5)
            case "429 user" | "429 shared" | "429 global":
                scope: Any = kind.split()[1]
                add.fail(429, scope=scope, retry_after=1.5 * times)
            case "400":
                add.fail(400, code=50109)
                self.rejections += 1
            case _:
                add.refuse_connections(times)

    async def delete_webhook(self, bus: EventBus) -> None:
        lane = self.lanes["one"]
        if not lane.is_dead:
            lane.is_dead = True
            lane.webhooks[-1].delete()

    async def new_url(self, bus: EventBus) -> None:
        from lanrage_events_discord import validate_webhook_url

        lane = self.lanes["one"]
        lane.is_dead = False
        lane.webhooks.append(self._create("one"))
        self.plugin._lanes["one"].use(validate_webhook_url(lane.webhooks[-1].url))

    async def retry_dead(self, bus: EventBus) -> None:
        outbox = self.plugin._outbox
        assert outbox is not None
        for name, lane in self.lanes.items():
            lane.exempt |= {mark_of(letter.body) for letter in await outbox.dead_letters(name)}
            await outbox.retry_lane(name)

        self.plugin._reload()

    async def drop_pending(self, bus: EventBus) -> None:
        outbox = self.plugin._outbox
        assert outbox is not None
        for name in self.lanes:
            waiting = await outbox.pending(name, limit=10_000)
            now = anyio.current_time()
            self.dropped |= {(name, mark_of(entry.body)): now for entry in waiting}
            await outbox.drop(entry.id for entry in waiting)

        self.plugin._reload()

    async def settle(self, bus: EventBus) -> None:
        """Wait until nothing more can be done, then compare."""
        await bus.drain()
        assert self.plugin._outbox is not None
        await anyio.sleep(30)
        for _ in range(2000):
            if self.discord.journal and self._is_done():
                break

            await anyio.sleep(1)

        await self.check()

    def _is_done(self) -> bool:
        states = {name: lane.state for name, lane in self.plugin._lanes.items()}
        return all(state in ("idle", "dead") for state in states.values())

    # What must hold

    async def check(self) -> None:
        journal = self.discord.journal
        own_fault = [r for r in journal if r.status in (400, 429) and not r.fault]
        assert own_fault == [], [(r.status, r.reason) for r in own_fault]
        gone = sum(r.status == 404 and not r.fault for r in journal)
        assert gone <= self.lives * sum(len(lane.webhooks) for lane in self.lanes.values())
        for name, lane in self.lanes.items():
            await self._check_lane(name, lane)

    async def _check_lane(self, name: str, lane: Lane) -> None:
        outbox = self.plugin._outbox
        assert outbox is not None
        pending = {mark_of(e.body) for e in await outbox.pending(name, limit=10_000)}
        dead = {mark_of(letter.body) for letter in await outbox.dead_letters(name, limit=10_000)}
        ids = {webhook.id for webhook in lane.webhooks}
        messages = [r for r in self.discord.journal.accepted if r.webhook_id in ids]
        told = Counter(mark for record in messages for mark in marks_in(record))
        dropped = {mark: t for (lane_name, mark), t in self.dropped.items() if lane_name == name}

        assert pending <= set() or self.plugin._lanes[name].state == "dead"
        lost_answers = set(MARK.findall("".join(self.witness.unanswered)))
        twice = {mark for mark, count in told.items() if count > 1}
        assert twice <= lost_answers
        assert not set(told) & dead - lost_answers
        assert not set(told) & pending - lost_answers
        for record in messages:
            # Only what was on its way already is told though it was dropped.
            times = [dropped.get(mark, record.time) for mark in marks_in(record)]
            assert record.fault or record.time <= max(times, default=record.time) + ROUND_TRIP

        # Neighbours of what is refused are told.
        assert not self.unwanted & set(told)
        assert len(dead - self.unwanted) <= self.rejections

        # accepted + dead + pending + expired + refused = published
        missing = set(lane.published) - set(told) - dead - pending - dropped.keys()
        expired = missing & self.stale - self.failed - self.unsure
        lane_expired = lane.expired + self.plugin.lanes[name].expired
        assert len(expired) <= lane_expired <= len((missing | dropped.keys()) & self.stale)
        assert missing - self.stale <= self.failed | self.unsure, "lost"

        first = [mark for record in messages for mark in dict.fromkeys(marks_in(record))]
        seen = dict.fromkeys(first)
        position = {
            mark: number
            for number, record in reversed(list(enumerate(messages)))
            for mark in marks_in(record)
        }
        ordered = [position[mark] for mark in sorted(seen) if mark not in lane.exempt]
        assert ordered == sorted(ordered)
        event(f"{name}: {len(told) > 0=} {len(dead) > 0=} {len(pending) > 0=} {len(twice) > 0=}")


def make_event(kind: str, mark: str, text: str) -> Event:
    name = f"{mark}{text}"
    match kind:
        case "joined":
            return PeerJoined(peer_name=name, party_name=f"Party {text}")
        case "notification":
            return Notification(title=name, message=text or "-", color=0xFF0000)
        case "refused":
            return PeerJoined(peer_name=f"{mark} {REFUSED}", party_name="LAN")
        case "stale":
            long_ago = datetime.now(UTC) - timedelta(days=1)
            return GameEnded(game_name=name, duration=1.0, avg_latency=None, time=long_ago)
        case _:
            return GameEnded(game_name=name, duration=1.0, avg_latency=0.0)


def mark_of(body: str) -> str:
    mark: str
    (mark,) = set(MARK.findall(body))
    return mark


def marks_in(record: Record) -> list[str]:
    return MARK.findall(str(record.body["embeds"]))


@pytest.mark.slow
@pytest.mark.timeout(600)  # some examples make thousands of requests
@settings(
    max_examples=int(EXAMPLES or 25),
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if EXAMPLES else [])),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    backend=st.sampled_from(["asyncio", "trio"]),
    config=st.sampled_from(CONFIGS),
    lives=lives,
    last=actions,
    max_entries=st.sampled_from((1000, 1000, 15)),
)
def test_nothing_is_lost_or_twice_whatever_happens(
    backend: Literal["asyncio", "trio"],
    config: dict[str, Any],
    lives: list[tuple[list[tuple[Any, ...]], float]],
    last: list[tuple[Any, ...]],
    max_entries: int,
) -> None:
    name, options = virtual_time(backend)

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), config, max_entries)
            for steps, drain_timeout in lives:
                await world.live(steps, drain_timeout)

            await world.live([*last, ("settle",)], 30)

    anyio.run(run, backend=name, backend_options=options)


@pytest.mark.parametrize("text", ["E00001", "E00001x"])
def test_a_mark_is_found_whatever_follows(text: str) -> None:
    assert MARK.findall(text) == ["E00001"]
