"""Events that are sent again after a restart or a kill: processes and files, so real time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import Process

from lanrage_events import Event, EventBus, hookimpl
from lanrage_events.outbox import Outbox, OutboxItem
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_http import HTTPConfig, HTTPPlugin

pytestmark = pytest.mark.real_clock

# Nothing listens there, so everything stays in the outbox.
WEBHOOK = "http://127.0.0.1:9/api/webhooks/1/" + "x" * 68

DAEMON = """
import os, sys
from pathlib import Path
import anyio
from lanrage_events import EventBus, hookimpl
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_http import HTTPConfig, HTTPPlugin

folder, backend, dies = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "dies"
# Nothing listens there, so everything stays in the outbox.
WEBHOOK = "http://127.0.0.1:9/api/webhooks/1/" + "x" * 68

class Killer:
    durable = True
    when_full = "block"

    def __init__(self, discord):
        self.discord = discord

    @hookimpl
    async def event_batch(self, events):
        if dies:
            while self.discord.pending < len(events):
                await anyio.sleep(0.001)

            os._exit(9)

        return {}

async def main():
    discord = DiscordPlugin(DiscordConfig.model_validate(
        {"webhook_url": WEBHOOK, "allow_hosts": ["127.0.0.1:9"]}))
    bus = EventBus(state_folder=folder, drain_timeout=1)
    http = HTTPPlugin(HTTPConfig(port=0))
    bus.register(discord, "discord")
    bus.register(Killer(discord), "killer")
    bus.register(http, "http")
    async with bus:
        print(http.url, flush=True)
        await anyio.sleep_forever()

anyio.run(main, backend=backend)
"""


@asynccontextmanager
async def daemon(
    folder: Path, backend: str, how: str = "lives"
) -> AsyncIterator[tuple[str, Process]]:
    command = [sys.executable, "-c", DAEMON, str(folder), backend, how]
    async with await anyio.open_process(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            with anyio.fail_after(30):
                yield (await process.stdout.receive()).decode().strip(), process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def joined(id: str) -> dict[str, str]:
    return {"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN", "id": id}


async def in_outbox(folder: Path) -> Counter[str]:
    """Return how often each event is in Discord's outbox."""
    found: Counter[str] = Counter()
    async with Outbox.administer(folder / "discord.outbox") as outbox:
        after = 0
        while page := await outbox.pending(after=after):
            after = page[-1].id
            found.update(json.loads(entry.body)["event_id"] for entry in page)

    return found


@pytest.mark.slow
@pytest.mark.either_backend
async def test_a_kill_between_the_disk_and_the_answer_publishes_nothing_twice(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    events = [joined(f"lobby-{number}") for number in range(5)]
    async with (
        daemon(tmp_path, anyio_backend_name, "dies") as (url, process),
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        with pytest.raises(httpx.TransportError):
            await client.post("/api/events", json=events)

        assert await process.wait() == 9

    repeated: list[str] = []
    for _ in range(2):
        async with (
            daemon(tmp_path, anyio_backend_name) as (url, _),
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            response = await client.post("/api/events", json=[*events, joined("lobby-9")])
            assert response.status_code == 202
            repeated = response.json()["repeated"]

    assert repeated == [event["id"] for event in [*events, joined("lobby-9")]]
    assert await in_outbox(tmp_path) == {f"lobby-{number}": 1 for number in (0, 1, 2, 3, 4, 9)}


async def kill(process: Process, after: float) -> None:
    await anyio.sleep(after)
    process.kill()


@pytest.mark.slow
@pytest.mark.either_backend
async def test_kills_at_any_moment_lose_and_repeat_nothing(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    rng = random.Random(20260306)
    batches = [[joined(f"{batch}-{number}") for number in range(20)] for batch in range(60)]
    done = 0
    for _ in range(8):
        async with (
            daemon(tmp_path, anyio_backend_name) as (url, process),
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(kill, process, rng.uniform(0.0, 0.12))
            while done < len(batches):
                try:
                    response = await client.post("/api/events", json=batches[done])
                except httpx.TransportError:
                    break

                assert response.status_code == 202
                done += 1

    async with (
        daemon(tmp_path, anyio_backend_name) as (url, _),
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        for batch in batches[done:]:
            assert (await client.post("/api/events", json=batch)).status_code == 202

    found = await in_outbox(tmp_path)
    assert found == {event["id"]: 1 for batch in batches for event in batch}


class Recorder:
    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.ids: list[str] = []

    @hookimpl
    def event(self, event: Event) -> None:
        self.ids.append(event.id)


@asynccontextmanager
async def serving(
    folder: Path | None, **config: Any
) -> AsyncIterator[tuple[Recorder, HTTPPlugin, Any]]:
    recorder, plugin = Recorder(), HTTPPlugin(HTTPConfig(port=0, **config))
    bus = EventBus(state_folder=folder)
    bus.register(recorder, "recorder")
    bus.register(plugin, "http")
    async with bus, httpx.AsyncClient(base_url=plugin.url or "", trust_env=False) as client:
        yield recorder, plugin, client


async def test_ids_are_known_after_a_restart(tmp_path: Path) -> None:
    longest = "x" * 63
    for round_ in range(3):
        async with serving(tmp_path) as (recorder, _, client):
            events = [joined("a"), joined(longest), joined("b" * 64), joined(f"new-{round_}")]
            response = await client.post("/api/events", json=events)

        assert response.status_code == 202
        assert len(response.json()["repeated"]) == (3 if round_ else 0)
        assert recorder.ids == ([f"new-{round_}"] if round_ else [e["id"] for e in events])

    assert (tmp_path / "http.ids").stat().st_mode & 0o777 == 0o600


async def test_only_accepted_events_are_known_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, _, client):
        invalid = {"type": "peer_joined", "id": "b"}
        assert (await client.post("/api/events", json=[joined("a"), invalid])).status_code == 422
        atomic = await client.post("/api/events?atomic=true", json=[joined("c"), invalid])
        assert atomic.status_code == 422

    async with serving(tmp_path) as (recorder, _, client):
        response = await client.post("/api/events", json=[joined(id) for id in "abc"])

    assert response.json() == {"ids": ["a", "b", "c"], "repeated": ["a"]}
    assert recorder.ids == ["b", "c"]


@pytest.mark.slow
async def test_the_window_counts_over_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, _, client):
        await client.post("/api/events", json=joined("a"))

    await anyio.sleep(0.2)
    async with serving(tmp_path, repeat_window=0.1) as (_, _, client):
        assert (await client.post("/api/events", json=joined("a"))).json()["repeated"] == []

    async with serving(tmp_path, repeat_window=600.0) as (_, _, client):
        assert (await client.post("/api/events", json=joined("a"))).json()["repeated"] == ["a"]


async def test_without_a_state_folder_ids_are_known_until_the_end() -> None:
    for _ in range(2):
        async with serving(None) as (recorder, _, client):
            await client.post("/api/events", json=joined("a"))
            again = await client.post("/api/events", json=joined("a"))

        assert again.json()["repeated"] == ["a"]
        assert recorder.ids == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"no ids", b"SQLite format 3\x00" + b"\xff" * 5_000])
@pytest.mark.either_backend
async def test_a_damaged_file_keeps_what_comes(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "http.ids").write_bytes(content)
    for round_ in range(2):
        async with serving(tmp_path) as (_, plugin, client):
            answer = (await client.post("/api/events", json=joined("a"))).json()
            assert plugin.health().status == "ok"

        assert answer["repeated"] == (["a"] if round_ else [])

    assert f"1 line of {tmp_path / 'http.ids'} cannot be read" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
@pytest.mark.either_backend
async def test_health_says_that_ids_are_not_kept_until_they_are(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "http.ids"
    if kind == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes")

    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "other")
        case _:
            os.mkfifo(path)

    async with serving(tmp_path) as (_, plugin, client):
        for expected in ([], ["a"]):
            health = plugin.health()
            assert health.status == "degraded"
            assert f"are published again: {path}: " in health.detail
            answer = (await client.post("/api/events", json=joined("a"))).json()
            assert answer["repeated"] == expected

        assert caplog.text.count("the ids of events cannot be kept") == 1
        if kind == "folder":
            path.rmdir()
        else:
            path.unlink()

        assert (await client.post("/api/events", json=joined("b"))).status_code == 202
        assert plugin.health().status == "ok"

    assert not (tmp_path / "other").exists()
    async with serving(tmp_path) as (_, _, client):
        answer = (await client.post("/api/events", json=[joined("a"), joined("b")])).json()

    assert answer["repeated"] == ["a", "b"]


@pytest.mark.slow
async def test_an_id_is_free_again_after_its_window_though_its_event_still_waits(
    tmp_path: Path,
) -> None:
    async def post(*names: str) -> None:
        discord = DiscordPlugin(
            DiscordConfig.model_validate(
                {"webhook_url": WEBHOOK, "allow_hosts": ["127.0.0.1:9"]},
            )
        )
        bus, http = EventBus(state_folder=tmp_path, drain_timeout=0.1), HTTPPlugin(config)
        bus.register(discord, "discord")
        bus.register(http, "http")
        async with bus, httpx.AsyncClient(base_url=http.url or "", trust_env=False) as client:
            for name in names:
                event = {**joined("join-1"), "peer_name": name}
                answer = await client.post("/api/events", json=event)
                assert answer.json() == {"ids": ["join-1"], "repeated": []}
                await anyio.sleep(0.06)

    config = HTTPConfig(port=0, repeat_window=0.05)
    await post("Ann")
    await post("Bob", "Bob")
    assert await in_outbox(tmp_path) == {"join-1": 3}


@pytest.mark.slow
async def test_a_request_that_is_answered_by_the_outbox_alone_is_taken_once_after_a_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for round_ in range(3):
        discord = DiscordPlugin(
            DiscordConfig.model_validate(
                {"webhook_url": WEBHOOK, "allow_hosts": ["127.0.0.1:9"]},
            )
        )
        bus = EventBus(state_folder=tmp_path, drain_timeout=0.1)
        bus.register(discord, "discord")
        async with bus:
            for _ in range(round_):
                event = bus.events.from_dict(joined("join-1"))
                await bus.publish_and_wait(event, plugins="durable")

            metrics = {metric.name: metric.samples for metric in discord.metrics()}
            repeated = metrics["outbox_repeated"][0].value

        # The first start has nothing to skip, the others skip one.
        assert repeated == (1 if round_ == 2 else 0)

    assert await in_outbox(tmp_path) == {"join-1": 2}
    assert caplog.text.count("came again after the start") == 1


class SmallDiscord(DiscordPlugin):
    # Two for each of the two lanes.
    _max_pending = 4


@pytest.mark.slow
async def test_what_failed_in_another_lane_is_recognized_once_more(tmp_path: Path) -> None:
    config = DiscordConfig.model_validate(
        {
            "webhook_url": WEBHOOK,
            "webhooks": {"other": {"url": WEBHOOK.replace("/1/", "/2/")}},
            "routes": [{"events": "*", "webhook": ["default", "other"]}],
            "allow_hosts": ["127.0.0.1:9"],
        }
    )

    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[EventBus, Outbox]]:
        discord = SmallDiscord(config)
        bus = EventBus(state_folder=tmp_path, drain_timeout=0.1)
        bus.register(discord, "discord")
        async with bus:
            outbox = discord.outbox()
            assert outbox is not None
            yield bus, outbox

    async with running() as (bus, outbox):
        event = bus.events.from_dict(joined("join-1"))
        await bus.publish_and_wait(event, plugins="durable")
        (other,) = await outbox.pending("other")
        await outbox.acknowledge([other.id])
        full = await outbox.put_many([OutboxItem("other", "{}"), OutboxItem("other", "{}")])

    async with running() as (bus, outbox):
        with pytest.raises(ExceptionGroup):
            await bus.publish_and_wait(event, plugins="durable")

        await outbox.acknowledge(full)
        await bus.publish_and_wait(event, plugins="durable")

    assert await in_outbox(tmp_path) == {"join-1": 2}
