"""Signals at every moment of a daemon's life: the installed program, in real time."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from textwrap import dedent
from typing import Literal, TypeAlias

import anyio
import pytest
from anyio.abc import Process

from ._daemons import RunningDaemon, run, running

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals are different there"),
]

Moment: TypeAlias = Literal[
    "loading", "creating", "starting", "running", "reloading", "restarting", "draining", "stopping"
]

# It waits at the moment that a test names, until the test lets it go on.
WAITING_PLUGIN = """
    import sys
    import time
    from contextlib import asynccontextmanager
    from pathlib import Path

    import anyio

    from lanrage_events import PeerJoined, hookimpl

    HERE = Path(__file__).parent.parent
    NAME = Path(__file__).stem

    def must_wait(moment):
        if (HERE / f"{NAME}-waits").read_text() != moment:
            return False

        print(f"{NAME} is {moment}", file=sys.stderr, flush=True)
        return True

    def wait(moment):
        if must_wait(moment):
            while not (HERE / "go on").exists():
                time.sleep(0.01)

    async def pause(moment):
        if must_wait(moment):
            while not (HERE / "go on").exists():
                await anyio.sleep(0.01)

    wait("loading")

    class Plugin:
        def __init__(self):
            wait("creating")

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus):
            await pause("starting")
            if (HERE / f"{NAME}-waits").read_text() == "draining":
                bus.publish_nowait(PeerJoined(peer_name="Ann", party_name="LAN"))

            yield
            await pause("stopping")

        @hookimpl
        async def event(self, event):
            await pause("draining")
"""

STOPS = {signal.SIGTERM, signal.SIGINT}
each_moment = pytest.mark.parametrize("moment", ["loading", "creating", "starting", "running"])
each_stop = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture
def backend(anyio_backend_name: str) -> str:
    """Run the daemon on the backend that the test runs on."""
    return anyio_backend_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "mine").mkdir()
    for name in ("first", "second"):
        (tmp_path / "mine" / f"{name}.py").write_text(dedent(WAITING_PLUGIN), "utf-8")
        (tmp_path / f"{name}-waits").write_text("never")

    monkeypatch.chdir(tmp_path)
    write_config("first")
    yield tmp_path
    (tmp_path / "go on").touch()


def write_config(*plugins: str, drain_timeout: str = "5s") -> None:
    lines = [f"  {name}:" for name in plugins]
    text = f"state_folder: state\nplugins_folder: mine\ndrain_timeout: {drain_timeout}\nplugins:\n"
    Path("lanrage.yaml").write_text(text + "\n".join(lines) + "\n", "utf-8")


async def reach(daemon: RunningDaemon, folder: Path, moment: Moment) -> None:
    """Wait until the daemon is at a moment, where it stays."""
    if moment in ("loading", "creating", "starting"):
        await daemon.wait_for(f"first is {moment}")
        return

    await daemon.wait_for("ready, with the plugins first")
    if moment in ("reloading", "recreating", "restarting"):
        what = {"reloading": "loading", "restarting": "starting"}[moment]
        (folder / "second-waits").write_text(what)
        write_config("first", "second")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for(f"second is {what}")
    elif moment == "draining":
        await daemon.wait_for("first is draining")


def waits_of(moment: Moment) -> str:
    return (
        moment if moment in ("loading", "creating", "starting", "draining", "stopping") else "never"
    )


@each_stop
@pytest.mark.parametrize(
    "moment", ["loading", "creating", "starting", "running", "reloading", "restarting"]
)
@pytest.mark.either_backend
async def test_it_stops_at_any_moment(
    backend: str, folder: Path, moment: Moment, number: signal.Signals
) -> None:
    (folder / "first-waits").write_text(waits_of(moment))
    async with running("run", "--backend", backend) as daemon:
        await reach(daemon, folder, moment)
        daemon.process.send_signal(number)
        assert await daemon.wait() == 0

    assert number.name in daemon.log
    assert "stopped" in daemon.log.splitlines()[-1]
    assert "Traceback" not in daemon.log


@each_stop
@pytest.mark.either_backend
async def test_it_delivers_what_is_pending_before_it_stops(
    backend: str, folder: Path, number: signal.Signals
) -> None:
    (folder / "first-waits").write_text("draining")
    async with running("run", "--backend", backend) as daemon:
        await reach(daemon, folder, "draining")
        daemon.process.send_signal(number)
        await daemon.wait_for("stopping within 5 seconds")
        (folder / "go on").touch()
        assert await daemon.wait() == 0


@each_stop
@pytest.mark.parametrize("moment", ["draining", "stopping"])
@pytest.mark.either_backend
async def test_another_signal_ends_a_stop_at_once(
    backend: str, folder: Path, moment: Moment, number: signal.Signals
) -> None:
    (folder / "first-waits").write_text(moment)
    async with running("run", "--backend", backend) as daemon:
        await reach(daemon, folder, moment)
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.wait_for(
            "stopping within 5 seconds" if moment == "draining" else "is stopping"
        )
        daemon.process.send_signal(number)
        assert await daemon.wait() == -number


@pytest.mark.parametrize(
    "moment", ["loading", "creating", "starting", "running", "reloading", "restarting"]
)
@pytest.mark.either_backend
async def test_it_reloads_whenever_it_is_asked_to(
    backend: str, folder: Path, moment: Moment
) -> None:
    (folder / "first-waits").write_text(waits_of(moment))
    async with running("run", "--backend", backend) as daemon:
        await reach(daemon, folder, moment)
        write_config("first", "second")
        daemon.process.send_signal(signal.SIGHUP)
        (folder / "go on").touch()
        await daemon.wait_for("reloaded: ")
        if moment in ("reloading", "restarting"):
            await daemon.wait_for("reloaded: no plugin changed")

        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

    assert "second" in daemon.log


@pytest.mark.parametrize("moment", ["draining", "stopping"])
@pytest.mark.either_backend
async def test_a_request_to_reload_does_not_end_a_stop(
    backend: str, folder: Path, moment: Moment
) -> None:
    (folder / "first-waits").write_text(moment)
    async with running("run", "--backend", backend) as daemon:
        await reach(daemon, folder, moment)
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.wait_for(
            "stopping within 5 seconds" if moment == "draining" else "is stopping"
        )
        for _ in range(3):
            daemon.process.send_signal(signal.SIGHUP)

        (folder / "go on").touch()
        assert await daemon.wait() == 0


@each_moment
@pytest.mark.either_backend
async def test_with_an_input_a_request_to_reload_changes_nothing(
    backend: str, folder: Path, moment: Moment
) -> None:
    (folder / "first-waits").write_text(waits_of(moment))
    async with running("run", "--stdin", "--backend", backend) as daemon:
        await reach(daemon, folder, moment)
        write_config("first", "second")
        daemon.process.send_signal(signal.SIGHUP)
        (folder / "go on").touch()
        await daemon.wait_for("SIGHUP is ignored: with --stdin")
        assert daemon.process.stdin is not None
        await daemon.process.stdin.send(
            b'{"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}\n'
        )
        await daemon.process.stdin.aclose()
        assert await daemon.wait() == 0

    assert "1 event read and delivered" in daemon.log
    assert "second" not in daemon.log


@each_stop
@pytest.mark.either_backend
async def test_it_stops_while_a_reload_checks_a_plugin_that_blocks_its_thread(
    backend: str, folder: Path, number: signal.Signals
) -> None:
    write_config("first", drain_timeout="200ms")
    (folder / "second-waits").write_text("creating")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("ready")
        write_config("first", "second", drain_timeout="200ms")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.wait_for("second is creating")
        daemon.process.send_signal(number)
        assert await daemon.wait() == 0

    assert daemon.log.splitlines()[-1].endswith("stopped")


EARLY = """
    import os
    import signal
    import sys

    class SignalAtImport:
        \"\"\"Sends this process a signal when it begins to import the command line.\"\"\"

        def find_spec(self, name, path=None, target=None):
            if name == "lanrage_events._cli":
                sys.meta_path.remove(self)
                try:
                    os.kill(os.getpid(), int(os.environ["EARLY_SIGNAL"]))
                except KeyboardInterrupt:
                    # As Python 3.11 does for a field that sets its name.
                    raise RuntimeError("it was swallowed") from None

            return None

    sys.meta_path.insert(0, SignalAtImport())
    sys.argv[0] = "lanrage-events"

    from lanrage_events.__main__ import run_process

    loaded = {name.partition(".")[0] for name in sys.modules} - BEFORE - {"__future__", "$coverage"}
    assert loaded <= {"lanrage_events"}, loaded
    run_process()
"""


async def start_with_an_early_signal(number: signal.Signals, *arguments: str) -> Process:
    script = f"import sys, os, signal\nBEFORE = {{*sys.modules}}\n{dedent(EARLY)}"
    return await anyio.open_process(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "EARLY_SIGNAL": str(int(number))},
        stderr=PIPE,
    )


@pytest.mark.either_backend
async def test_a_request_to_reload_during_the_first_imports_does_not_end_it(
    backend: str, folder: Path
) -> None:
    process = await start_with_an_early_signal(signal.SIGHUP, "run", "--backend", backend)
    async with process:
        daemon = RunningDaemon(process)
        await daemon.wait_for("ready, with the plugins first")
        process.send_signal(signal.SIGHUP)
        await daemon.wait_for("reloaded: no plugin changed")
        process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0


async def test_ctrl_c_during_the_first_imports_shows_no_traceback(
    backend: str, folder: Path
) -> None:
    process = await start_with_an_early_signal(signal.SIGINT, "run", "--backend", backend)
    async with process:
        daemon = RunningDaemon(process)
        assert await daemon.wait() == 130

    assert daemon.log == ""


@each_stop
@pytest.mark.either_backend
async def test_a_signal_is_logged_at_once_although_a_hook_blocks_the_event_loop(
    backend: str, folder: Path, number: signal.Signals
) -> None:
    (folder / "mine" / "blocks.py").write_text(
        dedent("""
            import sys
            import time
            from contextlib import asynccontextmanager

            from lanrage_events import PeerJoined, hookimpl

            class Plugin:
                @hookimpl
                @asynccontextmanager
                async def lifespan(self, bus):
                    bus.publish_nowait(PeerJoined(peer_name="Ann", party_name="LAN"))
                    yield

                @hookimpl
                def event(self, event):
                    print("it blocks", file=sys.stderr, flush=True)
                    while True:
                        time.sleep(0.01)
        """),
        "utf-8",
    )
    write_config("blocks", drain_timeout="5s")
    async with running("run", "--backend", backend) as daemon:
        await daemon.wait_for("it blocks")
        daemon.process.send_signal(number)
        await daemon.wait_for(f"stopping within 5 seconds because of {number.name}, but the event")
        last = daemon.log.splitlines()[-1] or daemon.log.splitlines()[-2]
        assert "blocks.py:" in last
        assert "another one stops at once" in last
        daemon.process.send_signal(number)
        assert await daemon.wait() == -number


@pytest.mark.either_backend
async def test_a_daemon_that_was_started_with_ctrl_c_ignored_goes_on_ignoring_it(
    backend: str, folder: Path
) -> None:
    script = f'trap "" INT; exec "{sys.executable}" -m lanrage_events run --backend {backend}'
    async with await anyio.open_process(["sh", "-c", script], stderr=PIPE) as process:
        daemon = RunningDaemon(process)
        await daemon.wait_for("ready")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGHUP)
        await daemon.wait_for("reloaded: no plugin changed")
        process.send_signal(signal.SIGTERM)
        assert await daemon.wait() == 0

    assert "because of SIGTERM" in daemon.log


@pytest.mark.either_backend
async def test_the_command_reload_reloads_its_daemon_and_no_other(
    backend: str, folder: Path
) -> None:
    (folder / "other.yaml").write_bytes((folder / "lanrage.yaml").read_bytes())
    async with (
        running("run", "--backend", backend) as daemon,
        running("run", "other.yaml") as other,
    ):
        await daemon.wait_for("ready")
        await other.wait_for("ready")
        write_config("first", "second")
        assert await run("reload") == (0, "reloaded: second started\n", "")
        write_config("first", "third")
        code, out, errors = await run("reload")
        assert (code, out) == (78, "")
        assert "plugins.third: no such plugin is installed" in errors
        assert errors.endswith("the configuration has errors, so everything continues unchanged\n")
        for one in (daemon, other):
            one.process.send_signal(signal.SIGTERM)
            assert await one.wait() == 0

        code, _, errors = await run("reload")
        assert code == 1
        assert "no daemon runs with lanrage.yaml" in errors

    assert "reload" not in other.log
