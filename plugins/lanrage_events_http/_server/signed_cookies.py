"""The cookies of earlier versions, which are their own expiry time, signed with the token."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from .tokens import Token

_KEY_PURPOSE = b"lanrage_events_http session 1"
_EXPIRY_BYTES = 8
_PAYLOAD_BYTES = _EXPIRY_BYTES + 12


def signed_expiry(cookie: str, token: Token) -> float | None:
    """Return until when a cookie is valid, in seconds since 1970; None if the token did not sign it.

    :param cookie: any text
    """
    try:
        data = base64.b64decode(cookie + "=" * (-len(cookie) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None

    payload, signature = data[:_PAYLOAD_BYTES], data[_PAYLOAD_BYTES:]
    key = hmac.digest(token.secret.encode(), _KEY_PURPOSE, hashlib.sha256)
    if not hmac.compare_digest(signature, hmac.digest(key, payload, hashlib.sha256)):
        return None

    return float(int.from_bytes(payload[:_EXPIRY_BYTES], "big"))
