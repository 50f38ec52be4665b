"""The pages on backing up, upgrading and moving, followed with real daemons."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio.lowlevel
import anyio.to_thread
import pytest

from lanrage_events.outbox import Outbox, OutboxError
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook

from ._daemons import run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

Command = Callable[..., tuple[int, str]]

DOCS = Path(__file__).parents[2] / "docs"
BACKUPS = "/var/backups/lanrage-events"


def commands(page: str, section: str = "") -> Iterator[list[str]]:
    """Yield the words of our commands that a reader of a page types, without "lanrage-events"."""
    text = (DOCS / f"{page}.md").read_text("utf-8")
    if section:
        text = re.split(rf"^## {section}\n", text, flags=re.MULTILINE)[1]
        text = re.split(r"^## ", text, flags=re.MULTILINE)[0]

    for line in re.findall(r"^ *\$ lanrage-events (.*)$", text, re.MULTILINE):
        yield shlex.split(line)


class Machine:
    """A folder in which a daemon runs, on a machine of its own."""

    def __init__(self, folder: Path, backups: Path, command: Command) -> None:
        self.folder = folder
        self._backups = backups
        self._command = command
        folder.mkdir()

    def configure(self, discord: StandInDiscord, webhook: StandInWebhook, **batch: object) -> None:
        section = {"webhook_url": webhook.url, "allow_hosts": [discord.host], "batch": batch}
        config = {
            "state_folder": "./state",
            "drain_timeout": "100ms",
            "plugins": {"discord": section},
        }
        (self.folder / "lanrage.yaml").write_text(json.dumps(config), "utf-8")

    async def do(self, words: list[str]) -> str:
        """Run a command of a page, which must succeed, and return what it prints."""
        os.chdir(self.folder)
        mapped = [word.replace(BACKUPS, str(self._backups)) for word in words]
        code, output = await anyio.to_thread.run_sync(self._command, *mapped)
        assert code == 0, output
        return output

    async def publish(self, names: list[str]) -> None:
        """Run the daemon until everything is delivered."""
        os.chdir(self.folder)
        code, _, log = await run("run", "--stdin", stdin=joined(names))
        assert code == 0, log


@pytest.fixture
def machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> tuple[Machine, Machine]:
    monkeypatch.chdir(tmp_path)
    backups = tmp_path / "backups"
    old, new = (Machine(tmp_path / name, backups, command) for name in ("old", "new"))
    return old, new


def joined(names: list[str]) -> bytes:
    events = [{"type": "peer_joined", "peer_name": n, "party_name": "LAN"} for n in names]
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def players(discord: StandInDiscord) -> Counter[str]:
    """Count how often each player is named in what Discord accepted."""
    return Counter(re.findall(r"P\d+\.", json.dumps(discord.journal.messages())))


async def wait_until_taken(machine: Machine, count: int) -> None:
    """Wait until the outbox holds as many events at least."""
    file = anyio.Path(machine.folder, "state", "discord.outbox")
    while not await file.exists():
        await anyio.lowlevel.checkpoint()

    taken = 0
    while taken < count:
        try:
            async with Outbox.administer(Path(file)) as outbox:
                taken = sum(lane.pending for lane in await outbox.lanes())
        except OutboxError:  # it has no tables yet
            await anyio.lowlevel.checkpoint()


async def test_a_backup_of_a_running_daemon_loses_nothing_and_posts_nothing_twice(
    machines: tuple[Machine, Machine],
) -> None:
    old, new = machines
    before, after = ([f"P{n}." for n in numbers] for numbers in (range(300), range(300, 600)))
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    backup, *_ = commands("backup", "Back up")
    restore, look, start, drop = commands("backup", "Restore")
    assert start == ["run"]
    async with discord.serve():
        # It holds everything back for longer than the test takes.
        old.configure(discord, webhook, immediate=False, window="60s")
        new.configure(discord, webhook)
        os.chdir(old.folder)
        async with running("run", "--stdin") as daemon:
            assert daemon.process.stdin is not None
            await daemon.process.stdin.send(joined(before))
            await wait_until_taken(old, len(before))
            # It goes on writing while it is copied.
            await daemon.process.stdin.send(joined(after))
            assert "copied " in await old.do(backup)
            daemon.process.kill()
            await daemon.wait()

        assert not players(discord)
        await new.do(restore)
        assert "default" in await new.do(look)
        await new.publish([])
        posted = players(discord)
        assert set(posted) >= set(before)
        assert set(posted.values()) == {1}

        # What the page says for a daemon that went on after the backup.
        shutil.rmtree(new.folder / "state")
        await new.do(restore)
        await new.do(drop)
        await new.publish([])
        assert players(discord) == posted


async def test_a_backup_can_be_tried(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    old, _ = machines
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        old.configure(discord, webhook)
        await old.publish(["P1."])
        backup, *_ = commands("backup", "Back up")
        await old.do(backup)

    for words in commands("backup", "Try it"):
        words = [word.replace("/tmp/restored", str(tmp_path / "restored")) for word in words]
        await old.do(words)

    assert (tmp_path / "restored" / "discord.outbox").exists()


async def test_a_daemon_that_moves_loses_nothing_and_posts_nothing_twice(
    machines: tuple[Machine, Machine],
) -> None:
    old, new = machines
    names = [f"P{n}." for n in range(200)]
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    backup, check, restore, look, start = commands("move")
    assert (check, start) == (["check"], ["run"])
    async with discord.serve():
        old.configure(discord, webhook, immediate=False, window="60s")
        os.chdir(old.folder)
        async with running("run", "--stdin") as daemon:
            assert daemon.process.stdin is not None
            await daemon.process.stdin.send(joined(names))
            await wait_until_taken(old, len(names))
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.wait()

        await old.do(backup)
        shutil.copy(old.folder / "lanrage.yaml", new.folder)
        await new.do(check)
        await new.do(restore)
        await new.do(look)
        await new.publish(["P200."])

    assert players(discord) == Counter([*names, "P200."])


async def test_an_upgrade_and_the_way_back_post_nothing_twice(
    machines: tuple[Machine, Machine],
) -> None:
    machine, _ = machines
    names = [f"P{n}." for n in range(50)]
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    backup, version, check, start, restore, drop = commands("upgrade")
    assert (version, check, start) == (["--version"], ["check"], ["run"])
    async with discord.serve():
        machine.configure(discord, webhook, immediate=False, window="60s")
        os.chdir(machine.folder)
        async with running("run", "--stdin") as daemon:
            assert daemon.process.stdin is not None
            await daemon.process.stdin.send(joined(names))
            await wait_until_taken(machine, len(names))
            daemon.process.kill()
            await daemon.wait()

        await machine.do(backup)
        await machine.do(version)
        await machine.do(check)
        await machine.publish([])
        assert players(discord) == Counter(names)

        (machine.folder / "state").rename(machine.folder / "state.new")
        await machine.do(restore)
        await machine.do(drop)
        await machine.publish(["P50."])

    assert players(discord) == Counter([*names, "P50."])
