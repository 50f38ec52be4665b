"""Host and Origin headers: who a request says that it is for, and from which page it comes."""

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
        """Read a Host header, return None if it is not valid."""
        match = _HOST_PORT.fullmatch(text)
        if match is None:
            return None

        name, port = match.groups()
        if name.startswith("["):
            name = _canonical(name)
            if not _is_address(name):
                return None

        if port is not None and int(port) > _MAX_PORT:
            return None

        return cls(_canonical(name), None if port is None else int(port))

    @classmethod
    def parse_origin(cls, text: str) -> tuple[HostPort, str] | None:
        """Read an Origin header, return its host and scheme, None if it is not of the web.

        The port is always there.
        """
        scheme, separator, rest = text.partition("://")
        parsed = cls.parse(rest)
        if not separator or scheme.lower() not in _DEFAULT_PORTS or parsed is None:
            return None

        return parsed.with_default_port(scheme.lower()), scheme.lower()

    def with_default_port(self, scheme: str) -> HostPort:
        """Return it with the port that a scheme has if none is given."""
        if self.port is not None:
            return self

        return HostPort(self.host, _DEFAULT_PORTS[scheme])


class HostCheck:
    """Knows the hosts that requests may be for, so that no other name can be made to reach us.

    A web page whose name resolves to our address (DNS rebinding) sends its own name.

    :param host: what the server is bound to
    :param port: the real one
    :param allowed: further names, with or without port
    :param addresses: those that the host stands for
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
        # They reach us if we are bound to one of them or to everything.
        if is_loopback(host) or self._any_address:
            self._hosts.update(_LOOPBACK_NAMES)

        self._allowed = {parsed for name in allowed if (parsed := HostPort.parse(name))}

    def allows(self, header: str) -> bool:
        """Tell whether a request with this Host header is for us."""
        parsed = HostPort.parse(header)
        if parsed is None:
            return False

        if parsed in self._allowed or HostPort(parsed.host, None) in self._allowed:
            return True

        # https without a port can only come through a proxy, whose name must be allowed.
        if parsed.with_default_port("http").port != self._port:
            return False

        return parsed.host in self._hosts or (self._any_address and _is_address(parsed.host))


def is_same_origin(origin: str, host: str) -> bool:
    """Tell whether an Origin header names the same host and port as a Host header.

    The scheme is not compared: a proxy may add https, which we do not see.
    """
    parsed_origin, parsed_host = HostPort.parse_origin(origin), HostPort.parse(host)
    if parsed_origin is None or parsed_host is None:
        return False

    page, scheme = parsed_origin
    return page == parsed_host.with_default_port(scheme)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what is bound to a host; names are not resolved."""
    host = without_brackets(host)
    if host.lower() == "localhost":
        return True

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_unspecified(host: str) -> bool:
    """Tell whether a host stands for all addresses of this machine."""
    try:
        return ipaddress.ip_address(without_brackets(host)).is_unspecified
    except ValueError:
        return False


def without_brackets(host: str) -> str:
    """Return an IPv6 address without the brackets that it has in URLs, anything else as it is."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def url(host: str, port: int) -> str:
    """Return the address of a page."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False

    return True


def _canonical(host: str) -> str:
    """Return a host in one spelling: in lower case, and an IPv6 address in its shortest form."""
    # A name may be written with a dot at its end, which means the same.
    host = without_brackets(host).lower().removesuffix(".")
    return str(ipaddress.ip_address(host)) if _is_address(host) else host
