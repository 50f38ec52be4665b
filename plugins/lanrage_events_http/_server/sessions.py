"""Authentication: the token, sessions of browsers, and limits on wrong guesses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable

import anyio

SESSION_SECONDS = 7 * 24 * 3_600
MAX_FAILURES = 10
FAILURE_SECONDS = 60.0
_MAX_SOURCES = 256
_IPV6_NETWORK_BITS = 64
_KEY_PURPOSE = b"lanrage_events_http session 1"
_NONCE_BYTES = 12


class Sessions:
    """Checks tokens, and creates and checks the sessions that browsers keep in place of the token.

    Sessions are not stored: each is its own expiry time, signed with a key derived from the token.
    So it outlives a restart, and a new token ends all sessions.

    :param token: the configured one
    :param clock: returns the time in seconds since 1970
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._digest = _digest(token)
        self._key = hmac.digest(token.encode(), _KEY_PURPOSE, hashlib.sha256)
        self._clock = clock

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token, in constant time."""
        return hmac.compare_digest(_digest(text), self._digest)

    def create(self) -> str:
        """Return a new session, for a cookie."""
        expires = int(self._clock()) + SESSION_SECONDS
        payload = expires.to_bytes(8, "big") + secrets.token_bytes(_NONCE_BYTES)
        return base64.urlsafe_b64encode(payload + self._sign(payload)).decode().rstrip("=")

    def is_valid(self, session: str) -> bool:
        """Return whether a session was signed with this token and has not expired."""
        try:
            data = base64.b64decode(
                session + "=" * (-len(session) % 4), altchars=b"-_", validate=True
            )
        except (binascii.Error, ValueError):
            return False

        payload, signature = data[: 8 + _NONCE_BYTES], data[8 + _NONCE_BYTES :]
        if not hmac.compare_digest(signature, self._sign(payload)):
            return False

        return int.from_bytes(payload[:8], "big") > self._clock()

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)


class FailureLimit:
    """Allows each address a few failures within a minute, and then makes it wait.

    An address that guesses does not lock out others. The least recent addresses are forgotten.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str = "") -> None:
        """Count a failure; without an address, one of all addresses together."""
        source = _source(address)
        failures = self._failures.setdefault(source, deque(maxlen=MAX_FAILURES))
        failures.append(anyio.current_time())
        self._failures.move_to_end(source)
        if len(self._failures) > _MAX_SOURCES:
            self._failures.popitem(last=False)

    def seconds_to_wait(self, address: str = "") -> float:
        """Return the seconds until the next attempt is allowed, 0 if it is now."""
        failures = self._failures.get(_source(address), deque[float]())
        if len(failures) < MAX_FAILURES:
            return 0

        return max(0, failures[0] + FAILURE_SECONDS - anyio.current_time())


def _source(address: str) -> str:
    """Return the part of an address that a guesser cannot easily change: its network for IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address

    if isinstance(parsed, ipaddress.IPv4Address):
        return address

    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)

    return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False))


def _digest(text: str) -> bytes:
    # Digests have equal length, so that comparing does not reveal the token's.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
