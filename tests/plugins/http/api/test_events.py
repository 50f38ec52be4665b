from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from pydantic import WithJsonSchema

from lanrage_events import (
    ConfigProblem,
    Event,
    EventBus,
    PeerJoined,
    Preview,
    Redactor,
    hookimpl,
)
from lanrage_events_http import HTTPConfig
from lanrage_events_http._api import EventSchemas, event_operations
from lanrage_events_http._app import application, make_app
from lanrage_events_http._feed import Feed

SECRET = "geheimnis-0123456789"
ANN = {"type": "peer_joined", "peer_name": "Ann", "party_name": "Friday LAN"}
BEN = {"type": "peer_joined", "peer_name": "Ben", "party_name": "Friday LAN"}
NO_NAME = {"type": "peer_joined", "party_name": "Friday LAN"}

Client = Callable[..., httpx.AsyncClient]


class Durable:
    """A durable plugin that fails on chosen events."""

    durable = True
    when_full = "block"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.errors: dict[str, Exception] = {}
        self.may_go_on = anyio.Event()
        self.may_go_on.set()

    @hookimpl
    async def event(self, event: Event) -> None:
        await self.may_go_on.wait()
        error = self.errors.get(event.to_dict().get("peer_name", ""))
        if error is not None:
            raise error

        self.events.append(event)

    def names(self) -> list[str]:
        return [event.to_dict()["peer_name"] for event in self.events]


@asynccontextmanager
async def serving(
    client: Client, plugins: Sequence[object] = (), **config: Any
) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient]]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        for plugin in plugins:
            bus.register(plugin)

        operations = event_operations(
            bus, Feed(bus.redactor), HTTPConfig(**config), EventSchemas(bus), anyio.Event()
        )
        app = application(operations, bus.redactor)
        async with client(app) as http:
            yield bus, http


class Turning:
    """Turns joins into something else, or fails."""

    transform_required = True

    @hookimpl
    def transform(self, event: PeerJoined) -> list[Event] | None:
        if event.peer_name == "secret":
            raise KeyError(event.peer_name)

        if event.peer_name == "[BOT]":
            return None

        return [event, replace(event, peer_name=f"{event.peer_name} again")]


async def test_an_event_that_must_not_pass_untransformed_is_not_taken(client: Client) -> None:
    plugin = Durable()
    async with serving(client, [plugin, Turning()]) as (_, http):
        secret, bot = {**ANN, "peer_name": "secret", "id": "s"}, {**ANN, "peer_name": "[BOT]"}
        one = await http.post("/api/events", json=secret)
        many = await http.post("/api/events", json=[bot, secret, ANN])
        again = await http.post("/api/events", json=secret)

    assert (one.status_code, many.status_code, again.status_code) == (503, 503, 503)
    assert one.json()["detail"].startswith(
        "the event could not be taken and may be sent again: peer_joined was not published: the "
        "transform of plugin 'Turning', which is required, failed: KeyError at test_events.py:"
    )
    assert len(many.json()["taken"]) == 2
    assert plugin.names() == ["Ann", "Ann again"]


async def test_what_an_event_was_turned_into_is_taken_as_a_whole(client: Client) -> None:
    plugin = Durable()
    plugin.errors["Ann again"] = OSError("disk full")
    async with serving(client, [plugin, Turning()]) as (_, http):
        failed = await http.post("/api/events", json={**ANN, "id": "x"})
        plugin.errors.clear()
        taken = await http.post("/api/events", json={**ANN, "id": "x"})
        dropped = await http.post("/api/events", json={**ANN, "peer_name": "[BOT]", "id": "y"})

    assert (failed.status_code, taken.status_code, dropped.status_code) == (503, 202, 202)
    assert (taken.json()["ids"], dropped.json()["ids"]) == (["x"], ["y"])
    assert [(event.id, event.parent_id) for event in plugin.events] == [
        ("x", None),
        ("x", None),
        ("x.2", "x"),
    ]


async def test_one_event_is_taken_when_the_durable_plugin_has_it(client: Client) -> None:
    plugin = Durable()
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events", json=ANN)

        assert plugin.names() == ["Ann"]

    assert response.status_code == 202
    assert response.json() == {"ids": [plugin.events[0].id], "repeated": []}


@pytest.mark.parametrize(
    ("body", "sources"),
    [([ANN], {"http"}), ([NO_NAME, ANN], {"http"}), ([NO_NAME], set()), ([], set())],
)
async def test_accepted_events_count_as_input_of_the_bus(
    client: Client, body: list[object], sources: set[str]
) -> None:
    async with serving(client) as (bus, http):
        await http.post("/api/events", json=body)
        assert bus.statistics().seconds_since_input.keys() == sources


async def test_no_answer_comes_before_the_durable_plugin_has_the_event(client: Client) -> None:
    plugin = Durable()
    plugin.may_go_on = anyio.Event()
    statuses: list[int] = []
    async with serving(client, [plugin]) as (_, http):

        async def post() -> None:
            statuses.append((await http.post("/api/events", json=ANN)).status_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post)
            await anyio.wait_all_tasks_blocked()
            assert statuses == []
            plugin.may_go_on.set()

    assert statuses == [202]


async def test_an_array_is_published_in_its_order(client: Client) -> None:
    plugin = Durable()
    names = [f"player {number}" for number in range(1000)]
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events", json=[{**ANN, "peer_name": n} for n in names])

    assert response.status_code == 202
    assert plugin.names() == names
    assert response.json()["ids"] == [event.id for event in plugin.events]


@pytest.mark.parametrize(
    "media_type",
    ["application/x-ndjson", "application/jsonl", "application/x-jsonlines; charset=utf-8"],
)
async def test_json_lines_are_taken_and_empty_ones_are_skipped(
    client: Client, media_type: str
) -> None:
    plugin = Durable()
    body = f"{json.dumps(ANN)}\r\n\n{json.dumps(BEN)}\n"
    async with serving(client, [plugin]) as (_, http):
        response = await http.post(
            "/api/events", content=body, headers={"Content-Type": media_type}
        )

    assert response.status_code == 202
    assert plugin.names() == ["Ann", "Ben"]


@pytest.mark.parametrize("body", ["[]", "\ufeff[]"])
async def test_nothing_is_taken_of_an_empty_array(client: Client, body: str) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", content=body)

    assert (response.status_code, response.json()) == (202, {"ids": [], "repeated": []})


async def test_the_valid_events_of_a_batch_are_taken_and_the_others_named(client: Client) -> None:
    plugin = Durable()
    batch = [{**ANN, "id": "a"}, {**NO_NAME, "id": "x"}, BEN, {"type": "peer_joind"}, 7]
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events", json=batch)

    problem = response.json()
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert plugin.names() == ["Ann", "Ben"]
    assert problem["taken"] == ["a", plugin.events[1].id]
    assert problem["failed"] == []
    assert problem["detail"] == "3 of 5 events are not valid, the others were taken"
    assert problem["refused"] == [
        {"index": 1, "id": "x", "errors": [{"path": "peer_name", "message": "required"}]},
        {
            "index": 3,
            "id": None,
            "errors": [
                {
                    "path": "type",
                    "message": "unknown event type 'peer_joind', did you mean 'peer_joined'?",
                }
            ],
        },
        {
            "index": 4,
            "id": None,
            "errors": [{"path": "", "message": "a JSON object was expected, not a number"}],
        },
    ]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
async def test_an_event_from_before_the_calendar_is_named_and_the_others_are_taken(
    client: Client, media_type: str
) -> None:
    plugin = Durable()
    batch = [ANN, {**ANN, "time": "0001-01-01T00:00:00+01:00"}, BEN]
    is_lines = media_type != "application/json"
    content = "\n".join(map(json.dumps, batch)) if is_lines else json.dumps(batch)
    async with serving(client, [plugin]) as (_, http):
        response = await http.post(
            "/api/events", content=content, headers={"Content-Type": media_type}
        )

    assert response.status_code == 422
    assert plugin.names() == ["Ann", "Ben"]
    [refused] = response.json()["refused"]
    assert (refused["index"], refused["errors"][0]["path"]) == (1, "time")
    assert refused["errors"][0]["message"].startswith("a time from 0001-01-02 to 9999-12-30")


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
async def test_the_event_of_a_newer_sender_is_taken_and_its_unknown_fields_are_named(
    client: Client, media_type: str
) -> None:
    plugin = Durable()
    newer = {**BEN, "id": "b", "party_idd": "x", "mood": "great"}
    batch = [ANN, newer, NO_NAME]
    is_lines = media_type != "application/json"
    content = "\n".join(map(json.dumps, batch)) if is_lines else json.dumps(batch)
    async with serving(client, [plugin]) as (_, http):
        headers = {"Content-Type": media_type}
        some = await http.post("/api/events", content=content, headers=headers)
        one = await http.post("/api/events", json={**newer, "id": "c"})

    fields = [
        {"path": "party_idd", "message": "unknown field, did you mean 'party_id'?"},
        {
            "path": "mood",
            "message": "unknown field, known are id, time, parent_id, party_id, peer_name, "
            "party_name, peer_id, first_time, count",
        },
    ]
    assert some.status_code == 422
    assert some.json()["dropped"] == [{"index": 1, "id": "b", "fields": fields}]
    assert one.status_code == 202
    assert one.json() == {
        "ids": ["c"],
        "repeated": [],
        "dropped": [{"index": 0, "id": "c", "fields": fields}],
    }
    assert plugin.names() == ["Ann", "Ben", "Ben"]
    assert {event.to_dict()["party_id"] for event in plugin.events} == {None}


async def test_an_unknown_field_of_a_strict_request_is_wrong(client: Client) -> None:
    plugin = Durable()
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events?strict=true", json={**ANN, "party_idd": "x"})

    assert response.status_code == 422
    assert response.json()["detail"] == (
        "the event is not valid: party_idd: unknown field, did you mean 'party_id'?"
    )
    assert plugin.events == []


async def test_the_unknown_fields_of_an_invalid_event_are_named_with_what_is_missing(
    client: Client,
) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", json={**NO_NAME, "peer_nam": "Ann"})

    [refused] = response.json()["refused"]
    assert {error["path"] for error in refused["errors"]} == {"peer_name", "peer_nam"}
    assert "dropped" not in response.json()


@pytest.mark.slow
@pytest.mark.either_backend
async def test_the_names_of_very_many_unknown_fields_are_bounded(client: Client) -> None:
    event = {**ANN, **{f"{'x' * 2_000}{number}": number for number in range(90)}}
    async with serving(client) as (_, http):
        response = await http.post("/api/events", json=[event] * 100)

    assert response.status_code == 202
    assert len(response.json()["dropped"]) == 100
    assert len(response.content) < 500_000


async def test_nothing_of_an_atomic_batch_is_taken_if_one_event_is_not_valid(
    client: Client,
) -> None:
    plugin = Durable()
    batch = [{**ANN, "id": "a"}, NO_NAME]
    async with serving(client, [plugin]) as (bus, http):
        rejected = await http.post("/api/events?atomic=true", json=batch)
        await bus.drain()
        assert plugin.events == []
        taken = await http.post("/api/events?atomic=true", json=batch[:1])

    assert rejected.status_code == 422
    assert rejected.json()["taken"] == []
    assert rejected.json()["detail"] == "1 of 2 events is not valid, so none was taken"
    assert taken.json() == {"ids": ["a"], "repeated": []}


async def test_a_single_event_that_is_not_valid_is_explained_in_the_detail(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", json=NO_NAME)
        whole = await http.post("/api/events", json="Ann")

    assert response.json()["detail"] == "the event is not valid: peer_name: required"
    assert whole.json()["detail"] == (
        "the event is not valid: a JSON object was expected, not a string"
    )


async def test_half_of_a_character_in_an_event_is_called_that(client: Client) -> None:
    body = rb'{"type": "peer_joined", "peer_name": "a\ude00", "party_name": "LAN"}'
    async with serving(client) as (_, http):
        headers = {"Content-Type": "application/json"}
        response = await http.post("/api/events", content=body, headers=headers)

    assert response.status_code == 422
    assert response.json()["detail"] == (
        r"the event is not valid: peer_name: lone surrogate \ude00, which is half of a character: "
        "send the whole character"
    )


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("", "it is empty: leave it out, or give a text that no other event has"),
        ("  ", "it is empty: leave it out, or give a text that no other event has"),
        ("x" * 65, "it has 65 characters, and 64 are the most"),
        ("x" * 100_000, "it has 100,000 characters, and 64 are the most"),
        ("a\nb", "it has a control character, such as a line break"),
        ("a\x9fb", "it has a control character, such as a line break"),
    ],
)
async def test_an_id_that_is_not_as_documented_is_named(
    client: Client, id: str, message: str
) -> None:
    plugin = Durable()
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events", json={**ANN, "id": id})

    assert response.status_code == 422
    problem = response.json()
    assert problem["title"] == "Unprocessable Content"
    assert problem["refused"][0]["errors"] == [{"path": "id", "message": message}]
    assert problem["refused"][0]["id"] == (id if len(id) <= 64 else None)
    assert plugin.events == []


@pytest.mark.parametrize("id", ["", " ", "x" * 65])
@pytest.mark.parametrize("form", ["single", "array", "lines"])
async def test_an_id_that_is_not_as_documented_is_never_answered_as_repeated(
    client: Client, form: str, id: str
) -> None:
    plugin = Durable()
    bad = {**BEN, "id": id}
    array = [{**ANN, "id": "ann"}, bad, bad]
    async with serving(client, [plugin]) as (_, http):
        for _ in range(2):
            if form == "single":
                response = await http.post("/api/events", json=bad)
            elif form == "array":
                response = await http.post("/api/events", json=array)
            else:
                lines = "\n".join(map(json.dumps, array))
                headers = {"Content-Type": "application/x-ndjson"}
                response = await http.post("/api/events", content=lines, headers=headers)

            assert response.status_code == 422
            refused = response.json()["refused"]
            assert len(refused) == (1 if form == "single" else 2)
            assert {error["path"] for item in refused for error in item["errors"]} == {"id"}
            assert set(response.json()["repeated"]) <= {"ann"}

    assert plugin.names() == ([] if form == "single" else ["Ann"])


async def test_an_id_of_64_characters_is_taken(client: Client) -> None:
    async with serving(client, [Durable()]) as (_, http):
        response = await http.post("/api/events", json={**ANN, "id": "ü" * 64})

    assert response.status_code == 202


async def test_what_durable_plugins_could_not_take_is_answered_with_the_reason(
    client: Client,
) -> None:
    plugin = Durable()
    plugin.errors["Ben"] = OSError(28, f"No space left on device {SECRET}")
    async with serving(client, [plugin]) as (_, http):
        response = await http.post("/api/events", json=[ANN, {**BEN, "id": "b"}, NO_NAME])

    problem = response.json()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert problem["taken"] == [plugin.events[0].id]
    assert [event["index"] for event in problem["refused"]] == [2]
    reason = "[Errno 28] No space left on device **********"
    assert problem["failed"] == [{"index": 1, "id": "b", "reason": reason}]
    assert problem["detail"] == (
        "1 of 3 events is not valid, 1 of 3 could not be taken and may be sent again: " + reason
    )
    assert SECRET not in response.text


async def test_the_reasons_of_several_plugins_are_all_shown(client: Client) -> None:
    class Another(Durable):
        pass

    plugin, another = Durable(), Another()
    plugin.errors["Ann"] = ValueError("the disk is full")
    another.errors["Ann"] = KeyError()
    async with serving(client, [plugin, another]) as (_, http):
        response = await http.post("/api/events", json=ANN)

    assert response.json()["detail"].startswith("the event could not be taken and may be sent")
    reasons = response.json()["failed"][0]["reason"].split("; ")
    assert sorted(reasons) == ["KeyError", "the disk is full"]


async def test_what_a_plugin_that_is_not_durable_does_is_not_waited_for(client: Client) -> None:
    class Broken:
        @hookimpl
        async def event(self, event: Event) -> None:
            await anyio.sleep_forever()

    async with serving(client, [Broken()]) as (bus, http):
        response = await http.post("/api/events", json=ANN)
        await bus.unregister("Broken", timeout=0)

    assert response.status_code == 202


async def test_a_bus_that_is_closing_takes_nothing(client: Client) -> None:
    async with EventBus() as bus:
        operations = event_operations(
            bus, Feed(bus.redactor), HTTPConfig(), EventSchemas(bus), anyio.Event()
        )

    async with client(application(operations, bus.redactor)) as http:
        response = await http.post("/api/events", json={**ANN, "id": "a"})

    assert response.status_code == 503
    assert response.json()["failed"][0]["reason"] == "the bus is closing"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "the body is not JSON: expecting value at line 1 column 1"),
        (
            '{"type":\n oops}',
            "the body is not JSON: expecting value at line 2 column 2",
        ),
        ('{"type": NaN}', "the body is not JSON: NaN is not a JSON number"),
        (b'{"type": "\xff"}', "the body is not UTF-8: the byte at position 10 is wrong"),
        ("[" * 100_000, "the body is nested too deeply"),
    ],
)
async def test_what_is_not_json_is_rejected_with_its_position(
    client: Client, body: str | bytes, detail: str
) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", content=body)

    assert (response.status_code, response.json()["detail"]) == (400, detail)


async def test_a_number_that_is_too_long_is_not_json(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", content="1" * 10_000)

    assert response.status_code == 400


async def test_nothing_is_taken_if_one_line_is_not_json(client: Client) -> None:
    plugin = Durable()
    async with serving(client, [plugin]) as (bus, http):
        response = await http.post(
            "/api/events",
            content=f"{json.dumps(ANN)}\n\n{{oops\n",
            headers={"Content-Type": "application/x-ndjson"},
        )
        await bus.drain()

    assert response.status_code == 400
    assert response.json()["detail"] == (
        "line 3 is not JSON: expecting property name enclosed in double quotes at column 2"
    )
    assert plugin.events == []


@pytest.mark.parametrize("is_lines", [False, True])
async def test_more_than_a_thousand_events_are_too_many(client: Client, is_lines: bool) -> None:
    plugin = Durable()
    batch = [ANN] * 1001
    body = "\n".join(map(json.dumps, batch)) if is_lines else json.dumps(batch)
    media_type = "application/x-ndjson" if is_lines else "application/json"
    async with serving(client, [plugin]) as (bus, http):
        headers = {"Content-Type": media_type}
        response = await http.post("/api/events", content=body, headers=headers)
        await bus.drain()

    assert response.status_code == 413
    assert response.json()["detail"] == (
        "there are more events than the 1,000 that one request may bring: "
        "send them in several requests"
    )
    assert plugin.events == []


async def test_another_media_type_is_rejected(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", data={"type": "peer_joined"})

    assert response.status_code == 415
    assert "application/x-www-form-urlencoded" in response.json()["detail"]
    assert "send application/json or application/x-ndjson" in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "path", "message"),
    [
        ("atomc=true", "atomc", "unknown field, did you mean 'atomic'?"),
        ("atomic=maybe", "atomic", "input should be a valid boolean, unable to interpret input"),
        ("atomic=true&atomic=false", "atomic", "given more than once"),
    ],
)
async def test_a_query_that_is_not_known_is_rejected(
    client: Client, query: str, path: str, message: str
) -> None:
    plugin = Durable()
    async with serving(client, [plugin]) as (_, http):
        response = await http.post(f"/api/events?{query}", json=ANN)

    assert response.status_code == 422
    assert response.json()["errors"] == [{"path": path, "message": message}]
    assert plugin.events == []


async def test_very_long_names_are_not_repeated_in_full(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", json={"type": "x" * 10_000})

    assert response.status_code == 422
    assert len(response.content) < 2000


async def test_text_that_is_no_unicode_is_answered_without_an_error(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.post("/api/events", content='{"type": "\\ud800", "id": "\\ud800"}')

    assert response.status_code == 422
    assert response.json()["refused"][0]["id"] == "?"


async def test_a_client_that_leaves_while_it_sends_is_not_an_error(client: Client) -> None:
    async with serving(client) as (bus, _):
        operations = event_operations(
            bus, Feed(bus.redactor), HTTPConfig(), EventSchemas(bus), anyio.Event()
        )
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            await checkpoint()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/events",
            "query_string": b"",
            "headers": [],
        }
        await application(operations, bus.redactor)(scope, receive, send)

    assert sent[0]["status"] == 400


async def test_the_event_types_come_with_their_schemas(client: Client) -> None:
    async with serving(client) as (bus, http):
        response = await http.get("/api/events/types")
        head = await http.head("/api/events/types")

    types = {entry["type"]: entry for entry in response.json()["types"]}
    assert list(types) == [cls.type for cls in bus.events.types()]
    assert types["peer_joined"] == {
        "type": "peer_joined",
        "distribution": "lanrage-events",
        "description": "A player joined a party.",
        "schema": bus.events.json_schema("peer_joined"),
        "sample": {
            "peer_name": "Ann",
            "party_name": "Friday LAN",
            "party_id": "lan-42",
            "peer_id": "STEAM_0:1:1042",
            "first_time": True,
            "count": 4,
        },
    }
    assert head.content == b""
    assert head.headers["content-length"] == response.headers["content-length"]


async def test_another_method_is_rejected_with_those_allowed(client: Client) -> None:
    async with serving(client) as (_, http):
        response = await http.put("/api/events", json=ANN)
        missing = await http.get("/api/nothing")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["detail"] == "this method is not allowed here: see the header Allow"
    assert missing.status_code == 404
    assert "/api/openapi.json" in missing.json()["detail"]


async def test_an_unexpected_error_is_logged_without_secrets_and_not_shown(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*args: object, **options: object) -> None:
        raise LookupError(f"no room for {SECRET}")

    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        app = make_app(bus, HTTPConfig(), Feed(bus.redactor), stopping=anyio.Event(), port=8666)
        async with client(app) as http:
            monkeypatch.setattr(bus, "publish_many_and_wait", break_down)
            response = await http.post("/api/events", json={**ANN, "id": "a"})
            monkeypatch.undo()
            again = await http.post("/api/events", json={**ANN, "id": "a"})

    assert response.status_code == 500
    assert "room" not in response.text
    assert "LookupError: no room for **********" in caplog.text
    assert SECRET not in caplog.text
    assert again.json() == {"ids": ["a"], "repeated": []}


async def test_very_many_fields_or_errors_of_an_event_are_shortened(client: Client) -> None:
    many = {**ANN, **{f"field {number}": 0 for number in range(2000)}}
    players = {"type": "game_started", "game_name": "-", "players": [7] * 2000}
    async with serving(client) as (_, http):
        response = await http.post("/api/events", json=[many, players])

    first, second = response.json()["refused"]
    assert first["errors"] == [
        {"path": "", "message": "2,003 fields are more than an event has, at most 100"}
    ]
    assert len(second["errors"]) == 21
    assert second["errors"][-1] == {"path": "", "message": "1,980 more are not shown"}


async def test_others_have_their_turn_while_events_are_rejected(client: Client) -> None:
    turns: list[int] = []
    is_over = False
    async with serving(client) as (_, http), anyio.create_task_group() as tasks:

        async def count() -> None:
            while not is_over:
                turns.append(1)
                await checkpoint()

        tasks.start_soon(count)
        await http.post("/api/events", json=[NO_NAME] * 1000)
        is_over = True

    assert len(turns) > 500


class Rendering:
    """A plugin that shows what it would send."""

    @hookimpl
    def preview(self, event: PeerJoined) -> Preview:
        return Preview(
            title="wall",
            json={"name": event.peer_name, "key": SECRET},
            problems=[ConfigProblem("small", warning=True)],
        )


async def test_a_preview_has_what_each_plugin_would_send_without_its_secrets(
    client: Client,
) -> None:
    durable = Durable()
    async with serving(client, [durable, Rendering()]) as (_, http):
        body = {"type": "peer_joined", "fields": {"peer_name": "Ann", "party_name": "LAN"}}
        response = await http.post("/api/events/preview", json=body)

    assert response.status_code == 200
    assert response.json() == {
        "plugins": ["Rendering"],
        "previews": [
            {
                "plugin": "Rendering",
                "title": "wall",
                "text": "",
                "json": {"name": "Ann", "key": "**********"},
                "problems": [{"message": "small", "warning": True}],
            }
        ],
    }
    assert durable.events == []


async def test_a_preview_of_no_event_names_the_fields(client: Client) -> None:
    async with serving(client, [Rendering()]) as (_, http):
        body = {"type": "peer_joined", "fields": {"peer_nam": "Ann"}}
        response = await http.post("/api/events/preview", json=body)

    assert response.status_code == 422
    assert "peer_name" in [error["path"] for error in response.json()["errors"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Odd(Event):
    """Something odd happened."""

    what: Annotated[int, WithJsonSchema({"type": "number", "minimum": "x"})]


class Oddity:
    @hookimpl
    def register_events(self) -> list[type[Event]]:
        return [Odd]


async def test_a_type_whose_schema_makes_no_sense_has_no_sample(client: Client) -> None:
    async with serving(client, [Oddity()]) as (_, http):
        response = await http.get("/api/events/types")

    samples = {entry["type"]: entry["sample"] for entry in response.json()["types"]}
    assert samples["odd"] == {}
    assert samples["peer_left"]["peer_name"] == "Ann"
