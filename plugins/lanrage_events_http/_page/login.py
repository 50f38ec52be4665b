"""Login and logout: a form takes the token, and the browser keeps a session in a cookie."""

from __future__ import annotations

import html
import re
from contextlib import aclosing
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from lanrage_events import Redactor

from .._problem import Problem
from .._server import (
    JSON_TYPE,
    SESSION_COOKIE,
    SESSION_SECONDS,
    Access,
    Authentication,
    Session,
    Token,
    media_type,
)
from .files import PageFiles

# The empty paragraph for errors in the login page.
_ALERT = 'role="alert"></p>'
_REMEDY = (
    "This token is wrong. Copy it again from the configuration, without quotes: it is the value of "
    "<code>token</code> of the plugin <code>http</code>, or of one of its <code>tokens</code>. If "
    "it was changed there, reload or restart lanrage-events first."
)
# Nothing else, so that no link to the login leads to another site.
_SCREEN = re.compile(r"/screen(/[^/?#\\\s]+)?(\?[^#\s]*)?")
_FORM = "application/x-www-form-urlencoded"
_MAX_BYTES = 4_096


class _Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: SecretStr


def login_routes(
    authentication: Authentication, files: PageFiles, redactor: Redactor
) -> list[Route]:
    """Return the routes for login and logout.

    :param authentication: checks tokens and has the sessions
    :param files: with the login page
    :param redactor: removes secrets
    """
    if not authentication.is_needed:
        return [Route("/login", _go_to_page, methods=["GET"])]

    login = _Login(authentication, files, redactor)
    return [
        Route("/login", login.show, methods=["GET"]),
        Route("/login", login.log_in, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
    ]


async def _go_to_page(request: Request) -> Response:
    """Redirect to what was to be shown before the login: a screen, or else the page."""
    wanted = request.query_params.get("to", "")
    return RedirectResponse(wanted if _SCREEN.fullmatch(wanted) else "/", 303)


class _Login:
    def __init__(
        self, authentication: Authentication, files: PageFiles, redactor: Redactor
    ) -> None:
        self._authentication = authentication
        self._sessions = authentication.sessions
        self._files = files
        self._redactor = redactor

    async def show(self, request: Request) -> Response:
        if self._session(request) is not None:
            return await _go_to_page(request)

        return await self._page(None)

    async def log_in(self, request: Request) -> Response:
        is_form = media_type(request.headers) == _FORM
        try:
            token = await self._check(request, is_form=is_form)
        except Problem as problem:
            if not is_form or "text/html" not in request.headers.get("accept", ""):
                raise

            return await self._page(problem)

        # The browser forgets its former session, so no one else should have it.
        former = self._session(request)
        if former is not None:
            self._sessions.end(former)

        agent = request.headers.get("user-agent", "")
        _, cookie = self._sessions.create(token, _address(request), agent)
        await self._sessions.save()
        response = await _go_to_page(request) if is_form else Response(status_code=204)
        response.set_cookie(
            SESSION_COOKIE,
            cookie,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=_is_https(request),
        )
        return response

    async def log_out(self, request: Request) -> Response:
        session = self._session(request)
        if session is not None:
            self._sessions.end(session)
            await self._sessions.save()

        wants_page = "text/html" in request.headers.get("accept", "")
        response = RedirectResponse("/login", 303) if wants_page else Response(status_code=204)
        response.delete_cookie(
            SESSION_COOKIE, httponly=True, samesite="strict", secure=_is_https(request)
        )
        return response

    def _session(self, request: Request) -> Session | None:
        return self._authentication.session(request.headers, _address(request))

    async def _check(self, request: Request, *, is_form: bool) -> Token:
        text = await _read_token(request, is_form=is_form)
        token = self._authentication.check_token(text, _address(request))
        Access(token.name, token.scopes).require("read")
        return token

    async def _page(self, problem: Problem | None) -> Response:
        page = await self._files.read("login.html")
        if problem is None:
            return HTMLResponse(page)

        text = _explain(problem) or html.escape(self._redactor.redact(problem.detail))
        content = page.decode().replace(_ALERT, f'role="alert">{text}</p>', 1)
        return HTMLResponse(content, problem.status, problem.headers)


def _explain(problem: Problem) -> str:
    """Return as HTML what a user does about a wrong token; empty if something else is wrong."""
    if problem.status == 401:
        return _REMEDY

    if problem.status != 429:
        return ""

    seconds = (problem.headers or {})["Retry-After"]
    return (
        f"{_REMEDY} The right one is accepted at once. Too many wrong ones came from your "
        "address, so another one can be tried "
        f'<span role="timer" data-seconds="{seconds}">in {seconds} seconds</span>.'
    )


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
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
            # No token has spaces, but what is copied often does.
            return fields["token"][0].strip()

        return _Credentials.model_validate_json(bytes(body)).token.get_secret_value()
    except (KeyError, ValueError, ValidationError):
        raise Problem(422, "expected the field 'token', and nothing else") from None


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_https(request: Request) -> bool:
    """Return whether the browser uses https, through a proxy: its form has the page's origin."""
    return request.headers.get("origin", "").lower().startswith("https://")
