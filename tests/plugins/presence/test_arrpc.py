"""Rich Presence in arRPC, which clients such as Vesktop use in place of Discord's own server.

It is installed in the folder ``arrpc`` of the one that ``LANRAGE_EVENTS_CLIENTS`` names: ``.ci/run
clients`` makes it. Without the variable, or without Node.js, these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from lanrage_events_presence import Activity, Button, DiscordUnreachable
from lanrage_events_presence._ipc import DiscordIPC
from lanrage_events_presence._updater import Pacing, PresenceUpdater

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

FOLDER = os.environ.get("LANRAGE_EVENTS_CLIENTS", "")
if not FOLDER:
    pytest.skip(
        "LANRAGE_EVENTS_CLIENTS is not set; .ci/run clients installs arRPC and tries it",
        allow_module_level=True,
    )

NODE = shutil.which("node")
if NODE is None:
    pytest.skip("Node.js is not installed, and arRPC needs it", allow_module_level=True)

CLIENT_ID = "123456789012345678"
PATIENCE_SECONDS = 60
QUAKE = Activity(
    details="Quake 🎮",
    state="In Party",
    party_size=(2, 8),
    start=1_769_890_500,
    large_image="lanrage_logo",
    buttons=(Button("Join Voice Chat", "https://discord.gg/abc123"),),
)


class ArRPC:
    """An arRPC that runs."""

    def __init__(self, process: Process) -> None:
        self.process = process
        assert process.stdout is not None
        self._output = TextReceiveStream(process.stdout)
        self._text = ""

    async def next(self) -> dict[str, Any]:
        """Return the next line that is not of its log."""
        while True:
            while "\n" not in self._text:
                self._text += await self._output.receive()

            line, _, self._text = self._text.partition("\n")
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found


@asynccontextmanager
async def arrpc(folder: Path) -> AsyncIterator[ArRPC]:
    """Run arRPC; on exit, kill it, so that it leaves its socket behind."""
    command = [
        str(NODE),
        str(Path(__file__).with_name("run_arrpc.mjs")),
        str(Path(FOLDER, "arrpc")),
    ]
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(folder),
        "ARRPC_NO_PROCESS_SCANNING": "1",
    }
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL, env=environment) as run:
        try:
            server = ArRPC(run)
            assert await server.next() == {"ready": True}
            yield server
        finally:
            run.kill()


async def test_an_activity_is_shown_and_cleared(runtime_folder: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as abandoned:
        abandoned.bind(str(runtime_folder / "discord-ipc-1"))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with arrpc(runtime_folder) as server:
            async with DiscordIPC(CLIENT_ID).connect() as connection:
                await connection.show(QUAKE)
                shown = (await server.next())["activity"]
                await connection.show(None)
                assert (await server.next())["activity"] is None
                await connection.show(Activity(details="Doom"))
                assert (await server.next())["activity"]["details"] == "Doom"

            assert (await server.next())["activity"] is None

    assert shown["application_id"] == CLIENT_ID
    assert (shown["details"], shown["state"]) == ("Quake 🎮", "In Party")
    assert shown["party"] == {"size": [2, 8]}
    assert shown["timestamps"] == {"start": 1_769_890_500_000}
    assert shown["assets"] == {"large_image": "lanrage_logo"}
    assert shown["buttons"] == ["Join Voice Chat"]
    assert shown["metadata"] == {"button_urls": ["https://discord.gg/abc123"]}


async def test_it_is_shown_again_after_it_was_killed(runtime_folder: Path) -> None:
    pacing = Pacing(update_interval=0.05, settle=0.05, first_retry=0.05, longest_retry=0.05)
    updater = PresenceUpdater(DiscordIPC(CLIENT_ID).connect, lambda: QUAKE, Counter(), pacing)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(updater.run)
            for _ in range(2):
                async with arrpc(runtime_folder) as server:
                    assert (await server.next())["activity"]["details"] == "Quake 🎮"

            tasks.cancel_scope.cancel()

    with pytest.raises(DiscordUnreachable, match="nothing listens at .*/discord-ipc-0"):
        async with DiscordIPC(CLIENT_ID).connect():
            pass
