from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from lanrage_events.state import StateFile
from lanrage_events_http._server import (
    MAX_SESSIONS,
    SESSION_SECONDS,
    Session,
    Sessions,
    Token,
    Tokens,
)

TOKEN = Token("token", "correct-horse-battery")
READER = Token("reader", "battery-staple-horse", frozenset({"read"}))
TOKENS = Tokens([TOKEN, READER])


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends() -> None:
    clock = Clock()
    sessions = Sessions(TOKENS, clock=clock)
    session, cookie = sessions.create(TOKEN)

    clock.now += SESSION_SECONDS - 1
    assert sessions.find(cookie) is session
    clock.now += 1
    assert sessions.find(cookie) is None
    assert session.ended.is_set()
    assert list(sessions) == []


@given(st.text() | st.text("ABCDEFabcdef0123456789-_="))
def test_no_invented_cookie_is_a_session(text: str) -> None:
    sessions = Sessions(TOKENS)
    sessions.create(TOKEN)

    assert sessions.find(text) is None


def test_what_is_shown_and_kept_gives_no_access(tmp_path: Path) -> None:
    sessions = Sessions(TOKENS)
    session, cookie = sessions.create(TOKEN)

    for text in (session.id, session.digest, TOKEN.secret, TOKEN.fingerprint):
        assert sessions.find(text) is None
        assert text not in cookie


async def test_sessions_outlive_a_restart(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "http.sessions.json", inline=True)
    sessions = Sessions(TOKENS, file)
    session, cookie = sessions.create(READER, "10.0.0.1", "Firefox")
    sessions.find(cookie, "10.0.0.2")
    await sessions.save()
    again = Sessions(TOKENS, file)
    again.load()

    found = again.find(cookie)
    assert found is not None
    assert (found.id, found.token, found.address, found.agent) == (
        session.id,
        READER,
        "10.0.0.2",
        "Firefox",
    )
    assert (found.created, found.used >= session.used) == (session.created, True)
    text = (tmp_path / "http.sessions.json").read_text()
    assert cookie not in text
    assert READER.secret not in text


async def test_sessions_end_with_their_token_but_not_with_its_name(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "http.sessions.json", inline=True)
    sessions = Sessions(TOKENS, file)
    _, of_token = sessions.create(TOKEN)
    _, of_reader = sessions.create(READER)
    await sessions.save()
    renamed = Token("dashboard", READER.secret, frozenset({"publish", "read"}))
    again = Sessions(Tokens([Token("token", "another-token-of-mine"), renamed]), file)
    again.load()

    assert again.find(of_token) is None
    found = again.find(of_reader)
    assert found is not None
    assert found.token is renamed


@pytest.mark.parametrize("content", ["", "{", "null", "{}", "[1, {}]", '[{"digest": 1}]'])
async def test_a_damaged_file_counts_as_empty(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "http.sessions.json"
    path.write_text(content)
    sessions = Sessions(TOKENS, StateFile(path, inline=True))
    sessions.load()

    assert list(sessions) == []
    if not content.startswith("["):
        aside = path.with_name(f"{path.name}.damaged")
        [message] = caplog.messages
        assert message.startswith(f"the sessions {path} cannot be read, so browsers log in again: ")
        assert message.endswith(f": it is damaged; it is {aside} now")
        assert aside.read_text() == content

    _, cookie = sessions.create(TOKEN)
    await sessions.save()
    again = Sessions(TOKENS, StateFile(path, inline=True))
    again.load()
    assert again.find(cookie) is not None


async def test_a_file_that_cannot_be_used_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "http.sessions.json").mkdir()
    sessions = Sessions(TOKENS, StateFile(tmp_path / "http.sessions.json", inline=True))
    sessions.load()
    _, cookie = sessions.create(TOKEN)
    await sessions.save()

    assert sessions.find(cookie) is not None
    assert "cannot be read, so browsers log in again" in caplog.text
    assert "the sessions cannot be kept in " in caplog.text


def signed_cookie(token: Token, expires: float) -> str:
    """Return a cookie as earlier versions made it."""
    key = hmac.digest(token.secret.encode(), b"lanrage_events_http session 1", hashlib.sha256)
    payload = int(expires).to_bytes(8, "big") + secrets.token_bytes(12)
    signature = hmac.digest(key, payload, hashlib.sha256)
    return base64.urlsafe_b64encode(payload + signature).decode().rstrip("=")


async def test_a_cookie_of_an_earlier_version_is_a_session_until_it_ends(tmp_path: Path) -> None:
    clock = Clock()
    file = StateFile(tmp_path / "http.sessions.json", inline=True)
    sessions = Sessions(TOKENS, file, clock)
    first, second = (signed_cookie(TOKEN, clock.now + 3_600) for _ in range(2))
    session = sessions.find(first, "10.0.0.1")
    assert session is not None
    assert (session.token, session.expires, session.address) == (
        TOKEN,
        clock.now + 3_600,
        "10.0.0.1",
    )
    assert sessions.find(first) is session
    sessions.end(session)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None
    await sessions.save()

    again = Sessions(TOKENS, file, clock)
    again.load()
    assert again.find(first) is None
    found = again.find(second)
    assert found is not None
    again.end(found)
    assert again.find(second) is None
    clock.now += 3_600
    assert again.find(second) is None
    assert again.find(signed_cookie(TOKEN, clock.now)) is None


@pytest.mark.parametrize("seconds", [0, -1, SESSION_SECONDS + 1, 2**62])
def test_a_cookie_of_an_earlier_version_has_an_end(seconds: int) -> None:
    clock = Clock()
    sessions = Sessions(TOKENS, clock=clock)

    assert sessions.find(signed_cookie(TOKEN, clock.now + seconds)) is None
    another = Token("token", "another-token-of-mine")
    assert sessions.find(signed_cookie(another, clock.now + 60)) is None


@given(st.data())
def test_no_changed_cookie_of_an_earlier_version_is_valid(data: st.DataObject) -> None:
    clock = Clock()
    cookie = bytearray(base64.urlsafe_b64decode(signed_cookie(TOKEN, clock.now + 60) + "=="))
    position = data.draw(st.integers(0, len(cookie) - 1))
    cookie[position] ^= data.draw(st.integers(1, 255))

    changed = base64.urlsafe_b64encode(cookie).decode()
    assert Sessions(TOKENS, clock=clock).find(changed) is None


def test_many_logins_end_the_session_that_is_used_least() -> None:
    clock = Clock()
    sessions = Sessions(TOKENS, clock=clock)
    _, other = sessions.create(READER)
    _, first = sessions.create(TOKEN)
    _, second = sessions.create(TOKEN)
    for _ in range(MAX_SESSIONS - 1):
        clock.now += 1
        sessions.find(first)
        sessions.create(TOKEN)

    assert sessions.find(second) is None
    assert sessions.find(first) is not None
    assert sessions.find(other) is not None
    assert len(list(sessions)) == MAX_SESSIONS + 1


def test_a_very_long_name_of_a_browser_is_cut() -> None:
    session, _ = Sessions(TOKENS).create(TOKEN, agent="x" * 10_000)

    assert len(session.agent) == 200


class SessionsMachine(RuleBasedStateMachine):
    """Logins, logouts, time and restarts: exactly the sessions that should exist do."""

    cookies: Bundle[str] = Bundle("cookies")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.sessions = Sessions(TOKENS, clock=self.clock)
        self.open: dict[str, float] = {}
        self.ended: list[Session] = []

    @rule(target=cookies, token=st.sampled_from([TOKEN, READER]))
    def log_in(self, token: Token) -> str:
        _, cookie = self.sessions.create(token)
        self.open[cookie] = self.clock.now + SESSION_SECONDS
        return cookie

    @rule(cookie=consumes(cookies))
    def log_out(self, cookie: str) -> None:
        session = self.sessions.find(cookie)
        if session is not None:
            self.sessions.end(session)
            self.ended.append(session)

        self.open.pop(cookie, None)

    @rule(seconds=st.sampled_from([1.0, 3_600.0, SESSION_SECONDS / 3]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.open = {cookie: end for cookie, end in self.open.items() if end > self.clock.now}

    @invariant()
    def only_open_sessions_are_found(self) -> None:
        assert {session.id for session in self.sessions} == {
            session.id for cookie in self.open if (session := self.sessions.find(cookie))
        }
        assert len(list(self.sessions)) == len(self.open)
        assert all(session.ended.is_set() for session in self.ended)


TestSessions = pytest.mark.slow(SessionsMachine.TestCase)
