"""Check a daemon with the example plugin: run by the Python that both are installed in."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from lanrage_events_discord.testing import StandInDiscord

COMMAND = str(Path(sys.executable).with_name("lanrage-events"))
TIMEOUT_SECONDS = 60
LOG = Path("events.jsonl")
CONFIG = """\
state_folder: ./state
plugins:
  motd: {{text: Pizza at eight}}
  log: {{path: events.jsonl}}
  discord:
    webhook_url: {url}
    allow_hosts: ["{host}"]
    batch: {{style: embeds}}
"""
EVENTS = (
    {"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN"},
    {"type": "motd_changed", "text": "Pizza at nine", "author": "Ben"},
    {"type": "peer_joined", "peer_name": "Cy", "party_name": "Friday LAN"},
)
GREETINGS = {"Welcome, Ann!": "Pizza at eight", "Welcome, Cy!": "Pizza at nine"}


def run_daemon(backend: str, config: str) -> None:
    LOG.unlink(missing_ok=True)
    Path("lanrage.yaml").write_text(config, encoding="utf-8")
    words = (COMMAND, "run", "lanrage.yaml", "--backend", backend, "--stdin")
    result = subprocess.run(
        words,
        input="".join(json.dumps(event) + "\n" for event in EVENTS),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if result.returncode:
        sys.exit(f"error: {' '.join(words)} exits {result.returncode} and prints:\n{result.stdout}")


def check_log() -> None:
    events = [json.loads(line) for line in LOG.read_text("utf-8").splitlines()]
    posted = {
        event["title"]: event["message"] for event in events if event["type"] == "notification"
    }
    changes = [event["text"] for event in events if event["type"] == "motd_changed"]
    if posted != GREETINGS or changes != ["Pizza at nine"]:
        sys.exit(f"error: the log sink wrote {events}")


def check_messages(discord: StandInDiscord) -> None:
    embeds = [embed for message in discord.journal.messages() for embed in message["embeds"]]
    titles = sorted(embed["title"] for embed in embeds)
    expected = sorted(["👋 Ann joined", "👋 Cy joined", "📣 Pizza at nine", *GREETINGS])
    if titles != expected:
        sys.exit(f"error: Discord got {titles}, expected {expected}")


async def main(backend: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with discord.serve():
        config = CONFIG.format(url=webhook.url, host=discord.host)
        await anyio.to_thread.run_sync(partial(run_daemon, backend, config))

    check_log()
    check_messages(discord)
    print(f"a daemon on {backend} posted Discord everything that the plugin said")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", choices=("asyncio", "trio"), required=True)
    anyio.run(main, parser.parse_args().backend)
