"""A person who is forgotten is in no state file: every byte of a real daemon's is searched."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import httpx
import pytest

from lanrage_events_discord.testing import Journal, StandInDiscord, StandInWebhook

from ._daemons import run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

NAME = re.compile(rb"ann\\*_k|76561", re.IGNORECASE)
TOKEN = "admin-0123456789abcdefghijklmnopqrstuvwxyz"


def configure(discord: StandInDiscord, webhook: StandInWebhook, port: int) -> None:
    section = {"webhook_url": webhook.url, "allow_hosts": [discord.host]}
    config = {
        "state_folder": "state",
        "drain_timeout": "100ms",
        "plugins": {
            "logfile": {"path": "server.log", "preset": "minecraft", "start": "beginning"},
            "http": {"port": port, "token": TOKEN},
            "discord": section,
            "presence": {},
            "parties": {},
            "webhook": {"targets": {"hall": {"url": "http://127.0.0.1:9/"}}},
            "log": {"path": "events.log", "format": "json"},
        },
    }
    Path("lanrage.yaml").write_text(json.dumps(config))
    Path("server.log").write_text(
        "[20:15:00] [Server thread/INFO]: Ann_K[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\n"
    )


def events(number: int) -> list[dict[str, object]]:
    party = {"party_id": "red", "party_name": "Red"}
    ann = {"peer_name": "Ann_K", "peer_id": "76561", **party}
    return [
        {"type": "peer_joined", "id": f"{number}-ann_k", **ann},
        {"type": "game_started", "game_name": "Quake", "players": ["ann_k", "Bob"], **party},
        {"type": "notification", "title": "Welcome", "message": "ANN_K won"},
        {"type": "peer_joined", "peer_name": "Bob", **party},
        {"type": "peer_left", "id": f"ann_k-{number}", **ann},
    ]


def traces() -> list[str]:
    files = [path for path in Path("state").rglob("*") if path.is_file()]
    return sorted(path.name for path in files if NAME.search(path.read_bytes()))


async def play(url: str, number: int) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        answer = await client.post("/api/events", json=events(number))
        assert answer.status_code == 202, answer.text


def has_all(journal: Journal) -> bool:
    """Return whether Discord has what was played once, and what the log says."""
    text = json.dumps(journal.messages())
    return "ANN" in text and "Minecraft" in text


async def test_nothing_of_a_forgotten_person_stays_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"http://127.0.0.1:{free_tcp_port}"
    monkeypatch.setenv("LANRAGE_EVENTS_URL", url)
    monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", TOKEN)
    discord = StandInDiscord(limit=None)
    async with discord.serve():
        webhook = discord.create_webhook()
        configure(discord, webhook, free_tcp_port)
        # Discord is there first, so what was delivered is in unused parts of the outbox.
        async with running("run") as daemon:
            await daemon.wait_for("ready")
            await play(url, 1)
            await discord.journal.wait_for(has_all)
            discord.faults.fail(503, times=1000)
            await play(url, 2)
            assert {"discord.outbox-wal", "http.ids", "logfile.positions.json"} <= {*traces()}

            monkeypatch.delenv("LANRAGE_EVENTS_TOKEN")
            code, output, errors = await run("forget", "ann_k")
            assert (code, output) == (1, "")
            assert "uses the state folder" in errors
            assert "requires its token" in errors

            monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", TOKEN)
            code, output, errors = await run("forget", "ann_k")
            assert re.findall(r"^(.*?):", output, re.MULTILINE) == [
                "plugin 'logfile'",
                "plugin 'http'",
                "plugin 'presence'",
                "plugin 'parties'",
                "outbox 'discord'",
                "outbox 'webhook'",
            ]
            assert (code, errors.splitlines()[0]) == (
                1,
                f"{tmp_path / 'events.log'} still has the name: edit or delete it",
            )
            assert traces() == []

            await play(url, 3)
            assert traces()
            daemon.process.send_signal(signal.SIGKILL)
            await daemon.wait()

    os.unlink("events.log")
    code, output, errors = await run("forget", "ann_k", "--json")
    assert code == 0, errors
    places = [found["place"] for found in json.loads(output)["found"]]
    assert places == ["plugin 'http'", "plugin 'parties'", "outbox 'discord'", "outbox 'webhook'"]
    assert traces() == []
