"""Addresses of links and pictures: which ones Discord accepts, and which pictures it cannot load."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, quote, urlsplit

from lanrage_events.templates import LeafWarning, utf16_units

from ..limits import URL_MAX_CHARACTERS

# Embeds of one kind have the same few addresses.
_REMEMBERED = 256
_SHOWN_CHARACTERS = 60
_EXAMPLE = "https://example.com"
_SCHEMES = ("http", "https")
# What RFC 3986 admits nowhere, and browsers escape without a word.
_UNSAFE = re.compile(r'[<>{}|"`\\^]')
_WHOLE_HOST = re.compile(r"https?://[^/?#]+[/?#]", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_TOP_LABEL = re.compile(r"[a-z]{2,}|xn--[a-z0-9-]{4,}")
_LABEL_MAX_CHARACTERS = 63
_HOST_MAX_CHARACTERS = 253
_PORT = re.compile("0*[0-9]{1,5}")
_PORT_MAX = 65535
# No DNS of the internet has them: RFC 6762, RFC 6761, RFC 8375 and ICANN's resolution 2024.07.29.06.
_LOCAL_NAMES = (".local", ".lan", ".localhost", ".internal", ".home.arpa")


def parse_link(text: object) -> str:
    """Read the address of a link within a text, wherever it leads to.

    Discord checks no address there, and a link into the LAN works for those who are in it.

    :raises ValueError: if it is not an http or https address
    """
    address = str(text).strip()
    if _split(address) is None:
        raise ValueError(f"expected an address such as {_EXAMPLE}, not '{_shown(address)}'")

    return address


def parse_url(text: object) -> str:
    """Read the address of a link or a picture of an embed, and escape what none may contain.

    :raises LeafWarning: if it is an address that Discord does not accept
    :raises ValueError: if it is not an http or https address
    """
    address = _UNSAFE.sub(percent_encode, parse_link(text))
    if problem := explain_url(address):
        raise LeafWarning(f"Discord does not accept '{_shown(address)}': {problem}")

    return address


def percent_encode(match: re.Match[str]) -> str:
    """Escape what a pattern found in an address."""
    return quote(match.group(), safe="")


def find_host(beginning: str) -> str:
    """Return an address with the host of one of which only the beginning is known; empty if none."""
    match = _WHOLE_HOST.match(beginning.strip())
    return match.group() if match is not None else ""


@lru_cache(_REMEMBERED)
def explain_url(address: str) -> str:
    """Return why Discord does not accept an http or https address, empty if it does.

    Discord's pages do not say. It rejects a host without a dot (bugsink#280, grafana#65270), one
    with an underscore (discord.js#7438) or an empty label, and accepts numbers (gitea#6263); its
    messages are those of the Python library schematics, whose ``URLType`` does all that.
    """
    parts = _split(address)
    if parts is None:
        return "it is not an http or https address"

    if _UNSAFE.search(address):
        return "it has characters that an address must escape"

    if "@" in parts.netloc:
        return "it has a user name before its host"

    if problem := _explain_port(parts):
        return problem

    host = parts.hostname or ""
    return "" if _parse_ip(parts) is not None else _explain_host(host)


@lru_cache(_REMEMBERED)
def explain_picture(address: str) -> str:
    """Return why Discord, which loads pictures itself, cannot reach an address; empty if it can."""
    parts = _split(address)
    if parts is None:
        return ""

    ip = _parse_ip(parts)
    host = (parts.hostname or "").rstrip(".")
    if ip is not None and not ip.is_global:
        where = f"{ip} is an address of your own network"
    elif host.endswith(_LOCAL_NAMES):
        where = f"'{host}' is a name of your own network"
    else:
        return ""

    return f"Discord cannot load this picture, so its place stays empty: {where}"


def _split(address: str) -> SplitResult | None:
    if utf16_units(address) > URL_MAX_CHARACTERS or not address.isprintable() or " " in address:
        return None

    try:
        parts = urlsplit(address)
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname)
    except ValueError:
        return None

    return parts if is_address else None


def _explain_port(parts: SplitResult) -> str:
    rest = parts.netloc.rpartition("]")[2]
    _, colon, port = rest.partition(":")
    if not colon or (_PORT.fullmatch(port) and 0 < int(port) <= _PORT_MAX):
        return ""

    return f"its port must be a number from 1 to {_PORT_MAX}"


def _parse_ip(parts: SplitResult) -> IPv4Address | IPv6Address | None:
    host = parts.hostname or ""
    if "%" in host:
        return None

    try:
        return ip_address(host)
    except ValueError:
        return None


def _explain_host(host: str) -> str:
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return "its host is not a valid name"

    host = host.removesuffix(".")
    if "." not in host:
        return (
            f"its host '{host[:_SHOWN_CHARACTERS]}' has no dot, so only your own network knows it"
        )

    *labels, top = host.lower().split(".")
    for label in (*labels, top):
        if not label:
            return "a part of its host is empty"

        if "_" in label:
            return "its host has an underscore"

        if len(label) > _LABEL_MAX_CHARACTERS or not _LABEL.fullmatch(label):
            return "its host is not a valid name"

    if len(host) > _HOST_MAX_CHARACTERS or not _TOP_LABEL.fullmatch(top):
        return "its host is not a valid name"

    return ""


def _shown(address: str) -> str:
    if len(address) <= _SHOWN_CHARACTERS:
        return address

    return f"{address[: _SHOWN_CHARACTERS - 1]}…"
