"""What survives a restart and a kill: files, processes and sockets, so real time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord

pytestmark = pytest.mark.real_clock

WaitForLine: TypeAlias = Callable[[str], Awaitable[None]]


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="Friday LAN")


@asynccontextmanager
async def running(
    discord: StandInDiscord, state_folder: Path, drain_timeout: float = 10, **config: Any
) -> AsyncIterator[tuple[EventBus, DiscordPlugin]]:
    async with httpx.AsyncClient(transport=discord.transport()) as http:
        config.setdefault("batch", {"window": 0.05})
        plugin = DiscordPlugin(DiscordConfig.model_validate(config), http=http)
        bus = EventBus(state_folder=state_folder, drain_timeout=drain_timeout)
        bus.register(plugin, "discord")
        async with bus:
            yield bus, plugin


@pytest.mark.slow
async def test_thread_of_a_forum_is_created_once_and_used_from_then_on(tmp_path: Path) -> None:
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    config: Any = {"webhooks": {"main": {"url": forum.url, "thread_name": "Friday LAN"}}}
    for name in ("Ann", "Bob"):
        async with running(discord, tmp_path, **config) as (bus, _):
            await bus.publish(joined(name))

    assert len(discord.journal.accepted) == 2
    assert len(forum.threads) == 1
    file = tmp_path / "discord.threads.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_unreadable_list_of_threads_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "discord.threads.json").write_text("{", encoding="utf-8")
    discord = StandInDiscord()
    forum = discord.create_webhook(forum=True)
    config: Any = {"webhooks": {"main": {"url": forum.url, "thread_name": "Friday LAN"}}}
    async with running(discord, tmp_path, **config) as (bus, _):
        await bus.publish(joined("Ann"))

    assert len(discord.journal.accepted) == 1
    assert "the ids of threads are forgotten: it is damaged" in caplog.text


async def test_what_was_not_sent_is_sent_after_the_restart_with_its_own_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.faults.refuse_connections(3600)
    async with running(discord, tmp_path, drain_timeout=0.2, webhook_url=webhook.url) as (bus, _):
        for name in ("Ann", "Bob"):
            await bus.publish_and_wait(joined(name), plugins="durable")

    assert "2 events are kept in the outbox for the next start" in caplog.text
    assert not webhook.messages
    discord.faults.clear()
    async with running(discord, tmp_path, webhook_url=webhook.url) as (_, plugin):
        pass

    assert plugin.pending == 0
    (message,) = webhook.messages
    description = message["embeds"][0]["description"]
    assert "Ann" in description
    assert "Bob" in description
    assert "<t:" in description


@pytest.mark.slow
async def test_dead_webhook_keeps_its_events_until_it_has_a_working_url(tmp_path: Path) -> None:
    discord = StandInDiscord()
    deleted, new = discord.create_webhook(), discord.create_webhook()
    deleted.delete()
    async with running(discord, tmp_path, webhook_url=deleted.url) as (bus, _):
        await bus.publish_and_wait(joined("Ann"), plugins="durable")
        with anyio.fail_after(30):
            while bus.health()["discord"].status != "failed":  # noqa: ASYNC110
                await anyio.sleep(0.01)

    async with running(discord, tmp_path, webhook_url=new.url):
        pass

    assert len(new.messages) == 1


async def test_entries_of_a_webhook_that_is_gone_from_the_configuration_are_posted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    discord = StandInDiscord()
    old, new = discord.create_webhook(), discord.create_webhook()
    discord.faults.refuse_connections(3600)
    async with running(discord, tmp_path, 0.1, webhooks={"old": {"url": old.url}}) as (bus, _):
        await bus.publish_and_wait(joined("Ann"), plugins="durable")

    async with running(discord, tmp_path, 0.1, webhooks={"new": {"url": new.url}}):
        pass

    assert "keeps 1 event for webhook 'old', which is not configured" in caplog.text


async def test_second_process_rejects_to_start(tmp_path: Path) -> None:
    from lanrage_events import PluginStartError

    discord = StandInDiscord()
    url = discord.create_webhook().url
    async with running(discord, tmp_path, webhook_url=url):
        with pytest.raises(PluginStartError, match=str(os.getpid())):
            async with running(discord, tmp_path, webhook_url=url):
                raise AssertionError("it must not start")


PUBLISHER = """
import anyio, sys
from pathlib import Path
from lanrage_events import EventBus, PeerJoined
from lanrage_events_discord import DiscordConfig, DiscordPlugin

async def main(url, host, folder, first):
    config = DiscordConfig(webhook_url=url, allow_hosts=(host,), batch={"window": 0.02})
    bus = EventBus(state_folder=Path(folder))
    bus.register(DiscordPlugin(config), "discord")
    async with bus:
        for number in range(int(first), 100_000):
            event = PeerJoined(peer_name=f"player{number:05}", party_name="LAN")
            await bus.publish_and_wait(event, plugins="durable")
            print(number, flush=True)
            await anyio.sleep(0.002)

anyio.run(main, *sys.argv[1:5], backend=sys.argv[5])
"""


@pytest.mark.slow
@pytest.mark.either_backend
async def test_killed_again_and_again_loses_nothing(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    """What publish_and_wait had returned for arrives, whatever the moment of the SIGKILL."""
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    promised = 0
    async with discord.serve():
        for attempt in range(3):
            process = await anyio.open_process(
                [sys.executable, "-c", PUBLISHER, webhook.url, discord.host, str(tmp_path)]
                + [str(promised), anyio_backend_name],
                stderr=subprocess.DEVNULL,
            )
            async with process:
                assert process.stdout is not None
                lines = b""
                # Killed in the middle of work, each time a little later.
                while lines.count(b"\n") < 20 + 7 * attempt:
                    lines += await process.stdout.receive()

                process.send_signal(signal.SIGKILL)
                async for chunk in process.stdout:
                    lines += chunk

            whole = lines[: lines.rfind(b"\n")].split(b"\n")
            promised = int(whole[-1]) + 1

        config = DiscordConfig.model_validate(
            {"webhook_url": webhook.url, "allow_hosts": [discord.host], "batch": {"window": 0.01}}
        )
        plugin = DiscordPlugin(config)
        bus = EventBus(state_folder=tmp_path)
        bus.register(plugin, "discord")
        async with bus:
            pass

    text = str(webhook.messages)
    missing = [n for n in range(promised) if f"player{n:05}" not in text]
    assert missing == []


GREETER = """
from contextlib import asynccontextmanager
from lanrage_events import PeerJoined, hookimpl

@hookimpl
@asynccontextmanager
async def lifespan(bus):
    event = PeerJoined(peer_name="NAME", party_name="LAN")
    await bus.publish_and_wait(event, plugins="durable")
    yield
"""


@asynccontextmanager
async def daemon(folder: Path, greeting: str) -> AsyncIterator[tuple[Process, WaitForLine]]:
    """Run the daemon, which publishes that someone joined when it starts; kill it at the end."""
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins/greeter.py").write_text(GREETER.replace("NAME", greeting))
    command = [sys.executable, "-m", "lanrage_events", "run", str(folder / "lanrage.yaml")]
    process = await anyio.open_process(command, stdout=None, stderr=subprocess.PIPE)
    assert process.stderr is not None
    log = BufferedByteReceiveStream(process.stderr)

    async def wait_for_line(text: str) -> None:
        with anyio.fail_after(60):
            while text not in (line := await log.receive_until(b"\n", 10_000)).decode():
                assert b"Traceback" not in line

    async with process:
        await wait_for_line("ready, with the plugins")
        try:
            yield process, wait_for_line
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.either_backend
async def test_daemon_that_is_reloaded_and_killed_within_a_ban_sends_nothing(
    tmp_path: Path, anyio_backend_name: str
) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()

    def configure(window: str) -> None:
        (tmp_path / "lanrage.yaml").write_text(f"""
backend: {anyio_backend_name}
state_folder: ./state
plugins_folder: ./plugins
plugins:
  greeter: {{}}
  discord:
    webhook_url: {webhook.url}
    allow_hosts: ["{discord.host}"]
    batch: {{window: {window}}}
""")

    async with discord.serve():
        discord.faults.ban(20)
        configure("500ms")
        async with daemon(tmp_path, "Ann") as (process, wait_for_line):
            await wait_for_line("because Cloudflare blocks this address")
            for window in ("100ms", "200ms", "300ms"):
                configure(window)
                process.send_signal(signal.SIGHUP)
                await wait_for_line("reloaded: discord changed")

        async with daemon(tmp_path, "Bob"):
            pass

        async with daemon(tmp_path, "Cy"):
            assert len(discord.journal) == 1
            with anyio.fail_after(60):
                await discord.journal.wait_for(lambda journal: len(journal) > 1)
                await anyio.sleep(1)

    assert [record.status for record in discord.journal][:2] == [429, 200]
    assert len(discord.journal.rejected) == 1
    text = str(webhook.messages)
    assert [text.count(name) for name in ("Ann", "Bob", "Cy")] == [1, 1, 1]
