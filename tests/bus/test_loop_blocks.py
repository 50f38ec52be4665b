"""What is logged, counted and said about hooks that held the event loop."""

from __future__ import annotations

import logging

import pytest

from lanrage_events._bus.threads import LoopBlocks, Place

PLACE = Place("p", "peer_joined", "plugin.py:7", is_threadable=True)
OTHER = Place("p", "health", "plugin.py:9", is_threadable=False)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def blocks(clock: Clock, caplog: pytest.LogCaptureFixture) -> LoopBlocks:
    caplog.set_level(logging.WARNING)
    return LoopBlocks(clock)


def test_each_hook_is_logged_once_a_minute(
    blocks: LoopBlocks, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        blocks.add(PLACE, 0.25)
        blocks.add(OTHER, 0.5)

    assert len(caplog.messages) == 2
    clock.now += 61
    blocks.add(PLACE, 0.25)
    assert caplog.messages == [
        (
            "plugin 'p': hook 'peer_joined' held the event loop for 0.25 s at plugin.py:7: let it await "
            "what takes long, or run it in a thread with threaded=True"
        ),
        (
            "plugin 'p': hook 'health' held the event loop for 0.50 s at plugin.py:9: such a hook has to "
            "return quickly, or to await what takes long"
        ),
        (
            "plugin 'p': hook 'peer_joined' held the event loop for 0.25 s at plugin.py:7: let it await "
            "what takes long, or run it in a thread with threaded=True (2 times more before)"
        ),
    ]


def test_what_was_reported_while_it_went_on_is_not_logged_again(
    blocks: LoopBlocks, caplog: pytest.LogCaptureFixture
) -> None:
    blocks.go_on(PLACE, 1.0)
    blocks.add(PLACE, 5.0, is_logged=True)
    [message] = caplog.messages
    assert "holds the event loop, for 1.0 s so far, at plugin.py:7" in message


def test_the_health_says_it_for_a_minute(blocks: LoopBlocks, clock: Clock) -> None:
    assert blocks.health("p") is None
    blocks.add(PLACE, 5.0, note=" (it was hot)")
    place = "hook 'peer_joined' held the event loop for 5.00 s at plugin.py:7 (it was hot)"
    assert blocks.health("p") == place
    assert blocks.health("q") is None
    clock.now += 59
    assert blocks.health("p") == place
    clock.now += 2
    assert blocks.health("p") is None


def test_the_number_of_plugins_is_bounded(blocks: LoopBlocks) -> None:
    for number in range(1_001):
        blocks.add(Place(f"p{number}", "event", "p.py:1", is_threadable=True), 1.0)

    assert blocks.health("p0") is None
    assert blocks.health("p1000") is not None
