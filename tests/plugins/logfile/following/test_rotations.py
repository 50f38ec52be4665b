from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What happens to the file: a line in pieces, and ways of rotating it.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("line"), st.integers(1, 60)),
        st.sampled_from(
            [
                ("rename", 0),
                ("copy and truncate", 0),
                ("restart", 0),
                ("restart, renamed", 0),
                ("restart, packed", 0),
                ("restart, copied", 0),
            ]
        ),
    ),
    max_size=12,
)


class Server:
    """Writes the log of a game server."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "latest.log"
        self.names: list[str] = []
        self._numbers = count(1)
        self._folder = folder

    def pieces(self, size: int = 200) -> Iterator[None]:
        """Write a line in pieces."""
        name = f"P{next(self._numbers)}"
        self.names.append(f"+{name}")
        line = f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n".encode()
        for begin in range(0, len(line), size):
            with self.log.open("ab") as file:
                file.write(line[begin : begin + size])

            yield

    def write(self) -> None:
        for _ in self.pieces():
            pass

    def rotate(self, way: str) -> None:
        old = self._folder / f"old-{next(self._numbers)}.log"
        match way:
            case "rename" | "renamed":
                self.log.rename(old)
            case "packed":
                old.with_suffix(".log.gz").write_bytes(gzip.compress(self.log.read_bytes()))
                self.log.unlink()
            case _:
                shutil.copyfile(self.log, old)
                self.log.write_bytes(b"")


@pytest.fixture
def keeps_open(anyio_backend_name: str) -> bool:
    """Pair the two ways with the backends, since they do not depend on each other."""
    return anyio_backend_name == "asyncio"


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, writes_between=st.booleans())
async def test_each_line_is_published_once_whatever_happens_to_the_file(
    evening: Any, steps: list[tuple[str, int]], writes_between: bool
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder)
        server.log.touch()
        plugin = evening(folder=folder)
        now = await plugin.__aenter__()
        try:
            durable = now.durable
            for step, size in steps:
                if step == "line":
                    for _ in server.pieces(size):
                        await now.settle()

                    continue

                # Something by which a copy can be recognised, and something that is not read yet.
                server.write()
                await now.settle()
                way = step.removeprefix("restart").removeprefix(", ")
                if step.startswith("restart"):
                    await plugin.__aexit__(None, None, None)

                if writes_between:
                    server.write()

                if way:
                    server.rotate(way)
                    server.write()

                if step.startswith("restart"):
                    plugin = evening(durable, folder=folder)
                    now = await plugin.__aenter__()

                await now.settle()

            await now.settle()
            assert now.seen == server.names
            assert len(set(now.ids)) == len(now.ids)
        finally:
            await plugin.__aexit__(None, None, None)


class Folder:
    """Writes a log of its own for each start of a server, beside other files."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        self._folder = folder
        self._numbers = count(1)
        self._seconds = count(1)
        self._live = self._begin()
        self._old = [self._live]

    def _begin(self) -> Path:
        path = self._folder / f"server-{next(self._numbers)}.log"
        self._write(path, f"[20:00:00] [main/INFO]: Start {path.name} {'.' * 300}\n")
        return path

    def _write(self, path: Path, text: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

        self._touch(path)

    def _touch(self, path: Path) -> None:
        second = 1_000_000_000 + next(self._seconds)
        os.utime(path, (second, second))

    def step(self, step: str) -> None:
        match step:
            case "line":
                name = f"P{next(self._numbers)}"
                self.names.append(f"+{name}")
                text = f"[20:15:00] [Server thread/INFO]: {name}[/::1] logged in with entity id 1 at ()\n"
                # Its double has the same lines.
                self._write(self._folder / "debug.log", text)
                self._write(self._live, text)
            case "zeros":
                with self._live.open("ab") as file:
                    file.write(bytes(5000))

                self._touch(self._live)
            case "start":
                self._live = self._begin()
                self._old.append(self._live)
            case "go back":
                self._live = self._old[0]
            case "touch":
                self._touch(self._old[0])
            case "copy":
                copy = self._folder / f"server-copy-{next(self._numbers)}.log"
                shutil.copyfile(self._live, copy)
                self._touch(copy)
            case _:
                self._write(self._folder / "debug.log", "noise\n")


FOLDER_STEPS = ("line", "zeros", "start", "go back", "touch", "copy", "noise", "restart", "fail")


@pytest.mark.slow
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(FOLDER_STEPS), max_size=12))
async def test_with_a_wildcard_each_line_of_the_live_file_is_published_once(
    evening: Any, steps: list[str]
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "latest.log").touch()  # so that there are doubles
        server = Folder(folder)
        path = folder / "*.log"
        plugin = evening(folder=folder, path=path)
        now = await plugin.__aenter__()
        try:
            durable = now.durable
            for step in ("line", *steps, "line"):
                server.step(step)
                if step == "fail":
                    # The daemon is stopped in the middle of a batch.
                    durable.fails_at = len(durable.events) + 1
                    server.step("line")
                    server.step("line")

                await now.settle()
                if step in ("restart", "fail"):
                    await plugin.__aexit__(None, None, None)
                    durable.fails_at = None
                    plugin = evening(durable, folder=folder, path=path)
                    now = await plugin.__aenter__()

                assert now.seen == server.names
                assert len(set(now.ids)) == len(now.ids)
        finally:
            await plugin.__aexit__(None, None, None)
