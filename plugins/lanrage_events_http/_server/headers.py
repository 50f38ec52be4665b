"""Headers of every answer, by which browsers protect it from other sites."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_headers(path: str, message: Message) -> None:
    """Add the security headers to the message that starts an answer.

    :param path: of the request
    """
    headers = MutableHeaders(raw=list(message.get("headers", [])))
    for name, value in _HEADERS.items():
        headers[name] = value

    # With 'no-referrer', a browser would post the page's forms with the Origin 'null'.
    is_page = headers.get("content-type", "").startswith("text/html")
    headers["Referrer-Policy"] = "same-origin" if is_page else "no-referrer"
    if is_api_path(path) or "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"

    del headers["server"]
    message["headers"] = headers.raw


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of a body, empty if there is no Content-Type."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_api_path(path: str) -> bool:
    """Return whether a path is for programs, rather than for people."""
    return path == "/metrics" or path == "/api" or path.startswith("/api/")
