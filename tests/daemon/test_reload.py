from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from lanrage_events import Event, EventBus, PeerJoined, hookimpl
from lanrage_events._daemon import Reloader, prepare
from lanrage_events._discovery import import_file

PLUGIN = """
from contextlib import asynccontextmanager
from lanrage_events import hookimpl
from lanrage_events.config import ConfigModel

class Plugin:
    log = []

    class Config(ConfigModel):
        greeting: str = "hello"
        broken: bool = False

    def __init__(self, config):
        self.config = config

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus):
        if self.config.broken:
            raise OSError("cannot start")

        self.log.append(f"start {self.config.greeting}")
        yield
        self.log.append(f"stop {self.config.greeting}")

    @hookimpl
    async def peer_joined(self, event):
        self.log.append(f"{self.config.greeting} {event.peer_name}")
"""


class Scene:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "lanrage.yaml"
        (folder / "plugins").mkdir()
        (folder / "plugins" / "greeter.py").write_text(PLUGIN, encoding="utf-8")

    def write(self, plugins: str, more: str = "") -> None:
        text = f"plugins_folder: plugins\n{more}plugins:\n{plugins}"
        self.file.write_text(text, encoding="utf-8")

    @property
    def log(self) -> list[str]:
        log: list[str] = import_file(self.file.parent / "plugins" / "greeter.py").Plugin.log
        return log

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[EventBus, Reloader]]:
        config, _ = prepare(self.file)
        bus = EventBus(state_folder=config.state_folder)
        for plugin in config.plugins:
            bus.register(plugin.make(), plugin.name, **plugin.options())

        async with bus:
            yield bus, Reloader(bus, config, lambda: prepare(self.file)[0])


@pytest.fixture
def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    caplog.set_level(logging.INFO)
    return Scene(tmp_path)


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN")


async def test_only_what_changed_is_replaced(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n  other: {use: greeter, greeting: moin}\n  third: {use: greeter}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write(
            "  greeter: {}\n  other: {use: greeter, greeting: servus}\n  new: {use: greeter}\n"
        )
        assert await reloader.reload()
        assert scene.log == ["stop hello", "stop moin", "start servus", "start hello"]
        assert set(bus.health()) == {"greeter", "other", "new"}
        assert "reloaded: third ended, other changed, new started" in caplog.text
        scene.log.clear()
        assert await reloader.reload()
        assert not scene.log
        assert "reloaded: no plugin changed" in caplog.text


async def test_bad_file_changes_nothing_and_is_reported(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write("  greeter: {greting: moin}\n  nobody: {}\n")
        assert not await reloader.reload()
        assert not scene.log
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log == ["hello Ann"]

    assert "did you mean 'greeting'?" in caplog.text
    assert "everything continues unchanged" in caplog.text


async def test_plugin_that_cannot_start_as_it_is_now_goes_on_as_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.write("  greeter: {broken: true}\n  new: {use: greeter, broken: true}\n")
        assert not await reloader.reload()
        await bus.publish_and_wait(joined("Ann"))
        assert scene.log[-1] == "hello Ann"
        assert "plugin 'greeter' continues unchanged: " in caplog.text
        assert "plugin 'new' is not started: " in caplog.text
        assert [plugin.name for plugin in reloader.config.plugins] == ["greeter"]
        scene.write("  greeter: {}\n  new: {use: greeter, greeting: moin}\n")
        assert await reloader.reload()
        assert "new" in bus.health()


async def test_nothing_pending_is_lost(scene: Scene) -> None:
    scene.write("  greeter: {mailbox: {size: 5000}}\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write("  greeter: {greeting: moin, mailbox: {size: 5000}}\n")
        async with anyio.create_task_group() as tg:
            tg.start_soon(reloader.reload)
            for number in range(1000):
                bus.publish_nowait(joined(str(number)))

        await bus.drain()
        names = [line.split()[1] for line in scene.log if not line.startswith(("start", "stop"))]
        assert names == [str(number) for number in range(1000)]


async def test_secret_given_by_file_is_read_again(scene: Scene, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first", encoding="utf-8")
    scene.write("  greeter: {greeting: '${file:secret}'}\n")
    async with scene.running() as (_, reloader):
        secret.write_text("second", encoding="utf-8")
        assert await reloader.reload()
        assert scene.log[-1] == "start second"


async def test_keys_at_the_top_are_followed_or_said_to_wait(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("  greeter: {}\n", "backend: asyncio\n")
    async with scene.running() as (bus, reloader):
        scene.log.clear()
        scene.write(
            "  greeter: {}\n", "backend: trio\ndrain_timeout: 3s\ntemplates: [my-templates]\n"
        )
        assert await reloader.reload()
        assert bus.plugins.drain_timeout == 3
        assert bus.template_folders()[0] == tmp_path / "my-templates"
        assert scene.log == ["stop hello", "start hello"]
        assert "the change of backend takes effect at the next start" in caplog.text


async def test_unregistered_hook_of_a_new_plugin_is_rejected(scene: Scene, tmp_path: Path) -> None:
    class Recorder:
        @hookimpl
        def event(self, event: Event) -> None: ...

    wrong = PLUGIN.replace("peer_joined", "peer_joind")
    (tmp_path / "plugins" / "wrong.py").write_text(wrong, encoding="utf-8")
    scene.write("  greeter: {}\n")
    async with scene.running() as (bus, reloader):
        scene.write("  greeter: {}\n  wrong: {}\n")
        assert not await reloader.reload()
        assert set(bus.health()) == {"greeter"}


async def test_a_plugin_that_only_moved_in_the_file_knows_its_new_place(scene: Scene) -> None:
    scene.write("  greeter: {greeting: hi}\n")
    async with scene.running() as (bus, reloader):
        assert bus.plugins.source_location("greeter", "greeting") == f"{scene.file}:3:13"
        scene.write("  # one line more\n  greeter: {greeting: hi}\n")
        assert await reloader.reload()
        assert bus.plugins.source_location("greeter", "greeting") == f"{scene.file}:4:13"

    assert scene.log == ["start hi", "stop hi"]
