from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio
import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, field_validator

from lanrage_events import EventBus, Redactor, hookimpl
from lanrage_events.events import FieldProblem
from lanrage_events.http import Route, RouteError, RouteRequest
from lanrage_events_http._api import PluginRoutes
from lanrage_events_http._app import application

SECRET = "geheimnis-0123456789"
SENT = "https://discord.example/api/webhooks/1/never-shown-0123456789"

Client = Callable[..., httpx.AsyncClient]


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    urgent: bool = False


class Page(BaseModel):
    limit: int = 10
    since: datetime | None = None


class Seen(BaseModel):
    text: str = ""
    limit: int = 0
    path: dict[str, str] = {}


class Post:
    """A plugin with the routes that a test gives it."""

    def __init__(self, *routes: Any) -> None:
        self.answer: Any = routes
        self.calls = 0

    @hookimpl
    def http_routes(self) -> Any:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer

        return self.answer


async def see(request: RouteRequest) -> Seen:
    return Seen(
        text="" if request.body is None else request.body.text,
        limit=0 if request.query is None else request.query.limit,
        path=dict(request.path),
    )


async def nothing(request: RouteRequest) -> None:
    pass


def get(path: str, handler: Any = see, **options: Any) -> Route:
    return Route(**{"method": "GET", "path": path, "handler": handler, "response": Seen, **options})


def post(path: str, handler: Any = see, **options: Any) -> Route:
    return get(path, handler, **{"method": "POST", "request": Letter, **options})


@asynccontextmanager
async def serving(
    client: Client, *routes: Any, **plugins: object
) -> AsyncIterator[tuple[EventBus, httpx.AsyncClient]]:
    redactor = Redactor()
    redactor.add(SECRET)
    async with EventBus(redactor=redactor) as bus:
        for name, plugin in {"post": Post(*routes), **plugins}.items():
            await bus.plugins.register_and_wait(plugin, name)

        async with client(application([PluginRoutes(bus)], redactor)) as http:
            yield bus, http


async def test_a_route_gets_what_stands_in_its_path(client: Client) -> None:
    async with serving(client, get("/letters/{id}/{part}")) as (_, http):
        response = await http.get("/api/post/letters/7/a%20b")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["path"] == {"id": "7", "part": "a b"}


@pytest.mark.parametrize("path", ["/letters", "/letters/", "/letters/7/8", "/Letters/7", "/", ""])
async def test_another_path_is_not_found(client: Client, path: str) -> None:
    async with serving(client, get("/letters/{id}")) as (_, http):
        response = await http.get(f"/api/post{path}")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "/api/openapi.json" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/api/post", "/api/post/"])
async def test_a_route_may_have_no_path_of_its_own(client: Client, path: str) -> None:
    async with serving(client, get("/")) as (_, http):
        assert (await http.get(path)).status_code == 200


async def test_a_text_in_a_path_goes_before_a_name(client: Client) -> None:
    routes = get("/{a}/{b}"), get("/{a}/last"), get("/first/{b}"), get("/first/last")
    async with serving(client, *routes) as (_, http):
        found = [
            (await http.get(f"/api/post/{path}")).json()["path"]
            for path in ("first/last", "first/x", "x/last", "x/y")
        ]

    assert found == [{}, {"b": "x"}, {"a": "x"}, {"a": "x", "b": "y"}]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id%3Aa%2Fb", "id:a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%E2%98%83?x=/y", "\u2603"),
        ("..%2F..", "../.."),
    ],
)
async def test_a_value_in_a_path_may_be_any_text(client: Client, path: str, value: str) -> None:
    async with serving(client, get("/letters/{id}")) as (_, http):
        response = await http.get(f"/api/post/letters/{path}")
        assert response.json()["path"] == {"id": value}
        assert (await http.get(f"/api/post%2Fletters/{path}")).status_code == 404


async def test_an_answer_that_the_client_has_is_left_out(client: Client) -> None:
    texts = ["one", "one", "two"]

    async def read(request: RouteRequest) -> Seen:
        return Seen(text=texts[0])

    async with serving(client, get("/letters", read), post("/send")) as (_, http):
        first = await http.get("/api/post/letters")
        tag = first.headers["etag"]
        for sent in (tag, f"W/{tag}", f'"x" , {tag}', "*"):
            again = await http.get("/api/post/letters", headers={"If-None-Match": sent})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)

        assert "content-length" not in again.headers
        head = await http.head("/api/post/letters", headers={"If-None-Match": tag})
        assert head.status_code == 304
        texts.pop(0)
        texts.pop(0)
        changed = await http.get("/api/post/letters", headers={"If-None-Match": tag})
        posted = await http.post(
            "/api/post/send", json={"text": "x"}, headers={"If-None-Match": "*"}
        )

    assert (changed.status_code, changed.json()["text"]) == (200, "two")
    assert changed.headers["etag"] != tag
    assert posted.status_code == 200
    assert "etag" not in posted.headers


async def test_one_path_may_have_several_methods(client: Client) -> None:
    routes = get("/letters/{id}"), get("/letters/{name}", method="DELETE"), post("/letters/all")
    async with serving(client, *routes) as (_, http):
        assert (await http.get("/api/post/letters/7")).json()["path"] == {"id": "7"}
        assert (await http.delete("/api/post/letters/7")).json()["path"] == {"name": "7"}
        assert (await http.get("/api/post/letters/all")).json()["path"] == {"id": "all"}
        response = await http.put("/api/post/letters/all")
        options = await http.options("/api/post/letters/7")

    assert response.status_code == 405
    assert response.headers["allow"] == "DELETE, GET, HEAD, POST"
    assert response.json()["detail"] == "expected DELETE, GET, HEAD, POST here"
    assert options.headers["allow"] == "DELETE, GET, HEAD"


async def test_the_head_of_an_answer_has_no_body(client: Client) -> None:
    async with serving(client, get("/letters"), post("/send")) as (_, http):
        whole = await http.get("/api/post/letters")
        head = await http.head("/api/post/letters")
        not_allowed = await http.head("/api/post/send")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"] != "0"
    assert (not_allowed.status_code, not_allowed.content) == (405, b"")
    assert not_allowed.headers["allow"] == "POST"


async def test_body_and_query_are_checked_against_their_models(client: Client) -> None:
    async with serving(client, post("/send", query=Page)) as (_, http):
        response = await http.post("/api/post/send?limit=3", json={"text": "hi"})

    assert response.json() == {"text": "hi", "limit": 3, "path": {}}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"text": "required"}),
        ({"text": 7}, {"text": "input should be a valid string"}),
        (
            {"text": "a", "urgnt": True},
            {"urgnt": "unknown field, did you mean 'urgent'?"},
        ),
        (
            {"text": "a", "x": 1},
            {"x": "unknown field, known are text, urgent"},
        ),
        (7, {"": "input should be an object"}),
    ],
)
async def test_a_body_that_is_not_valid_is_rejected_with_paths(
    client: Client, body: object, errors: dict[str, str]
) -> None:
    async with serving(client, post("/send")) as (_, http):
        response = await http.post("/api/post/send", json=body)

    assert response.status_code == 422
    assert response.json()["detail"] == "the body is not valid"
    assert {e["path"]: e["message"] for e in response.json()["errors"]} == errors


async def test_half_of_a_character_in_a_body_is_called_that(client: Client) -> None:
    async with serving(client, post("/send")) as (_, http):
        headers = {"Content-Type": "application/json"}
        body = rb'{"text": "a\ud83d", "urgent": 7}'
        response = await http.post("/api/post/send", content=body, headers=headers)

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {
            "path": "text",
            "message": r"lone surrogate \ud83d, which is half of a character: send the whole "
            "character",
        }
    ]


async def test_the_model_says_what_happens_with_other_fields(client: Client) -> None:
    class Lenient(BaseModel):
        text: str
        number: int = 0

    async with serving(client, post("/send", request=Lenient)) as (_, http):
        response = await http.post("/api/post/send", json={"text": "a", "x": 1, "number": "7"})

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("limit=x", {"limit"}),
        ("since=yesterday", {"since"}),
        ("limit=1&limit=2", {"limit"}),
    ],
)
async def test_a_query_that_is_not_valid_is_rejected(
    client: Client, query: str, errors: set[str]
) -> None:
    async with serving(client, get("/letters", query=Page)) as (_, http):
        response = await http.get(f"/api/post/letters?{query}")

    assert response.status_code == 422
    assert {e["path"] for e in response.json()["errors"]} == errors


async def test_a_route_without_models_minds_neither_body_nor_query(client: Client) -> None:
    route = post("/do", nothing, request=None, response=None)
    async with serving(client, route) as (_, http):
        response = await http.post("/api/post/do?x=1", content=b"\xff")

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"", "application/json", 400),
        (b"text=a", "application/x-www-form-urlencoded", 415),
        (b'\xef\xbb\xbf{"text":"a"}', "application/json", 200),
        (b'{"text":"a"}', "APPLICATION/JSON; charset=utf-8", 200),
    ],
)
async def test_a_body_has_to_be_json(
    client: Client, content: bytes, media_type: str, status: int
) -> None:
    async with serving(client, post("/send")) as (_, http):
        response = await http.post(
            "/api/post/send", content=content, headers={"Content-Type": media_type}
        )

    assert response.status_code == status


async def test_what_came_in_is_not_repeated(client: Client) -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]

    class Dog(BaseModel):
        kind: Literal["dog"]

    class Webhook(BaseModel):
        webhook_url: SecretStr
        note: str = ""
        pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []

        @field_validator("note")
        @classmethod
        def check_note(cls, value: str) -> str:
            assert not value, f"{value} is no note"
            return value

        @field_validator("webhook_url")
        @classmethod
        def check_url(cls, value: SecretStr) -> SecretStr:
            raise ValueError(f"{value.get_secret_value()} is no webhook")

    body = {"webhook_url": SENT, "note": SENT[:20], "pets": [{"kind": SENT}]}
    async with serving(client, post("/webhook", request=Webhook)) as (_, http):
        response = await http.post("/api/post/webhook", json=body)

    errors = {e["path"]: e["message"] for e in response.json()["errors"]}
    assert errors["webhook_url"] == "********** is no webhook"
    assert errors["note"].startswith("********** is no note")
    assert errors["pets.0"].startswith("input tag '**********' found")
    assert "never-shown" not in response.text


async def test_an_error_of_the_handler_is_answered_as_a_problem(client: Client) -> None:
    async def fail(request: RouteRequest) -> Seen:
        raise RouteError(409, f"lanrage.yaml:8:5 sets webhook_url to {SECRET}, change it there")

    async with serving(client, get("/x", fail)) as (_, http):
        response = await http.get("/api/post/x")

    assert response.status_code == 409
    assert response.json() == {
        "title": "Conflict",
        "status": 409,
        "detail": "lanrage.yaml:8:5 sets webhook_url to **********, change it there",
    }


async def test_an_error_of_the_handler_may_be_about_fields(client: Client) -> None:
    async def fail(request: RouteRequest) -> Seen:
        raise RouteError(422, "not like this", [FieldProblem("seat.row", f"not {SECRET}")])

    async with serving(client, get("/x", fail)) as (_, http):
        response = await http.get("/api/post/x")

    assert response.json()["errors"] == [{"path": "seat.row", "message": "not **********"}]


async def test_an_error_may_have_an_unknown_status(client: Client) -> None:
    async def fail(request: RouteRequest) -> Seen:
        raise RouteError(499, "no")

    async with serving(client, get("/x", fail)) as (_, http):
        response = await http.get("/api/post/x")

    assert (response.status_code, response.json()["title"]) == (499, "Error")


async def test_an_unexpected_error_is_logged_without_secrets_and_not_shown(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: RouteRequest) -> Seen:
        raise LookupError(f"nothing at {SECRET}")

    async with serving(client, get("/x", fail)) as (_, http):
        response = await http.get("/api/post/x")

    assert response.status_code == 500
    assert response.json()["detail"] == "something went wrong in the server, which has logged it"
    assert "plugin 'post': GET /x failed" in caplog.text
    assert "LookupError: nothing at **********" in caplog.text
    assert SECRET not in caplog.text


async def test_a_handler_can_end_neither_the_program_nor_the_connection(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave(request: RouteRequest) -> Seen:
        raise SystemExit(3)

    async def cancel(request: RouteRequest) -> Seen:
        if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await anyio.sleep(1)

        raise asyncio.CancelledError

    async with serving(client, get("/x", leave), get("/y", cancel), get("/z")) as (_, http):
        answers = [await http.get(f"/api/post/{path}") for path in "xyz"]

    assert [answer.status_code for answer in answers] == [500, 500, 200]
    assert "plugin 'post': GET /x failed" in caplog.text
    assert "SystemExit: 3 came out of it" in caplog.text
    assert "plugin 'post': GET /y failed" in caplog.text


async def test_a_model_that_exits_ends_its_answer_only(client: Client) -> None:
    class Rude(Seen):
        @field_validator("text")
        @classmethod
        def leave(cls, text: str) -> str:
            raise SystemExit(3)

    routes = post("/x", request=Rude), get("/y")
    async with serving(client, *routes) as (_, http):
        answers = [
            await http.post("/api/post/x", json={"text": "hi"}),
            await http.get("/api/post/y"),
        ]

    assert [answer.status_code for answer in answers] == [500, 200]


async def test_an_answer_of_the_wrong_type_is_a_logged_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(BaseModel):
        value: Annotated[int, PlainSerializer(lambda value: object())] = 0

    async def odd(request: RouteRequest) -> Odd:
        return Odd()

    async def bare(request: RouteRequest) -> dict[str, str]:
        return {"text": SECRET}

    routes = (
        get("/none", nothing),
        get("/dict", bare),
        get("/unasked", see, response=None),
        get("/odd", odd, response=Odd),
    )
    async with serving(client, *routes) as (_, http):
        statuses = [(await http.get(f"/api/post{route.path}")).status_code for route in routes]

    assert statuses == [500] * 4
    assert "plugin 'post': GET /none returned NoneType, where Seen was expected" in caplog.text
    assert "plugin 'post': GET /dict returned dict, where Seen was expected" in caplog.text
    assert "plugin 'post': GET /unasked returned Seen, where None was expected" in caplog.text
    assert "plugin 'post': GET /odd: its answer is not JSON" in caplog.text
    assert SECRET not in caplog.text


async def test_secrets_in_an_answer_are_not_shown(client: Client) -> None:
    class Answer(BaseModel):
        text: str
        number: int

    async def answer(request: RouteRequest) -> Answer:
        return Answer(text=f"at {SECRET}", number=123456789)

    async with serving(client, get("/x", answer, response=Answer)) as (bus, http):
        bus.redactor.add("123456789")
        response = await http.get("/api/post/x")

    assert response.json() == {"text": "at **********", "number": "**********"}


async def test_text_that_is_no_unicode_is_answered_without_an_error(client: Client) -> None:
    async def answer(request: RouteRequest) -> Seen:
        return Seen(text="\ud800")

    async with serving(client, get("/x", answer)) as (_, http):
        response = await http.get("/api/post/x")

    assert (response.status_code, response.json()["text"]) == (200, "?")


async def test_a_name_that_is_unknown_is_answered_with_the_nearest(client: Client) -> None:
    async with serving(client, get("/x"), bare=object()) as (_, http):
        near = await http.get("/api/posd/x")
        bare = await http.get("/api/bare/x")

    assert near.status_code == 404
    assert near.json()["detail"] == "no plugin 'posd' has an HTTP API, did you mean 'post'?"
    assert bare.status_code == 404


async def test_a_plugin_that_is_replaced_brings_its_new_routes_at_once(client: Client) -> None:
    old, other = Post(get("/old")), Post(get("/other"))
    async with serving(client, get("/x"), old=old, other=other) as (bus, http):
        assert (await http.get("/api/old/old")).status_code == 200
        assert (await http.get("/api/old/old")).status_code == 200
        assert old.calls == 1

        await bus.plugins.replace("old", Post(get("/new")))
        assert (await http.get("/api/old/old")).status_code == 404
        assert (await http.get("/api/old/new")).status_code == 200

        await bus.unregister("old")
        assert (await http.get("/api/old/new")).status_code == 404
        assert (await http.get("/api/other/other")).status_code == 200

        await bus.plugins.register_and_wait(Post(get("/again")), "old")
        assert (await http.get("/api/old/again")).status_code == 200


async def test_a_plugin_that_does_not_run_is_not_called(client: Client) -> None:
    class Dying(Post):
        dies = anyio.Event()

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, bus: EventBus) -> AsyncIterator[None]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._die)
                yield
                tasks.cancel_scope.cancel()

        async def _die(self) -> None:
            await self.dies.wait()
            raise OSError("gone")

    Dying.dies = anyio.Event()
    async with serving(client, dying=Dying(get("/x"))) as (_, http):
        assert (await http.get("/api/dying/x")).status_code == 200
        Dying.dies.set()
        await anyio.sleep(0.5)
        response = await http.get("/api/dying/x")

    assert response.status_code == 503
    assert response.json()["detail"] == "plugin 'dying' does not run now"
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (7, "the hook returned int, not an iterable"),
        ([7], "a Route was expected, not int"),
        ([get("x")], "the path 'x' does not start with '/'"),
        ([get(7)], "the path 7 does not start with '/'"),  # type: ignore[arg-type]
        ([get("/a//b")], "the path '/a//b' has the part '', which is not allowed"),
        ([get("/a/{b")], "the path '/a/{b' has the part '{b', which is not allowed"),
        ([get("/a/../b")], "the path '/a/../b' has the part '..', which is not allowed"),
        ([get("/{a}/{a}")], "the path '/{a}/{a}' has a name twice"),
        ([get("/{a}"), get("/{b}")], "GET /{b} is there twice"),
        ([get("/a", method="HEAD")], "GET, POST, PUT, PATCH, DELETE"),
        ([get("/a", handler=7)], "the handler of GET /a cannot be called"),
        ([get("/a", response=dict)], "the response of GET /a is not a pydantic model"),
        ([get("/a", query=7)], "the query of GET /a is not a pydantic model: 7"),
        ([get("/a", request=Seen())], "the request of GET /a is not a pydantic model"),
        ([get("/a", errors=7)], "the errors of GET /a are not a mapping"),
        ([get(f"/{SECRET} x")], "**********"),
    ],
)
@pytest.mark.either_backend
async def test_a_plugin_with_broken_routes_is_left_out_and_logged_once(
    client: Client, caplog: pytest.LogCaptureFixture, answer: object, reason: str
) -> None:
    broken = Post()
    broken.answer = answer
    async with serving(client, get("/x"), broken=broken) as (_, http):
        for _ in range(2):
            assert (await http.get("/api/post/x")).status_code == 200
            assert (await http.get("/api/broken/a")).status_code == 404

    [record] = caplog.records
    assert record.getMessage().startswith("plugin 'broken': its HTTP routes are left out: ")
    assert reason in record.getMessage()
    assert SECRET not in caplog.text


async def test_a_hook_that_fails_leaves_out_its_plugin_only(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Post()
    broken.answer = OSError(f"not with {SECRET}")
    async with serving(client, get("/x"), broken=broken) as (_, http):
        assert (await http.get("/api/post/x")).status_code == 200
        assert (await http.get("/api/broken/x")).status_code == 404

    assert "plugin 'broken'" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("name", ["events", "plugins", "outbox", "openapi.json"])
async def test_a_plugin_whose_name_is_the_servers_own_is_warned_of(
    client: Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with serving(client, get("/x"), **{name: Post(get("/x"))}) as (_, http):
        assert (await http.get("/api/post/x")).status_code == 200
        assert (await http.get(f"/api/{name}/x")).status_code == 404

    [record] = caplog.records
    assert f"plugin '{name}': its HTTP routes cannot be reached" in record.getMessage()


async def test_a_handler_that_is_cancelled_leaves_nothing_behind(client: Client) -> None:
    ended: list[str] = []

    async def wait(request: RouteRequest) -> Seen:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("wait")

        return Seen()

    async with serving(client, get("/x", wait)) as (_, http):
        with anyio.move_on_after(1):
            await http.get("/api/post/x")

    assert ended == ["wait"]


async def test_routes_may_be_shared_so_that_the_hook_is_called_once(client: Client) -> None:
    plugin = Post(get("/x"))
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(plugin, "post")
        routes = PluginRoutes(bus)
        async with client(application([routes], bus.redactor)) as http:
            await http.get("/api/post/x")
            assert [operation.group for operation in routes.operations()] == ["post"]

    assert plugin.calls == 1


async def test_very_many_errors_in_a_body_are_shortened(client: Client) -> None:
    class Letters(BaseModel):
        model_config = ConfigDict(extra="forbid")

        letters: list[int] = []

    body = {"letters": [f"a text that is no number {number}" for number in range(5000)], "x": 1}
    async with serving(client, post("/send", request=Letters)) as (_, http):
        response = await http.post("/api/post/send", json=body)

    errors = response.json()["errors"]
    assert len(errors) == 101
    assert errors[-1] == {"path": "", "message": "4,901 more are not shown"}


async def test_the_operations_of_plugins_come_in_the_order_of_the_plugins() -> None:
    names = [f"plugin{number}" for number in range(12)]
    async with EventBus() as bus:
        routes = PluginRoutes(bus)
        for name in names:
            await bus.plugins.register_and_wait(Post(get("/")), name)

        assert [operation.group for operation in routes.operations()] == names
