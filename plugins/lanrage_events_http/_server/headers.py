"""The headers that each answer has, by which a browser keeps other sites away from it."""

from __future__ import annotations

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
    """Add them to the message that starts an answer.

    :param path: what was asked for
    """
    headers = MutableHeaders(raw=list(message.get("headers", [])))
    for name, value in _HEADERS.items():
        headers[name] = value

    # A page posts its forms with the Origin 'null' if it may not even tell us where it is.
    is_page = headers.get("content-type", "").startswith("text/html")
    headers["Referrer-Policy"] = "same-origin" if is_page else "no-referrer"
    if is_api_path(path) or "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"

    del headers["server"]
    message["headers"] = headers.raw


def is_api_path(path: str) -> bool:
    """Tell whether programs ask for a path, rather than people."""
    return path == "/metrics" or path == "/api" or path.startswith("/api/")
