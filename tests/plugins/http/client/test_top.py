from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events_http._client import DaemonClient, DaemonError, parse_url
from lanrage_events_http._top import Top

HOSTILE = "a\x1b[2J\n\u202eb\x07[bold]c[/bold]"
COMMAND = (sys.executable, "-m", "lanrage_events")

Handler = Callable[[httpx.Request], httpx.Response]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def plugin(name: str, **more: Any) -> dict[str, Any]:
    numbers = dict.fromkeys(
        ("pending", "handled", "failed", "dropped", "restarts", "undelivered"), 0
    )
    return {"name": name, "state": "running", "status": "ok", "detail": "", **numbers, **more}


def daemon(
    plugins: list[dict[str, Any]],
    outboxes: list[dict[str, Any]],
    statuses: dict[str, dict[str, Any]] | None = None,
) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/plugins":
            return httpx.Response(200, json={"plugins": plugins})

        if path == "/api/outbox":
            return httpx.Response(200, json={"outboxes": outboxes})

        status = (statuses or {}).get(path.split("/")[2])
        return httpx.Response(200 if status else 404, json=status or {"detail": "nothing here"})

    return answer


def lane(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "state": "idle", "reason": "", "pending": 0, "sent": 0, **more}


def stored(name: str, **more: Any) -> dict[str, Any]:
    rest = {"pending": 0, "dead": 0, "postponed_until": None, "until_resumed": False}
    return {"name": name, "last_error": "", **rest, **more}


DISCORD = daemon(
    [plugin("discord", status="degraded", detail="1 event is waiting", handled=1_234, dropped=5)],
    [{"plugin": "discord", "problem": None, "lanes": [stored("lan", pending=2, dead=3)]}],
    {
        "discord": {
            "lanes": [lane("lan", state="retrying", pending=2, sent=40, reason="no network")]
        }
    },
)


def top(handler: Handler, out: io.StringIO, **options: Any) -> Top:
    transport = httpx.MockTransport(handler)
    return Top(
        lambda: DaemonClient(parse_url("http://lan:1"), transport=transport), out=out, **options
    )


async def shown(handler: Handler) -> list[list[str]]:
    out = io.StringIO()
    await top(handler, out).run()
    return [
        re.split(r" {2,}", line.strip()) for line in out.getvalue().splitlines() if line.strip()
    ]


async def test_without_a_terminal_it_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert await shown(DISCORD) == [
        ["PLUGIN", "STATE", "PENDING", "HANDLED", "FAILED", "DROPPED", "WHY"],
        ["discord", "degraded", "0", "1,234", "0", "5", "1 event is waiting"],
        ["LANE", "STATE", "WAITING", "SENT", "DEAD", "WHY"],
        ["discord lan", "retrying", "2", "40", "3", "no network"],
    ]


async def test_an_outbox_without_a_status_is_shown_as_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    lanes = [stored("a", pending=7, last_error="busy", until_resumed=True), stored("b", dead=1)]
    lines = await shown(
        daemon([plugin("mail")], [{"plugin": "mail", "problem": "disk full", "lanes": lanes}])
    )

    assert lines[3:] == [
        ["mail a", "waiting", "7", "0", "busy"],
        ["mail b", "idle", "0", "1"],
        ["mail", "failed", "0", "0", "disk full"],
    ]


async def test_hostile_names_steer_nothing() -> None:
    out = io.StringIO()
    bad = daemon(
        [plugin(HOSTILE, detail=HOSTILE * 100)],
        [{"plugin": "x", "problem": HOSTILE, "lanes": [stored(HOSTILE, last_error=HOSTILE)]}],
        {"x": {"lanes": [lane(HOSTILE, state=HOSTILE, reason=HOSTILE, pending="many", sent=None)]}},
    )
    await top(bad, out).run()

    assert all(line.isprintable() for line in out.getvalue().splitlines())
    assert "[bold]" in out.getvalue()


@pytest.mark.parametrize("data", [{}, {"plugins": 1, "outboxes": [1, None, {"lanes": "x"}]}])
async def test_an_answer_without_sense_is_shown_as_nothing(data: dict[str, Any]) -> None:
    out = io.StringIO()
    await top(lambda request: httpx.Response(200, json=data), out).run()

    assert "PLUGIN" in out.getvalue()


async def test_a_daemon_that_never_answered_is_an_error() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(DaemonError, match="no daemon answers"):
        await top(fail, Terminal()).run()


async def test_it_says_that_the_daemon_is_gone_and_goes_on_when_it_is_back() -> None:
    state = {"is_away": False}
    out = Terminal()

    def answer(request: httpx.Request) -> httpx.Response:
        if state["is_away"]:
            raise httpx.ConnectError("refused")

        return DISCORD(request)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(top(answer, out).run)
        await anyio.sleep(2.5)
        assert "is gone" not in out.getvalue()
        state["is_away"] = True
        await anyio.sleep(30)
        gone = out.getvalue()
        assert "the daemon at http://lan:1 is gone; trying again in" in gone
        assert "discord" in gone[gone.rindex("is gone") :]  # what was seen last stays
        state["is_away"] = False
        await anyio.sleep(6)
        back = out.getvalue()[len(gone) :]
        assert "is gone" not in back[back.rindex("Ctrl-C ends") :]
        tasks.cancel_scope.cancel()

    assert "\x1b[?1049l" in out.getvalue()  # the screen is as it was before


async def test_a_token_that_is_taken_back_ends_it() -> None:
    answers = iter([DISCORD] * 3)

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers, lambda request: httpx.Response(401, json={"title": "x"}))(request)

    with anyio.fail_after(10), pytest.raises(DaemonError, match="requires its token"):
        await top(answer, Terminal()).run()


def read_until(fd: int, text: str, seen: str = "") -> str:
    while text not in seen:
        assert select.select([fd], [], [], 50)[0], f"no {text!r} in {seen!r}"
        with suppress(OSError):
            seen += os.read(fd, 65_536).decode()

    return seen


@pytest.mark.real_clock
@pytest.mark.slow
def test_a_real_daemon_in_a_real_terminal(tmp_path: Any) -> None:
    config = tmp_path / "lan.yaml"
    config.write_text(
        f"state_folder: {tmp_path / 'state'}\nplugins: {{log: , http: {{port: 0}}}}", "utf-8"
    )
    daemon = subprocess.Popen([*COMMAND, "run", str(config)], stderr=subprocess.PIPE, text=True)
    assert daemon.stderr is not None
    log = ""
    while "ready" not in log:
        log += daemon.stderr.readline()

    match = re.search(r"http://[^:]+:(\d+)/", log)
    assert match is not None
    url = f"http://127.0.0.1:{match[1]}"
    once = subprocess.run(
        [*COMMAND, "top", "--url", url], check=True, capture_output=True, text=True
    )
    assert "log" in once.stdout
    assert "\x1b" not in once.stdout

    master, slave = pty.openpty()
    watcher = subprocess.Popen(
        [*COMMAND, "top", "--url", url], stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    try:
        read_until(master, "Ctrl-C ends")
        daemon.terminate()
        daemon.communicate(timeout=50)
        read_until(master, "trying again")
        watcher.send_signal(signal.SIGINT)
        rest = read_until(master, "\x1b[?1049l")
        assert watcher.wait(50) == 0
        assert "Traceback" not in rest
    finally:
        for process in (daemon, watcher):
            if process.poll() is None:
                process.kill()
                process.wait()

        os.close(master)
