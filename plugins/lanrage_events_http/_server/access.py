"""Access: who sends a request, and what that client may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from starlette.datastructures import Headers
from starlette.types import Scope as ASGIScope

from lanrage_events.http import Scope

from .._problem import Problem
from .failures import FailureLimit
from .sessions import Session, Sessions
from .tokens import ALL_SCOPES, Token, Tokens

SESSION_COOKIE = "lanrage_session"
_KEY = "lanrage_events_http.access"
_AUTHENTICATE = {"WWW-Authenticate": 'Bearer realm="lanrage-events"'}


@dataclass(frozen=True, slots=True)
class Access:
    """What a client may do."""

    token: str | None = None
    """the name of its token, None if no token is needed"""
    scopes: frozenset[Scope] = ALL_SCOPES
    session: Session | None = None
    """of a browser that logged in"""

    def may(self, scope: Scope | None) -> bool:
        """Return whether it may do what a scope allows; None is what every client may."""
        return scope is None or scope in self.scopes or "admin" in self.scopes

    def require(self, scope: Scope | None) -> None:
        """Check that it may do what a scope allows.

        :raises Problem: if it may not
        """
        if not self.may(scope):
            own = " and ".join(sorted(self.scopes))
            raise Problem(
                403,
                f"the token '{self.token}' has the scope {own}, and this needs {scope}: use "
                "another token, or give this one the scope in the configuration",
            )

    def attach(self, scope: ASGIScope) -> None:
        """Attach it to a request."""
        scope.setdefault("state", {})[_KEY] = self


def access_of(scope: ASGIScope) -> Access:
    """Return what the client of a request may do; without the guard, everything."""
    access: Access = scope.get("state", {}).get(_KEY, _EVERYTHING)
    return access


_EVERYTHING = Access()


class Authentication:
    """Finds out who sends a request.

    :param tokens: the configured ones; if there is none, no token is needed
    :param sessions: of browsers
    """

    def __init__(self, tokens: Tokens, sessions: Sessions) -> None:
        self.tokens = tokens
        self.sessions = sessions
        self._failures = FailureLimit()

    @property
    def is_needed(self) -> bool:
        """Whether requests need a token."""
        return bool(self.tokens)

    def check_token(self, text: str, address: str) -> Token:
        """Return the token that a client sent.

        The right one is accepted however many wrong ones came before it, since others may share
        the client's address.

        :param address: the client's
        :raises Problem: if it is wrong
        """
        token = self.tokens.find(text)
        if token is not None:
            return token

        wait = self._failures.seconds_to_wait(address)
        if wait:
            raise Problem(
                429,
                "the token is wrong, and too many wrong ones came from this address: wait "
                f"{ceil(wait)} seconds before the next one",
                headers={"Retry-After": str(ceil(wait))},
            )

        self._failures.add(address)
        raise Problem(
            401, "the token is wrong: use one of the configuration", headers=_AUTHENTICATE
        )

    def authenticate(self, headers: Headers, address: str) -> Access | None:
        """Return what the client of a request may do, None if it proves nothing.

        :param address: the client's
        :raises Problem: if it sends a wrong token
        """
        if not self.is_needed:
            return _EVERYTHING

        text = _bearer(headers)
        if text is not None:
            token = self.check_token(text, address)
            return Access(token.name, token.scopes)

        session = self.session(headers, address)
        return (
            None if session is None else Access(session.token.name, session.token.scopes, session)
        )

    def session(self, headers: Headers, address: str) -> Session | None:
        """Return the session of a browser, None if it has none."""
        for cookie in _cookies(headers, SESSION_COOKIE):
            session = self.sessions.find(cookie, address)
            if session is not None:
                return session

        return None

    def rejection(self) -> Problem:
        """Return the answer to a request that proves nothing."""
        return Problem(
            401,
            "a token is needed: send 'Authorization: Bearer ...', or log in at /login",
            headers=_AUTHENTICATE,
        )


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookies(headers: Headers, name: str) -> list[str]:
    pairs = [pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";")]
    return [value.strip() for key, _, value in pairs if key.strip() == name]
