from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import anyio
import pytest
import trio.lowlevel
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events_discord._client import (
    Limits,
    Outcome,
    OutcomeKind,
    RateLimit,
    RateLimits,
    Turn,
)
from lanrage_events_discord._client.channel_limit import FEWEST_MESSAGES
from lanrage_events_discord._client.rate_limits import (
    MARGIN_SECONDS,
    REQUESTS_PER_SECOND,
    SPACING_SHARE,
)

RETRY_AFTER = OutcomeKind.RETRY_AFTER
SPACING = SPACING_SHARE / REQUESTS_PER_SECOND


def delivered(remaining: int | None = None, reset_after: float | None = None) -> Outcome:
    limit = RateLimit(limit=5, remaining=remaining, reset_after=reset_after)
    return Outcome(OutcomeKind.DELIVERED, "delivered", status=200, rate_limit=limit)


def rejected(
    retry_after: float,
    *,
    scope: str = "user",
    remaining: int = 0,
    is_global: bool = False,
    is_blocked: bool = False,
) -> Outcome:
    return Outcome(
        OutcomeKind.RETRY_AFTER,
        "too many requests",
        status=429,
        retry_after=retry_after,
        scope=scope,
        is_global=is_global,
        is_blocked=is_blocked,
        rate_limit=RateLimit(remaining=remaining, reset_after=1.0),
    )


async def waited(limits: Limits) -> float:
    started = anyio.current_time()
    await limits.wait()
    return anyio.current_time() - started


async def test_nothing_waits_before_the_first_answer() -> None:
    assert await waited(RateLimits().of("1")) == 0


async def test_exhausted_bucket_is_waited_for() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(delivered(remaining=1, reset_after=2.0))
    await anyio.sleep(0.1)
    assert await waited(limits) == 0
    limits.observe(delivered(remaining=0, reset_after=1.8))
    assert await waited(limits) == pytest.approx(1.8 + MARGIN_SECONDS)


async def test_bucket_that_was_reset_meanwhile_is_full() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(delivered(remaining=0, reset_after=1.0))
    await anyio.sleep(5)
    assert await waited(limits) == 0


async def test_requests_in_flight_count_before_their_answers() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(delivered(remaining=2, reset_after=10.0))
    await limits.wait()
    await limits.wait()
    started = anyio.current_time()
    await limits.wait()
    assert anyio.current_time() - started > 9


async def test_answer_that_was_given_up_leaves_no_trace() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(None)
    await anyio.sleep(1)
    assert await waited(limits) == 0


async def test_rejection_is_waited_out_by_its_own_webhook_only() -> None:
    limits = RateLimits()
    one, other = limits.of("1"), limits.of("2")
    await one.wait()
    one.observe(rejected(7.0))
    await anyio.sleep(1)
    assert await waited(other) == 0
    assert await waited(one) == pytest.approx(6.0 + MARGIN_SECONDS)
    assert one.channel.limit.limit is None
    assert limits.of("1") is one


@pytest.mark.parametrize("kind", ["global", "blocked"])
async def test_rejection_of_the_whole_address_stops_all(kind: str) -> None:
    limits = RateLimits()
    one, other = limits.of("1"), limits.of("2")
    await one.wait()
    one.observe(rejected(7.0, is_global=kind == "global", is_blocked=kind == "blocked"))
    assert await waited(other) == pytest.approx(7.0 + MARGIN_SECONDS)


async def test_lanes_leave_spaced_and_never_more_than_fifty_a_second() -> None:
    limits = RateLimits()
    times: list[float] = []

    async def send(number: int) -> None:
        await limits.of(str(number)).wait()
        times.append(anyio.current_time())

    async with anyio.create_task_group() as tg:
        for number in range(200):
            tg.start_soon(send, number)

    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == pytest.approx([SPACING] * 199)


def stall(seconds: float, backend: str) -> None:
    """Let time pass in which nothing can run."""
    if backend == "trio":
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)
    else:
        loop: Any = asyncio.get_running_loop()
        loop._jumping_selector.now += seconds


async def test_turns_that_a_stall_missed_are_not_made_up_for_at_once(
    anyio_backend_name: str,
) -> None:
    limits = RateLimits()
    times: list[float] = []

    async def send(number: int) -> None:
        await limits.of(str(number)).wait()
        times.append(anyio.current_time())

    async with anyio.create_task_group() as tg:
        for number in range(50):
            tg.start_soon(send, number)

        await anyio.sleep(0.5)
        stall(0.3, anyio_backend_name)

    assert len(times) == 50
    # One turn may be made up for, so it is every other gap that counts.
    assert all(c - a >= SPACING - 1e-6 for a, c in zip(times, times[2:], strict=False))


async def test_block_that_comes_while_lanes_wait_for_their_turn_holds_them_too() -> None:
    limits = RateLimits()
    times: list[float] = []

    async def send(number: int) -> None:
        await limits.of(str(number)).wait()
        times.append(anyio.current_time())

    started = anyio.current_time()
    async with anyio.create_task_group() as tg:
        for number in range(100):
            tg.start_soon(send, number)

        await anyio.sleep(1.005)
        limits.address.block(10, "it was asked to")

    early = [time for time in times if time - started <= 1.01]
    assert len(early) == 1 + int(1.005 / SPACING)
    assert min(time for time in times if time not in early) - started >= 11


async def test_webhooks_of_a_channel_share_what_was_learnt() -> None:
    limits = RateLimits()
    one, other = limits.of("1"), limits.of("2")
    for each in (one, other):
        await each.wait()
        each.observe(Outcome(OutcomeKind.DELIVERED, "", status=200, channel_id="lobby"))

    await one.wait()
    one.observe(rejected(3.0, scope="shared", remaining=3))
    assert other.channel is one.channel
    assert other.channel.limit.limit == FEWEST_MESSAGES
    assert await waited(other) == pytest.approx(3 + MARGIN_SECONDS)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (rejected(7.0), "Discord asked for it (limit of the webhook)"),
        (rejected(7.0, is_global=True), "Discord asked for it (global limit)"),
        (rejected(7.0, is_blocked=True), "Cloudflare blocks this address"),
        (rejected(7.0, scope="shared"), "Discord asked for it (limit of the channel)"),
        (rejected(7.0, remaining=3), "Discord asked for it (limit of the channel)"),
        (
            Outcome(RETRY_AFTER, "", status=400, code=20016, retry_after=7.0),
            "Discord asked for it (the channel is in slow mode)",
        ),
        (delivered(remaining=0, reset_after=7.0), "Discord's limit of the webhook is used up"),
    ],
)
async def test_turn_says_when_and_why_not_before(outcome: Outcome, reason: str) -> None:
    limits = RateLimits().of("1")
    assert limits.turn() == Turn(0.0)
    await limits.wait()
    limits.observe(outcome)
    turn = limits.turn()
    assert turn.at - anyio.current_time() == pytest.approx(7.0 + MARGIN_SECONDS)
    assert turn.reason == reason


async def test_server_that_asks_to_wait_for_no_time_is_not_flooded() -> None:
    limits = RateLimits().of("1")
    started = anyio.current_time()
    count = 0
    while anyio.current_time() < started + 600:
        await limits.wait()
        limits.observe(rejected(0.0))
        count += 1

    assert count <= 30
    await limits.wait()
    limits.observe(delivered())
    await limits.wait()
    limits.observe(rejected(0.0))
    # As the headers say.
    assert await waited(limits) == pytest.approx(1.0 + MARGIN_SECONDS, abs=SPACING)


async def test_answer_to_the_only_request_is_true_whatever_was_counted() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(delivered(remaining=2, reset_after=60.0))
    for _ in range(2):
        await limits.wait()
        # Without an answer, Discord may have counted it or not.
        limits.observe(Outcome(OutcomeKind.RETRY, "no answer"))

    assert limits.turn().at > anyio.current_time()
    await anyio.sleep(61)
    for remaining in (2, 2, 1):
        await limits.wait()
        limits.observe(delivered(remaining=remaining, reset_after=60.0))

    assert await waited(limits) <= 1.1 * SPACING


async def test_outage_of_discord_uses_up_no_limit_but_a_counted_one_does() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(delivered(remaining=1, reset_after=60.0))
    for _ in range(5):
        assert await waited(limits) <= 1.1 * SPACING
        limits.observe(Outcome(OutcomeKind.RETRY, "an internal error", status=503))

    await limits.wait()
    counted = RateLimit(limit=5, remaining=0, reset_after=60.0)
    limits.observe(Outcome(OutcomeKind.RETRY, "", status=503, rate_limit=counted))
    assert await waited(limits) > 59


async def test_cancelled_wait_counts_no_request() -> None:
    limits = RateLimits().of("1")
    await limits.wait()
    limits.observe(rejected(100.0, is_global=True))
    with anyio.move_on_after(1):
        await limits.wait()

    await anyio.sleep(100)
    await limits.wait()
    limits.observe(delivered(remaining=4, reset_after=2.0))
    assert await waited(limits) == pytest.approx(0, abs=1.1 * SPACING)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.floats(0, 10), st.floats(0, 3)), min_size=1, max_size=20
    )
)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_never_sends_into_an_exhausted_bucket(answers: list[tuple[int, float, float]]) -> None:
    async def main() -> None:
        limits = RateLimits().of("1")
        for remaining, reset_after, pause in answers:
            await limits.wait()
            limits.observe(delivered(remaining=remaining, reset_after=reset_after))
            full_again = anyio.current_time() + reset_after
            await anyio.sleep(pause)
            if remaining == 0 and full_again > anyio.current_time():
                assert limits.turn().at >= full_again

    clock = trio.testing.MockClock(autojump_threshold=0)
    anyio.run(main, backend="trio", backend_options={"clock": clock})
