"""Who may come in: the token, sessions of browsers, and how often somebody may guess."""

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
    """Checks tokens, and makes and checks what a browser keeps in place of the token.

    A session is not stored: it is its own end time, signed with a key made from the token. So it
    outlives a restart, and a new token ends all of them.

    :param token: the configured one
    :param clock: returns the time in seconds since 1970
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._digest = _digest(token)
        self._key = hmac.digest(token.encode(), _KEY_PURPOSE, hashlib.sha256)
        self._clock = clock

    def is_token(self, text: str) -> bool:
        """Tell whether a text is the token, taking as long whatever it is."""
        return hmac.compare_digest(_digest(text), self._digest)

    def create(self) -> str:
        """Return a new session, for a cookie."""
        expires = int(self._clock()) + SESSION_SECONDS
        payload = expires.to_bytes(8, "big") + secrets.token_bytes(_NONCE_BYTES)
        return base64.urlsafe_b64encode(payload + self._sign(payload)).decode().rstrip("=")

    def is_valid(self, session: str) -> bool:
        """Tell whether a session was made here, with this token, and has not ended."""
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
    """Lets somebody be wrong a few times in a while, and then wait."""

    def __init__(self) -> None:
        self._failures: deque[float] = deque(maxlen=MAX_FAILURES)

    def add(self) -> None:
        """Count a failure."""
        self._failures.append(anyio.current_time())

    def seconds_to_wait(self) -> float:
        """Return how long nobody may try, 0 if they may now."""
        if len(self._failures) < MAX_FAILURES:
            return 0

        return max(0, self._failures[0] + FAILURE_SECONDS - anyio.current_time())


class FailureLimits:
    """A limit for each address that requests come from.

    One that guesses does not keep others out; so those that were quiet longest are forgotten.
    """

    def __init__(self) -> None:
        self._limits: OrderedDict[str, FailureLimit] = OrderedDict()

    def add(self, address: str) -> None:
        """Count a failure."""
        source = _source(address)
        self._limits.setdefault(source, FailureLimit()).add()
        self._limits.move_to_end(source)
        if len(self._limits) > _MAX_SOURCES:
            self._limits.popitem(last=False)

    def seconds_to_wait(self, address: str) -> float:
        """Return how long this address may not try, 0 if it may now."""
        limit = self._limits.get(_source(address))
        return 0 if limit is None else limit.seconds_to_wait()


def _source(address: str) -> str:
    """Return what one guesser cannot easily change: of an IPv6 address its network."""
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
    # Of equal length, so that comparing does not tell the token's.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
