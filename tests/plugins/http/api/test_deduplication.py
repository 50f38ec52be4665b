from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import Event, EventBus, hookimpl
from lanrage_events_http import HTTPConfig
from lanrage_events_http._api import Deduplicator, EventSchemas, InFlight, event_operations
from lanrage_events_http._app import application
from lanrage_events_http._feed import Feed

WINDOW = 600.0

Client = Callable[..., httpx.AsyncClient]


class Durable:
    """Handles an event when it may, and fails as often as it should."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.failures = 0
        self.may_go_on = anyio.Event()
        self.may_go_on.set()

    @hookimpl
    async def event(self, event: Event) -> None:
        await self.may_go_on.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")

        self.ids.append(event.id)


def joined(id: str) -> dict[str, str]:
    return {"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN", "id": id}


@asynccontextmanager
async def serving(
    client: Client, plugin: Durable, **config: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async with EventBus() as bus:
        bus.register(plugin)
        operations = event_operations(
            bus, Feed(bus.redactor), HTTPConfig(**config), EventSchemas(bus), anyio.Event()
        )
        app = application(operations, bus.redactor)
        async with client(app) as http:
            yield http


async def test_an_id_that_comes_again_within_the_window_is_taken_once(client: Client) -> None:
    plugin = Durable()
    async with serving(client, plugin, repeat_window=WINDOW) as http:
        await http.post("/api/events", json=joined("a"))
        await anyio.sleep(WINDOW - 1)
        again = await http.post("/api/events", json=[joined("a"), joined("b")])
        # It counts from when it was taken, not from when it came last.
        await anyio.sleep(1)
        later = await http.post("/api/events", json=joined("a"))

    assert again.json() == {"ids": ["a", "b"], "repeated": ["a"]}
    assert later.json() == {"ids": ["a"], "repeated": []}
    assert plugin.ids == ["a", "b", "a"]


async def test_an_id_that_is_twice_in_a_batch_is_taken_once(client: Client) -> None:
    plugin = Durable()
    async with serving(client, plugin) as http:
        response = await http.post("/api/events", json=[joined("a"), joined("b"), joined("a")])

    assert response.json() == {"ids": ["a", "b", "a"], "repeated": ["a"]}
    assert plugin.ids == ["a", "b"]


async def test_an_id_that_failed_twice_in_a_batch_may_come_again(client: Client) -> None:
    plugin = Durable()
    plugin.failures = 1
    async with serving(client, plugin) as http:
        failed = await http.post("/api/events", json=[joined("a"), joined("a"), joined("b")])
        again = await http.post("/api/events", json=joined("a"))

    problem = failed.json()
    assert failed.status_code == 503
    assert problem["failed"] == [
        {"index": 0, "id": "a", "reason": "the disk is full"},
        {"index": 1, "id": "a", "reason": "the disk is full"},
    ]
    assert problem["taken"] == ["b"]
    assert again.json() == {"ids": ["a"], "repeated": []}
    assert plugin.ids == ["b", "a"]


@pytest.mark.parametrize(("failures", "status"), [(0, 202), (1, 503)])
async def test_a_repeat_waits_for_the_first_and_shares_its_fate(
    client: Client, failures: int, status: int
) -> None:
    plugin = Durable()
    plugin.failures = failures
    plugin.may_go_on = anyio.Event()
    answers: list[httpx.Response] = []
    async with serving(client, plugin) as http:

        async def post() -> None:
            answers.append(await http.post("/api/events", json=joined("a")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(post)
            tasks.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            assert answers == []
            plugin.may_go_on.set()

    assert [answer.status_code for answer in answers] == [status] * 3
    assert plugin.ids == ["a"][failures:]


async def test_two_requests_that_wait_for_each_other_do_not_hang(client: Client) -> None:
    plugin = Durable()
    plugin.may_go_on = anyio.Event()
    answers: list[httpx.Response] = []
    async with serving(client, plugin) as http:

        async def post(*ids: str) -> None:
            answers.append(await http.post("/api/events", json=[joined(id) for id in ids]))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post, "a", "b", "a")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(post, "c", "a", "b")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(post, "b", "c")
            await anyio.wait_all_tasks_blocked()
            plugin.may_go_on.set()

    assert [answer.status_code for answer in answers] == [202] * 3
    assert plugin.ids == ["a", "b", "c"]


async def test_a_request_that_is_cancelled_forgets_its_ids(client: Client) -> None:
    plugin = Durable()
    plugin.may_go_on = anyio.Event()
    answers: list[httpx.Response] = []
    async with serving(client, plugin) as http:

        async def post() -> None:
            answers.append(await http.post("/api/events", json=joined("a")))

        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(1):
                await http.post("/api/events", json=joined("a"))

            tasks.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            plugin.may_go_on.set()

    assert answers[0].json() == {"ids": ["a"], "repeated": []}


async def test_who_waits_for_a_request_that_is_cancelled_may_send_again(client: Client) -> None:
    plugin = Durable()
    plugin.may_go_on = anyio.Event()
    answers: list[httpx.Response] = []
    async with serving(client, plugin) as http:

        async def post() -> None:
            answers.append(await http.post("/api/events", json=joined("a")))

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as first:
                    first.start_soon(post)
                    await anyio.wait_all_tasks_blocked()
                    tasks.start_soon(post)
                    await anyio.wait_all_tasks_blocked()
                    scope.cancel()

        plugin.may_go_on.set()

    reason = "the request that sent it first was interrupted"
    assert answers[0].status_code == 503
    assert answers[0].json()["failed"] == [{"index": 0, "id": "a", "reason": reason}]


async def test_who_waits_may_be_cancelled_without_harm(client: Client) -> None:
    plugin = Durable()
    plugin.may_go_on = anyio.Event()
    answers: list[httpx.Response] = []
    async with serving(client, plugin) as http:

        async def post() -> None:
            answers.append(await http.post("/api/events", json=joined("a")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(1):
                await post()

            plugin.may_go_on.set()

    assert [answer.status_code for answer in answers] == [202]


async def test_an_event_that_was_not_valid_may_come_again_with_its_id(client: Client) -> None:
    plugin = Durable()
    async with serving(client, plugin) as http:
        await http.post("/api/events", json={**joined("a"), "peer_name": 7})
        response = await http.post("/api/events", json=joined("a"))

    assert response.json() == {"ids": ["a"], "repeated": []}


async def test_a_window_of_nothing_remembers_nothing(client: Client) -> None:
    plugin = Durable()
    async with serving(client, plugin, repeat_window=0) as http:
        first = await http.post("/api/events", json=joined("a"))
        second = await http.post("/api/events", json=joined("a"))

    assert first.json() == second.json() == {"ids": ["a"], "repeated": []}


def take(deduplicator: Deduplicator, ids: Sequence[str]) -> None:
    request = InFlight()
    for id in ids:
        deduplicator.begin(id, request)

    deduplicator.finish(request, dict.fromkeys(ids))


async def test_the_oldest_ids_are_forgotten_when_there_are_too_many() -> None:
    deduplicator = Deduplicator(WINDOW, size=3)
    take(deduplicator, "abc")
    take(deduplicator, "d")

    assert [id for id in "abcd" if deduplicator.was_taken(id)] == ["b", "c", "d"]
    assert len(deduplicator) == 3


async def test_old_ids_leave_the_memory_when_others_come() -> None:
    deduplicator = Deduplicator(WINDOW)
    take(deduplicator, "abc")
    await anyio.sleep(WINDOW)
    take(deduplicator, "d")

    assert len(deduplicator) == 1


actions = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)),
        st.tuples(st.just("fail"), st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 4.0, 9.5, 10.0, 11.0])),
    ),
    max_size=30,
)


@pytest.mark.slow
@given(actions=actions)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
async def test_ids_are_known_for_the_window_unless_they_failed_or_are_too_many(
    actions: list[tuple[str, Any]],
) -> None:
    window, size = 10.0, 4
    deduplicator = Deduplicator(window, size)
    model: dict[str, float] = {}
    """by id in the order of taking: when it was taken"""
    for action, argument in actions:
        now = anyio.current_time()
        model = {id: at for id, at in model.items() if now - at < window}
        if action == "wait":
            await anyio.sleep(argument)
            continue

        ids = [id for id in argument if id not in model]
        assert ids == [id for id in argument if not deduplicator.was_taken(id)]
        request = InFlight()
        for id in ids:
            deduplicator.begin(id, request)
            assert deduplicator.in_flight(id) is request

        match action:
            case "take":
                deduplicator.finish(request, dict.fromkeys(ids))
                model |= dict.fromkeys(ids, now)
                model = dict(list(model.items())[-size:])
            case _:
                deduplicator.finish(request, dict.fromkeys(ids, OSError()))
                assert request.failures.keys() == set(ids)

        assert request.done.is_set()
        assert [id for id in "abcdef" if deduplicator.in_flight(id)] == []
        assert [id for id in model if deduplicator.was_taken(id)] == list(model)
        assert len(deduplicator) <= size
