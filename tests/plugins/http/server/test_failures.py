from __future__ import annotations

import logging

import anyio
import pytest

from lanrage_events_http._server import FAILURE_SECONDS, MAX_FAILURES, FailureLimit


@pytest.mark.parametrize(
    ("first", "second", "are_one"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fd00::1", "fd00::2", True),
        ("fd00::1", "fd00:0:0:1::1", False),
        ("somebody", "somebody", True),
    ],
)
async def test_a_guesser_cannot_easily_be_another_one(
    first: str, second: str, are_one: bool
) -> None:
    limits = FailureLimit()
    for _ in range(MAX_FAILURES):
        assert not limits.seconds_to_wait(first)
        limits.add(first)

    assert limits.seconds_to_wait(first)
    assert bool(limits.seconds_to_wait(second)) == are_one


async def test_the_number_of_known_guessers_has_a_bound() -> None:
    limits = FailureLimit()
    for _ in range(MAX_FAILURES):
        limits.add("10.0.0.1")

    for number in range(999):
        limits.add(f"10.1.{number // 250}.{number % 250}")

    assert limits.seconds_to_wait("10.0.0.1")
    limits.add("10.0.2.1")
    assert not limits.seconds_to_wait("10.0.0.1")


async def test_failures_are_forgotten() -> None:
    limit = FailureLimit()
    for _ in range(MAX_FAILURES):
        await anyio.sleep(10)
        limit.add("x")

    # Only the last minute counts.
    assert not limit.seconds_to_wait("x")
    for _ in range(MAX_FAILURES):
        limit.add("x")

    assert limit.seconds_to_wait("x") == FAILURE_SECONDS
    await anyio.sleep(FAILURE_SECONDS)
    assert not limit.seconds_to_wait("x")


async def test_many_guessers_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    limit = FailureLimit()
    for number in range(100):
        for _ in range(MAX_FAILURES):
            limit.add(f"10.0.0.{number}")

    assert len(caplog.records) == 1
