"""Checks in front of the application, and the headers and errors of every answer."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import quote

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lanrage_events import Redactor

from .._problem import Problem, log_failure, problem_of
from .access import Access, Authentication
from .addresses import TrustedProxies
from .body import Body
from .connections import Timeouts
from .headers import add_headers, is_api_path, media_type
from .hosts import HostCheck, is_same_origin
from .shares import Shares

logger = logging.getLogger(__name__)

IS_SPARE = "lanrage_events_http.is_spare"
"""set in the state of a request that came on a spare connection"""
MAX_HEAD_BYTES = 16 * 1_024
"""of the target and the headers of a request"""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# No form can send these media types, nor a script of another site without a preflight.
JSON_TYPE = "application/json"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
_VERSIONS = frozenset({"1.0", "1.1"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
_OPEN_PATHS = _HEALTH_PATHS | {"/login"}
_OPEN_FOLDER = "/static/"
_SECONDS_BETWEEN_TRACEBACKS = 1.0
_NOT_COUNTED = nullcontext()


class Guard:
    """Rejects requests that must not reach an application, and turns its errors into answers.

    :param app: the ASGI application
    :param hosts: checks Host headers
    :param max_body: the largest body, in bytes
    :param redactor: removes secrets from answers and log records
    :param authentication: finds out who sends a request; None if no token is needed
    :param proxies: those that are trusted
    :param max_requests: how many requests trusted proxies may pass on at the same time, of which
        each of their clients has a share
    :param timeouts: of bodies and handlers
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: HostCheck,
        max_body: int,
        redactor: Redactor,
        authentication: Authentication | None = None,
        proxies: TrustedProxies = TrustedProxies(),  # noqa: B008 - immutable
        max_requests: int = 100,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._max_body = max_body
        self._redactor = redactor
        self._authentication = authentication
        self._proxies = proxies
        self._forwarded = Shares(max_requests, proxies, "requests under way")
        self._timeouts = timeouts
        self._logged_at = -math.inf
        self._unlogged = 0
        self.answers: Counter[str] = Counter()
        """the number of answers by status class, such as ``2xx``"""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. It raises nothing but cancellation."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        body = Body(scope, receive, self._max_body, self._timeouts.body)
        await self._answer(scope, body, _Answer(scope, send, body, self.answers))

    async def _answer(self, scope: Scope, body: Body, answer: _Answer) -> None:
        problem: Problem | None = None
        try:
            with (
                self._count(scope),
                anyio.move_on_after(self._timeouts.first_answer) as answer.waiting,
            ):
                redirect = self._check(scope, body)
                await (redirect or self._app)(scope, body.receive, answer.send)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - an error of a handler ends its answer only
            problem = problem_of(error)
            if not isinstance(error, Problem) and body.problem is None:
                self._log(scope, error)

        if answer.waiting.cancelled_caught and not answer.is_started:
            problem = Problem(
                503,
                f"no answer was ready within {self._timeouts.first_answer:g} seconds; what was "
                "asked for may be done all the same",
            )

        problem = body.problem or problem
        if problem is not None and not answer.is_started:
            response = problem.response(self._redactor)
            body.problem = None
            await response(scope, body.receive, answer.send)

    def _count(self, scope: Scope) -> AbstractContextManager[None]:
        """Find out the client's address, and count its request if a trusted proxy passed it on.

        :raises Problem: if the client has too many requests under way
        """
        if not self._proxies:
            return _NOT_COUNTED

        peer = (scope.get("client") or ("",))[0]
        client = self._proxies.client(peer, Headers(scope=scope).getlist("x-forwarded-for"))
        if client == peer:
            return _NOT_COUNTED

        scope["client"] = (client, 0)
        lack = self._forwarded.lack(client)
        if lack is not None:
            raise Problem(
                429,
                f"{lack}: wait for their answers",
                headers={"Retry-After": "1"},
            )

        return self._forwarded.holding(client)

    def _check(self, scope: Scope, body: Body) -> Response | None:
        """Return a redirect, or None if the request may go on.

        :raises Problem: if it is rejected
        """
        _check_head(scope)
        headers = Headers(scope=scope)
        method, path = scope["method"], _shorten_health_target(scope)
        # A probe knows only an address, and what it may read is the same for everyone.
        is_probe = path in _HEALTH_PATHS and method in _SAFE_METHODS
        host = "" if is_probe else self._check_host(headers)
        if method not in METHODS:
            # This rejects preflights, too: no other site may use the API.
            raise Problem(
                405,
                f"the method {method[:20]!r} is not supported",
                headers={"Allow": ", ".join(sorted(METHODS))},
            )

        if not path.startswith("/"):
            raise Problem(400, "expected a path that starts with '/'")

        is_change = method not in _SAFE_METHODS
        is_api = is_api_path(path)
        if is_change or is_api:
            _check_origin(headers, host)

        if scope.get("state", {}).get(IS_SPARE) and path not in _HEALTH_PATHS:
            raise Problem(
                503,
                "too many connections are open, from this address or in total: close some",
                headers={"Retry-After": "5"},
            )

        if self._authentication is not None:
            access = self._authenticate(self._authentication, scope, headers)
            if access is None:
                return RedirectResponse(_login_address(scope), 303)

            access.attach(scope)

        encodings = ",".join(headers.getlist("content-encoding")).strip().lower()
        if body.is_there and encodings not in ("", "identity"):
            raise Problem(
                415,
                "compressed bodies are not supported: send it without Content-Encoding",
                headers={"Accept-Encoding": "identity"},
            )

        has_json = media_type(headers) in (JSON_TYPE, *JSON_LINES)
        if is_change and is_api and body.is_there and not has_json:
            raise Problem(415, f"expected a JSON body with the Content-Type {JSON_TYPE}")

        body.check_length()
        return None

    def _check_host(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise Problem(400, f"expected one Host header, found {len(hosts) or 'none'}")

        host = hosts[0].strip()
        if not self._hosts.allows(host):
            raise Problem(
                421,
                "this server is not known by the name in the Host header: use the address that "
                "lanrage-events logs at its start, or add the name to 'allowed_hosts'",
            )

        return host

    def _authenticate(
        self, authentication: Authentication, scope: Scope, headers: Headers
    ) -> Access | None:
        """Return what the client may do, None if its browser has to log in."""
        if _is_open(scope["path"]):
            return Access(scopes=frozenset())

        access = authentication.authenticate(headers, (scope.get("client") or ("",))[0])
        if access is not None:
            return access

        is_page = not is_api_path(scope["path"]) and scope["method"] in _SAFE_METHODS
        if is_page and _wants_page(headers):
            return None

        raise authentication.rejection()

    def _log(self, scope: Scope, error: Exception) -> None:
        now = anyio.current_time()
        if now - self._logged_at < _SECONDS_BETWEEN_TRACEBACKS:
            self._unlogged += 1
            return

        more = f", after {self._unlogged} more failures" if self._unlogged else ""
        self._logged_at, self._unlogged = now, 0
        what = f"{scope['method']} {scope['path']!r} failed{more}"
        log_failure(logger, self._redactor, what, error)


class _Answer:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, body: Body, counts: Counter[str]) -> None:
        self._scope = scope
        self._send = send
        self._body = body
        self.waiting = anyio.CancelScope()
        """limits the time until the answer starts"""
        self.is_started = False
        self._counts = counts

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # The problem with the body is the answer, whatever the application made of it.
            if self._body.problem is not None:
                return

            self.is_started = True
            self._counts[f"{message['status'] // 100}xx"] += 1
            self.waiting.deadline = math.inf
            add_headers(self._scope["path"], message)
        elif not self.is_started:
            return

        is_end = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not is_end or not self._body.has_rest:
            await self._send(message)
            return

        await self._send({**message, "more_body": True})
        await self._body.read_rest()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_head(scope: Scope) -> None:
    if scope.get("http_version", "1.1") not in _VERSIONS:
        raise Problem(505, "HTTP/1.1 is spoken here")

    size = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAX_HEAD_BYTES:
        raise Problem(431, f"the head of a request may have {MAX_HEAD_BYTES:,} bytes at most")


def _shorten_health_target(scope: Scope) -> str:
    """Return the path of a request, for a health check also of a target such as ``http://a/healthz``.

    https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """
    path: str = scope["path"]
    scheme, separator, rest = path.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        target = "/" + rest.partition("/")[2]
        if target in _HEALTH_PATHS:
            scope["path"], scope["raw_path"] = target, target.encode("ascii")
            return target

    return path


def _check_origin(headers: Headers, host: str) -> None:
    """Check that no page of another site made a browser send the request.

    :raises Problem: if one did
    """
    for origin in headers.getlist("origin"):
        if not is_same_origin(origin, host):
            raise Problem(403, "the Origin header names another site, or none")

    # Newer browsers send it. Another port of the same machine is 'same-site'.
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Problem(403, "another site sent this: the header Sec-Fetch-Site says so")


def _login_address(scope: Scope) -> str:
    """Return where to log in, for a screen with its address, which is shown afterwards."""
    if scope["path"].split("/")[1] != "screen":
        return "/login"

    query = scope.get("query_string", b"").decode("latin-1")
    wanted = quote(scope["path"]) + (f"?{query}" if query else "")
    return f"/login?to={quote(wanted, safe='')}"


def _wants_page(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("accept", "")


def _is_open(path: str) -> bool:
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)
