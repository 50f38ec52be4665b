"""The daemon stops in time, whatever Discord does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream

from lanrage_events_presence.testing import StandInDiscordClient

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no Unix sockets and no SIGTERM"),
]

CLIENT_ID = "123456789012345678"
# Long enough for any machine, and never waited for when all is well.
PATIENCE_SECONDS = 45


@pytest.fixture
def command(anyio_backend_name: str, tmp_path: Path) -> list[str]:
    """The command that runs a daemon with Rich Presence."""
    path = tmp_path / "lanrage.yaml"
    path.write_text(f'plugins: {{presence: {{client_id: "{CLIENT_ID}"}}}}\n', encoding="utf-8")
    backend = ["--backend", anyio_backend_name]
    return [sys.executable, "-m", "lanrage_events", "run", str(path), *backend]


class Daemon:
    """A daemon whose log can be waited for."""

    def __init__(self, process: Process, log: ByteReceiveStream) -> None:
        self.process = process
        self.text = ""
        self._log = TextReceiveStream(log)

    async def wait_for(self, text: str) -> None:
        while text not in self.text:
            self.text += await self._log.receive()

    async def stop(self) -> None:
        """Stop it, which must succeed without an error."""
        os.kill(self.process.pid, signal.SIGTERM)
        assert await self.process.wait() == 0
        try:
            while True:
                self.text += await self._log.receive()
        except anyio.EndOfStream:
            pass

        assert "Traceback" not in self.text


async def start(command: list[str], folder: Path) -> Daemon:
    process = await anyio.open_process(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    )
    assert process.stderr is not None
    return Daemon(process, process.stderr)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_without_discord_the_log_has_one_line(
    command: list[str], runtime_folder: Path
) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        daemon = await start(command, runtime_folder)
        async with daemon.process:
            await daemon.wait_for("Discord is not running on this computer")
            await daemon.stop()

    assert daemon.text.count("Discord") == 1


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_silent_discord_does_not_delay_the_stop(
    command: list[str], discord: StandInDiscordClient
) -> None:
    discord.on_handshake = "silence"
    with anyio.fail_after(PATIENCE_SECONDS):
        async with discord.listen():
            daemon = await start(command, discord.folder)
            async with daemon.process:
                await daemon.wait_for("ready")
                await discord.wait(lambda discord: bool(discord.frames))
                await daemon.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux waits here")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_discord_that_accepts_no_connection_does_not_delay_the_stop(
    command: list[str], runtime_folder: Path
) -> None:
    path = str(runtime_folder / "discord-ipc-0")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with anyio.fail_after(PATIENCE_SECONDS):
            daemon = await start(command, runtime_folder)
            async with daemon.process:
                await daemon.wait_for("ready")
                await daemon.stop()
