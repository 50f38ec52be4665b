from __future__ import annotations

import asyncio
import selectors
from typing import Any

import pytest
import trio.testing
from hypothesis import settings

# An example that is slow on a busy machine is not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


class _AutojumpSelector(selectors.DefaultSelector):
    """Polls for I/O, and moves the clock instead of waiting for a timeout."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout

        return ready


class AutojumpEventLoop(asyncio.SelectorEventLoop):
    """The asyncio counterpart of :class:`trio.testing.MockClock`."""

    def __init__(self) -> None:
        self._autojump_selector = _AutojumpSelector()
        super().__init__(self._autojump_selector)

    def time(self) -> float:
        return self._autojump_selector.now


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run every async test on both backends, in virtual time unless it is marked otherwise."""
    if request.node.get_closest_marker("real_clock") is not None:
        return request.param, {}

    if request.param == "asyncio":
        return "asyncio", {"loop_factory": AutojumpEventLoop}

    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}
