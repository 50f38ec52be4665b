from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from lanrage_events_discord.testing import StandInDiscord

from ._daemons import run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
]

# A start, an end by signals and a kill are tried on both; an output or exit code depends on neither.
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
on_trio = pytest.mark.parametrize("anyio_backend", ["trio"])
# One handler serves both signals.
each_signal = pytest.mark.parametrize(
    ("anyio_backend", "number"), [("asyncio", signal.SIGINT), ("trio", signal.SIGTERM)]
)

# Publishes as many events as a test writes into a file; once the daemon is ready they are safe.
PARTY_PLUGIN = """
    from contextlib import asynccontextmanager
    from pathlib import Path

    from lanrage_events import PeerJoined, hookimpl

    @hookimpl
    @asynccontextmanager
    async def lifespan(bus):
        for number in range(int(Path("players").read_text())):
            event = PeerJoined(peer_name=f"P{number}.", party_name="LAN")
            await bus.publish_and_wait(event, plugins="durable")

        yield
"""

# Never comes back, and lets nothing else run.
HANGING_PLUGIN = """
    import signal
    import sys
    import time

    from lanrage_events import hookimpl

    @hookimpl
    def event(event):
        print("hangs", file=sys.stderr, flush=True)
        while signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            time.sleep(0.01)

        print("was told to stop", file=sys.stderr, flush=True)
        while True:
            time.sleep(1)
"""


@pytest.fixture
def backend(anyio_backend_name: str) -> str:
    """Run the daemon on the backend that the test runs on."""
    return anyio_backend_name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "party.py").write_text(dedent(PARTY_PLUGIN), encoding="utf-8")
    (tmp_path / "mine" / "hanging.py").write_text(dedent(HANGING_PLUGIN), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_config(plugins: Mapping[str, object], **settings: object) -> None:
    config = {"state_folder": "./state", "plugins_folder": "./mine", **settings, "plugins": plugins}
    Path("lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")


def write_players(count: int) -> None:
    Path("players").write_text(str(count), encoding="utf-8")


def logged() -> list[dict[str, object]]:
    """Return the events that the log sink wrote."""
    return [json.loads(line) for line in Path("events.jsonl").read_text("utf-8").splitlines()]


def discord_config(discord: StandInDiscord, url: str, **more: object) -> dict[str, object]:
    return {"webhook_url": url, "allow_hosts": [discord.host], **more}


def joined(names: Iterable[str]) -> bytes:
    events = [{"type": "peer_joined", "peer_name": n, "party_name": "LAN"} for n in names]
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def players(discord: StandInDiscord) -> Counter[str]:
    """Count how often each player is named in what Discord accepted."""
    text = json.dumps(discord.journal.messages())
    return Counter(re.findall(r"P\d+\.", text))


@on_trio
async def test_typed_events_go_in_and_messages_come_out(backend: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        config = discord_config(discord, webhook.url, invite_url="https://discord.gg/abc123")
        write_config({"discord": config, "log": {"path": "events.jsonl"}}, log={"level": "debug"})
        events = [
            {"type": "party_created", "party_id": "7", "party_name": "Friday", "host": "Ann"},
            {"type": "notification", "title": "Pizza", "message": "It is here."},
        ]
        lines = "".join(json.dumps(event) + "\n" for event in events)
        code, output, log = await run("run", "--stdin", "--backend", backend, stdin=lines.encode())

    assert (code, output) == (0, "")
    assert "2 events read and delivered" in log
    assert webhook.token not in log
    text = json.dumps(discord.journal.messages(), ensure_ascii=False)
    # In one message, or in one each if the first left before the second came.
    for shown in ("Party Created", "Friday", "Ann", "https://discord.gg/abc123", "It is here."):
        assert shown in text
    assert [event["type"] for event in logged()] == ["party_created", "notification"]
    assert discord.journal.rejected == ()


@on_asyncio
async def test_a_large_input_is_delivered_whole(backend: str) -> None:
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    names = [f"P{number}." for number in range(3_000)]
    async with discord.serve():
        write_config(
            {"discord": discord_config(discord, webhook.url), "log": {"path": "events.jsonl"}}
        )
        code, _, log = await run("run", "--stdin", "--backend", backend, stdin=joined(names))

    assert code == 0, log
    assert players(discord) == Counter(names)
    assert [event["peer_name"] for event in logged()] == names


@on_trio
async def test_bad_lines_fail_the_run_and_the_others_are_delivered(backend: str) -> None:
    write_config({"log": {"path": "events.jsonl"}}, log={"format": "json"})
    lines = joined(["Ann"]) + b'{"type": "peer_jond"}\n\x1b[2J\xff\n' + joined(["Bob"])
    code, output, log = await run("run", "--stdin", "--backend", backend, stdin=lines)

    assert (code, output) == (1, "")
    records = [json.loads(line) for line in log.splitlines()]
    errors = [record["event"] for record in records if record["level"] == "error"]
    assert errors[0].startswith("stdin line 2: type: unknown event type 'peer_jond', did you mean")
    assert errors[1] == "stdin line 3: not UTF-8: byte 0xff at position 5"
    assert [event["peer_name"] for event in logged()] == ["Ann", "Bob"]


@on_asyncio
async def test_what_discord_rejects_fails_the_run(backend: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        write_config({"discord": discord_config(discord, webhook.url)})
        webhook.delete()
        code, _, log = await run(
            "run", "--stdin", "--backend", backend, stdin=joined(["Ann", "Bob"])
        )

    assert code == 1
    assert "plugin 'discord': 2 not delivered" in log
    assert webhook.token not in log


@each_signal
@pytest.mark.either_backend
async def test_a_signal_stops_it_when_everything_is_delivered(
    backend: str, number: signal.Signals
) -> None:
    discord = StandInDiscord(latency=0.2)
    webhook = discord.create_webhook()
    write_players(20)
    async with discord.serve():
        batch = {"immediate": False, "window": "60s"}
        config = discord_config(discord, webhook.url, batch=batch)
        write_config({"discord": config, "party": None})
        async with running("run", "--backend", backend) as daemon:
            await daemon.wait_for("ready, with the plugins discord, party")
            assert players(discord) == Counter()
            daemon.process.send_signal(number)
            assert await daemon.wait() == 0

    assert players(discord) == Counter({f"P{n}.": 1 for n in range(20)})
    assert f"stopping within 10 seconds because of {number.name}" in daemon.log
    assert daemon.log.endswith("stopped\n")


@each_signal
@pytest.mark.either_backend
async def test_a_second_signal_stops_it_at_once_when_a_plugin_waits(
    backend: str, number: signal.Signals
) -> None:
    discord = StandInDiscord(latency=1000)
    webhook = discord.create_webhook()
    write_players(1)
    async with discord.serve():
        write_config(
            {"discord": discord_config(discord, webhook.url), "party": None}, drain_timeout="1h"
        )
        async with running("run", "--backend", backend) as daemon:
            await daemon.wait_for("ready")
            daemon.process.send_signal(number)
            await daemon.wait_for("stopping within 3600 seconds")
            daemon.process.send_signal(number)
            assert await daemon.wait() == -number


@each_signal
@pytest.mark.either_backend
async def test_a_second_signal_stops_it_at_once_when_a_plugin_blocks_everything(
    backend: str, number: signal.Signals
) -> None:
    write_config({"hanging": None})
    async with running("run", "--stdin", "--backend", backend) as daemon:
        assert daemon.process.stdin is not None
        await daemon.process.stdin.send(joined(["Ann"]))
        await daemon.wait_for("hangs\n")
        daemon.process.send_signal(number)
        await daemon.wait_for("was told to stop\n")
        daemon.process.send_signal(number)
        assert await daemon.wait() == -number


@on_trio
async def test_a_signal_ends_an_input_that_goes_on(backend: str) -> None:
    write_config({"log": None})
    async with running("run", "--stdin", "--backend", backend) as daemon:
        assert daemon.process.stdin is not None
        await daemon.process.stdin.send(joined(["Ann"]))
        await daemon.wait_for('"peer_name":"Ann"')
        daemon.process.send_signal(signal.SIGINT)
        assert await daemon.wait() == 0

    assert "1 event read and delivered" in daemon.log


@pytest.mark.either_backend
async def test_what_was_pending_when_it_was_killed_is_delivered_after_the_restart(
    backend: str,
) -> None:
    discord = StandInDiscord(latency=0.2, limit=None)
    webhook = discord.create_webhook()
    async with discord.serve():
        config = discord_config(discord, webhook.url, batch={"style": "embeds"})
        write_config({"discord": config, "party": None})
        write_players(100)
        async with running("run", "--backend", backend) as daemon:
            await daemon.wait_for("ready")
            daemon.process.kill()
            await daemon.wait()

        assert len(players(discord)) < 100
        write_players(0)
        code, _, log = await run("run", "--stdin", "--backend", backend)

    assert code == 0, log
    posted = players(discord)
    assert set(posted) == {f"P{number}." for number in range(100)}
    # The message that was on its way when it was killed may come twice.
    assert sum(posted.values()) - 100 <= 10


@on_asyncio
async def test_a_plugin_that_cannot_start_stops_the_start(backend: str) -> None:
    write_config({"log": {"path": "no/such/folder/events.jsonl"}})
    code, output, log = await run("run", "--backend", backend)
    assert (code, output) == (78, "")
    assert "plugin 'log': could not start: " in log
    assert "Traceback" not in log


@on_trio
async def test_what_is_most_likely_not_meant_is_logged(backend: str) -> None:
    write_config({})
    code, _, log = await run("run", "--stdin", "--backend", backend)
    assert code == 0
    assert "[warning  ] lanrage.yaml:1:" in log
    assert "no plugin is named, so events go nowhere" in log
    assert "ready, with the plugins none" in log


@on_asyncio
async def test_the_demo_needs_nothing(backend: str) -> None:
    code, output, log = await run("demo", "--backend", backend)
    assert code == 0, log
    assert log == ""
    assert "🎮 Game Started: Quake III Arena" in output
    assert "\x1b" not in output
    assert re.search(
        r"^\d+ events, \d+ messages: \d+ requests saved, 0 events lost", output, re.MULTILINE
    )


def test_the_command_is_installed() -> None:
    assert os.access(Path(sys.executable).with_name("lanrage-events"), os.X_OK)
