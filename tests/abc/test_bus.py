"""The interfaces: what a plugin may rely on, whichever class implements it."""

from __future__ import annotations

from inspect import Signature, isfunction, signature

import pytest

from lanrage_events import EventBus
from lanrage_events.abc import Bus
from lanrage_events.testing import CheckedBus

METHODS = sorted(name for name, value in vars(Bus).items() if isfunction(value))


def shape(function: object) -> list[tuple[str, object, object]]:
    assert callable(function)
    found: Signature = signature(function)
    return [(name, p.kind, p.default) for name, p in found.parameters.items()]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("implementation", [EventBus, CheckedBus])
def test_a_bus_takes_what_its_interface_promises(implementation: type[Bus], method: str) -> None:
    assert shape(getattr(implementation, method)) == shape(getattr(Bus, method))
