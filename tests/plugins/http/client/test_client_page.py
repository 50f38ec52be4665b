"""The programs of docs/client.md, run beside a daemon."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from blocks import written

from lanrage_events import Event, PeerJoined

Serve = Callable[..., AbstractAsyncContextManager[Any]]

PAGE = written((Path(__file__).parents[4] / "docs" / "client.md").read_text("utf-8"))


def programs() -> list[tuple[str, str]]:
    """Return each block of Python with the output that follows it."""
    blocks = [part.split("\n", 1) for part in PAGE.split("```")[1::2]]
    return [
        (block[1], after[1])
        for block, after in pairwise(blocks)
        if (block[0], after[0]) == ("python", "text")
    ]


def test_the_programs_are_found() -> None:
    assert len(programs()) == PAGE.count("```python") == 2


@pytest.mark.real_clock
@pytest.mark.parametrize("number", range(2))
async def test_a_program_prints_what_stands_below_it(
    number: int,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, output = programs()[number]
    path = tmp_path / "program.py"
    path.write_text(source, "utf-8")
    published: list[Event] = []
    async with serve() as served:
        served.bus.subscribe(PeerJoined, published.append)
        monkeypatch.setenv("LANRAGE_EVENTS_URL", served.url)
        await anyio.to_thread.run_sync(runpy.run_path, str(path))
        await served.bus.drain()

    assert capsys.readouterr().out == output
    assert len(published) == 1
