"""Write what a version of lanrage-events leaves on the disk, for newer versions to read.

The folder ``fixtures/0.1.0`` was written with the code of commit 31f11bd. What a later version
writes belongs into a folder of its own, which must not exist yet::

    python tests/state/write_fixtures.py 0.2.0

Run it in a checkout of that version. It runs the real daemon against a stand-in for Discord on a
free port, once until a clean stop and once until ``kill -9``. Folders that exist are never written
again: what an old version left cannot change. One of the events that wait expires after a minute,
so the test passes from then on.

What stood in the files of this machine, and means nothing elsewhere, is replaced by texts of equal
standing: the folder, and in lock files the host and the token of the change notifier. Beside that, every
byte is the daemon's own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
from anyio.streams.buffered import BufferedByteReceiveStream

from lanrage_events.outbox import Outbox
from lanrage_events_discord.testing import Fail, Fault, StandInDiscord, StandInRequest

HERE = Path(__file__).parent
GUARD_SECONDS = 60
FOLDER = "/srv/lan"
"""stands in the fixtures in place of the folder in which they were written"""
INVITE = "https://discord.gg/made-up"
HTTP_TOKEN = "made-up-token-of-the-page"

CONFIG = """\
state_folder: ./state
drain_timeout: 1s
log: {{level: info, format: console}}
plugins_folder: ./plugins
plugins:
  http: {{port: 0, token: {http_token}}}
  discord:
    allow_hosts: ["{host}"]
    batch: {{window: 200ms, style: digest}}
    webhooks:
      forum: {{url: "{forum}", thread_name: Friday LAN, username: Herald}}
      cards: {{url: "{cards}", batch: {{window: 200ms, style: embeds}}}}
    routes:
      - {{events: notification, where: {{title: Page}}, webhook: [], stop: true}}
      - {{events: notification, where: {{title: Kitchen}}, webhook: cards, silent: true, stop: true}}
      - {{events: [event]}}
    max_age: {{game_ended: 1m, peer_joined: 36500d}}
    mailbox: {{size: 500, when_full: block}}
    hook_timeout: 30s
  log: {{path: events.jsonl, levels: {{peer_left: debug}}, level: debug}}
  logfile:
    party_name: Friday LAN
    start: beginning
    poll: 50ms
    files:
      ./server.log: minecraft
      ./maps/*.log: {{preset: source, party_name: Maps}}
  pager:
"""

SERVER_LOG = """\
[20:15:00] [Server thread/INFO]: Starting minecraft server version 1.21
[20:15:01] [Server thread/INFO]: Albatross joined the game
"""
SERVER_LOG_LATER = """\
[20:16:00] [Server thread/INFO]: <Albatross> hello
[20:16:01] [Server thread/INFO]: Bittern joined the game
[20:16:02] [Server thread/INFO]: Wagtail joi"""
"""what is written while Discord is away; the last line is not whole"""
MAPS = {
    "maps/L0101000.log": """\
L 01/01/2026 - 20:15:00: "Avocet<2><STEAM_1:0:1><>" entered the game
""",
    "maps/L0101001.log": """\
L 01/01/2026 - 20:30:00: Started map "de_heron"
L 01/01/2026 - 20:30:01: "Curlew<3><STEAM_1:0:2><>" connected, address "192.0.2.1:27005"
""",
}


def notification(title: str, message: str) -> dict[str, str]:
    return {"type": "notification", "title": title, "message": message}


def joined(name: str) -> dict[str, str]:
    return {"type": "peer_joined", "peer_name": name, "party_name": "Friday LAN"}


class Daemon:
    """A daemon that runs, and what its page can do."""

    def __init__(self, process: anyio.abc.Process, http: httpx.AsyncClient) -> None:
        self.process = process
        self._http = http

    async def post(self, path: str, body: object) -> None:
        response = await self._http.post(path, json=body)
        assert response.is_success, response.text

    async def pending(self, plugin: str) -> dict[str, tuple[int, int]]:
        """Return how many entries wait and how many are dead, by lane."""
        response = await self._http.get("/api/outbox")
        outboxes = response.raise_for_status().json()["outboxes"]
        return {
            lane["name"]: (lane["pending"], lane["dead"])
            for outbox in outboxes
            if outbox["plugin"] == plugin
            for lane in outbox["lanes"]
        }

    async def wait_until(self, plugin: str, **expected: tuple[int, int]) -> None:
        while await self.pending(plugin) != expected:  # noqa: ASYNC110 - another process changes it
            await anyio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Daemon]:
    process = await anyio.open_process(
        [sys.executable, "-m", "lanrage_events", "run", "lanrage.yaml"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    async with process:
        try:
            assert process.stderr is not None
            stderr = BufferedByteReceiveStream(process.stderr)
            url = ""
            while True:
                line = (await stderr.receive_until(b"\n", 100_000)).decode()
                sys.stderr.write(line + "\n")
                if found := re.search(r"(?:the page is at|^)\s+(http://\S+)", line):
                    url = found[1]

                if "ready, with the plugins" in line:
                    break

            headers = {"Authorization": f"Bearer {HTTP_TOKEN}"}
            async with (
                httpx.AsyncClient(base_url=url, headers=headers) as http,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(show, stderr)
                yield Daemon(process, http)
        finally:
            if process.returncode is None:
                process.kill()


async def show(stderr: BufferedByteReceiveStream) -> None:
    try:
        while True:
            sys.stderr.write((await stderr.receive()).decode())
    except anyio.EndOfStream:
        return


def reject(request: StandInRequest) -> Fault | None:
    is_unwanted = "Unwanted" in json.dumps(request.body)
    return Fail(400, 200000, "Message was blocked by automatic moderation") if is_unwanted else None


async def deliver(daemon: Daemon, discord: StandInDiscord, url: str) -> None:
    """Save settings, remember a thread, and have some events delivered and some rejected."""

    def count(word: str) -> int:
        return str(discord.journal.messages()).count(word)

    await discord.journal.wait_for(lambda _: count("Albatross") == count("heron") == 2)
    await daemon.post("/api/discord/webhook", {"webhook_url": url})
    await daemon.post("/api/discord/invite", {"invite_url": INVITE})
    await daemon.post("/api/events", [notification("Hello", "Dunlin")])
    await discord.journal.wait_for(lambda _: count("Dunlin") == 3)
    discord.faults.script(reject)
    await daemon.post(
        "/api/events",
        [notification("Unwanted", "Egret"), notification("Kitchen", "Unwanted Fulmar")],
    )
    await daemon.wait_until("discord", cards=(0, 2), default=(0, 1), forum=(0, 1))


async def wait_in_vain(daemon: Daemon, discord: StandInDiscord, folder: Path) -> None:
    """Have events wait while Discord is away."""
    discord.faults.refuse_connections(float("inf"))
    await daemon.post(
        "/api/events",
        [
            *map(joined, ("Gadwall", "Hoopoe", "Ibis")),
            notification("Kitchen", "Jackdaw"),
            {"type": "party_created", "party_id": "7", "party_name": "Kingfisher", "host": "Ann"},
            {"type": "game_ended", "game_name": "Lapwing", "duration": 60},
            notification("*Hello*", "Merlin `✓` <@&1>"),
        ],
    )
    with (folder / "server.log").open("a", encoding="utf-8") as file:
        file.write(SERVER_LOG_LATER)

    await daemon.wait_until("discord", cards=(8, 2), default=(7, 1), forum=(7, 1))
    await daemon.post("/api/events", [notification("Page", "-")])
    await daemon.wait_until("pager", due=(2, 0), paused=(1, 0), steady=(4, 2), stopped=(1, 0))


async def stop(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGTERM)
    await daemon.process.wait()


async def kill(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGKILL)
    await daemon.process.wait()


ENDS: Mapping[str, Callable[[Daemon], Awaitable[None]]] = {"clean-stop": stop, "kill-9": kill}

JOINED = ["Gadwall", "Hoopoe", "Ibis", "Bittern"]
WAITING = {
    "default": [JOINED, ["Kingfisher"], ["Merlin"]],
    "forum": [JOINED, ["Kingfisher"], ["Merlin"]],
    "cards": [JOINED, ["Jackdaw", "Kingfisher", "Merlin"]],
}
"""a word of each event that waits, by lane; those of one list are shown in this order"""
EXPIRED = ["Lapwing"]
REJECTED = {"default": ["Egret"], "forum": ["Egret"], "cards": ["Egret", "Fulmar"]}
DELIVERED = ["Albatross", "Avocet", "Dunlin"]


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


async def write(target: Path, end: str) -> None:
    discord = StandInDiscord(limit=None)
    async with discord.serve():
        board, cards = discord.create_webhook(name="Board"), discord.create_webhook(name="Cards")
        forum = discord.create_webhook(name="Forum", forum=True)
        config = CONFIG.format(
            host=discord.host, http_token=HTTP_TOKEN, forum=forum.url, cards=cards.url
        )
        with temporary_folder() as folder:
            (folder / "lanrage.yaml").write_text(config, "utf-8")
            (folder / "plugins").mkdir()
            shutil.copy(HERE / "pager.py", folder / "plugins")
            (folder / "maps").mkdir()
            (folder / "server.log").write_text(SERVER_LOG, "utf-8")
            for name, text in MAPS.items():
                (folder / name).write_text(text, "utf-8")

            # The older one is read to its end only if there is no newer one yet.
            *_, newest = MAPS
            (folder / newest).rename(folder / "later")
            async with running(folder) as daemon:
                await discord.journal.wait_for(lambda journal: "Avocet" in str(journal.messages()))
                os.utime(folder / "later")
                (folder / "later").rename(folder / newest)
                await deliver(daemon, discord, board.url)
                await stop(daemon)

            async with running(folder) as daemon:
                await wait_in_vain(daemon, discord, folder)
                await ENDS[end](daemon)

            shutil.rmtree(folder / "plugins")
            scrub(folder)
            modified = {name: (folder / name).stat().st_mtime_ns for name in ("server.log", *MAPS)}
            shutil.copytree(folder, target)

    (thread_id,) = forum.threads
    expected = {
        "folder": FOLDER,
        "host": discord.host,
        "webhooks": {
            lane: {"id": webhook.id, "token": webhook.token}
            for lane, webhook in (("default", board), ("cards", cards), ("forum", forum))
        },
        "thread": {"id": thread_id, "name": forum.threads[thread_id]},
        "modified_ns": modified,
        "http_token": HTTP_TOKEN,
        "invite_url": INVITE,
        "waiting": WAITING,
        "expired": EXPIRED,
        "rejected": REJECTED,
        "delivered": DELIVERED,
        "outboxes": {name: await contents(target, name) for name in ("discord", "pager")},
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (target / "expected.json").write_text(f"{text}\n", "utf-8")


def scrub(folder: Path) -> None:
    """Replace what is this machine's."""
    positions = folder / "state" / "logfile.positions.json"
    positions.write_text(positions.read_text("utf-8").replace(str(folder), FOLDER), "utf-8")
    for lock in (folder / "state").glob("*.lock"):
        data = json.loads(lock.read_bytes())
        if "token" in data:
            data |= {"host": "lan-server", "token": "made-up-token-of-a-bell-00000000"}
            lock.write_text(json.dumps(data), "utf-8")


async def contents(fixture: Path, name: str) -> dict[str, object]:
    """Return what an outbox holds, looked at in a copy."""
    with temporary_folder() as folder:
        state = shutil.copytree(fixture / "state", folder / "state")
        async with Outbox.administer(state / f"{name}.outbox") as outbox:
            return {
                "lanes": [data(lane) for lane in await outbox.lanes()],
                "entries": [data(entry) for entry in await outbox.pending()],
                "dead_letters": [data(letter) for letter in await outbox.dead_letters()],
            }


def data(record: Any) -> dict[str, object]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(record).items()
    }


async def main(version: str) -> None:
    target = HERE / "fixtures" / version
    if target.exists():
        sys.exit(f"{target} exists already: what an old version left is not written again")

    for end in ENDS:
        sys.stderr.write(f"{version}/{end}\n")
        with anyio.fail_after(GUARD_SECONDS):
            await write(target / end, end)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write what this version leaves on the disk.")
    parser.add_argument("version", help="of lanrage-events, and the name of the folder")
    anyio.run(main, parser.parse_args().version)
