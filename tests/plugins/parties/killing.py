"""Run the plugin in one process after another, each of which is killed, and look at what is left.

``python killing.py evening|ends FOLDER KILLS BACKEND SEED`` prints what was tried, and what was wrong.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from lanrage_events import (
    Event,
    EventBus,
    Parties,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    hookimpl,
)
from lanrage_events.state import Database
from lanrage_events_parties import PartiesConfig, PartiesPlugin

START = datetime.now(UTC)
PLAYERS = ["Ann", "Ben", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal"]
MOST_AT_ONCE = 40


def event(number: int) -> PartyEvent:
    """Return one of an endless evening's events, the same each time."""
    chance = random.Random(number)
    name, player = f"LAN {chance.randrange(3)}", chance.choice(PLAYERS)
    fields: dict[str, Any] = {"id": f"e{number}", "time": START + timedelta(seconds=number)}
    kind = chance.random()
    if kind < 0.5:
        return PeerJoined(peer_name=player, party_name=name, **fields)

    if kind < 0.95:
        return PeerLeft(peer_name=player, party_name=name, **fields)

    if kind < 0.98:
        return PartyCreated(party_id=name, party_name=name, host=player, **fields)

    return ServerStarted(server_name=name, game_name="Quake", **fields)


async def publish_an_evening(folder: Path, first: int, report: Callable[[int], None]) -> None:
    chance = random.Random()
    async with EventBus(state_folder=folder, blocked_after=None) as bus:
        await bus.plugins.register_and_wait(PartiesPlugin(PartiesConfig()), "parties")
        while True:
            last = first + chance.randint(1, MOST_AT_ONCE)
            events = [event(number) for number in range(first, last)]
            errors = await bus.publish_many_and_wait(events, "durable")
            assert errors == [None] * len(events)
            report(last)
            first = last


class Recaps:
    """Writes the ids of recaps to a file before its hook returns."""

    durable = True

    def __init__(self, folder: Path) -> None:
        path = folder / "recaps.txt"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.lines = [tuple(line.split("\t")) for line in path.read_text().splitlines()]
        """of each, the name of the party, the id, and how many visitors it had"""
        self.came = anyio.Event()

    @hookimpl
    def party_ended(self, event: PartyEnded) -> None:
        line = event.party_name, event.id, str(event.visitors)
        os.write(self._file, ("\t".join(line) + "\n").encode())
        self.lines.append(line)
        self.came.set()


async def end_parties(folder: Path, first: int, report: Callable[[int], None]) -> None:
    async with EventBus(state_folder=folder, blocked_after=None) as bus:
        await bus.plugins.register_and_wait(Recaps(folder), "recaps")
        plugin = PartiesPlugin(PartiesConfig(end_after=0))
        await bus.plugins.register_and_wait(plugin, "parties")
        while True:
            name, at = f"LAN {first}", START + timedelta(seconds=first)
            events: list[Event] = [
                PeerJoined(peer_name="Ann", party_name=name, id=f"j{first}", time=at),
                PeerLeft(peer_name="Ann", party_name=name, id=f"l{first}", time=at),
            ]
            assert await bus.publish_many_and_wait(events, "durable") == [None, None]
            first += 1
            report(first)


Life = Callable[[Path, int, Callable[[int], None]], Any]


def run_and_kill(life: Life, folder: Path, first: int, backend: str, chance: random.Random) -> int:
    """Let a process live for a moment, and return what it has acknowledged."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)

        def report(number: int) -> None:
            os.write(write, f"{number}\n".encode())

        try:
            anyio.run(life, folder, first, report, backend=backend)
        finally:
            os._exit(1)

    os.close(write)
    with open(read) as output:
        lines = [output.readline() for _ in range(chance.randint(1, 12))]
        time.sleep(chance.random() * 0.003)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines += [line for line in output if line.endswith("\n")]

    return int(lines[-1])


def kept(folder: Path) -> dict[str, Any]:
    with Database.reading(folder / "parties.parties") as connection:
        parties = Parties()
        for (content,) in connection.execute("SELECT content FROM parties"):
            parties.load(content)

    return {party.key: party for party in parties}


def try_an_evening(folder: Path, kills: int, backend: str, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    acknowledged = followed = 0
    expected = Parties()
    for kill in range(kills):
        acknowledged = run_and_kill(publish_an_evening, folder, acknowledged, backend, chance)
        found = kept(folder)
        while followed < acknowledged:
            expected.follow(event(followed))
            followed += 1

        # What was published and not acknowledged may have been written, as far as it came.
        while {party.key: party for party in expected} != found:
            if followed > acknowledged + MOST_AT_ONCE:
                yield f"kill {kill}: {found} is not what {acknowledged} events have made"
                return

            expected.follow(event(followed))
            followed += 1

    yield f"{kills} kills, {acknowledged:,} events acknowledged"


def try_ends(folder: Path, kills: int, backend: str, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    acknowledged = 0
    for _ in range(kills):
        acknowledged = run_and_kill(end_parties, folder, acknowledged, backend, chance)

    recaps = Recaps(folder)
    names = {f"LAN {number}" for number in range(acknowledged)}

    async def finish() -> None:
        async with EventBus(state_folder=folder, blocked_after=None) as bus:
            await bus.plugins.register_and_wait(recaps, "recaps")
            plugin = PartiesPlugin(PartiesConfig(end_after=0))
            await bus.plugins.register_and_wait(plugin, "parties")
            with anyio.fail_after(30):
                while not names <= {name for name, _, _ in recaps.lines}:
                    recaps.came = anyio.Event()
                    await recaps.came.wait()

    anyio.run(finish, backend=backend)
    ids: dict[str, set[str]] = {}
    for name, id, visitors in recaps.lines:
        ids.setdefault(name, set()).add(id)
        if visitors != "1":
            yield f"{name} had {visitors} visitors"

    for name, found in ids.items():
        if len(found) > 1:
            yield f"{name} has the recaps {found}"

    again = len(recaps.lines) - len({id for _, id, _ in recaps.lines})
    yield f"{kills} kills, {acknowledged:,} parties, {again} recaps published again"


def main(what: str, folder: str, kills: str, backend: str, seed: str) -> None:
    attempt = {"evening": try_an_evening, "ends": try_ends}[what]
    place = Path(folder, what)
    place.mkdir(parents=True)
    for line in attempt(place, int(kills), backend, int(seed)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
