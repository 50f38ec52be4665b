"""The address of a daemon, and its token."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

import httpx

DEFAULT_URL = "http://127.0.0.1:8666"
URL_VARIABLE = "LANRAGE_EVENTS_URL"
TOKEN_VARIABLE = "LANRAGE_EVENTS_TOKEN"  # noqa: S105 - its name, not a token

# What a header transmits unchanged.
_TOKEN = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True)
class Token:
    """The token of a daemon."""

    value: str = field(repr=False)
    origin: str
    """where it was read from, for messages"""


def parse_url(text: str) -> httpx.URL:
    """Parse the address of a daemon.

    :param text: such as ``http://127.0.0.1:8666``, with a path if a proxy serves it below one
    :raises ValueError: if it is not valid; the message repeats nothing that may be a password
    """
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")

    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"the address of a daemon is written like {DEFAULT_URL}")

    if url.userinfo:
        raise ValueError(
            "the address of a daemon has no user name or password: put the token into the "
            f"environment variable {TOKEN_VARIABLE}"
        )

    if url.query or url.fragment:
        raise ValueError("the address of a daemon has no '?' and no '#'")

    return url.copy_with(raw_path=url.raw_path.rstrip(b"/") + b"/")


def parse_token(text: str, origin: str) -> Token | None:
    """Parse a token; return None if it is empty.

    :param text: the content of a variable or file
    :param origin: the variable or file, for messages
    :raises ValueError: if a header cannot contain it; the message does not repeat it
    """
    text = text.strip()
    if not text:
        return None

    if not _TOKEN.fullmatch(text):
        raise ValueError(
            f"{origin} holds no token: it has spaces, lines or characters that cannot be sent"
        )

    return Token(text, origin)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
