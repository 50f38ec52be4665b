"""The fixtures for pytest, to import in a ``conftest.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

try:
    import pytest
except ModuleNotFoundError as error:
    message = "the fixtures of lanrage_events.testing need pytest: pip install pytest"
    raise ModuleNotFoundError(message, name=error.name) from None

from .._hints import install_command
from ._bus import CheckedBus
from ._virtual_time import virtual_time


@pytest.fixture
def real_time() -> None:
    """Use the real clock, for a test with sockets, threads or processes."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run each async test on both backends, in virtual time unless it has ``real_time``."""
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: {install_command('trio')}")

    if "real_time" in request.fixturenames:
        return request.param, {}

    return virtual_time(request.param)


@pytest.fixture
async def bus(anyio_backend: object) -> AsyncIterator[CheckedBus]:
    """Return a running bus, which fails the test at its end if there were errors on it."""
    message = ""
    try:
        async with CheckedBus() as bus:
            yield bus
    except AssertionError as error:
        message = str(error)

    if message:
        # Without a traceback, which would only show the fixture.
        pytest.fail(message, pytrace=False)
