from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import EventBus, PeerJoined, PluginStartError, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.state import Store
from lanrage_events.testing import CheckedBus, sample, virtual_time


class Counter:
    """Counts who joined, also over restarts."""

    store: Store

    def __init__(self, *, counts_at_end: bool = False) -> None:
        self._counts_at_end = counts_at_end

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        self.store = bus.store(self)
        yield
        if self._counts_at_end:
            self.store.set("ended", value=True)

    @hookimpl
    def peer_joined(self, event: PeerJoined) -> None:
        self.store.set("count", self.store.get("count", 0) + 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "counter.store.json"


@asynccontextmanager
async def running(folder: Path | None, plugin: object, name: str = "counter") -> AsyncIterator[Bus]:
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(plugin, name)
        yield bus


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def block(path: Path) -> None:
    """Put a folder in the place of a file, so that it cannot be written."""
    path.mkdir(parents=True)


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def replace(path: Path, target: Path) -> None:
    path.replace(target)


def remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()


def nesting(path: Path) -> int:
    return path.read_text("ascii").count("[")


def content(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


async def test_what_sync_hooks_set_outlives_a_restart(folder: Path, path: Path) -> None:
    for expected in (2, 4):
        plugin = Counter()
        async with running(folder, plugin) as bus:
            for _ in range(2):
                await bus.publish(sample(PeerJoined))

        assert content(path) == {"count": expected}


async def test_what_is_set_while_the_plugin_ends_is_kept(folder: Path, path: Path) -> None:
    async with running(folder, Counter(counts_at_end=True)):
        pass

    assert content(path) == {"ended": True}


async def test_it_is_kept_when_the_program_around_the_bus_is_cancelled(
    folder: Path, path: Path
) -> None:
    with anyio.CancelScope() as scope:
        async with running(folder, Counter(counts_at_end=True)):
            scope.cancel()
            await anyio.sleep_forever()

    assert content(path) == {"ended": True}


@pytest.mark.skipif(os.name != "posix", reason="POSIX alone has it")
async def test_only_the_owner_may_read_the_file(folder: Path, path: Path) -> None:
    async with running(folder, plugin := Counter()):
        plugin.store.set("key", "text")
        await plugin.store.flush()
        assert mode(path) == 0o600
        assert plugin.store.path == path


async def test_changes_are_written_soon_and_at_most_once_a_second(folder: Path, path: Path) -> None:
    async with running(folder, plugin := Counter()):
        plugin.store.set("a", 1)
        plugin.store.set("b", [1, {"c": None}])
        await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert content(path) == {"a": 1, "b": [1, {"c": None}]}
        plugin.store.set("a", 2)
        plugin.store.delete("b")
        plugin.store.delete("unknown")
        await anyio.sleep(0.9)
        assert content(path)["a"] == 1
        await anyio.sleep(0.2)
        assert content(path) == {"a": 2}


async def test_flush_waits_until_the_disk_has_everything(folder: Path, path: Path) -> None:
    async with running(folder, plugin := Counter()):
        for number in range(3):
            plugin.store.set("a", number)
            await plugin.store.flush()
            assert content(path) == {"a": number}


@pytest.mark.real_clock
async def test_in_real_time_a_worker_thread_writes(folder: Path, path: Path) -> None:
    async with EventBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(plugin := Counter(), "counter")
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(plugin.store.set, "a", 1)
            await plugin.store.flush()
            assert content(path) == {"a": 1}

        plugin.store.set("b", 2)

    assert content(path) == {"a": 1, "b": 2}


async def test_values_are_copied(folder: Path) -> None:
    async with running(folder, plugin := Counter()):
        value = {"names": ["Ann"]}
        plugin.store.set("players", value)
        value["names"].append("Ben")
        plugin.store.get("players")["names"].append("Cy")
        assert plugin.store.items() == [("players", {"names": ["Ann"]})]


async def test_a_default_says_which_type_the_value_has(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(folder, plugin := Counter()):
        store = plugin.store
        assert (store.get("a"), store.get("a", 3), store.get("a", [])) == (None, 3, [])
        store.set("a", 5)
        assert (store.get("a", 0.5), type(store.get("a", 0.5))) == (5.0, float)
        store.set("a", value=True)
        assert caplog.messages == []
        assert [store.get("a", 0) for _ in range(2)] == [0, 0]
        (message,) = caplog.messages
        assert message == (
            "the store of plugin 'counter' has true or false for 'a' where the plugin expects a whole "
            "number: its default is used"
        )
        with pytest.raises(TypeError, match="a store holds no tuple"):
            store.get("a", ())


@pytest.mark.parametrize("value", [(1,), {1: 2}, {1}, b"x", float("nan"), Path(), [object()]])
async def test_what_json_does_not_give_back_is_rejected(folder: Path, value: object) -> None:
    async with running(folder, plugin := Counter()):
        with pytest.raises(TypeError, match="the value of 'a' is not one that JSON gives back"):
            plugin.store.set("a", value)

        with pytest.raises(TypeError, match="must be a text, not 1"):
            plugin.store.set(1, "a")  # type: ignore[arg-type]

        assert plugin.store.items() == []


@pytest.mark.slow
@pytest.mark.parametrize("depth", [10, 400, 900, 5_000, 200_000])
@pytest.mark.either_backend
async def test_values_may_be_nested_as_deep_as_python_can_read(
    folder: Path, path: Path, depth: int
) -> None:
    value: list[object] = []
    for _ in range(depth):
        value = [value]

    async with running(folder, plugin := Counter()):
        try:
            plugin.store.set("a", value)
        except TypeError:
            assert depth >= 900
            return

        await plugin.store.flush()
        assert nesting(path) == depth + 1


async def test_it_is_bounded(folder: Path) -> None:
    async with running(folder, plugin := Counter()):
        plugin.store.set("a", "x" * 600_000)
        with pytest.raises(ValueError, match=r"'counter' would hold 1,200,\d+ bytes with 'b'"):
            plugin.store.set("b", "x" * 600_000)

        assert plugin.store.get("b") is None
        plugin.store.delete("a")
        plugin.store.set("b", "x" * 600_000)


@pytest.mark.parametrize("text", ["{", "[]", '{"a": NaN}', "\0"])
async def test_a_damaged_file_is_moved_aside(
    folder: Path, path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    write(path, text)
    async with running(folder, plugin := Counter()):
        assert plugin.store.items() == []
        plugin.store.set("a", 1)

    aside = path.with_name(f"{path.name}.damaged")
    assert aside.read_text() == text
    assert content(path) == {"a": 1}
    assert (
        f"is damaged, so the store of plugin 'counter' is empty; it is {aside} now" in caplog.text
    )


async def test_a_file_that_cannot_be_read_is_an_error_and_left_as_it_is(
    folder: Path, path: Path
) -> None:
    target = folder / "elsewhere"
    write(target, '{"count": 1}')
    link(path, target)
    plugin = Counter()
    async with EventBus(state_folder=folder) as bus:
        with pytest.raises(PluginStartError, match="it is a symbolic link to"):
            await bus.plugins.register_and_wait(plugin, "counter")

        assert content(target) == {"count": 1}
        replace(target, path)
        await bus.plugins.register_and_wait(plugin, "counter")

    assert content(path) == {"count": 1}


async def test_without_a_state_folder_it_is_in_memory_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running(None, plugin := Counter()) as bus:
        await bus.publish(sample(PeerJoined))
        await bus.drain()
        await plugin.store.flush()
        assert (plugin.store.path, plugin.store.get("count", 0)) == (None, 1)
        assert repr(plugin.store) == "<Store of 'counter' in memory>"

    assert "the store of plugin 'counter' is only in memory" in caplog.text


@pytest.mark.parametrize("has_folder", [True, False])
async def test_the_plugin_that_replaces_it_takes_it_over(folder: Path, has_folder: bool) -> None:
    async with CheckedBus(state_folder=folder if has_folder else None) as bus:
        await bus.plugins.register_and_wait(Counter(), "counter")
        await bus.publish(sample(PeerJoined))
        await bus.plugins.replace("counter", new := Counter())
        await bus.publish(sample(PeerJoined))
        await bus.drain()
        assert new.store.get("count", 0) == 2


async def test_a_plugin_that_comes_back_reads_the_file_again(folder: Path, path: Path) -> None:
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(old := Counter(), "counter")
        old.store.set("count", 1)
        await bus.unregister("counter")
        await anyio.wait_all_tasks_blocked()
        assert content(path) == {"count": 1}
        with pytest.raises(
            anyio.ClosedResourceError, match="plugin 'counter' has ended, and so has"
        ):
            old.store.set("count", 2)

        remove(path)
        await bus.plugins.register_and_wait(new := Counter(), "counter")
        assert new.store.items() == []


async def test_two_plugins_never_share_one(folder: Path) -> None:
    async with CheckedBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(one := Counter(), "one")
        await bus.plugins.register_and_wait(two := Counter(), "two")
        one.store.set("a", 1)
        two.store.set("a", 2)
        assert bus.store(one) is one.store
        await one.store.flush()
        await two.store.flush()
        assert content(folder / "one.store.json") == {"a": 1}
        assert content(folder / "two.store.json") == {"a": 2}
        async with bus.expecting(ValueError, match="'ONE' and 'one' would share the file"):
            bus.register(Counter(), "ONE")
            await anyio.wait_all_tasks_blocked()

        await bus.unregister("ONE")
        async with bus.expecting(ValueError, match="register it by a name of letters"):
            bus.register(Counter(), "a/b")
            await anyio.wait_all_tasks_blocked()

        await bus.unregister("a/b")


async def test_who_may_have_one(bus: CheckedBus) -> None:
    with pytest.raises(LookupError, match="no such plugin is registered"):
        bus.store(object())

    waiting = EventBus()
    waiting.register(plugin := Counter())
    with pytest.raises(RuntimeError, match="ask for it in the lifespan"):
        waiting.store(plugin)


async def test_a_disk_that_is_full_is_logged_once_and_tried_again(
    folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(folder, plugin := Counter()):
        block(path)
        plugin.store.set("a", 1)
        for _ in range(2):
            with pytest.raises(OSError, match=r"counter\.store\.json"):
                await plugin.store.flush()

        assert caplog.text.count("cannot be written, and is tried again") == 1
        remove(path)
        await anyio.sleep(11)
        assert content(path) == {"a": 1}


async def test_changes_that_are_lost_are_logged(
    folder: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(folder, plugin := Counter()):
        block(path)
        plugin.store.set("a", 1)

    assert "has ended, and its last changes are lost" in caplog.text
    with pytest.raises(anyio.ClosedResourceError):
        await plugin.store.flush()


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_hook_may_be_cancelled_while_it_flushes(
    folder: Path, path: Path, anyio_backend: str
) -> None:
    async with EventBus(state_folder=folder) as bus:
        await bus.plugins.register_and_wait(plugin := Counter(), "counter")
        for number in range(20):
            plugin.store.set("a", number)
            task = asyncio.create_task(plugin.store.flush())
            await asyncio.sleep(0)
            task.cancel()

        with anyio.fail_after(10):
            await plugin.store.flush()

        assert content(path) == {"a": 19}


@pytest.mark.real_clock
async def test_a_disk_that_hangs_holds_up_the_end_for_seconds_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lanrage_events.state._store.CLOSE_SECONDS", 0.05)
    released = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: released.wait())
    try:
        with anyio.fail_after(10):
            async with EventBus(state_folder=folder) as bus:
                await bus.plugins.register_and_wait(plugin := Counter(), "counter")
                plugin.store.set("a", 1)
    finally:
        released.set()

    assert "has ended, and its last changes are lost" in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KEYS = st.sampled_from(["a", "b", "\ud800", ""])


@pytest.mark.slow
@settings(max_examples=50)
@given(
    steps=st.lists(
        st.tuples(st.just("set"), KEYS, JSON)
        | st.tuples(st.sampled_from(["delete", "flush", "wait", "replace", "restart"]), KEYS, JSON),
        max_size=12,
    )
)
def test_it_keeps_what_a_dictionary_would(
    steps: list[tuple[str, str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")

    async def run() -> None:
        expected: dict[str, object] = {}
        rest = iter(steps)
        is_over = False
        while not is_over:
            async with CheckedBus(state_folder=folder) as bus:
                await bus.plugins.register_and_wait(plugin := Counter(), "counter")
                assert dict(plugin.store.items()) == expected
                is_over = True
                for step, key, value in rest:
                    if step == "set":
                        plugin.store.set(key, value)
                        expected[key] = value
                    elif step == "delete":
                        plugin.store.delete(key)
                        expected.pop(key, None)
                    elif step == "flush":
                        await plugin.store.flush()
                        path = plugin.store.path
                        assert path is not None
                        assert not path.exists() or content(path) == expected
                    elif step == "wait":
                        await anyio.sleep(0.3)
                    elif step == "replace":
                        await bus.plugins.replace("counter", plugin := Counter())
                    else:
                        is_over = False
                        break

                    assert dict(plugin.store.items()) == expected

    backend, options = virtual_time("asyncio")
    anyio.run(run, backend=backend, backend_options=options)
