"""A mute of a real daemon survives that it is killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import httpx
import pytest

from lanrage_events_discord.testing import StandInDiscord

from ._daemons import run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="processes are killed in another way there"),
]


def write_config(config: object) -> None:
    Path("lanrage.yaml").write_text(json.dumps(config))


def joined(name: str) -> dict[str, str]:
    return {"type": "peer_joined", "peer_name": name, "party_name": "LAN"}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_mute_outlasts_the_daemon_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    discord = StandInDiscord(limit=None)
    webhook = discord.create_webhook()
    async with (
        discord.serve(),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_tcp_port}") as api,
    ):
        section = {"webhook_url": webhook.url, "allow_hosts": [discord.host]}
        plugins = {"http": {"port": free_tcp_port}, "discord": section}
        write_config({"state_folder": "state", "plugins": plugins})
        async with running("run") as daemon:
            await daemon.wait_for("ready")
            code, out, err = await run("mute", "2h", "--why", "the hall is full")
            assert (code, err) == (0, "")
            assert "the daemon that runs does it now" in out
            await daemon.wait_for("all webhooks are muted until ")
            # What is answered is in the outbox, and is not posted.
            assert (await api.post("/api/events", json=joined("Ann"))).status_code == 202
            assert "(the hall is full), 1 event held" in (await api.get("/api/plugins")).text
            daemon.process.kill()
            await daemon.process.wait()

        async with running("run") as daemon:
            await daemon.wait_for("ready")
            assert (await api.post("/api/events", json=joined("Bob"))).status_code == 202
            status = (await api.get("/api/discord/status")).json()
            assert (status["lanes"][0]["state"], status["lanes"][0]["pending"]) == ("holding", 2)
            assert status["mutes"][0]["why"] == "the hall is full"
            assert not webhook.messages
            code, out, err = await run("unmute")
            assert (code, err) == (0, "")
            await discord.journal.wait_for(lambda journal: journal.messages())
            daemon.process.terminate()
            assert await daemon.wait() == 0, daemon.log

    [message] = webhook.messages
    assert "Ann" in json.dumps(message)
    assert "Bob" in json.dumps(message)
