"""Functions in threads that are waited for within a time: real threads."""

from __future__ import annotations

import logging
import threading

import anyio
import pytest

from lanrage_events._threads import call_in_thread, call_within, named_while_slow

BACKENDS_IN_REAL_TIME = pytest.mark.real_clock


class Blocked:
    """A function that blocks until a test lets it go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        self.go_on.wait()
        return "done"


def test_what_a_function_returns_or_raises_is_handed_over() -> None:
    assert call_within(lambda: 7, 10, "counting") == 7
    with pytest.raises(ZeroDivisionError):
        call_within(lambda: 1 / 0, 10, "dividing")


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit])
def test_an_error_that_would_end_a_program_is_handed_over(error: type[BaseException]) -> None:
    def leave() -> None:
        raise error

    with pytest.raises(error):
        call_within(leave, 10, "leaving")


def test_ctrl_c_that_nobody_pressed_is_an_error() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(RuntimeError, match="it raised KeyboardInterrupt"):
        call_within(interrupt, 10, "interrupting")


def test_a_function_that_takes_too_long_is_named_and_abandoned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocked = Blocked()
    with pytest.raises(TimeoutError, match=r"longer than 0\.1 seconds"):
        call_within(blocked, 0.1, "waiting for Godot", every=0.04)

    assert "waiting for Godot takes 0.04 seconds so far, of at most 0.1" in caplog.messages
    blocked.go_on.set()


def test_what_this_thread_does_is_named_with_its_line_while_it_is_slow() -> None:
    named = threading.Event()

    class Notice(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())
            named.set()

    texts: list[str] = []
    logger = logging.getLogger("lanrage_events")
    logger.addHandler(handler := Notice())
    try:
        with named_while_slow("waiting for Godot", every=0.01):
            assert named.wait(10)
    finally:
        logger.removeHandler(handler)

    assert texts[0].startswith("waiting for Godot takes 0.01 seconds so far, at ")
    assert threading.__file__ in texts[0]


@BACKENDS_IN_REAL_TIME
async def test_a_function_runs_beside_the_event_loop() -> None:
    blocked = Blocked()
    results: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            results.append(await call_in_thread(blocked, "blocked"))

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        assert blocked.begun.wait(10)
        assert not results
        blocked.go_on.set()

    assert results == ["done"]


@BACKENDS_IN_REAL_TIME
async def test_a_function_that_blocks_is_abandoned_when_its_caller_is_cancelled() -> None:
    blocked = Blocked()
    with anyio.move_on_after(0) as scope:
        await call_in_thread(blocked, "blocked")

    assert scope.cancelled_caught
    blocked.go_on.set()


@BACKENDS_IN_REAL_TIME
async def test_what_a_function_raises_reaches_the_task() -> None:
    with pytest.raises(ZeroDivisionError):
        await call_in_thread(lambda: 1 / 0, "dividing")
