from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, Health, hookimpl
from lanrage_events_logfile import LogfileConfig, LogfilePlugin
from lanrage_events_logfile._following import follower as follower_module


class Bell:
    """Stands in for what the operating system tells of changes."""

    def __init__(self) -> None:
        self.ring: Callable[[], None] = lambda: None
        self.folders: Callable[[], Any] = set

    async def run(self, folders: Callable[[], Any], ring: Callable[[], None]) -> None:
        self.folders = folders
        self.ring = ring
        await anyio.sleep_forever()


class Durable:
    """A durable plugin that keeps events, and refuses them while it is told to."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refused: list[Event] = []
        self.refuses = False

    @hookimpl
    def event(self, event: Event) -> None:
        if self.refuses:
            self.refused.append(event)
            raise OSError("no space left on device")

        self.events.append(event)


class Evening:
    """A bus with the plugin on it, whose files are in a folder."""

    def __init__(self, bus: EventBus, plugin: LogfilePlugin, bell: Bell, durable: Durable) -> None:
        self.bus = bus
        self.plugin = plugin
        self.bell = bell
        self.durable = durable

    async def settle(self) -> None:
        """Tell of a change, and wait until it was looked at."""
        self.bell.ring()
        await anyio.wait_all_tasks_blocked()

    @property
    def told(self) -> list[str]:
        """What was told, such as ``+Ann`` and ``-Ann``."""
        return [self._short(event) for event in self.durable.events]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.durable.events]

    @property
    def health(self) -> Health:
        return self.bus.health()["logfile"]

    @staticmethod
    def _short(event: Event) -> str:
        sign = {"peer_joined": "+", "peer_left": "-"}.get(event.type, f"{event.type} ")
        return sign + str(getattr(event, "peer_name", getattr(event, "game_name", "")))


NewEvening = Callable[..., AbstractAsyncContextManager[Evening]]


@pytest.fixture
def evening(tmp_path: Path) -> NewEvening:
    """Start the plugin, with a state folder that outlives it."""

    @asynccontextmanager
    async def start(
        durable: Durable | None = None, *, folder: Path = tmp_path, **settings: Any
    ) -> AsyncIterator[Evening]:
        defaults = {"path": folder / "latest.log", "preset": "minecraft"}
        if "files" in settings:
            del defaults["path"]

        bell, durable = Bell(), durable or Durable()
        plugin = LogfilePlugin(LogfileConfig.model_validate({**defaults, **settings}), changes=bell)
        async with EventBus(state_folder=folder / "state") as bus:
            bus.register(durable, "durable")
            await bus.plugins.register_and_wait(plugin, "logfile")
            await anyio.wait_all_tasks_blocked()
            yield Evening(bus, plugin, bell, durable)

    return start


@pytest.fixture
def durable() -> Durable:
    return Durable()


@pytest.fixture(params=[True, False], ids=["stays open", "is closed between"])
def keeps_open(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run a test as on POSIX and as on Windows."""
    monkeypatch.setattr(follower_module, "KEEPS_OPEN", request.param)
    return bool(request.param)
