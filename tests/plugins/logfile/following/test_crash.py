from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lanrage_events_logfile._following.follower import SAVE_EVENTS

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

# A durable plugin that has an event when it is in a file, as the outbox of Discord does.
PROGRAM = """
import os, sys
from pathlib import Path

import anyio

from lanrage_events import EventBus, hookimpl
from lanrage_events_logfile import LogfileConfig, LogfilePlugin

folder, backend = Path(sys.argv[1]), sys.argv[2]


class Diary:
    durable = True
    when_full = "block"

    def __init__(self):
        self.file = os.open(folder / "diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    @hookimpl
    def event(self, event):
        os.write(self.file, f"{event.id} {event.peer_name}\\n".encode())
        print(event.peer_name, flush=True)


async def main():
    config = LogfileConfig(
        path=folder / "latest.log", preset="minecraft", poll=0.05
    )
    async with EventBus(state_folder=folder) as bus:
        bus.register(Diary())
        await bus.plugins.register_and_wait(LogfilePlugin(config), "logfile")
        print("ready", flush=True)
        await anyio.sleep_forever()


anyio.run(main, backend=backend)
"""


def run_and_kill(folder: Path, backend: str, last: str) -> None:
    """Run it until it has published the event of a player, and kill it at that moment."""
    program = [sys.executable, "-c", PROGRAM, str(folder), backend]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            while (line := process.stdout.readline().strip()) != last:
                assert line
        finally:
            process.kill()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.either_backend
def test_after_a_kill_no_line_is_missing_and_at_most_a_batch_is_published_twice(
    tmp_path: Path, backend: str
) -> None:
    log = tmp_path / "latest.log"
    log.touch()
    run_and_kill(tmp_path, backend, "ready")
    names = [f"P{number}" for number in range(300)]
    lines = [
        f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
        for name in names
    ]
    log.write_text("".join(lines[:150]), "utf-8")
    run_and_kill(tmp_path, backend, "P50")
    # It is rotated between two runs.
    with log.open("a", encoding="utf-8") as file:
        file.writelines(lines[150:175])

    log.rename(tmp_path / "2026-11-24-1.log")
    log.write_text("".join(lines[175:]), "utf-8")
    run_and_kill(tmp_path, backend, "P190")
    run_and_kill(tmp_path, backend, names[-1])

    diary = [line.split() for line in (tmp_path / "diary").read_text("utf-8").splitlines()]
    once = dict.fromkeys((event_id, name) for event_id, name in diary)

    # What is published again has the same id.
    assert [name for _, name in once] == names
    assert len(diary) - len(once) <= 3 * (SAVE_EVENTS + 1)
