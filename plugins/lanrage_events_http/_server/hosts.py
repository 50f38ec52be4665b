"""Host and Origin headers: which server a request is for, and which page it comes from."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host, in lower case and without brackets, and its port if one was given."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> HostPort | None:
        """Parse a Host header; return None if it is not valid."""
        match = _HOST_PORT.fullmatch(text)
        if match is None:
            return None

        name, port = match.groups()
        if name.startswith("["):
            name = _canonical(name)
            if _address(name) is None:
                return None

        if port is not None and int(port) > _MAX_PORT:
            return None

        return cls(_canonical(name), None if port is None else int(port))

    def with_default_port(self, scheme: str) -> HostPort:
        """Return a copy with the default port of a scheme if there is no port."""
        if self.port is not None:
            return self

        return HostPort(self.host, _DEFAULT_PORTS[scheme])


class HostCheck:
    """Checks that a request names this server in its Host header.

    A web page whose name resolves to our address (DNS rebinding) sends its own name.

    :param host: what the server is bound to
    :param port: the one that was bound, not 0
    :param allowed: further names, with or without port
    :param addresses: what the host resolves to
    """

    def __init__(
        self,
        host: str,
        port: int,
        allowed: Iterable[str] = (),
        addresses: Iterable[str] = (),
    ) -> None:
        host = _canonical(host)
        self._port = port
        self._hosts = {host, *map(_canonical, addresses)}
        self._any_address = is_unspecified(host)
        # They reach us if we listen on one of them or on all addresses.
        if is_loopback(host) or self._any_address:
            self._hosts.update(_LOOPBACK_NAMES)

        self._allowed = {parsed for name in allowed if (parsed := HostPort.parse(name))}

    def allows(self, header: str) -> bool:
        """Return whether a request with this Host header is for this server."""
        parsed = HostPort.parse(header)
        if parsed is None:
            return False

        if parsed in self._allowed or HostPort(parsed.host, None) in self._allowed:
            return True

        # https without a port can only come through a proxy, whose name must be allowed.
        if parsed.with_default_port("http").port != self._port:
            return False

        return parsed.host in self._hosts or (
            self._any_address and _address(parsed.host) is not None
        )


def is_same_origin(origin: str, host: str) -> bool:
    """Return whether an Origin header names the same host and port as a Host header.

    The scheme is not compared: a proxy may add https, which we do not see.
    """
    scheme, _, rest = origin.lower().partition("://")
    page, server = HostPort.parse(rest), HostPort.parse(host)
    if scheme not in _DEFAULT_PORTS or page is None or server is None:
        return False

    return page.with_default_port(scheme) == server.with_default_port(scheme)


def is_loopback(host: str) -> bool:
    """Return whether a host is clearly reachable from this machine only."""
    address = _address(without_brackets(host))
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_unspecified(host: str) -> bool:
    """Return whether a host stands for all addresses of this machine."""
    address = _address(without_brackets(host))
    return address is not None and address.is_unspecified


def without_brackets(host: str) -> str:
    """Return a host without the brackets that an IPv6 address has in URLs."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def url(host: str, port: int) -> str:
    """Return the address of a page."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _canonical(host: str) -> str:
    """Return a host in lower case, and an IPv6 address in its shortest form."""
    # A name with a dot at its end means the same.
    host = without_brackets(host).lower().removesuffix(".")
    return str(_address(host) or host)
