"""What the next process knows of Discord's limits, however this one ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events.testing import virtual_time
from lanrage_events_discord._client import (
    Action,
    LimitMemory,
    Outcome,
    OutcomeKind,
    RateLimit,
    RateLimits,
    shared_address,
)
from lanrage_events_discord._client.rate_limits import LONG_WAIT_SECONDS, AddressLimit
from lanrage_events_discord._memory import Memory


class Clock:
    """A wall clock that goes with virtual time, and can be set."""

    def __init__(self) -> None:
        self.offset = 1_700_000_000.0

    def __call__(self) -> float:
        return self.offset + anyio.current_time()


class Life:
    """What one process knows of the limits."""

    def __init__(
        self, path: Path | None, clock: Clock | None = None, address: AddressLimit | None = None
    ) -> None:
        self.limits = RateLimits(address)
        what = "the waits that Discord asked for"
        self._memory = LimitMemory(Memory(path, what, wall_clock=clock or Clock()), self.limits)

    def end(self) -> None:
        self._memory.close()

    async def answer(
        self, outcome: Outcome, webhook: str = "1", action: Action = Action.EXECUTE
    ) -> None:
        limits = self.limits.of(webhook, action)
        await limits.wait()
        limits.observe(outcome)

    def wait(self, webhook: str = "1", action: Action = Action.EXECUTE, **kind: bool) -> float:
        turn = self.limits.of(webhook, action).turn(**kind)
        return max(0.0, turn.at - anyio.current_time())


def rejection(seconds: float, **about: Any) -> Outcome:
    return replace(
        Outcome(OutcomeKind.RETRY_AFTER, "no", status=429, retry_after=seconds, scope="user"),
        **about,
    )


DELIVERED = Outcome(OutcomeKind.DELIVERED, "delivered", status=200, channel_id="77")


async def test_wait_that_discord_asked_for_outlasts_a_killed_process(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(100))
    await anyio.sleep(40)
    for _ in range(3):
        life = Life(file)
        assert life.wait() == pytest.approx(60, abs=0.1)
        assert life.wait("2") == life.wait("1", Action.EDIT) == 0
        assert "Discord asked for it" in life.limits.of("1").turn().reason

    await anyio.sleep(61)
    assert Life(file).wait() == 0
    assert file.read_bytes().isascii()


@pytest.mark.parametrize("kind", ["is_global", "is_blocked"])
async def test_block_of_the_address_outlasts_the_process(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(600, **{kind: True}))
    await anyio.sleep(100)
    assert Life(file).wait("2") == pytest.approx(500, abs=0.1)
    assert Life(file).wait("2", Action.FETCH) == pytest.approx(500, abs=0.1)


async def test_block_of_a_shared_address_is_kept_by_all_plugins(tmp_path: Path) -> None:
    address = AddressLimit()
    one, other = (Life(tmp_path / name, address=address) for name in ("one.json", "other.json"))
    await one.answer(rejection(600, is_blocked=True))
    assert other.wait() == pytest.approx(600, abs=0.1)
    for name in ("one.json", "other.json"):
        assert Life(tmp_path / name).wait() == pytest.approx(600, abs=0.1)


async def test_channels_keep_their_limit_and_their_waits(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    life = Life(file)
    for _ in range(20):
        await life.answer(DELIVERED)

    await life.answer(DELIVERED, "2")
    await life.answer(rejection(30, scope="shared"))
    limit = life.limits.of("1").channel.limit.limit
    assert limit is not None
    assert Life(file).wait("2") == pytest.approx(life.wait("2"), abs=0.01)
    assert life.wait("2") >= 30
    assert Life(file).limits.of("2").channel.limit.limit == limit
    await anyio.sleep(31)
    life.end()
    again = Life(file)
    # The minute in which it was learnt is not over.
    assert again.wait("2", is_full=True) == pytest.approx(life.wait("2", is_full=True), abs=0.01)
    assert again.wait("3") == 0
    await anyio.sleep(100)
    assert Life(file).limits.of("1").channel.limit.limit is not None
    for _ in range(2):
        await anyio.sleep(45_000)

    assert Life(file).wait() == 0


async def test_channel_whose_id_is_not_known_keeps_its_wait(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(30, scope="shared"))
    life = Life(file)
    assert life.wait() == life.wait(action=Action.EDIT) == pytest.approx(30, abs=0.1)
    assert life.wait("2") == life.wait(action=Action.FETCH) == 0
    await anyio.sleep(31)
    await life.answer(DELIVERED)
    assert life.limits.of("1").channel is life.limits.channels["77"]


async def test_edits_of_old_messages_stay_slow(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(10, code=30046, scope="shared"), action=Action.EDIT)
    life = Life(file)
    assert life.wait(action=Action.EDIT, is_old=True) == pytest.approx(10, abs=0.1)
    assert life.wait(action=Action.EDIT) == 0
    await anyio.sleep(11)
    times = []
    for _ in range(4):
        limits = life.limits.of("1", Action.EDIT)
        await limits.wait(is_old=True)
        limits.observe(replace(DELIVERED, channel_id=None))
        times.append(anyio.current_time())

    assert times[3] - times[0] == pytest.approx(12, abs=0.1)


async def test_retry_after_of_an_outage_is_kept_too(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    outage = Outcome(OutcomeKind.RETRY, "down", status=503, retry_after=90)
    life = Life(file)
    await life.answer(outage)
    assert life.wait() == Life(file).wait() == pytest.approx(90, abs=0.1)


async def test_bucket_that_is_used_up_for_long_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    limit = RateLimit(limit=5, remaining=0, reset_after=40.0)
    await Life(file).answer(replace(DELIVERED, rate_limit=limit))
    assert Life(file).wait() == pytest.approx(40, abs=0.1)


async def test_requests_that_are_delivered_write_nothing(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    life = Life(file)
    for remaining in (4, 3, 2, 1, 0) * 3:
        limit = RateLimit(limit=5, remaining=remaining, reset_after=2.0)
        await life.answer(replace(DELIVERED, rate_limit=limit))

    assert not file.exists()
    life.end()
    assert Life(file).wait() == pytest.approx(2, abs=0.1)


async def test_ended_process_leaves_the_file_to_the_next_one(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    address = AddressLimit()
    old = Life(file, address=address)
    old.end()
    new = Life(file, address=address)
    await new.answer(rejection(50))
    # An answer that came to the old one all the same, or a block of the shared address.
    await old.answer(rejection(10), "2")
    address.block(5, "for a test")
    assert Life(file).wait() == pytest.approx(50, abs=0.1)


@pytest.mark.parametrize("change", [-7200.0, -5.0, 7200.0])
async def test_clock_that_is_set_lengthens_no_wait(tmp_path: Path, change: float) -> None:
    file, clock = tmp_path / "limits.json", Clock()
    await Life(file, clock).answer(rejection(100))
    clock.offset += change
    assert Life(file, clock).wait() == pytest.approx(0 if change > 0 else 100, abs=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"written": "x"},
        {"written": True},
        {"address": {"seconds": "x", "reason": ""}},
        {"address": {"seconds": 1e999, "reason": ""}},
        {"waits": []},
        {"waits": {"1/dance": {"seconds": 1, "reason": ""}}},
        {"waits": {"1/execute": {"seconds": 1, "reason": "\n"}}},
        {"channels": {"77": {"limit": 5}}},
        {"channels": {"77": 5}},
        {"channel_ids": None},
    ],
)
async def test_damaged_file_is_reported_and_nothing_of_it_is_used(
    tmp_path: Path, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(100))
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    life = Life(file)
    assert life.wait() == 0
    assert "the waits that Discord asked for are forgotten: it is damaged" in caplog.text
    await life.answer(rejection(50))
    assert Life(file).wait() == pytest.approx(50, abs=0.1)


async def test_no_number_in_the_file_stops_a_lane_for_more_than_a_day(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    await Life(file).answer(rejection(100))
    data = json.loads(file.read_text())
    data["waits"]["1/execute"]["seconds"] = 1e12
    file.write_text(json.dumps(data))
    assert Life(file).wait() <= 86_401


async def test_file_that_cannot_be_written_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    life = Life(folder / "limits.json")
    for _ in range(3):
        await life.answer(rejection(10))

    life.end()
    assert caplog.text.count("cannot keep the waits that Discord asked for") == 1


async def test_file_is_bounded_and_keeps_the_longest_waits(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    life = Life(file)
    for number in range(1, 1201):
        limits = life.limits.of(str(number))
        limits.block(replace(limits.turn(), at=anyio.current_time() + 10 + number, reason="x"))

    life.end()
    waits = json.loads(file.read_text())["waits"]
    assert len(waits) == 1000
    assert Life(file).wait("1200") > 1200
    assert Life(file).wait("200") == 0


async def test_file_is_written_at_most_once_a_second_for_short_waits(tmp_path: Path) -> None:
    file = tmp_path / "limits.json"
    life = Life(file)
    contents = set()
    for _ in range(40):
        await life.answer(rejection(0.05), "1")
        await life.answer(DELIVERED, "1")
        contents.add(file.read_text())

    assert len(contents) <= anyio.current_time() + 2


async def test_plugins_of_a_process_share_the_address_unless_their_clients_differ() -> None:
    import httpx

    async with httpx.AsyncClient() as one, httpx.AsyncClient() as other:
        assert shared_address(None) is shared_address(None)
        assert shared_address(one) is shared_address(one)
        assert len({shared_address(None), shared_address(one), shared_address(other)}) == 3


answers = st.lists(
    st.tuples(
        st.sampled_from(("1", "2", "3")),
        st.sampled_from(tuple(Action)),
        st.sampled_from(("user", "shared", "global", "blocked", "30046", "503", "used up")),
        st.sampled_from((0.5, 3.0, 20.0, 600.0, 86_400.0)),
        st.sampled_from((0.0, 0.2, 1.5, 30.0, 1000.0)),
        st.sampled_from(("goes on", "is killed", "ends")),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=answers)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_long_wait_is_known_to_the_next_process(
    tmp_path_factory: pytest.TempPathFactory, backend: Any, steps: list[tuple[Any, ...]]
) -> None:
    file = tmp_path_factory.mktemp("state") / "limits.json"
    about: dict[str, dict[str, Any]] = {
        "user": {},
        "shared": {"scope": "shared"},
        "global": {"is_global": True},
        "blocked": {"is_blocked": True},
        "30046": {"code": 30046},
        "503": {"kind": OutcomeKind.RETRY, "status": 503},
    }

    def waits(life: Life) -> dict[tuple[str, Action, bool], float]:
        return {
            (webhook, action, is_old): life.wait(webhook, action, is_old=is_old)
            for webhook in "123"
            for action in Action
            for is_old in (False, True)
        }

    async def main() -> None:
        life = Life(file)
        for webhook, action, kind, seconds, pause, end in steps:
            outcome = (
                rejection(seconds, **about[kind])
                if kind in about
                else replace(
                    DELIVERED,
                    channel_id=None,
                    rate_limit=RateLimit(limit=1, remaining=0, reset_after=seconds),
                )
            )
            await life.answer(outcome, webhook, action)
            await anyio.sleep(pause)
            if end == "goes on":
                continue

            before = waits(life)
            if end == "ends":
                life.end()

            life = Life(file)
            after = waits(life)
            for key, wait in before.items():
                assert after[key] <= wait + 12.1, key
                # Edits of old messages that left are not remembered, only that Discord rejected one.
                if not key[2] and (end == "ends" or wait + pause > LONG_WAIT_SECONDS + 0.1):
                    assert after[key] == pytest.approx(wait, abs=0.05), key

    name, options = virtual_time(backend)
    anyio.run(main, backend=name, backend_options=options)
