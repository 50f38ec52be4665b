from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from itertools import product
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lanrage_events import Redactor
from lanrage_events_http._server import (
    CONTENT_SECURITY_POLICY,
    FAILURE_SECONDS,
    JSON_LINES,
    JSON_TYPE,
    MAX_FAILURES,
    MAX_HEAD_BYTES,
    METHODS,
    SESSION_COOKIE,
    Authentication,
    Guard,
    HostCheck,
    Sessions,
    Timeouts,
    Token,
    Tokens,
    TrustedProxies,
    access_of,
    parse_network,
)

Client: TypeAlias = Callable[..., httpx.AsyncClient]

TOKEN = "correct-horse-battery"
HOST = "127.0.0.1:8666"
MAX_BODY = 1_000
TIMEOUTS = Timeouts()
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(body, headers={"Server": "secret/1.2.3"})(scope, receive, send)


THE_TOKEN = Token("token", TOKEN)
TOKENS = Tokens([THE_TOKEN])
SESSIONS = Sessions(TOKENS)
SESSION, COOKIE = SESSIONS.create(THE_TOKEN)


def guard(
    app: Any = echo, *, token: str | None = None, host: str = "127.0.0.1", **options: Any
) -> Guard:
    redactor = Redactor()
    redactor.add(TOKEN)
    return Guard(
        app,
        hosts=HostCheck(host, 8666, ["lan.example.org", "party.example.org:8443"]),
        max_body=MAX_BODY,
        redactor=redactor,
        authentication=Authentication(TOKENS, SESSIONS) if token else None,
        **options,
    )


async def ask(
    app: Guard,
    method: str = "GET",
    path: str = "/",
    headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
    content: Any = None,
) -> httpx.Response:
    """Ask without the headers that a client adds."""
    request = httpx.Request(method, f"http://{HOST}{path}", content=content)
    given = httpx.Headers(headers or {})
    for name in ("content-length", "transfer-encoding"):
        if name in request.headers and not {"content-length", name} & given.keys():
            given[name] = request.headers[name]

    request.headers = given
    if "host" not in given:
        request.headers = httpx.Headers([("host", HOST), *given.multi_items()])

    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    response = await transport.handle_async_request(request)
    response.request = request
    await response.aread()
    return response


def is_problem(response: httpx.Response, status: int) -> bool:
    assert response.headers["content-type"] == "application/problem+json"
    if response.request.method == "HEAD":
        return response.status_code == status

    problem = response.json()
    assert set(problem) == {"title", "status", "detail"}
    return response.status_code == status and problem["status"] == status


# Host


@pytest.mark.parametrize(
    ("host", "header", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8666", True),
        ("127.0.0.1", "localhost:8666", True),
        ("127.0.0.1", "LocalHost:8666", True),
        ("127.0.0.1", "localhost.:8666", True),
        ("127.0.0.1", "[::1]:8666", True),
        ("127.0.0.1", "[0:0:0:0:0:0:0:1]:8666", True),
        ("127.0.0.1", "lan.example.org", True),
        ("127.0.0.1", "LAN.example.org:443", True),
        ("127.0.0.1", "party.example.org:8443", True),
        ("127.0.0.1", "party.example.org", False),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "127.0.0.1:80", False),
        ("127.0.0.1", "evil.example.org:8666", False),
        ("127.0.0.1", "127.0.0.1.evil.example.org:8666", False),
        ("127.0.0.1", "localhost.evil.example.org:8666", False),
        ("127.0.0.1", "evil.example.org@127.0.0.1:8666", False),
        ("127.0.0.1", "192.168.1.5:8666", False),
        ("127.0.0.1", "127.0.0.1:86666", False),
        ("127.0.0.1", "127.0.0.1:8666/", False),
        ("127.0.0.1", "[::1:8666", False),
        ("127.0.0.1", "[1.2.3.4]:8666", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "192.168.1.5:8666", True),
        ("0.0.0.0", "127.0.0.1:8666", True),
        ("0.0.0.0", "localhost:8666", True),
        ("0.0.0.0", "[fd00::1]:8666", True),
        ("0.0.0.0", "gamebox:8666", False),
        ("0.0.0.0", "192.168.1.5", False),
        ("::", "[fd00::1]:8666", True),
        ("192.168.1.5", "192.168.1.5:8666", True),
        ("192.168.1.5", "127.0.0.1:8666", False),
        ("192.168.1.5", "192.168.1.6:8666", False),
        ("GameBox", "gamebox:8666", True),
    ],
)
async def test_only_known_hosts_are_answered_for(host: str, header: str, is_allowed: bool) -> None:
    response = await ask(guard(host=host), headers={"host": header})

    assert response.status_code == 200 if is_allowed else is_problem(response, 421)


@pytest.mark.parametrize("hosts", [0, 2])
async def test_a_request_has_one_host(hosts: int) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [(b"host", HOST.encode())] * hosts,
    }
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await guard()(scope, receive, send)

    assert sent[0]["status"] == 400


# CSRF


@pytest.mark.parametrize(
    ("host", "origin", "is_same"),
    [
        (HOST, None, True),
        (HOST, f"http://{HOST}", True),
        (HOST, f"https://{HOST}", True),
        ("localhost:8666", "http://LOCALHOST:8666", True),
        ("[::1]:8666", "http://[::1]:8666", True),
        ("lan.example.org", "https://lan.example.org", True),
        ("lan.example.org", "http://lan.example.org:80", True),
        ("lan.example.org:443", "https://lan.example.org", True),
        ("lan.example.org", "https://lan.example.org:8443", False),
        (HOST, "null", False),
        (HOST, "", False),
        (HOST, "http://127.0.0.1", False),
        (HOST, "http://127.0.0.1:3000", False),
        (HOST, "http://localhost:8666", False),
        (HOST, "http://evil.example.org", False),
        (HOST, f"http://{HOST}.evil.example.org", False),
        (HOST, f"file://{HOST}", False),
        (HOST, f"http://{HOST}/", False),
        (HOST, f"chrome-extension://{HOST}", False),
    ],
)
async def test_no_other_page_changes_anything_or_reads_the_api(
    host: str, origin: str | None, is_same: bool
) -> None:
    headers = {"host": host} if origin is None else {"host": host, "origin": origin}
    paths = ("/api/events", "/metrics", "/")
    for method, path, token in product(METHODS, paths, (None, TOKEN)):
        shown = {} if token is None else {"authorization": f"Bearer {token}"}
        response = await ask(guard(token=token), method, path, {**headers, **shown})

        if is_same or (method in {"GET", "HEAD"} and path == "/"):
            assert response.status_code == 200
        else:
            assert is_problem(response, 403)

        assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("site", "is_own"),
    [("none", True), ("same-origin", True), ("same-site", False), ("cross-site", False)],
)
async def test_what_a_browser_says_of_the_site_counts_too(site: str, is_own: bool) -> None:
    for method, path in product(METHODS, ("/api/events/stream", "/metrics", "/", "/login")):
        response = await ask(guard(), method, path, {"sec-fetch-site": site})

        # A link on another site may lead to the page.
        is_link = method in {"GET", "HEAD"} and path in {"/", "/login"}
        assert response.status_code == 200 if is_own or is_link else is_problem(response, 403)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
async def test_other_methods_and_preflights_are_rejected(method: str) -> None:
    scope_method: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # httpx would write it in upper case.
        scope["method"] = method
        scope_method.append(method)
        await guarded(scope, receive, send)

    guarded = guard()
    headers = {"origin": f"http://{HOST}", "access-control-request-method": "POST"}
    response = await ask(app, "OPTIONS", "/api/events", headers)  # type: ignore[arg-type]  # an app around it

    assert scope_method
    assert is_problem(response, 405)
    assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
    ],
)
async def test_a_plain_form_cannot_be_posted_to_the_api(
    method: str, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"content-type": media_type}

    assert is_problem(await ask(guard(), method, "/api/events", headers, b"{}"), 415)
    assert (await ask(guard(), method, "/login", headers, b"{}")).status_code == 200


@pytest.mark.parametrize("media_type", [JSON_TYPE, *JSON_LINES, "Application/JSON; charset=utf-8"])
async def test_json_can_be_posted_to_the_api(media_type: str) -> None:
    response = await ask(guard(), "POST", "/api/events", {"content-type": media_type}, b"{}")

    assert response.text == "{}"


async def test_without_a_body_no_type_of_it_is_needed() -> None:
    assert (await ask(guard(), "POST", "/api/x/test")).status_code == 200
    assert (await ask(guard(), "POST", "/api/x/test", content=b"")).status_code == 200


async def test_an_absolute_target_is_rejected() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path"] = "http://evil.example.org/api/plugins"
        await guarded(scope, receive, send)

    guarded = guard()

    assert is_problem(await ask(app), 400)  # type: ignore[arg-type]  # an app around it


@pytest.mark.parametrize("version", ["2", "3", "9.9", "0.9"])
async def test_other_versions_of_http_are_rejected(version: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["http_version"] = version
        await guarded(scope, receive, send)

    guarded = guard()

    assert is_problem(await ask(app), 505)  # type: ignore[arg-type]  # an app around it


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"x": "y" * MAX_HEAD_BYTES}),
        ("/", {f"x-{number}": "y" for number in range(4_000)}),
        ("/?" + "y" * MAX_HEAD_BYTES, {}),
        ("/" + "y" * MAX_HEAD_BYTES, {}),
    ],
    ids=["value", "many", "query", "path"],
)
async def test_heads_are_limited(path: str, headers: dict[str, str]) -> None:
    assert is_problem(await ask(guard(), path=path, headers=headers), 431)


async def test_websockets_are_closed() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await guard()({"type": "websocket", "path": "/"}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


# Token


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN} "[:-2]},
        {"authorization": f"Bearer {TOKEN}x"},
        {"cookie": f"{SESSION_COOKIE}={TOKEN}"},
        {"cookie": f"{SESSION_COOKIE}="},
        {"cookie": f"{SESSION_COOKIE}={Sessions(TOKENS).create(THE_TOKEN)[1]}"},
    ],
)
async def test_with_a_token_all_need_it(headers: dict[str, str]) -> None:
    paths = ("/", "/api/plugins", "/metrics", "/pages/x/page.js", "/logout")
    for method, path in product(METHODS, paths):
        response = await ask(guard(token=TOKEN), method, path, headers)

        assert is_problem(response, 401)
        assert response.headers["www-authenticate"] == 'Bearer realm="lanrage-events"'
        assert TOKEN not in response.text


@pytest.mark.parametrize("path", ["/login", "/healthz", "/readyz", "/static/app.js"])
async def test_some_paths_are_open(path: str) -> None:
    assert (await ask(guard(token=TOKEN), path=path)).status_code == 200


@pytest.mark.parametrize("path", ["/loginx", "/healthz/", "/static", "/staticx", "//login"])
async def test_what_looks_like_them_is_not(path: str) -> None:
    assert is_problem(await ask(guard(token=TOKEN), path=path), 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer   {TOKEN}"},
        {"cookie": f"other=1; {SESSION_COOKIE}={COOKIE}"},
        {"cookie": f"{SESSION_COOKIE}=old; {SESSION_COOKIE}={COOKIE}"},
        {"authorization": "Basic of-a-proxy", "cookie": f"{SESSION_COOKIE}={COOKIE}"},
    ],
)
async def test_the_token_or_a_session_opens(headers: dict[str, str]) -> None:
    for method in METHODS:
        response = await ask(guard(token=TOKEN), method, "/api/plugins", headers)

        assert response.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "is_led"),
    [
        ("GET", "/", True),
        ("HEAD", "/", True),
        ("GET", "/anything", True),
        ("GET", "/api/plugins", False),
        ("GET", "/metrics", False),
        ("POST", "/logout", False),
    ],
)
async def test_browsers_are_led_to_the_login(method: str, path: str, is_led: bool) -> None:
    accept = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    response = await ask(guard(token=TOKEN), method, path, accept)

    if is_led:
        assert (response.status_code, response.headers["location"]) == (303, "/login")
    else:
        assert is_problem(response, 401)


def client_of(guarded: Guard, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(guarded, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")


async def test_a_guesser_has_to_wait_but_others_and_the_right_token_do_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guarded = guard(token=TOKEN)
    right = {"authorization": f"Bearer {TOKEN}"}
    wrong = {"authorization": "Bearer wrong"}
    async with client_of(guarded, "10.0.0.1") as guesser, client_of(guarded, "10.0.0.2") as other:
        for _ in range(MAX_FAILURES):
            assert (await guesser.get("/api/plugins", headers=wrong)).status_code == 401

        rejected = await guesser.get("/api/plugins", headers=wrong)
        assert is_problem(rejected, 429)
        assert int(rejected.headers["retry-after"]) == FAILURE_SECONDS
        assert (await other.get("/api/plugins", headers=wrong)).status_code == 401
        assert (await guesser.get("/api/plugins", headers=right)).status_code == 200

        messages = [record.getMessage() for record in caplog.records if record.name != "httpx"]
        assert messages == [
            "10 wrong tokens came from 10.0.0.1 within 60 seconds: it has to wait before the next"
        ]
        await anyio.sleep(FAILURE_SECONDS)
        assert (await guesser.get("/api/plugins", headers=wrong)).status_code == 401


async def test_each_client_of_a_trusted_proxy_guesses_for_itself() -> None:
    proxies = TrustedProxies([parse_network("10.0.0.0/24")])
    guarded = guard(token=TOKEN, proxies=proxies)
    wrong = {"authorization": "Bearer wrong"}
    async with client_of(guarded, "10.0.0.1") as proxy, client_of(guarded, "10.9.0.1") as other:
        for number in range(2 * MAX_FAILURES):
            # What the client itself wrote into the header changes nothing.
            headers = {**wrong, "x-forwarded-for": f"192.0.2.{number}, 192.0.2.200"}
            response = await proxy.get("/api/plugins", headers=headers)
            assert response.status_code == (401 if number < MAX_FAILURES else 429)

        neighbour = {**wrong, "x-forwarded-for": "192.0.2.201"}
        assert (await proxy.get("/api/plugins", headers=neighbour)).status_code == 401
        # Nobody trusts this one.
        for number in range(MAX_FAILURES):
            headers = {**wrong, "x-forwarded-for": f"192.0.2.{number}"}
            assert (await other.get("/api/plugins", headers=headers)).status_code == 401

        headers = {**wrong, "x-forwarded-for": "192.0.2.99"}
        assert (await other.get("/api/plugins", headers=headers)).status_code == 429


async def test_no_client_of_a_trusted_proxy_takes_all_requests() -> None:
    begun = 0
    may_end = anyio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal begun
        begun += 1
        if scope["path"] == "/api/slow":
            await may_end.wait()

        await PlainTextResponse("done")(scope, receive, send)

    proxies = TrustedProxies([parse_network("127.0.0.1")])
    guarded = guard(slow, proxies=proxies, max_requests=4)
    greedy, modest = {"x-forwarded-for": "192.0.2.1"}, {"x-forwarded-for": "192.0.2.2"}
    async with client_of(guarded, "127.0.0.1") as proxy, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(lambda: proxy.get("/api/slow", headers=greedy))

        await anyio.wait_all_tasks_blocked()
        assert begun == 2
        rejected = await proxy.get("/api/x", headers=greedy)
        assert is_problem(rejected, 429)
        assert rejected.headers["retry-after"] == "1"
        assert (await proxy.get("/api/x", headers=modest)).status_code == 200
        may_end.set()

    async with client_of(guarded, "127.0.0.1") as proxy:
        assert (await proxy.get("/api/x", headers=greedy)).status_code == 200


async def test_the_application_knows_what_the_client_may_do() -> None:
    found: list[Any] = []

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(access_of(scope))
        await PlainTextResponse("done")(scope, receive, send)

    await ask(guard(look, token=TOKEN), path="/healthz")
    await ask(guard(look, token=TOKEN), headers={"cookie": f"{SESSION_COOKIE}={COOKIE}"})
    await ask(guard(look))

    assert [access.may("read") for access in found] == [False, True, True]
    assert [access.session for access in found] == [None, SESSION, None]


# Bodies


def chunks(*sizes: int) -> Any:
    async def generate() -> AsyncIterator[bytes]:
        for size in sizes:
            yield b"x" * size

    return generate()


@pytest.mark.parametrize(
    ("content", "is_taken"),
    [
        (b"x" * MAX_BODY, True),
        (b"x" * (MAX_BODY + 1), False),
        ((600, 400), True),
        ((600, 401), False),
        ((100,) * 1_000, False),
    ],
    ids=["full", "too long", "pieces", "too long pieces", "far too long"],
)
async def test_bodies_are_limited(content: bytes | tuple[int, ...], is_taken: bool) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guard()), base_url=f"http://{HOST}"
    ) as client:
        pieces = chunks(*content) if isinstance(content, tuple) else content
        response = await client.post("/login", content=pieces)

    if is_taken:
        assert len(response.content) == MAX_BODY
    else:
        assert is_problem(response, 413)
        assert "1,000 bytes at most" in response.json()["detail"]


async def test_a_body_that_says_that_it_is_too_long_is_not_waited_for() -> None:
    async def generate() -> AsyncIterator[bytes]:
        yield b"x"
        await anyio.sleep_forever()

    began = anyio.current_time()
    headers = {"content-length": str(MAX_BODY + 1)}
    response = await ask(guard(), "POST", "/login", headers, generate())

    assert is_problem(response, 413)
    assert anyio.current_time() - began < TIMEOUTS.body


async def test_an_app_that_hides_a_too_long_body_cannot_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
        except Exception:  # noqa: BLE001 - what a careless handler does
            await PlainTextResponse("all is well")(scope, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(guard(app)), base_url=f"http://{HOST}"
    ) as client:
        assert is_problem(await client.post("/login", content=chunks(600, 600)), 413)


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def generate() -> AsyncIterator[bytes]:
        yield b"x"
        await anyio.sleep_forever()

    response = await ask(guard(), "POST", "/login", content=generate())

    assert is_problem(response, 408)
    assert response.headers["connection"] == "close"
    assert anyio.current_time() >= TIMEOUTS.body


async def test_a_body_that_trickles_is_given_up() -> None:
    began = anyio.current_time()

    async def generate() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await anyio.sleep(1)

    assert is_problem(await ask(guard(), "POST", "/login", content=generate()), 408)
    assert anyio.current_time() - began == pytest.approx(TIMEOUTS.body, abs=0.1)


async def test_the_unread_rest_of_a_body_is_read_for_a_while() -> None:
    taken = 0
    began = anyio.current_time()

    async def generate() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x"
            await anyio.sleep(0.1)

    response = await ask(guard(token=TOKEN), "POST", "/api/events", content=generate())

    assert is_problem(response, 401)
    assert 15 <= taken <= 25
    assert anyio.current_time() - began == pytest.approx(2, abs=0.2)


async def test_a_sender_who_goes_away_is_not_waited_for() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"content-length", b"10")]
    scope = {"type": "http", "method": "POST", "path": "/login", "headers": headers}
    guarded = guard()
    await guarded(scope, receive, send)

    assert sent == []
    assert guarded.answers == {}


# Answers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 200),
        ("/api/plugins", {}, 200),
        ("/", {"host": "evil.example.org"}, 421),
        ("/api/plugins", {"origin": "null"}, 403),
    ],
)
async def test_every_answer_has_the_headers(
    path: str, headers: dict[str, str], status: int
) -> None:
    response = await ask(guard(), path=path, headers=headers)

    assert response.status_code == status
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert response.headers["cache-control"] == "no-store"
    assert "server" not in response.headers


async def test_an_app_cannot_weaken_them() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            "content-security-policy": "default-src *",
            "cache-control": "public, max-age=3600",
            "referrer-policy": "unsafe-url",
        }
        await Response(b"", headers=headers)(scope, receive, send)

    api = await ask(guard(app), path="/api/plugins")
    file = await ask(guard(app), path="/static/app.js")

    for response in (api, file):
        assert response.headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
        assert response.headers.get_list("referrer-policy") == ["no-referrer"]

    assert api.headers.get_list("cache-control") == ["no-store"]
    assert file.headers.get_list("cache-control") == ["public, max-age=3600"]


async def test_pages_post_forms_with_their_origin() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"<p>", media_type="text/html")(scope, receive, send)

    assert (await ask(guard(app))).headers["referrer-policy"] == "same-origin"


async def test_an_error_is_shown_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(f"cannot send {TOKEN}")

    guarded = guard(app)
    response = await ask(guarded, "POST", "/api/discord/test")

    assert is_problem(response, 500)
    assert "ValueError" not in response.text
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    message = record.getMessage()
    assert message.startswith("POST '/api/discord/test' failed\nTraceback")
    assert "ValueError: cannot send" in message
    assert TOKEN not in message
    assert guarded.answers == {"5xx": 1}


async def test_a_path_cannot_forge_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("cannot send")

    assert is_problem(await ask(guard(app), path="/po%0Ast"), 500)
    assert r"GET '/po\nst' failed" in caplog.text


async def test_many_errors_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("again")

    guarded = guard(app)
    for _ in range(50):
        assert (await ask(guarded)).status_code == 500

    await anyio.sleep(1)
    await ask(guarded)

    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("GET '/' failed\n")
    assert second.startswith("GET '/' failed, after 49 more failures\n")


async def test_an_error_after_the_start_ends_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def generate() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("too late")

        await StreamingResponse(generate())(scope, receive, send)

    sent: list[Any] = []

    async def receive() -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", HOST.encode())]}
    await guard(app)(scope, receive, send)

    assert [message.get("body") for message in sent] == [None, b"begun"]
    assert "too late" in caplog.text


async def test_a_client_that_went_away_is_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", HOST.encode())]}
    await guard(app)(scope, receive, send)

    assert sent == []
    assert not caplog.records


async def test_a_handler_that_hangs_is_given_up() -> None:
    cancelled = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cancelled
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled = True
            raise

    assert is_problem(await ask(guard(app)), 503)
    assert cancelled
    assert anyio.current_time() >= TIMEOUTS.first_answer


async def test_an_answer_may_take_long_once_it_has_begun() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def generate() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"."
                await anyio.sleep(TIMEOUTS.first_answer)

        await StreamingResponse(generate())(scope, receive, send)

    assert (await ask(guard(app))).text == ".........."


async def test_answers_are_counted_by_their_class() -> None:
    guarded = guard()
    await ask(guarded)
    await ask(guarded)
    await ask(guarded, headers={"host": "evil.example.org"})

    assert guarded.answers == {"2xx": 2, "4xx": 1}


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "gzip, identity", "GZIP"])
async def test_a_compressed_body_is_rejected_with_what_to_do(encoding: str) -> None:
    transport = httpx.ASGITransport(app=guard())
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        headers = {"Content-Type": JSON_TYPE, "Content-Encoding": encoding}
        answer = await client.post("/api/events", content=b"x", headers=headers)

        assert answer.status_code == 415
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Accept-Encoding"] == "identity"
        assert "Content-Encoding" in answer.json()["detail"]

        headers["Content-Encoding"] = "identity"
        assert (await client.post("/api/events", content=b"{}", headers=headers)).is_success


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_probe_may_name_any_host(path: str, method: str) -> None:
    transport = httpx.ASGITransport(app=guard(token=TOKEN))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        assert (await client.request(method, path)).status_code == 200
        assert (await client.request("POST", path)).status_code == 421
        assert (await client.request(method, f"{path}/more")).status_code == 421
