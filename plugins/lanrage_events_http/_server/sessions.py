"""Sessions, which browsers keep in place of a token."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from lanrage_events.events import utc_now
from lanrage_events.state import StateFile

from .signed_cookies import signed_expiry
from .tokens import Token, Tokens

logger = logging.getLogger(__name__)

SESSION_SECONDS = 7 * 24 * 3_600
MAX_SESSIONS = 100
"""of one token; the one that was not used for the longest time makes room for a new one"""
_COOKIE_BYTES = 32
_SHOWN_DIGITS = 12
_MAX_COOKIE_CHARACTERS = 200
_MAX_AGENT_CHARACTERS = 200


@dataclass(slots=True, eq=False)
class Session:
    """A browser that has logged in."""

    digest: str
    """of its cookie, which is not kept"""
    token: Token
    created: float
    """seconds since 1970"""
    used: float
    """when its last request came, in seconds since 1970"""
    address: str
    """of the client that used it last"""
    agent: str
    """what the browser called itself when it logged in"""
    is_signed: bool = False
    """whether its cookie is one of an earlier version, which would begin a session again"""
    ended: anyio.Event = field(default_factory=anyio.Event)
    """set when it ends"""

    @property
    def id(self) -> str:
        """A short name that gives no access."""
        return self.digest[:_SHOWN_DIGITS]

    @property
    def expires(self) -> float:
        """When it ends by itself, in seconds since 1970."""
        return self.created + SESSION_SECONDS


class Sessions:
    """Creates, finds and ends sessions; with a file, they outlive a restart.

    A session ends after seven days, by a logout, or when its token is no longer configured. The
    cookies of earlier versions, which were not stored, begin a session when they come.

    :param tokens: the configured ones
    :param file: keeps what is needed to recognize a session, but no cookie
    :param clock: returns the time in seconds since 1970
    """

    def __init__(
        self,
        tokens: Tokens,
        file: StateFile | None = None,
        clock: Callable[[], float] = lambda: utc_now().timestamp(),
    ) -> None:
        self._tokens = tokens
        self._file = file or StateFile(None)
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        """the one that was used last is the last"""
        self._ended: dict[str, float] = {}
        """digests of cookies of earlier versions that ended, and until when they were valid"""
        self._saving = anyio.Lock()

    def __iter__(self) -> Iterator[Session]:
        self._end_expired()
        return iter(tuple(self._sessions.values()))

    def load(self) -> None:
        """Read the sessions of the last run; a file that cannot be read counts as empty."""
        tokens = {token.fingerprint: token for token in self._tokens}
        for record in self._read_records():
            match record:
                case {"ended": str(digest), "until": int() | float() as until}:
                    self._ended[digest] = until

            session = _read(record, tokens)
            if session is not None:
                self._sessions[session.digest] = session

        self._end_expired()

    def _read_records(self) -> list[object]:
        try:
            records = self._file.read([])
            if isinstance(records, list):
                return records

            raise ValueError("it is damaged")
        except OSError as error:
            reason = error.strerror or str(error)
        except ValueError as error:
            reason = str(error)
            with suppress(OSError):
                reason = f"{reason}; it is {self._file.move_aside()} now"

        path = self._file.path
        logger.warning("the sessions %s cannot be read, so browsers log in again: %s", path, reason)
        return []

    async def save(self) -> None:
        """Write the sessions; an error is logged, and they last until the daemon ends."""
        async with self._saving:
            try:
                records = [_record(session) for session in self]
                ended = [{"ended": digest, "until": until} for digest, until in self._ended.items()]
                await self._file.save(records + ended)
            except OSError as error:
                logger.warning(
                    "the sessions cannot be kept in %s, so browsers log in again after a restart: %s",
                    self._file.path,
                    error.strerror or error,
                )

    def create(self, token: Token, address: str = "", agent: str = "") -> tuple[Session, str]:
        """Return a new session, and its cookie.

        :param address: the client's
        :param agent: what the browser calls itself
        """
        cookie = secrets.token_urlsafe(_COOKIE_BYTES)
        now = self._clock()
        agent = agent[:_MAX_AGENT_CHARACTERS]
        session = Session(_digest(cookie), token, now, now, address, agent)
        self._add(session)
        return session, cookie

    def _add(self, session: Session) -> None:
        self._end_expired()
        of_token = [one for one in self._sessions.values() if one.token is session.token]
        for one in sorted(of_token, key=lambda one: one.used)[: -(MAX_SESSIONS - 1)]:
            self.end(one)

        self._sessions[session.digest] = session

    def find(self, cookie: str, address: str = "") -> Session | None:
        """Return the session of a cookie, None if there is none or it has ended.

        :param address: of the client that sent it
        """
        if len(cookie) > _MAX_COOKIE_CHARACTERS:
            return None

        digest = _digest(cookie)
        session = self._sessions.get(digest) or self._begin_signed(cookie, digest)
        if session is None:
            return None

        now = self._clock()
        if session.expires <= now:
            self.end(session)
            return None

        session.used, session.address = now, address or session.address
        self._sessions[digest] = self._sessions.pop(digest)
        return session

    def _begin_signed(self, cookie: str, digest: str) -> Session | None:
        """Begin a session for a cookie of an earlier version, unless it has ended."""
        now = self._clock()
        for token in () if digest in self._ended else self._tokens:
            expires = signed_expiry(cookie, token)
            if expires is not None and now < expires <= now + SESSION_SECONDS:
                began = expires - SESSION_SECONDS
                session = Session(digest, token, began, now, "", "", is_signed=True)
                self._add(session)
                return session

        return None

    def get(self, id: str) -> Session | None:
        """Return the session of a short name."""
        return next((session for session in self if session.id == id), None)

    def end(self, session: Session) -> None:
        """End a session, and the live feeds that it reads."""
        self._sessions.pop(session.digest, None)
        if session.is_signed:
            self._ended[session.digest] = session.expires

        session.ended.set()

    def _end_expired(self) -> None:
        now = self._clock()
        for session in tuple(self._sessions.values()):
            if session.expires <= now:
                self.end(session)

        self._ended = {digest: until for digest, until in self._ended.items() if until > now}


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _record(session: Session) -> dict[str, Any]:
    return {
        "digest": session.digest,
        "token": session.token.fingerprint,
        "created": session.created,
        "used": session.used,
        "address": session.address,
        "agent": session.agent,
        "signed": session.is_signed,
    }


def _read(record: object, tokens: Mapping[str, Token]) -> Session | None:
    """Return a session of the file, None if its token is no longer configured."""
    match record:
        case {
            "digest": str(digest),
            "token": str(fingerprint),
            "created": int() | float() as created,
            "used": int() | float() as used,
            "address": str(address),
            "agent": str(agent),
            **more,
        } if fingerprint in tokens:
            is_signed = more.get("signed") is True
            token = tokens[fingerprint]
            return Session(digest, token, created, used, address, agent, is_signed)
        case _:
            return None
