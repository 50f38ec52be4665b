"""Health probes of software that others wrote, against the running program."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path
from subprocess import DEVNULL

import anyio
import pytest
from anyio.abc import SocketAttribute

from . import _daemons

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "made-up-token-0123456789abcdef"
HAPROXY = shutil.which("haproxy")

PROBES = {
    "haproxy's default version": "GET /readyz HTTP/1.0",
    "haproxy with a Host": "GET /readyz HTTP/1.1\r\nHost: backend.example",
    "Kubernetes": "GET /healthz HTTP/1.1\r\nHost: 10.42.0.17:8666\r\nUser-Agent: kube-probe/1.31",
    "absolute form": "GET http://10.42.0.17:8666/healthz HTTP/1.1\r\nHost: 10.42.0.17:8666",
    "absolute form of HTTP/1.0": "GET http://10.42.0.17/readyz?full=1 HTTP/1.0",
    "HEAD": "HEAD /healthz HTTP/1.0",
    "an empty Host": "GET /healthz HTTP/1.1\r\nHost: ",
}
GUARDED = {
    "the API without Host": "GET /api/plugins HTTP/1.0",
    "the API with a foreign Host": "GET /api/plugins HTTP/1.1\r\nHost: evil.example",
    "the page with a foreign Host": "GET / HTTP/1.1\r\nHost: evil.example",
    "the API in absolute form": "GET http://evil.example/api/plugins HTTP/1.1\r\nHost: evil.example",
    "metrics": "GET /metrics HTTP/1.0",
    "a change": "POST /healthz HTTP/1.1\r\nHost: evil.example",
    "another path": "GET /healthz/ HTTP/1.1\r\nHost: evil.example",
    "two slashes": "GET //healthz HTTP/1.1\r\nHost: evil.example",
    "two Hosts": "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b",
}


def write_config(folder: Path) -> str:
    file = folder / "probes.yaml"
    file.write_text(
        f"state_folder: {folder / 'state'}\nplugins: {{log: , http: {{port: 0, token: {TOKEN}}}}}",
        "utf-8",
    )
    return str(file)


async def port_of(daemon: _daemons.RunningDaemon) -> int:
    await daemon.wait_for("ready, with the plugins")
    match = re.search(r"http://[^:]+:(\d+)/", daemon.log)
    assert match is not None
    return int(match[1])


async def ask(port: int, head: str) -> str:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(f"{head}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        try:
            while True:
                answer += await stream.receive()
        except anyio.EndOfStream:
            return answer.decode()


@pytest.mark.either_backend
async def test_probes_are_answered_and_nothing_else(tmp_path: Path) -> None:
    async with _daemons.running("run", write_config(tmp_path)) as daemon:
        port = await port_of(daemon)
        answered = {name: await ask(port, head) for name, head in PROBES.items()}
        guarded = {name: await ask(port, head) for name, head in GUARDED.items()}

    assert {name: text for name, text in answered.items() if " 200 " not in text} == {}
    assert {
        name for name, text in guarded.items() if not re.match("HTTP/1.1 4(00|21|01) ", text)
    } == set()


@pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
@pytest.mark.either_backend
async def test_haproxy_takes_the_daemon_for_alive_until_it_stops(tmp_path: Path) -> None:
    assert HAPROXY is not None
    admin = tmp_path / "admin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        front = free.getsockname()[1]

    async with _daemons.running("run", write_config(tmp_path)) as daemon:
        port = await port_of(daemon)
        config = tmp_path / "haproxy.cfg"
        config.write_text(
            f"""
            global
                stats socket {admin} level admin
            defaults
                mode http
                timeout connect 5s
                timeout client 5s
                timeout server 5s
            frontend in
                bind 127.0.0.1:{front}
                default_backend plain
            backend plain
                option httpchk GET /readyz
                server one 127.0.0.1:{port} check inter 100ms fall 1 rise 1
            backend named
                option httpchk
                http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host backend.example
                server two 127.0.0.1:{port} check inter 100ms fall 1 rise 1
            """.replace("\n            ", "\n"),
            "utf-8",
        )
        proxy = await anyio.open_process(
            [HAPROXY, "-db", "-f", str(config)], stdout=DEVNULL, stderr=DEVNULL
        )
        try:
            up = await wait_for_states(admin, {"UP"}, "L7OK")
            daemon.process.terminate()
            assert await daemon.wait() == 0
            down = await wait_for_states(admin, {"DOWN"}, "L4CON")
        finally:
            proxy.terminate()
            await proxy.wait()

    assert up == down == {"one", "two"}


async def wait_for_states(admin: Path, states: set[str], check: str) -> set[str]:
    """Wait until haproxy has found both servers in a state by a check; return their names."""
    while True:
        found = await server_states(admin)
        if len(found) == 2 and all(
            state in states and last == check for state, last in found.values()
        ):
            return set(found)


async def server_states(admin: Path) -> dict[str, tuple[str, str]]:
    try:
        stream = await anyio.connect_unix(admin)
    except OSError:  # it has not started yet
        return {}

    async with stream:
        assert stream.extra(SocketAttribute.family) == socket.AF_UNIX
        await stream.send(b"show stat\n")
        text = b""
        try:
            while True:
                text += await stream.receive()
        except anyio.EndOfStream:
            pass

    lines = [line.split(",") for line in text.decode().lstrip("# ").splitlines() if line]
    names = lines[0]
    rows = [dict(zip(names, line, strict=False)) for line in lines[1:]]
    return {
        row["svname"]: (row["status"], row["check_status"].removeprefix("* "))
        for row in rows
        if row["svname"] in ("one", "two")
    }
