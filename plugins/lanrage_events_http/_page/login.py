"""Login and logout: a form takes the token, and the browser keeps a session in a cookie."""

from __future__ import annotations

import html
import logging
from contextlib import aclosing
from math import ceil
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from lanrage_events import Redactor

from .._problem import Problem
from .._server import (
    FAILURE_SECONDS,
    JSON_TYPE,
    MAX_FAILURES,
    SESSION_COOKIE,
    SESSION_SECONDS,
    FailureLimit,
    Sessions,
    media_type,
)
from .files import PageFiles

logger = logging.getLogger(__name__)

# The empty paragraph for errors in the login page.
_ALERT = 'role="alert"></p>'
_FORM = "application/x-www-form-urlencoded"
_MAX_BYTES = 4_096


class _Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: SecretStr


def login_routes(sessions: Sessions | None, files: PageFiles, redactor: Redactor) -> list[Route]:
    """Return the routes for login and logout.

    :param sessions: checks tokens and creates sessions; None if there is no token
    :param files: with the login page
    :param redactor: removes secrets
    """
    if sessions is None:
        return [Route("/login", _go_to_page, methods=["GET"])]

    login = _Login(sessions, files, redactor)
    return [
        Route("/login", login.show, methods=["GET"]),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
    ]


async def _go_to_page(request: Request) -> Response:
    return RedirectResponse("/", 303)


class _Login:
    def __init__(self, sessions: Sessions, files: PageFiles, redactor: Redactor) -> None:
        self._sessions = sessions
        self._files = files
        self._redactor = redactor
        # For all addresses together: a guesser may have many, and sessions are not affected.
        self._failures = FailureLimit()

    async def show(self, request: Request) -> Response:
        if self._sessions.is_valid(request.cookies.get(SESSION_COOKIE, "")):
            return RedirectResponse("/", 303)

        return await self._page(None)

    async def log_in(self, request: Request) -> Response:
        is_form = media_type(request.headers) == _FORM
        try:
            await self._check(request, is_form=is_form)
        except Problem as problem:
            if not is_form or "text/html" not in request.headers.get("accept", ""):
                raise

            return await self._page(problem)

        response = RedirectResponse("/", 303) if is_form else Response(status_code=204)
        response.set_cookie(
            SESSION_COOKIE,
            self._sessions.create(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=_is_https(request),
        )
        return response

    async def log_out(self, request: Request) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        response = RedirectResponse("/login", 303) if wants_page else Response(status_code=204)
        response.delete_cookie(
            SESSION_COOKIE, httponly=True, samesite="strict", secure=_is_https(request)
        )
        return response

    async def _check(self, request: Request, *, is_form: bool) -> None:
        token = await _read_token(request, is_form=is_form)
        wait = self._failures.seconds_to_wait()
        if wait:
            raise Problem(
                429,
                f"{MAX_FAILURES} logins failed within {FAILURE_SECONDS:g} seconds: try again in "
                f"{ceil(wait)} seconds",
                headers={"Retry-After": str(ceil(wait))},
            )

        if not self._sessions.is_token(token):
            self._failures.add()
            if self._failures.seconds_to_wait():
                logger.warning(
                    "%d logins failed within %g seconds, the last from %s: all logins have to wait "
                    "for a while",
                    MAX_FAILURES,
                    FAILURE_SECONDS,
                    request.client.host if request.client else "an unknown address",
                )

            raise Problem(401, "the token is wrong: use the one in the configuration")

    async def _page(self, problem: Problem | None) -> Response:
        page = await self._files.read("login.html")
        if problem is None:
            return HTMLResponse(page)

        detail = html.escape(self._redactor.redact(problem.detail))
        content = page.decode().replace(_ALERT, f'role="alert">{detail}</p>', 1)
        return HTMLResponse(content, problem.status, problem.headers)


async def _read_token(request: Request, *, is_form: bool) -> str:
    body = bytearray()
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > _MAX_BYTES:
                raise Problem(413, f"a login has {_MAX_BYTES:,} bytes at most")

    if not is_form and media_type(request.headers) != JSON_TYPE:
        raise Problem(415, f"expected the Content-Type {_FORM} or {JSON_TYPE}")

    try:
        if is_form:
            return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)["token"][0]

        return _Credentials.model_validate_json(bytes(body)).token.get_secret_value()
    except (KeyError, ValueError, ValidationError):
        raise Problem(422, "expected the field 'token', and nothing else") from None


def _is_https(request: Request) -> bool:
    """Return whether the browser uses https, through a proxy: its form has the page's origin."""
    return request.headers.get("origin", "").lower().startswith("https://")
