from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lanrage_events import Redactor
from lanrage_events_http._app import application
from lanrage_events_http._page import PageFiles, login_routes, own_files
from lanrage_events_http._server import (
    FAILURE_SECONDS,
    MAX_FAILURES,
    SESSION_COOKIE,
    SESSION_SECONDS,
    Authentication,
    Guard,
    HostCheck,
    Sessions,
    Token,
    Tokens,
)

# Reading the login page takes a thread.
pytestmark = pytest.mark.real_clock

Client: TypeAlias = Callable[..., httpx.AsyncClient]

TOKEN = "correct-horse-battery"
ORIGIN = "http://127.0.0.1:8666"
TOKENS = Tokens([Token("token", TOKEN)])
PAGE = {"accept": "text/html,*/*;q=0.8", "origin": ORIGIN}


async def page(request: Request) -> Response:
    return PlainTextResponse("the page")


def app(
    sessions: Sessions | None = None, *, tokens: Tokens = TOKENS, files: PageFiles | None = None
) -> Guard:
    redactor = Redactor()
    for token in tokens:
        redactor.add(token.secret)

    authentication = Authentication(tokens, sessions or Sessions(tokens))
    routes = [
        *login_routes(authentication, files or own_files(), redactor),
        *(Route(path, page) for path in ("/", "/screen/{name}")),
    ]
    return Guard(
        application(routes, redactor),
        hosts=HostCheck("127.0.0.1", 8666, ["lan.example.org"]),
        max_body=10_000,
        redactor=redactor,
        authentication=authentication,
    )


async def test_a_browser_logs_in_and_out(client: Client) -> None:
    async with client(app(), headers=PAGE) as browser:
        led = await browser.get("/")
        assert (led.status_code, led.headers["location"]) == (303, "/login")

        form = await browser.get("/login")
        assert form.status_code == 200
        assert 'name="token"' in form.text
        assert form.headers["referrer-policy"] == "same-origin"
        assert form.headers["cache-control"] == "no-store"

        entered = await browser.post("/login", data={"token": TOKEN})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert TOKEN not in str(entered.headers)
        assert (await browser.get("/")).text == "the page"
        assert (await browser.get("/login")).headers["location"] == "/"

        left = await browser.post("/logout")
        assert (left.status_code, left.headers["location"]) == (303, "/login")
        assert not browser.cookies
        assert (await browser.get("/")).status_code == 303


async def test_a_screen_is_shown_after_the_login(client: Client) -> None:
    screen = "/screen/who%20is%20on?party=Friday%20LAN&x=1"
    async with client(app(), headers=PAGE) as browser:
        led = await browser.get(screen)
        assert led.status_code == 303
        form = led.headers["location"]
        assert form == "/login?to=%2Fscreen%2Fwho%2520is%2520on%3Fparty%3DFriday%2520LAN%26x%3D1"
        assert (await browser.post(form, data={"token": "wrong"})).status_code == 401
        entered = await browser.post(form, data={"token": TOKEN})
        assert (entered.status_code, entered.headers["location"]) == (303, screen)
        assert (await browser.get(screen)).text == "the page"
        assert (await browser.get(form)).headers["location"] == screen


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/screen",
        "//evil.example/screen",
        "/\\evil.example",
        "/screen//evil.example",
        "/screen/..%2f@evil.example/x",
        "/screenshot",
        "/screen\r\nset-cookie: a=b",
        "/screen#@evil.example",
        "javascript:alert(1)",
        "/logout",
        "",
    ],
)
async def test_the_login_leads_nowhere_else(wanted: str, client: Client) -> None:
    async with client(app(), headers=PAGE) as browser:
        response = await browser.post("/login", params={"to": wanted}, data={"token": TOKEN})

    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_the_cookie_is_for_this_site_and_not_for_scripts(client: Client) -> None:
    async with client(app(), headers=PAGE) as browser:
        response = await browser.post("/login", data={"token": TOKEN})

    name, *attributes = response.headers["set-cookie"].split("; ")
    assert name.startswith(f"{SESSION_COOKIE}=")
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        f"max-age={SESSION_SECONDS}",
        "path=/",
        "samesite=strict",
    }


@pytest.mark.parametrize("path", ["/login", "/logout"])
async def test_the_cookie_is_secure_behind_https(path: str, client: Client) -> None:
    headers = {
        "accept": "text/html",
        "host": "lan.example.org",
        "origin": "https://lan.example.org",
        "authorization": f"Bearer {TOKEN}",
    }
    async with client(app(), headers=headers) as browser:
        response = await browser.post(path, data={"token": TOKEN})

    assert "secure" in response.headers["set-cookie"].lower().split("; ")


async def test_a_wrong_token_shows_the_form_again(client: Client) -> None:
    async with client(app(), headers=PAGE) as browser:
        response = await browser.post("/login", data={"token": "<b>wrong</b>"})

    assert response.status_code == 401
    assert 'role="alert">This token is wrong. Copy it again from the configuration' in response.text
    assert "<b>wrong" not in response.text
    assert "set-cookie" not in response.headers


async def test_spaces_around_a_pasted_token_do_not_matter(client: Client) -> None:
    async with client(app(), headers=PAGE) as browser:
        response = await browser.post("/login", data={"token": f" {TOKEN}\r\n"})

    assert response.status_code == 303


async def test_a_token_that_may_not_read_is_explained(client: Client) -> None:
    tokens = Tokens([Token("game", TOKEN, frozenset({"publish"}))])
    async with client(app(tokens=tokens), headers=PAGE) as browser:
        response = await browser.post("/login", data={"token": TOKEN})

    assert response.status_code == 403
    assert "has the scope publish, and this needs read" in response.text


async def test_a_program_logs_in_with_json(client: Client) -> None:
    async with client(app()) as program:
        rejected = await program.post("/login", json={"token": "wrong"})
        assert rejected.status_code == 401
        assert rejected.headers["content-type"] == "application/problem+json"

        entered = await program.post("/login", json={"token": TOKEN})
        assert entered.status_code == 204
        assert (await program.get("/")).text == "the page"
        assert (await program.post("/logout")).status_code == 204
        assert (await program.get("/")).status_code == 401


async def test_a_form_without_a_browser_gets_a_problem(client: Client) -> None:
    async with client(app()) as program:
        response = await program.post("/login", data={"token": "wrong"})

    assert response.headers["content-type"] == "application/problem+json"


async def test_after_some_failures_wrong_logins_wait_but_not_the_right_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    async with client(app(), headers=PAGE) as browser:
        for _ in range(MAX_FAILURES):
            assert (await browser.post("/login", data={"token": "x"})).status_code == 401

        now = 10.0
        rejected = await browser.post("/login", data={"token": "y"})
        assert rejected.status_code == 429
        assert rejected.headers["retry-after"] == "50"
        assert "in 50 seconds" in rejected.text
        assert "The right one is accepted at once" in rejected.text
        as_json = await browser.post(
            "/login", json={"token": "y"}, headers={"accept": "application/json"}
        )
        assert as_json.status_code == 429
        assert (await browser.post("/login", data={"token": TOKEN})).status_code == 303

        now = FAILURE_SECONDS
        assert (await browser.post("/login", data={"token": "x"})).status_code == 401


async def test_after_the_logout_a_kept_cookie_opens_nothing(client: Client) -> None:
    guarded = app()
    async with client(guarded, headers=PAGE) as browser, client(guarded) as thief:
        await browser.post("/login", data={"token": TOKEN})
        thief.cookies.set(SESSION_COOKIE, browser.cookies[SESSION_COOKIE])
        assert (await thief.get("/")).text == "the page"
        await browser.post("/logout")

        assert (await thief.get("/")).status_code == 401


async def test_a_new_login_ends_the_browsers_former_session(client: Client) -> None:
    sessions = Sessions(TOKENS)
    async with client(app(sessions), headers=PAGE) as browser:
        await browser.post("/login", data={"token": TOKEN})
        (first,) = sessions
        await browser.post("/login", data={"token": TOKEN})
        (second,) = sessions

    assert first.ended.is_set()
    assert first.id != second.id


async def test_a_token_that_may_not_read_cannot_log_in(client: Client) -> None:
    tokens = Tokens([Token("gamebox", TOKEN, frozenset({"publish"}))])
    async with client(app(Sessions(tokens), tokens=tokens), headers=PAGE) as browser:
        response = await browser.post("/login", data={"token": TOKEN})

    assert response.status_code == 403
    assert (
        "the token &#x27;gamebox&#x27; has the scope publish, and this needs read" in response.text
    )


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/x-www-form-urlencoded", 422),
        (b"token", "application/x-www-form-urlencoded", 401),
        (b"password=x", "application/x-www-form-urlencoded", 422),
        (b"token=%ff", "application/x-www-form-urlencoded", 401),
        (b"\xff", "application/x-www-form-urlencoded", 422),
        (b"&" * 100, "application/x-www-form-urlencoded", 422),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"token": 1}', "application/json", 422),
        (b'{"token": "\\ud800"}', "application/json", 422),
        (b'{"token": "x", "more": 1}', "application/json", 422),
        (b"token=x", "text/plain", 415),
        (b"token=x", "", 415),
        (b"token=" + b"x" * 5_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_something_else_than_a_login_is_rejected(
    content: bytes, media_type: str, status: int, client: Client
) -> None:
    async with client(app()) as program:
        response = await program.post(
            "/login", content=content, headers={"content-type": media_type}
        )

    assert response.status_code == response.json()["status"] == status


async def test_without_a_token_there_is_no_login(client: Client) -> None:
    async with client(app(tokens=Tokens([]))) as browser:
        assert (await browser.get("/login")).headers["location"] == "/"
        assert (await browser.post("/login", data={"token": TOKEN})).status_code == 405
        assert (await browser.post("/logout")).status_code == 404


async def test_a_missing_login_page_is_an_error(client: Client) -> None:
    async with client(app(files=PageFiles()), headers=PAGE) as browser:
        assert (await browser.get("/login")).status_code == 404
