from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["stays open", "is closed between"])
def keeps_open(request: pytest.FixtureRequest) -> bool:
    """Run each test as on POSIX and as on Windows."""
    return bool(request.param)
