from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from lanrage_events.testing import bus, virtual_time

__all__ = ["bus"]

# An example that is slow on a busy machine is not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run every async test on both backends, in virtual time unless it is marked otherwise."""
    if request.node.get_closest_marker("real_clock") is not None:
        return request.param, {}

    return virtual_time(request.param)
