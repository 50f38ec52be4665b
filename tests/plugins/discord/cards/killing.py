"""Run the plugin in one process after another, each of which is killed, and look at what is left.

``python killing.py FOLDER KILLS BACKEND SEED`` prints what was tried, and what was wrong.
"""

from __future__ import annotations

import gc
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from lanrage_events import (
    EventBus,
    Parties,
    PartyCreated,
    PartyEvent,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.state import Database
from lanrage_events_discord import DiscordConfig, DiscordPlugin
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_parties import PartiesConfig, PartiesPlugin

START = datetime.now(UTC)
PLAYERS = ["Ann", "Ben", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal"]
MOST_AT_ONCE = 8
LIFE = "x-life"
"""the header by which the stand-in knows which process has sent a request"""


def event(number: int) -> PartyEvent:
    """Return one of an endless evening's events, the same each time."""
    chance = random.Random(number)
    name, player = f"LAN {chance.randrange(2)}", chance.choice(PLAYERS)
    fields: dict[str, Any] = {"id": f"e{number}", "time": START + timedelta(seconds=number)}
    kind = chance.random()
    if kind < 0.6:
        return PeerJoined(peer_name=player, party_name=name, **fields)

    if kind < 0.98:
        return PeerLeft(peer_name=player, party_name=name, **fields)

    # Another party with the same name takes its place.
    return PartyCreated(party_id=name, party_name=name, host=player, **fields)


class Life:
    """What every process knows."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.config = DiscordConfig.model_validate(
            {
                "webhook_url": url,
                "allow_hosts": [urlsplit(url).netloc],
                "cards": [{"every": "1s", "bump": "never"}],
                "batch": {"settle": {"leave": "0s"}},
            }
        )

    async def publish(self, number: int, first: int, report: Callable[[int], None]) -> None:
        """Publish events until the process is killed.

        :param number: of the process; 0 for one that only shows what is kept
        """
        async with (
            httpx.AsyncClient(headers={LIFE: str(number)}, verify=False) as http,
            EventBus(state_folder=self.folder, drain_timeout=20) as bus,
        ):
            await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig()), "parties")
            plugin = DiscordPlugin(self.config, http=http)
            await bus.plugins.register_and_wait(plugin, "discord")
            chance = random.Random()
            while number:
                last = first + chance.randint(1, MOST_AT_ONCE)
                events = [event(one) for one in range(first, last)]
                errors = await bus.publish_many_and_wait(events, "durable")
                assert errors == [None] * len(events)
                report(last)
                first = last
                await anyio.sleep(chance.random() * 0.02)


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    """Run a function in another process, and return its id, and where what it reports can be read.

    :param work: called with where it can report
    """
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read

    os.close(read)
    code = 1
    try:
        work(write)
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here in any case
        traceback.print_exc()

    os._exit(code)


def run(life: Life, number: int, first: int, backend: str, chance: random.Random) -> int:
    """Let a process live for a moment, and return what has been acknowledged."""

    def live(write: int) -> None:
        def report(acknowledged: int) -> None:
            os.write(write, f"{acknowledged}\n".encode())

        anyio.run(life.publish, number, first, report, backend=backend)

    child, read = fork(live)
    lines = [f"{first}\n"]
    with open(read) as output:
        if number:
            lines += [output.readline() for _ in range(chance.randint(1, 12))]
            time.sleep(chance.random() * 0.02)
            os.kill(child, signal.SIGKILL)

        lines += [line for line in output if line.endswith("\n")]

    _, status = os.waitpid(child, 0)
    assert number or not status, "the last process failed"
    return int(lines[-1])


def kill(folder: Path, kills: int, backend: str, seed: int, url: int, result: int) -> None:
    """Run and kill processes, the last of which ends by itself, and report what was acknowledged.

    :param url: where the webhook's URL can be read
    """
    life = Life(folder, read_all(url))
    # So that each process need not import everything once more.
    anyio.run(Life(folder / "first", life.url).publish, 0, 0, print, backend=backend)
    gc.collect()
    gc.freeze()
    chance = random.Random(seed)
    acknowledged = 0
    for number in range(1, kills + 1):
        acknowledged = run(life, number, acknowledged, backend, chance)

    run(life, 0, acknowledged, backend, chance)
    os.write(result, str(acknowledged).encode())


def known(folder: Path) -> tuple[Parties, dict[str, str]]:
    """Return the parties that are kept, and by message id the text of the party that it shows."""
    parties, shown = Parties(), {}
    with Database.reading(folder / "discord.cards") as connection:
        for ended, content in connection.execute("SELECT ended, content FROM parties"):
            if ended is None:
                parties.load(content)

        rows = connection.execute(
            "SELECT cards.content, parties.ended, parties.content FROM cards"
            " JOIN parties ON parties.id = cards.party"
        )
        for card, ended, party in rows:
            shown[json.loads(card)["message_id"]] = "" if ended else json.loads(party)["key"]

    return parties, shown


def problems(
    webhook: StandInWebhook, discord: StandInDiscord, folder: Path, acknowledged: int
) -> Iterator[str]:
    parties, shown = known(folder)
    expected = Parties()
    for number in range(acknowledged):
        expected.follow(event(number))

    # What was published and not acknowledged may have been written, as far as it came.
    found = {party.key: party for party in parties}
    for number in range(acknowledged, acknowledged + MOST_AT_ONCE + 1):
        if {party.key: party for party in expected} == found:
            break

        expected.follow(event(number))
    else:
        yield f"{found} is not what {acknowledged} events have made"

    messages = {message["id"]: message for message in webhook.messages}
    for id, key in shown.items():
        text = json.dumps(messages.get(id, {}).get("embeds"))
        names = set(re.findall(r"\*\*([A-Z][a-z]{2})\*\*", text))
        if key and names != {member.name for member in found[key].members}:
            yield f"the card of {key} shows {names}, and not {found[key].members}"

    orphans = messages.keys() - shown.keys()
    last = {record.headers.get(LIFE): record for record in discord.journal}
    lost = {record.message_id for record in last.values() if record.action == "execute"}
    if orphans - lost:
        yield f"{len(orphans - lost)} messages are known to nobody, and their answers were not lost"

    if missing := shown.keys() - messages.keys():
        yield f"{missing} are no messages"

    rejected = [record for record in discord.journal if record.status not in (200, 204, 429)]
    if rejected:
        yield f"{rejected[0]} was rejected"

    yield (
        f"{acknowledged:,} events acknowledged, {len(shown)} cards, {len(orphans)} orphans,"
        f" {len(discord.journal)} requests"
    )


async def serve(discord: StandInDiscord, webhook: StandInWebhook, url: int, result: int) -> str:
    """Serve the stand-in until there is a result."""
    async with discord.serve():
        os.write(url, webhook.url.encode())
        os.close(url)
        return await anyio.to_thread.run_sync(read_all, result)


def read_all(file: int) -> str:
    with open(file) as content:
        return content.read()


def main(folder: Path, kills: int, backend: str, seed: int) -> None:
    discord = StandInDiscord(limit=None, global_limit=None, latency=0.002)
    webhook = discord.create_webhook()
    url, write = os.pipe()

    def work(result: int) -> None:
        os.close(write)
        kill(folder, kills, backend, seed, url, result)

    # Before there is an event loop, which a process would inherit.
    child, result = fork(work)
    acknowledged = anyio.run(serve, discord, webhook, write, result, backend=backend)
    os.waitpid(child, 0)
    lines = problems(webhook, discord, folder, int(acknowledged))
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
