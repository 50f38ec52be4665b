"""The recipes of docs/embedding.md, with the frameworks that they are for."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import EventBus, PeerJoined
from lanrage_events_http import HTTPConfig, HTTPPlugin

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TIMEOUT_SECONDS = 60
REASON = "the extra 'frameworks' is not installed"

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
    # discord.py imports it where there is one.
    pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning"),
]


def load(name: str, *frameworks: str) -> Any:
    """Return the variables of an example, unless a framework that it needs is not installed."""
    for framework in frameworks:
        pytest.importorskip(framework, reason=REASON)

    import importlib.util

    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # frameworks look up annotations there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]

    return module


async def in_a_task(work: Any) -> None:
    await asyncio.create_task(work)


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application with uvicorn, and yield its address."""
    uvicorn = pytest.importorskip("uvicorn", reason=REASON)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        with anyio.fail_after(TIMEOUT_SECONDS):
            while not server.started:
                await anyio.lowlevel.checkpoint()

        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True


@pytest.mark.slow
async def test_fastapi(capsys: pytest.CaptureFixture[str]) -> None:
    example = load("embed_fastapi", "fastapi")
    async with served(example.app) as url, httpx.AsyncClient() as client:
        answer = await client.post(f"{url}/players/Ann")

    assert answer.status_code == 202
    assert list(answer.json()) == ["id"]
    assert "Ann signed up\n" in capsys.readouterr().out


@pytest.mark.slow
async def test_aiohttp(capsys: pytest.CaptureFixture[str]) -> None:
    example = load("embed_aiohttp", "aiohttp")
    from aiohttp.test_utils import TestServer

    server = TestServer(example.make_app())
    await in_a_task(server.start_server())
    async with httpx.AsyncClient() as client:
        assert (await client.post(str(server.make_url("/players/Ann")))).status_code == 202

    await in_a_task(server.close())
    assert capsys.readouterr().out == "Ann signed up\n"


@pytest.mark.slow
async def test_discord_py(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = load("embed_discord", "discord")
    from aiohttp import web
    from aiohttp.test_utils import TestServer
    from discord.http import Route

    async def answer(request: web.Request) -> web.Response:
        person: dict[str, Any] = {
            "id": "1",
            "username": "bot",
            "discriminator": "0",
            "avatar": None,
        }
        about: dict[str, Any] = {
            "name": "bot",
            "description": "",
            "icon": None,
            "summary": "",
            "team": None,
        }
        about |= {"bot_public": True, "bot_require_code_grant": False, "verify_key": "", "flags": 0}
        data = {**person, **about, "owner": person}
        # discord.py wants just this type, without a charset.
        return web.Response(
            body=json.dumps(data).encode(), headers={"Content-Type": "application/json"}
        )

    discord = web.Application()
    discord.add_routes([web.get("/{path:.*}", answer)])
    server = TestServer(discord)
    await server.start_server()
    monkeypatch.setattr(Route, "BASE", str(server.make_url("/api/v10")))
    bot = example.LanBot()
    await in_a_task(bot.login("made-up"))  # which calls setup_hook
    await bot.bus.publish(PeerJoined(peer_name="Ann", party_name="Friday LAN"))
    await in_a_task(bot.close())
    await in_a_task(bot.close())
    await server.close()
    assert capsys.readouterr().out == "Ann joined\n"
    with pytest.raises(anyio.ClosedResourceError):
        await bot.bus.publish(PeerJoined(peer_name="Bob", party_name="Friday LAN"))


@pytest.mark.slow
async def test_textual() -> None:
    app = load("embed_textual", "textual").Lobby()
    async with app.run_test() as pilot:
        await pilot.press("j")
        await app.bus.drain()
        assert "Ann is here" in app.lines.lines

    with pytest.raises(anyio.ClosedResourceError):
        await app.bus.publish(PeerJoined(peer_name="Bob", party_name="Friday LAN"))


@pytest.mark.slow
async def test_several_workers_of_uvicorn_publish_in_one_daemon() -> None:
    load("embed_workers", "fastapi", "uvicorn")
    names: list[str] = []
    plugin = HTTPPlugin(HTTPConfig(port=0))
    bus = EventBus()
    bus.register(plugin, "http")
    bus.subscribe(PeerJoined, lambda event: names.append(event.peer_name))
    async with bus:
        assert plugin.url is not None
        env = {**os.environ, "LANRAGE_EVENTS_URL": plugin.url}
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

        command = [sys.executable, "-m", "uvicorn", "--workers", "2", "--port", str(port)]
        command += ["--no-access-log", "--app-dir", str(EXAMPLES), "embed_workers:app"]
        async with await anyio.open_process(command, env=env, stdout=None) as process:
            try:
                with anyio.fail_after(TIMEOUT_SECONDS):
                    await both_run(process)
                    sent = await sign_up_until_both_answer(f"http://127.0.0.1:{port}")
            finally:
                process.terminate()
                await process.wait()

        await bus.drain()

    assert sorted(names) == sorted(sent)


async def both_run(process: anyio.abc.Process) -> None:
    assert process.stderr is not None
    log = b""
    while log.count(b"startup complete") < 2:
        log += await process.stderr.receive()


async def sign_up_until_both_answer(url: str) -> list[str]:
    """Send requests until both processes have answered some, and return the names."""
    sent: list[str] = []
    processes: set[int] = set()

    async def sign_up(name: str) -> None:
        # Another connection each time, which another process may accept.
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = await client.post(f"{url}/players/{name}")

        assert answer.status_code == 202
        processes.add(answer.json()["process"])

    while len(processes) < 2:
        names = [str(len(sent) + number) for number in range(4)]
        sent += names
        async with anyio.create_task_group() as tasks:
            for name in names:
                tasks.start_soon(sign_up, name)

    return sent
