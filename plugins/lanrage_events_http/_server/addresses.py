"""Addresses of clients, also behind proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV6_NETWORK_BITS = 64
_MAX_FORWARDED = 20
"""entries of X-Forwarded-For that are read, from the right"""


def parse_network(text: str) -> Network:
    """Return an address or a network such as ``192.168.1.0/24``.

    :raises ValueError: if it is neither; of an address within a network, it says which network
    """
    text = text.strip().removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise error from None

        address = text.partition("/")[0]
        raise ValueError(
            f"'{text}' is an address of a network: write {network}, or {address} for it alone"
        ) from None


def source_of(address: str) -> str:
    """Return the part of an address that a client cannot easily change: its network for IPv6."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address) and not parsed.is_loopback:
        return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False))

    return address if parsed is None else str(parsed)


def is_own(address: str) -> bool:
    """Return whether an address is a loopback address, so of this machine."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


class TrustedProxies:
    """The proxies whose header X-Forwarded-For is believed.

    :param networks: their addresses
    """

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address of the client.

        The header is read from the right, as far as trusted proxies wrote it: what stands further
        left can be made up by the client.

        :param peer: the address of the connection
        :param forwarded: the values of X-Forwarded-For
        """
        if peer not in self:
            return peer

        client = peer
        entries = ",".join(forwarded).split(",")
        for entry in reversed(entries[-_MAX_FORWARDED:]):
            parsed = _parse(_without_port(entry.strip()))
            if parsed is None:
                break

            client = str(parsed)
            if client not in self:
                break

        return client

    def owns(self, address: str) -> bool:
        """Return whether an address stands for many clients or none: a proxy's, or loopback."""
        return is_own(address) or address in self


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]

    host, colon, port = entry.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host else entry


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None

    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed if mapped is None else mapped
