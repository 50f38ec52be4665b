"""A hidden name is nowhere but in a source's own memory: every byte of a real daemon is searched."""

from __future__ import annotations

import json
import signal
import sys
from functools import partial
from pathlib import Path
from textwrap import dedent

import anyio
import httpx
import pytest
from anyio.abc import TaskStatus

from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_presence.testing import StandInDiscordClient

from ._daemons import running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
]

SECRETS = ("Xanthippe", "XANTHIPPE", "mod_zork", "zork", "10.9.8.7", "STEAM_1:1:424242")
MESSAGE = "XANTHIPPE, Xanthippe's friend and mod_zork are at 10.9.8.7:27015. Last one"

OWN_MEMORY = ("logfile.positions.json", "http.ids")
"""what a source remembers of its log, or of its senders"""
PATHS = [
    "/metrics",
    "/readyz",
    "/api/health",
    "/api/plugins",
    "/api/discord/status",
    "/api/outbox",
    "/",
]

# Says all that it knows of events, and fails.
CARELESS = """
    import logging

    from lanrage_events import hookimpl

    @hookimpl
    def event(event):
        logging.getLogger("careless").debug("%r", event)
        raise ValueError(event)
"""


def config(discord: StandInDiscord, url: str, port: int) -> dict[str, object]:
    return {
        "state_folder": "state",
        "plugins_folder": "mine",
        "log": {"level": "debug"},
        "rules": [
            {"events": "peer_joined", "set": {"party_name": "{{ {}[peer_name] }}"}},
            {"events": "party_event", "where": {"party_name": "Test*"}, "drop": True},
            {"hide": ["xanthippe", "mod_*"], "as": "pseudonym"},
            {"redact": ["names", "addresses"]},
        ],
        "plugins": {
            "logfile": {"path": "server.log", "preset": "minecraft", "party_name": "Xanthippe's"},
            "http": {"port": port},
            "discord": {"webhook_url": url, "allow_hosts": [discord.host]},
            "presence": {"client_id": "123456789012345678"},
            "log": {"path": "events.jsonl"},
            "careless": {},
        },
    }


def events() -> list[dict[str, object]]:
    zork = {"peer_name": "mod_zork", "party_name": "LAN", "peer_id": "STEAM_1:1:424242"}
    return [
        {
            "type": "party_created",
            "party_id": "xanthippe-1",
            "party_name": "LAN",
            "host": "Xanthippe",
        },
        {"type": "peer_joined", "id": "mod_zork-6", **zork},
        {"type": "peer_joined", "id": "mod_zork-7", **zork, "party_name": "Test"},
        {"type": "game_started", "game_name": "Quake", "players": ["mod_zork", "Xanthippe", "Bob"]},
        {"type": "peer_left", "id": "mod_zork-8", **zork},
        {"type": "notification", "title": "To Xanthippe", "message": MESSAGE},
    ]


def assert_hidden(text: str | bytes, what: object) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    for secret in SECRETS:
        position = data.find(secret.encode())
        assert position < 0, f"{what}: {data[max(0, position - 300) : position + 50]!r}"


class Feed:
    """What a client of the HTTP API receives."""

    def __init__(self) -> None:
        self.text = ""
        self._changed = anyio.Event()

    async def read(self, client: httpx.AsyncClient, *, task_status: TaskStatus[None]) -> None:
        async with client.stream("GET", "/api/events/stream", timeout=None) as answer:
            async for line in answer.aiter_lines():
                self.text += f"{line}\n"
                self._changed.set()
                if line == ": connected":
                    task_status.started()

    async def wait_for(self, text: str) -> None:
        while text not in self.text:
            self._changed = anyio.Event()
            await self._changed.wait()


def prepare(discord: StandInDiscord, url: str, port: int) -> None:
    Path("mine").mkdir()
    Path("mine", "careless.py").write_text(dedent(CARELESS))
    Path("server.log").touch()
    Path("lanrage.yaml").write_text(json.dumps(config(discord, url, port)))


def join_server() -> None:
    with Path("server.log").open("a") as log:
        log.write(
            "[20:15:00] [Server thread/INFO]: Xanthippe[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\n"
        )


async def play(client: httpx.AsyncClient, feed: Feed, discord: StandInDiscord) -> None:
    """Let everything happen, until Discord has the last of it."""
    join_server()
    await feed.wait_for("event: peer_joined")
    for event in events():
        answer = await client.post("/api/events", json=event)
        assert answer.status_code == 202, answer.text

    bad = {"type": "peer_joined", "peer_name": "mod_zork", "party_name": 5}
    assert (await client.post("/api/events", json=bad)).status_code == 422
    await feed.wait_for("Last one")
    await discord.journal.wait_for(lambda journal: "Last one" in json.dumps(journal.messages()))


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_hidden_names_are_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    discord, feed = StandInDiscord(limit=None), Feed()
    discord_client = StandInDiscordClient(tmp_path)
    shown: dict[str, str] = {}
    log = ""
    async with discord.serve(), discord_client.listen(), anyio.create_task_group() as tasks:
        prepare(discord, discord.create_webhook().url, free_tcp_port)
        async with (
            running("run", "lanrage.yaml", "--trace") as daemon,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_tcp_port}") as client,
        ):
            await daemon.wait_for("ready")
            await tasks.start(partial(feed.read, client))
            await play(client, feed, discord)
            await discord_client.wait(lambda client: bool(client.activities))
            for path in PATHS:
                shown[path] = (await client.get(path)).text

            daemon.process.send_signal(signal.SIGTERM)
            assert await daemon.wait() == 0, daemon.log
            log = daemon.log

        tasks.cancel_scope.cancel()

    assert "rule 1" in log
    assert "careless.event" in log
    assert_hidden(log, "log")
    assert_hidden(feed.text, "feed")
    assert_hidden(json.dumps(discord.journal.messages(), ensure_ascii=False), "Discord")
    assert_hidden(json.dumps(discord_client.activities, default=str), "presence")
    for path, text in shown.items():
        assert_hidden(text, path)

    assert 'lanrage_rule_failures_total{rule="1"} 3.0' in shown["/metrics"]
    check_files()


def check_files() -> None:
    """Search what is kept, except for what the sources remember of their own."""
    files = {path.name: path for path in Path("state").rglob("*") if path.is_file()}
    assert {"rules-key.json", "discord.outbox"} <= files.keys()
    for name, path in {**files, "events": Path("events.jsonl")}.items():
        if name not in OWN_MEMORY:
            assert_hidden(path.read_bytes(), path)

    lines = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    people = [line for line in lines if line["type"] in ("peer_joined", "peer_left")]
    xanthippe, zork, left = [(line["peer_name"], line["peer_id"]) for line in people]
    assert left == zork
    assert zork[0] != xanthippe[0]
    assert zork[1] != xanthippe[1]
