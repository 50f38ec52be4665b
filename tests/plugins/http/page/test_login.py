from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeAlias

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    FailureLimit,
    Guard,
    HostCheck,
    Sessions,
)

# Reading the login page takes a thread.
pytestmark = pytest.mark.real_clock

Client: TypeAlias = Callable[..., httpx.AsyncClient]

TOKEN = "correct-horse-battery"
ORIGIN = "http://127.0.0.1:8666"
PAGE = {"accept": "text/html,*/*;q=0.8", "origin": ORIGIN}


async def page(request: Request) -> Response:
    return PlainTextResponse("the page")


def app(
    sessions: Sessions | None = None, *, token: str | None = TOKEN, files: PageFiles | None = None
) -> Guard:
    redactor = Redactor()
    if token is not None:
        sessions = sessions or Sessions(token)
        redactor.add(token)

    routes = [*login_routes(sessions, files or own_files(), redactor), Route("/", page)]
    return Guard(
        application(routes, redactor),
        hosts=HostCheck("127.0.0.1", 8666, ["lan.example.org"]),
        max_body=10_000,
        redactor=redactor,
        sessions=sessions,
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
    assert 'role="alert">the token is wrong' in response.text
    assert "<b>wrong" not in response.text
    assert "set-cookie" not in response.headers


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


async def test_after_some_failures_all_logins_wait(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    async with client(app(), headers=PAGE) as browser:
        for _ in range(MAX_FAILURES):
            assert (await browser.post("/login", data={"token": "x"})).status_code == 401

        now = 10.0
        rejected = await browser.post("/login", data={"token": TOKEN})
        assert rejected.status_code == 429
        assert rejected.headers["retry-after"] == "50"
        assert "try again in 50 seconds" in rejected.text
        as_json = await browser.post(
            "/login", json={"token": TOKEN}, headers={"accept": "application/json"}
        )
        assert as_json.status_code == 429

        now = FAILURE_SECONDS
        assert (await browser.post("/login", data={"token": TOKEN})).status_code == 303

    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "10 logins failed within 60 seconds, the last from 127.0.0.1" in record.getMessage()


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
    async with client(app(token=None)) as browser:
        assert (await browser.get("/login")).headers["location"] == "/"
        assert (await browser.post("/login", data={"token": TOKEN})).status_code == 405
        assert (await browser.post("/logout")).status_code == 404


async def test_a_missing_login_page_is_an_error(client: Client) -> None:
    async with client(app(files=PageFiles()), headers=PAGE) as browser:
        assert (await browser.get("/login")).status_code == 404


# Sessions


def test_a_session_ends() -> None:
    now = 1_000_000.0
    sessions = Sessions(TOKEN, lambda: now)
    session = sessions.create()

    assert sessions.is_valid(session)
    now += SESSION_SECONDS - 1
    assert sessions.is_valid(session)
    now += 1
    assert not sessions.is_valid(session)


def test_a_session_outlives_a_restart_but_not_the_token() -> None:
    session = Sessions(TOKEN).create()

    assert Sessions(TOKEN).is_valid(session)
    assert not Sessions(f"{TOKEN}2").is_valid(session)


def test_a_session_does_not_reveal_the_token() -> None:
    session = Sessions(TOKEN).create()

    assert TOKEN.encode() not in base64.urlsafe_b64decode(session + "==")
    assert session != Sessions(TOKEN).create()


@given(st.data())
def test_no_changed_session_is_valid(data: st.DataObject) -> None:
    sessions = Sessions(TOKEN)
    session = bytearray(base64.urlsafe_b64decode(sessions.create() + "=="))
    position = data.draw(st.integers(0, len(session) - 1))
    session[position] ^= data.draw(st.integers(1, 255))

    assert not sessions.is_valid(base64.urlsafe_b64encode(session).decode())


@given(st.text() | st.text("ABCDEFabcdef0123456789-_="))
def test_no_invented_session_is_valid(text: str) -> None:
    assert not Sessions(TOKEN).is_valid(text)


@given(st.text())
def test_no_other_text_is_the_token(text: str) -> None:
    assert Sessions(TOKEN).is_token(TOKEN)
    assert not Sessions(TOKEN).is_token(text)


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

    for number in range(255):
        limits.add(f"10.0.1.{number}")

    assert limits.seconds_to_wait("10.0.0.1")
    limits.add("10.0.2.1")
    assert not limits.seconds_to_wait("10.0.0.1")


async def test_failures_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(anyio, "current_time", lambda: now)
    limit = FailureLimit()
    for _ in range(MAX_FAILURES):
        now += 10
        limit.add()

    # Only the last minute counts.
    assert not limit.seconds_to_wait()
    for _ in range(MAX_FAILURES):
        limit.add()

    assert limit.seconds_to_wait() == FAILURE_SECONDS
    now += FAILURE_SECONDS
    assert not limit.seconds_to_wait()
