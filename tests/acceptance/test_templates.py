"""Templates that change while the installed daemon runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

from lanrage_events_discord.testing import StandInDiscord

from ._daemons import running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


def write(text: str) -> None:
    # As an editor does, so that no half of a file is read.
    Path("new").write_text(text, encoding="utf-8")
    os.replace("new", "words/discord/peer_joined.yaml")


async def last_message(discord: StandInDiscord, count: int) -> str:
    await discord.journal.wait_for(lambda journal: len(journal.messages()) == count)
    return json.dumps(discord.journal.messages()[-1], ensure_ascii=False)


def configure(config: dict[str, object]) -> None:
    Path("lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("is_watched", [False, True])
async def test_the_next_message_has_the_new_words_and_a_broken_file_keeps_the_old_ones(
    is_watched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words" / "discord").mkdir(parents=True)
    write("title: first {{ peer_name }}")
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    url = f"http://127.0.0.1:{free_port}"
    ann = {"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}
    async with discord.serve():
        config: dict[str, object] = {
            "state_folder": "state",
            "watch": is_watched,
            "templates": ["words"],
            "plugins": {
                "http": {"port": free_port},
                "discord": {"webhook_url": webhook.url, "allow_hosts": [discord.host]},
            },
        }
        configure(config)
        async with running("run") as daemon, httpx.AsyncClient(base_url=url) as api:
            await daemon.wait_for("ready")

            def change(text: str) -> None:
                daemon.log = ""
                write(text)
                if not is_watched:
                    daemon.process.send_signal(signal.SIGHUP)

            async def post() -> None:
                (await api.post("/api/events", json=ann)).raise_for_status()

            async def preview() -> tuple[str, list[str], str]:
                body = {"type": "peer_joined", "fields": {"peer_name": "Ann", "party_name": "LAN"}}
                answer = (await api.post("/api/discord/preview", json=body)).json()
                return json.dumps(answer["body"]), answer["faults"], answer["note"]

            await post()
            assert "first Ann" in await last_message(discord, 1)

            change("title: second {{ peer_name }}")
            await daemon.wait_for("reloaded: templates changed for discord (")
            await post()
            assert "second Ann" in await last_message(discord, 2)
            shown, faults, note = await preview()
            assert ("second Ann" in shown, faults, note) == (True, [], "")

            change("title: '{{ peer_name'")
            await daemon.wait_for("the version that was read before stays in use")
            await daemon.wait_for("reloaded in part: templates changed for discord (")
            assert "peer_joined.yaml:1: title: " in daemon.log
            await post()
            assert "second Ann" in await last_message(discord, 3)
            _, faults, note = await preview()
            assert "peer_joined.yaml:1: title: " in faults[0]
            assert note.startswith("posts still use the templates as they were read before")

            change("title: third {{ peer_name }}")
            await daemon.wait_for("reloaded: templates changed for discord (")
            await post()
            assert "third Ann" in await last_message(discord, 4)
            daemon.process.terminate()
            assert await daemon.wait() == 0

    assert "Traceback" not in daemon.log
