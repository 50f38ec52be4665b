from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events_http.commands import Daemon, publish, stream

pytestmark = pytest.mark.real_clock

Serve: TypeAlias = Callable[..., Any]

COMMAND = str(Path(sys.executable).with_name("lanrage-events"))
GUARD_SECONDS = 50
TOKEN = "made-up-token-of-the-tests"
ANN = ("peer_name=Ann", "party_name=LAN")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("LANRAGE_EVENTS_URL", "LANRAGE_EVENTS_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    return tmp_path


def write_lines(path: Path, count: int) -> Path:
    lines = (
        json.dumps({"type": "peer_joined", "peer_name": f"P{number}", "party_name": "LAN"}) + "\n"
        for number in range(1, count + 1)
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    @hookimpl
    def event(self, event: Event) -> None:
        self.events.append(event)


async def call(function: Callable[..., int], *words: str, **options: Any) -> int:
    """Run a command in a thread, as it has an event loop of its own."""
    return await anyio.to_thread.run_sync(lambda: run(function, *words, **options))


def run(function: Callable[..., int], *words: str, **options: Any) -> int:
    place = {name: options.pop(name) for name in ("url", "token_file") if name in options}
    return function(*words, daemon=Daemon(**place), **options)


def names(plugin: Recorder) -> list[str]:
    return [event.peer_name for event in plugin.events if isinstance(event, PeerJoined)]


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ((), {}, "name either a type with its fields"),
        (("peer_joined",), {"file": Path("x")}, "name either a type with its fields"),
        (("peer_joined",), {"skip": 1}, "--skip is for --file"),
        (("peer_joined",), {"url": "localhost"}, "is written like http://127.0.0.1:8666"),
        (("peer_joined",), {"timeout": "30"}, "--timeout: a number alone is not a duration"),
        (("peer_joined",), {"token_file": Path("no")}, "cannot read the token file no: No such"),
        ((), {"file": Path("no.jsonl")}, "cannot read no.jsonl: No such file or directory"),
    ],
)
def test_misuse_of_publish_is_reported(
    words: tuple[str, ...],
    options: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(publish, *words, **options) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert message in output.err
    assert output.err.count("\n") == 1


def test_misuse_of_stream_is_reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff")
    (folder / "words").write_text(f"{TOKEN} {TOKEN}")
    assert run(stream, url="lan") == 2
    for name in ("empty", "binary", "words"):
        assert run(stream, token_file=Path(name)) == 2

    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == [
        "the token file empty is empty",
        "cannot read the token file binary: it is not text in UTF-8",
        "the file words holds no token: it has spaces, lines or characters that cannot be sent",
    ]


def test_a_daemon_that_is_not_there_is_reported(
    free_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    assert run(publish, "peer_joined", *ANN, url=url) == 1
    assert run(stream, url=url) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"no daemon answers at {url}: start one with 'lanrage-events run'")


async def test_an_event_reaches_the_plugins(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = Recorder()
    async with serve({"recording": plugin}) as served:
        assert await call(publish, "peer_joined", *ANN, url=served.url) == 0
        await served.bus.drain()

    assert names(plugin) == ["Ann"]
    assert plugin.events[0].id in capsys.readouterr().out


async def test_a_file_reaches_the_plugins_in_its_order(
    serve: Serve, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = Recorder()
    path = write_lines(folder / "e.jsonl", 450)
    async with serve({"recording": plugin}) as served:
        assert await call(publish, file=path, url=served.url, skip=20, json=True) == 0
        await served.bus.drain()

    assert names(plugin) == [f"P{number}" for number in range(21, 451)]
    assert json.loads(capsys.readouterr().out)["published"] == 430


async def test_the_real_daemon_names_what_is_wrong_with_lines(
    serve: Serve, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_lines(folder / "e.jsonl", 3)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type": "peer_joined", "peer_name": 7}\n{"type": "peer_jond"}\n')

    async with serve() as served:
        assert await call(publish, file=path, url=served.url) == 1

    output = capsys.readouterr()
    assert output.out == "3 events published, 2 bad lines\n"
    assert f"{path}:4: party_name: required" in output.err.splitlines()
    assert f"{path}:4: peer_name: input should be a valid string" in output.err.splitlines()
    assert (
        f"{path}:5: type: unknown event type 'peer_jond', did you mean 'peer_joined'?" in output.err
    )


async def test_an_empty_id_is_rejected_each_time(
    serve: Serve, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "e.jsonl"
    line = '{"type": "peer_joined", "id": "", "peer_name": "Ann", "party_name": "LAN"}\n'
    path.write_text(line * 2, encoding="utf-8")
    plugin = Recorder()
    message = "id: it is empty: leave it out, or give a text that no other event has"
    async with serve({"recording": plugin}) as served:
        for _ in range(2):
            assert await call(publish, "peer_joined", *ANN, "id=", url=served.url) == 2
            output = capsys.readouterr()
            assert (output.out, output.err) == ("", f"{message}\n")

        assert await call(publish, file=path, url=served.url) == 1
        await served.bus.drain()

    output = capsys.readouterr()
    assert output.out == "0 events published, 2 bad lines\n"
    assert output.err.splitlines() == [f"{path}:1: {message}", f"{path}:2: {message}"]
    assert plugin.events == []


@pytest.mark.slow
async def test_a_token_comes_from_a_variable_or_a_file(
    serve: Serve,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "wrong").write_text("another-token-of-the-tests\n")
    async with serve(token=TOKEN) as served:
        ann = ("peer_joined", *ANN)
        assert await call(publish, *ann, url=served.url) == 1
        assert await call(publish, *ann, url=served.url, token_file=Path("wrong")) == 1
        assert await call(publish, *ann, url=served.url, token_file=Path("token")) == 0
        monkeypatch.setenv("LANRAGE_EVENTS_TOKEN", TOKEN)
        assert await call(publish, *ann, url=served.url) == 0

    output = capsys.readouterr()
    needed, wrong = output.err.splitlines()
    assert needed.startswith(f"the daemon at {served.url} requires its token: put it into the")
    assert wrong == f"the daemon at {served.url} has another token than the file wrong"
    assert TOKEN not in output.err + output.out


async def test_another_name_of_the_machine_is_rejected_with_the_remedy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    async with serve() as served:
        # 127.0.0.1 in another spelling, which every resolver knows.
        url = f"http://2130706433:{served.port}"
        assert await call(publish, "peer_joined", *ANN, url=url) == 1

    assert "add the name to 'allowed_hosts'" in capsys.readouterr().err


async def test_the_stream_prints_what_is_published(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve() as served, anyio.create_task_group() as tasks:
        tasks.start_soon(go_on_publishing, served.bus)
        assert await call(stream, url=served.url, count=2, types=("party_event",)) == 0
        tasks.cancel_scope.cancel()

    first, second = capsys.readouterr().out.splitlines()
    for line in (first, second):
        assert 'peer_joined peer_name="Ann\\u001b" party_name=LAN id=' in line


async def go_on_publishing(bus: EventBus) -> None:
    """Publish until it is cancelled, since there is no event for a new client of the feed."""
    while True:
        await bus.publish(PeerJoined(peer_name="Ann\x1b", party_name="LAN"))
        await anyio.sleep(0.05)


async def test_a_type_that_does_not_exist_cannot_be_followed(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve() as served:
        assert await call(stream, url=served.url, types=("peer_jond",)) == 1

    error = capsys.readouterr().err
    assert error.count("unknown event type 'peer_jond', did you mean 'peer_joined'?") == 1


class Command:
    """A command, running in a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdin = process.stdin
        self.out = BufferedByteReceiveStream(process.stdout)
        self.err = BufferedByteReceiveStream(process.stderr)

    async def wait_for(self, text: str) -> list[str]:
        """Wait until a line of stderr has a text, and return the lines up to there."""
        lines: list[str] = []
        while not lines or text not in lines[-1]:
            lines.append((await self.err.receive_until(b"\n", 100_000)).decode())

        return lines


@asynccontextmanager
async def running(*words: str, **environ: str) -> AsyncIterator[Command]:
    with anyio.fail_after(GUARD_SECONDS):
        process = await anyio.open_process(
            [COMMAND, *words], stdin=PIPE, stdout=PIPE, stderr=PIPE, env={**os.environ, **environ}
        )
        async with process:
            try:
                yield Command(process)
            finally:
                if process.returncode is None:
                    process.kill()


@asynccontextmanager
async def daemon(port: int, backend: str) -> AsyncIterator[Command]:
    """Run a daemon that writes events to stderr."""
    plugins: dict[str, object] = {"http": {"port": port}, "log": None}
    config = {"state_folder": "./state", "backend": backend, "plugins": plugins}
    await anyio.Path("lanrage.yaml").write_text(json.dumps(config), encoding="utf-8")
    async with running("run") as command:
        await command.wait_for("ready, with the plugins")
        yield command


def lines_of(*numbers: int) -> bytes:
    events = [
        {"type": "peer_joined", "peer_name": f"P{number}.", "party_name": "LAN"}
        for number in numbers
    ]
    return "".join(json.dumps(event) + "\n" for event in events).encode()


# Only the daemon's backend would differ, and each start of a process is dear.
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_ctrl_c_ends_a_pipe_and_reports_how_far_it_got(
    anyio_backend_name: str, free_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    async with (
        daemon(free_tcp_port, anyio_backend_name) as server,
        running("publish", "--file", "-", LANRAGE_EVENTS_URL=url) as command,
    ):
        await command.stdin.send(lines_of(1, 2, 3))
        await server.wait_for('"P3."')
        command.process.send_signal(signal.SIGINT)
        lines = await command.wait_for("interrupted")
        assert await command.process.wait() == 130

    assert lines == ["interrupted: stdin is done up to line 3, go on with --skip 3"]


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("anyio_backend", [("trio", {})], ids=["trio"])
async def test_ctrl_c_ends_the_stream_with_success(
    anyio_backend_name: str, free_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    event = {"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}
    async with (
        daemon(free_tcp_port, anyio_backend_name),
        running("stream", "--url", url) as feed,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        async with anyio.create_task_group() as tasks:

            async def go_on() -> None:
                while True:
                    await client.post("/api/events", json=event)
                    await anyio.sleep(0.05)

            tasks.start_soon(go_on)
            line = await feed.out.receive_until(b"\n", 100_000)
            assert b" peer_joined peer_name=Ann party_name=LAN id=" in line
            tasks.cancel_scope.cancel()

        feed.process.send_signal(signal.SIGINT)
        assert await feed.process.wait() == 0


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("anyio_backend", [("asyncio", {})], ids=["asyncio"])
async def test_a_restart_of_the_daemon_neither_loses_nor_repeats_a_line(
    anyio_backend_name: str, free_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    async with running("publish", "--file", "-", LANRAGE_EVENTS_URL=url) as command:
        async with daemon(free_tcp_port, anyio_backend_name) as server:
            await command.stdin.send(lines_of(*range(1, 101)))
            await server.wait_for('"P100."')
            server.process.terminate()
            assert await server.process.wait() == 0

        await command.stdin.send(lines_of(*range(101, 201)))
        await command.wait_for("; trying again in ")
        async with daemon(free_tcp_port, anyio_backend_name) as server:
            lines = await server.wait_for('"P200."')
            await command.stdin.aclose()
            assert await command.process.wait() == 0
            assert await command.out.receive() == b"200 events published\n"

    found = re.findall(r'"(P\d+)\."', "".join(lines))
    assert found == [f"P{number}" for number in range(101, 201)]
