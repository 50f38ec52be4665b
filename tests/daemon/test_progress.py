from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from lanrage_events import Event, EventBus, Health, hookimpl
from lanrage_events._daemon import LineFeed, LogHandler, Progress

ANN = b'{"type": "peer_joined", "peer_name": "Ann", "party_name": "LAN"}\n'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        return [text.rstrip() for text in self.getvalue().split("\r")]


class Plugin:
    """Has events that it has not delivered, and a mailbox that waits for a test."""

    when_full = "block"

    def __init__(self) -> None:
        self.opened = anyio.Event()
        self.said = Health()

    @hookimpl
    async def event(self, event: Event) -> None:
        await self.opened.wait()

    @hookimpl
    def health(self) -> Health:
        return self.said


class Case:
    """A progress that is shown while a test sends lines."""

    def __init__(self, stream: io.StringIO) -> None:
        self.plugin = Plugin()
        self.bus = EventBus(drain_timeout=0)
        self.bus.register(self.plugin, "discord")
        self.feed = LineFeed(self.bus)
        self.handler = LogHandler(stream)
        self.progress = Progress(self.bus, self.feed, self.handler)


@asynccontextmanager
async def running(case: Case) -> AsyncIterator[anyio.abc.ObjectSendStream[bytes]]:
    send, receive = anyio.create_memory_object_stream[bytes](100)
    async with send, receive, case.bus, anyio.create_task_group() as tasks:
        tasks.start_soon(case.progress.run)
        tasks.start_soon(case.feed.run, receive)
        yield send
        tasks.cancel_scope.cancel()


async def test_it_says_what_was_read_and_what_is_not_delivered_yet() -> None:
    case = Case(io.StringIO())
    async with running(case) as send:
        await send.send(ANN * 1001 + b"bad\n")
        await wait_all_tasks_blocked()
        # One event is in hand, and no longer in the mailbox.
        case.plugin.said = Health("ok", "Discord's rate limit\x1b[2J", 1)
        assert case.progress.text() == (
            "1,001 events read, 1 bad line, still to deliver: "
            "discord 1,001 (Discord's rate limit\\u001b[2J)"
        )
        case.plugin.said = Health()
        case.plugin.opened.set()
        await case.bus.drain()
        assert case.progress.text() == "1,001 events read, 1 bad line"


async def test_a_terminal_gets_a_line_that_is_written_over() -> None:
    terminal = Terminal()
    case = Case(terminal)
    async with running(case) as send:
        await send.send(ANN)
        await anyio.sleep(0.3)
        assert terminal.shown[-1] == "1 event read"

    assert terminal.shown[-1] == ""


async def test_elsewhere_it_is_logged_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream = io.StringIO()
    case = Case(stream)
    async with running(case) as send:
        await send.send(ANN * 3)
        await anyio.sleep(25)
        assert caplog.messages == ["3 events read, still to deliver: discord 2"] * 2
        case.plugin.opened.set()
        await anyio.sleep(10)
        assert caplog.messages[2:] == ["3 events read"]

    assert stream.getvalue() == ""


async def test_there_is_no_timer_while_there_is_nothing_to_tell() -> None:
    terminal = Terminal()
    case = Case(terminal)
    case.plugin.opened.set()
    async with running(case) as send:
        await anyio.sleep(100)
        assert terminal.shown == [""]
        await send.send(ANN)
        await anyio.sleep(100)
        assert terminal.shown == ["", "1 event read"]
        await send.send(ANN)
        await anyio.sleep(100)
        assert terminal.shown == ["", "1 event read", "2 events read"]


async def test_after_the_end_of_the_input_it_goes_on_until_it_is_cancelled() -> None:
    terminal = Terminal()
    case = Case(terminal)
    case.plugin.opened.set()
    async with running(case) as send:
        await send.aclose()
        await anyio.sleep(1.1)
        await checkpoint()
        assert len(terminal.shown) > 4
