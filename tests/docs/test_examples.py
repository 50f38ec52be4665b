"""The programs in docs/examples, run as a reader would run them."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import anyio
import anyio.to_thread
import httpx
import pytest
import respx

from lanrage_events import PeerJoined
from lanrage_events.abc import HookCall

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
EMBEDDING = (ROOT / "docs" / "embedding.md").read_text("utf-8")
WEBHOOK_URL = (
    "https://discord.com/api/webhooks/123456789012345678/"
    "made-up-token-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"
)
TIMEOUT_SECONDS = 30


def load(name: str) -> ModuleType:
    path = EXAMPLES / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"docs_example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def test_every_example_is_shown_and_tried() -> None:
    shown = re.findall(r"^<!-- generated: file examples/(\w+)\.py -->$", EMBEDDING, re.MULTILINE)
    tests = [Path(__file__), Path(__file__).with_name("test_frameworks.py")]
    source = "".join(path.read_text("utf-8") for path in tests)
    tried = re.findall(r'(?:load|start)\("(\w+)"', source)
    names = {path.stem for path in EXAMPLES.glob("embed_*.py")}

    assert set(shown) == names
    assert set(tried) == names


@pytest.mark.real_clock
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_lobby_on_asyncio_tells_who_comes_and_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load("embed_asyncio").main, port)
        with anyio.fail_after(TIMEOUT_SECONDS):
            player = await connect(port)
            async with player:
                await player.send(b"Ann\n")
                await player.send_eof()
                with pytest.raises(anyio.EndOfStream):
                    await player.receive()

        tasks.cancel_scope.cancel()

    assert capsys.readouterr().out == "Ann came in\nAnn left\n"


async def connect(port: int) -> anyio.abc.SocketStream:
    while True:
        try:
            return await anyio.connect_tcp("127.0.0.1", port)
        except OSError:  # it does not listen yet
            await anyio.lowlevel.checkpoint()


@pytest.mark.slow
@pytest.mark.real_clock
def test_the_tournament_on_trio_tells_its_games() -> None:
    with start("embed_trio") as process:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, err) == (0, "")
    lines = out.splitlines()
    assert set(lines[:2]) == {"Quake begins", "Trackmania begins"}
    assert lines[2:] == ["Quake is over", "Trackmania is over"]


@pytest.mark.slow
@pytest.mark.real_clock
def test_the_game_in_a_thread_publishes_and_ends() -> None:
    with start("embed_thread") as process:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == ["published game_started", "published game_ended"]


@pytest.mark.real_clock
def test_the_game_in_a_thread_tells_discord(tmp_path: Path) -> None:
    example = load("embed_thread")
    with respx.mock:
        route = respx.post(url__startswith=WEBHOOK_URL.replace("/api/", "/api/v10/"))
        route.respond(200, json={"id": "1", "channel_id": "2"})
        with example.start_events(WEBHOOK_URL, tmp_path) as events:
            example.game(events, frames=1)

    posted = "".join(call.request.content.decode() for call in route.calls)
    assert "Game Started: Pong" in posted
    assert "Pong" in posted.partition("Game Started: Pong")[2]


async def test_the_application_of_starlette_publishes_what_is_posted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = load("embed_starlette")
    async with example.lifespan(example.app) as state:

        async def app(scope: dict[str, object], receive: object, send: object) -> None:
            # What a server does with that which the lifespan gives.
            await example.app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(app)  # type: ignore[arg-type] # its types are narrower
        async with httpx.AsyncClient(transport=transport, base_url="http://lan") as client:
            event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
            taken = await client.post("/events", content=event.to_json())
            refused = await client.post("/events", content=json.dumps({"type": "peer_joined"}))

    assert (taken.status_code, taken.json()) == (202, {"id": event.id})
    assert refused.status_code == 422
    assert "peer_name" in refused.json()["problem"]
    assert capsys.readouterr().out == "Ann signed up\n"


@pytest.mark.slow
@pytest.mark.real_clock
def test_the_histogram_counts_the_hooks_of_a_program() -> None:
    with start("embed_histogram") as process:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"doorbell <=0.001: 0 <=0.01: 0 <=0.1: \d <=1: \d <=inf: 2\n", out)


def test_the_histogram_has_each_call_in_its_bucket_and_in_those_above() -> None:
    latency = load("embed_histogram").HookLatency()
    event = PeerJoined(peer_name="Ann", party_name="Friday LAN")
    for seconds in (0.0005, 0.01, 0.05, 30):
        latency.hook_ended(HookCall("greeter", "peer_joined", [event]), seconds, None)

    latency.hook_ended(HookCall("greeter", "health"), 1, None)
    [metric] = latency.metrics()
    [sample] = metric.samples
    assert sample.buckets == [(0.001, 1), (0.01, 2), (0.1, 3), (1.0, 3), (math.inf, 4)]
    assert sample.value == pytest.approx(30.0605)
    assert sample.labels == {"of": "greeter"}
