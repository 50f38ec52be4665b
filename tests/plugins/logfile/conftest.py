from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lanrage_events import Event, EventBus, Health, hookimpl
from lanrage_events_logfile import LogfileConfig, LogfilePlugin


class Bell:
    """Stands in for the changes that the operating system reports."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.folders: Callable[[], Any] = set

    async def run(self, folders: Callable[[], Any], wake: Callable[[], None]) -> None:
        self.folders = folders
        self.wake = wake
        await anyio.sleep_forever()


class Durable:
    """A durable plugin that keeps events, and rejects them while ``fails`` is set, or from a number on."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.rejected: list[Event] = []
        self.fails = False
        self.fails_at: int | None = None

    @hookimpl
    def event(self, event: Event) -> None:
        if self.fails or len(self.events) == self.fails_at:
            self.rejected.append(event)
            raise OSError("no space left on device")

        self.events.append(event)


class Evening:
    """A bus with the plugin."""

    def __init__(self, bus: EventBus, plugin: LogfilePlugin, bell: Bell, durable: Durable) -> None:
        self.bus = bus
        self.plugin = plugin
        self.bell = bell
        self.durable = durable

    async def settle(self) -> None:
        """Report a change, and wait until it was looked at."""
        self.bell.wake()
        await anyio.wait_all_tasks_blocked()

    @property
    def seen(self) -> list[str]:
        """The delivered events, such as ``+Ann`` and ``-Ann``."""
        return [self._short(event) for event in self.durable.events]

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.durable.events]

    @property
    def health(self) -> Health:
        return self.bus.health()["logfile"]

    @property
    def counts(self) -> dict[str, float]:
        """The metrics of the only file, such as ``logfile_lines``."""
        return {metric.name: metric.samples[0].value for metric in self.plugin.metrics()}

    @staticmethod
    def _short(event: Event) -> str:
        sign = {"peer_joined": "+", "peer_left": "-"}.get(event.type, f"{event.type} ")
        return sign + str(getattr(event, "peer_name", getattr(event, "game_name", "")))


NewEvening = Callable[..., AbstractAsyncContextManager[Evening]]


@pytest.fixture
def evening(tmp_path: Path, keeps_open: bool) -> NewEvening:
    """Start the plugin, with a state folder that outlives it."""

    @asynccontextmanager
    async def start(
        durable: Durable | None = None, *, folder: Path = tmp_path, **settings: Any
    ) -> AsyncIterator[Evening]:
        defaults = {"path": folder / "latest.log", "preset": "minecraft"}
        if "files" in settings:
            del defaults["path"]

        bell, durable = Bell(), durable or Durable()
        config = LogfileConfig.model_validate({**defaults, **settings})
        plugin = LogfilePlugin(config, changes=bell, keeps_open=keeps_open)
        async with EventBus(state_folder=folder / "state") as bus:
            bus.register(durable, "durable")
            await bus.plugins.register_and_wait(plugin, "logfile")
            await anyio.wait_all_tasks_blocked()
            yield Evening(bus, plugin, bell, durable)

    return start


@pytest.fixture
def durable() -> Durable:
    return Durable()


@pytest.fixture
def keeps_open() -> bool:
    return True
