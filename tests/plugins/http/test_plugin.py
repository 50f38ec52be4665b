from __future__ import annotations

import errno
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from pydantic import SecretStr

import lanrage_events_http
from lanrage_events import EventBus, Notification, PluginStartError
from lanrage_events.cli import install_command
from lanrage_events.config import ConfigError
from lanrage_events_http import HTTPConfig, HTTPPlugin
from lanrage_events_http._server import listen, port_of

pytestmark = pytest.mark.real_clock

Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]

TOKEN = "correct-horse-battery"


def metric(plugin: HTTPPlugin, name: str) -> dict[str, float]:
    (found,) = [metric for metric in plugin.metrics() if metric.name == name]
    return {sample.labels.get("status", ""): sample.value for sample in found.samples}


async def test_serves_while_the_bus_runs(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lanrage_events_http")
    async with serve() as served, httpx.AsyncClient() as client:
        assert served.plugin.url == f"http://127.0.0.1:{served.port}/"
        assert (await client.get(served.plugin.url)).status_code == 200
        for _ in range(10):
            assert (await client.get(f"{served.url}/api/plugins")).status_code == 200

        health = served.bus.health()["http"]
        assert (health.status, health.detail) == ("ok", f"the page is at {served.plugin.url}")

    assert served.plugin.url is None
    records = [record for record in caplog.records if record.name.startswith("lanrage_events_http")]
    assert [record.getMessage() for record in records] == [
        f"plugin 'http': the page is at http://127.0.0.1:{served.port}/"
    ]


async def test_input_is_recorded_under_the_name_of_the_plugin() -> None:
    plugin = HTTPPlugin(HTTPConfig(port=0))
    bus = EventBus()
    bus.register(plugin, "intake")
    async with bus, httpx.AsyncClient() as client:
        event = {"type": "notification", "title": "Pizza", "message": "is here"}
        response = await client.post(f"{plugin.url}api/events", json=event)
        assert response.status_code == 202
        assert bus.statistics().seconds_since_input.keys() == {"intake"}


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::1", "localhost", "0.0.0.0", "::"])
async def test_serves_on_other_hosts(host: str, serve: Serve) -> None:
    async with serve(host=host, token=TOKEN) as served, httpx.AsyncClient() as client:
        assert served.plugin.url is not None
        assert (await client.get(f"{served.plugin.url}healthz")).status_code == 200


async def test_what_is_published_reaches_the_feed(serve: Serve) -> None:
    async with serve() as served, await anyio.connect_tcp("127.0.0.1", served.port) as stream:
        await stream.send(
            f"GET /api/events/stream HTTP/1.1\r\nHost: localhost:{served.port}\r\n\r\n".encode()
        )
        received = await stream.receive()
        await served.bus.publish(Notification(title="Pizza", message="is here"))
        with anyio.fail_after(10):
            while b"Pizza" not in received:
                received += await stream.receive()

        assert b"event: notification\n" in received


async def test_the_feed_ends_when_the_bus_does(serve: Serve) -> None:
    begun = anyio.Event()
    ended = anyio.Event()
    async with anyio.create_task_group() as tasks:
        async with serve() as served:

            async def follow() -> None:
                async with (
                    httpx.AsyncClient(timeout=20) as client,
                    client.stream("GET", f"{served.url}/api/events/stream") as response,
                ):
                    begun.set()
                    async for _ in response.aiter_bytes():
                        pass

                ended.set()

            tasks.start_soon(follow)
            await begun.wait()

        with anyio.fail_after(10):
            await ended.wait()


async def test_before_and_after_it_takes_events_without_a_word() -> None:
    plugin = HTTPPlugin(HTTPConfig())
    plugin.event(Notification(title="a", message="b"))

    assert plugin.health().status == "degraded"
    assert metric(plugin, "http_answers") == {}


@pytest.mark.slow
async def test_too_many_connections_degrade_the_health(serve: Serve) -> None:
    async with serve(max_connections=2, max_streams=1) as served:
        first = await anyio.connect_tcp("127.0.0.1", served.port)
        second = await anyio.connect_tcp("127.0.0.1", served.port)
        third = await anyio.connect_tcp("127.0.0.1", served.port)
        with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)), anyio.fail_after(10):
            await third.receive()

        health = served.bus.health()["http"]
        assert (health.status, health.detail) == (
            "degraded",
            (
                "new connections of 127.0.0.1 are closed: 127.0.0.1 has 2 connections, and one address "
                "may not have more; close some, or raise 'max_connections'"
            ),
        )
        assert metric(served.plugin, "http_connections") == {"": 2}
        assert metric(served.plugin, "http_connections_accepted") == {"": 2}
        assert metric(served.plugin, "http_connections_refused") == {"": 1}
        assert metric(served.plugin, "http_connections_cut_off") == {"": 0}
        for stream in (first, second, third):
            await stream.aclose()


async def test_answers_are_counted(serve: Serve) -> None:
    async with serve() as served, httpx.AsyncClient() as client:
        await client.get(f"{served.url}/healthz")
        await client.get(f"{served.url}/nothing")
        await client.get(f"{served.url}/nothing")

        assert metric(served.plugin, "http_answers") == {"2xx": 1, "4xx": 2}


async def test_a_port_in_use_stops_the_start_with_one_line() -> None:
    (listener,) = await listen("127.0.0.1", 0)
    port = port_of([listener])
    bus = EventBus()
    bus.register(HTTPPlugin(HTTPConfig(port=port)), "http")
    async with listener:
        with pytest.raises(PluginStartError) as caught:
            async with bus:
                raise AssertionError

    assert f"port: 127.0.0.1:{port} is in use by another program" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ConfigError)


@pytest.mark.slow
async def test_an_error_of_the_server_restarts_the_plugin_only(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create = anyio.create_tcp_listener
    listeners: list[Any] = []

    async def create_listener(**options: Any) -> Any:
        listeners.append(await create(**options))
        return listeners[-1]

    monkeypatch.setattr(anyio, "create_tcp_listener", create_listener)
    async with serve() as served:
        first = served.plugin.url
        # As if the system had taken the socket away; the next accept fails.
        (listener,) = listeners[0].listeners

        async def fail() -> Any:
            raise OSError(errno.EBADF, "the socket is gone")

        monkeypatch.setattr(listener, "accept", fail)
        await (await anyio.connect_tcp("127.0.0.1", served.port)).aclose()
        with anyio.fail_after(20):
            while served.plugin.url in (None, first):
                await served.bus.publish(Notification(title="still", message="here"))
                await anyio.sleep(0.01)

        assert served.bus.statistics().plugins["http"].restarts == 1

        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{served.plugin.url}healthz")).status_code == 200

    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "plugin 'http' failed and restarts in 1 seconds" in record.getMessage()
    assert "the socket is gone" in record.getMessage()


async def test_a_stop_without_time_cuts_off_at_once() -> None:
    bus = EventBus(drain_timeout=0.1)
    plugin = HTTPPlugin(HTTPConfig(port=0))
    bus.register(plugin, "http")
    with anyio.fail_after(8):  # less than a first request may take
        async with bus:
            stream = await anyio.connect_tcp("127.0.0.1", httpx.URL(plugin.url or "").port or 0)
            await stream.send(b"POST /api/events HTTP/1.1\r\nHost: localhost\r\n")

    await stream.aclose()


async def test_another_one_can_take_its_place(serve: Serve) -> None:
    async with serve() as served:
        replacement = HTTPPlugin(HTTPConfig(port=served.port, token=SecretStr(TOKEN)))
        await served.bus.plugins.replace("http", replacement)
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{served.url}/api/plugins")).status_code == 401
            friend = {"authorization": f"Bearer {TOKEN}"}
            response = await client.get(f"{served.url}/api/plugins", headers=friend)
            assert response.status_code == 200


async def test_the_token_is_in_no_answer_and_no_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    friend = {"authorization": f"Bearer {TOKEN}"}
    async with serve(token=TOKEN) as served, httpx.AsyncClient(headers=friend) as client:
        for path in ("/", "/api/plugins", "/api/openapi.json", "/metrics", "/login", f"/{TOKEN}"):
            response = await client.get(f"{served.url}{path}")
            assert TOKEN not in response.text + str(response.headers)

        bad = await client.post(
            f"{served.url}/api/events", json={"type": TOKEN, "token": TOKEN, TOKEN: 1}
        )
        assert TOKEN not in bad.text

    ours = [record for record in caplog.records if record.name.startswith("lanrage")]
    assert not [record for record in ours if TOKEN in record.getMessage()]


WITHOUT = """
import sys

sys.modules[{module!r}] = None
from lanrage_events.__main__ import main

sys.argv = ["lanrage-events", "check", {file!r}]
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["anycorn", "starlette"])
def test_a_missing_extra_is_reported_in_one_line(module: str, tmp_path: Path) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text("plugins: {http: }\n", encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module, file=str(file))],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )

    assert checked.returncode == 78
    line, count = checked.stdout.strip().splitlines()
    assert count == f"{file}: 1 error"
    assert line.startswith(f"{file}:1:11: plugins.http: ")
    assert f"the package '{module}' is missing: {install_command('http')}" in line


def test_what_is_public_says_where_it_is() -> None:
    for name in ("HTTPConfig", "HTTPPlugin"):
        assert name in dir(lanrage_events_http)
        assert getattr(lanrage_events_http, name).__module__ == "lanrage_events_http"

    with pytest.raises(AttributeError, match="no attribute 'HTTPServer'"):
        lanrage_events_http.HTTPServer  # type: ignore[attr-defined]  # noqa: B018 - it must raise


@pytest.mark.slow
def test_the_commands_need_no_server() -> None:
    code = "import sys, lanrage_events_http.commands; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert not {"anycorn", "starlette"} & set(loaded.stdout.split())
