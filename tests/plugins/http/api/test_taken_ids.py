from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events_http._api import TakenIds

pytestmark = pytest.mark.real_clock

WINDOW, SIZE = 600.0, 8
names = st.text(max_size=64, alphabet=st.characters(codec="utf-8"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as path:
        yield Path(path)


async def load(path: Path, clock: Clock, size: int = SIZE) -> list[str]:
    taken = TakenIds(path, WINDOW, size, clock)
    try:
        found = await taken.load()
        assert taken.problem is None
        assert all(0 <= age < WINDOW for _, age in found)
        return [id for id, _ in found]
    finally:
        taken.close()


@pytest.mark.slow
@given(requests=st.lists(st.lists(names, min_size=1, max_size=4), max_size=8), data=st.data())
@settings(deadline=None)
@pytest.mark.either_backend
async def test_a_cut_at_any_byte_costs_only_what_it_cuts(
    requests: list[list[str]], data: st.DataObject
) -> None:
    clock = Clock()
    with folder() as parent:
        path = parent / "http.ids"
        taken = TakenIds(path, WINDOW, SIZE, clock)
        for ids in requests:
            taken.add(ids)

        taken.close()
        files = [file for file in (parent / "http.ids.old", path) if file.exists()]
        whole: list[str] = []
        for file in files:
            content = file.read_bytes()
            cut = data.draw(st.integers(0, len(content)))
            file.write_bytes(content[:cut])
            lines, at = content.split(b"\n"), -1
            for line in lines:
                at += len(line) + 1
                if line and at <= cut:
                    whole += json.loads(line)[1]

        assert await load(path, clock) == whole[-SIZE:]

        taken = TakenIds(path, WINDOW, 100, clock)
        await taken.load()
        taken.add(["after"])
        taken.close()
        assert await load(path, clock, 100) == [*whole, "after"]


@pytest.mark.slow
@given(data=st.data(), count=st.integers(1, 20))
@settings(deadline=None)
async def test_damage_costs_only_the_lines_that_it_touches(data: st.DataObject, count: int) -> None:
    clock = Clock()
    with folder() as parent:
        path = parent / "http.ids"
        taken = TakenIds(path, WINDOW, 100, clock)
        for number in range(count):
            taken.add([f"id-{number}"])

        taken.close()
        lines = path.read_bytes().split(b"\n")[1:]
        damaged = data.draw(st.integers(0, count - 1))
        lines[damaged] = data.draw(st.binary(max_size=40)).replace(b"\n", b"") + b"\xff"
        path.write_bytes(b"\n" + b"\n".join(lines))

        expected = [f"id-{number}" for number in range(count) if number != damaged]
        assert await load(path, clock, 100) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [b"7", b"{}", b"[]", b'["x", ["b"]]', b"[NaN, []]", b"[Infinity, []]", b"[1e9, 7]", b"[1]"]
    + [b'[1e9, {"b": 1}]', b"[" * 100_000, b"[1" + b"0" * 400 + b', ["b"]]', b"\x00" * 2_000_000],
)
async def test_other_content_is_skipped_and_logged(
    line: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "http.ids"
    path.write_bytes(b'[1000000, ["a", 7, null]]\n' + line + b'\n[1000000, ["c"]]')

    assert await load(path, Clock()) == ["a", "c"]
    assert f" of {path} cannot be read" in caplog.text


actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 200.0, 599.0, 600.0, 900.0])),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=30,
)


@pytest.mark.slow
@given(actions=actions)
@settings(deadline=None)
@pytest.mark.either_backend
async def test_ids_are_known_for_the_window_unless_they_are_too_many(
    actions: list[tuple[str, Any]],
) -> None:
    clock, number = Clock(), 0
    added: list[tuple[str, float]] = []
    with folder() as parent:
        path = parent / "http.ids"
        taken = TakenIds(path, WINDOW, SIZE, clock)
        await taken.load()
        for action, argument in actions:
            match action:
                case "add":
                    ids = [str(number + each) for each in range(argument)]
                    number += argument
                    added += [(id, clock.now) for id in ids]
                    taken.add(ids)
                case "wait":
                    clock.now += argument
                case _:
                    taken.close()
                    taken = TakenIds(path, WINDOW, SIZE, clock)
                    await taken.load()

            expected = [id for id, at in added[-SIZE:] if clock.now - at < WINDOW]
            assert await load(path, clock) == expected
            kept = sum(file.read_bytes().count(b'"') // 2 for file in parent.iterdir())
            assert kept <= 2 * (SIZE + 2)

        taken.close()


@pytest.mark.parametrize("jump", [-1e6, -1.0, 1e6])
async def test_a_clock_that_jumps_keeps_nothing_for_longer_than_the_window(
    jump: float, tmp_path: Path
) -> None:
    clock, path = Clock(), tmp_path / "http.ids"
    taken = TakenIds(path, WINDOW, SIZE, clock)
    taken.add(["a"])
    clock.now += jump
    taken.add(["b"])

    assert await load(path, clock) == (["b"] if jump > 0 else ["a", "b"])
    clock.now += WINDOW
    taken.add(["c"])
    clock.now += WINDOW
    taken.add(["d"])
    taken.close()
    assert await load(path, clock) == ["d"]
    content = path.with_name("http.ids.old").read_bytes() + path.read_bytes()
    assert b'"a"' not in content


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 7])
async def test_what_cannot_be_written_is_written_later(
    room: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock, path = Clock(), tmp_path / "http.ids"
    taken = TakenIds(path, WINDOW, SIZE, clock)
    taken.add(["a"])
    size = path.stat().st_size
    with largest_file(size + room):
        taken.add(["b"])
        problem = taken.problem
        taken.add(["c"])

    assert problem is not None
    assert problem.startswith(f"{path}: ")
    assert path.stat().st_size == size
    assert caplog.text.count("cannot be kept") == 1
    assert await load(path, clock) == ["a"]

    taken.add(["d"])
    taken.close()
    assert taken.problem is None
    assert f"are written to {path} again" in caplog.text
    assert await load(path, clock) == ["a", "b", "c", "d"]


async def test_little_is_kept_of_what_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "http.ids"
    path.mkdir()
    taken = TakenIds(path, WINDOW, 100_000)
    for number in range(40):
        taken.add([f"{number}-{each}-{'x' * 50}" for each in range(1_000)])

    path.rmdir()
    taken.add(["last"])
    taken.close()
    assert 900_000 < path.stat().st_size <= 1_000_000
    assert len(await load(path, Clock(), 100_000)) > 10_000


async def test_a_file_that_was_deleted_is_begun_again(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "new" / "http.ids"
    taken = TakenIds(path, WINDOW, SIZE, clock)
    assert await taken.load() == []
    taken.add(["a"])
    path.unlink()
    taken.add(["b"])
    taken.close()

    assert await load(path, clock) == ["b"]
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_renamed_is_reported(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "http.ids"
    (tmp_path / "http.ids.old").mkdir()
    taken = TakenIds(path, WINDOW, SIZE, clock)
    for ids in ("abcd", "efgh", "i"):
        taken.add(list(ids))

    assert taken.problem is not None
    (tmp_path / "http.ids.old").rmdir()
    taken.add(["j"])
    taken.close()
    assert taken.problem is None
    assert await load(path, clock) == list("cdefghij")


async def test_ids_of_earlier_versions_are_read_whatever_they_are(tmp_path: Path) -> None:
    clock = Clock()
    hashed = "sha256 " + "0" * 64
    ids = ["", " ", "a\nb", "\x00", hashed, "a"]
    (tmp_path / "http.ids").write_text(f"\n{json.dumps([clock(), ids])}", "utf-8")

    assert await load(tmp_path / "http.ids", clock) == ids
