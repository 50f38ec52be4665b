"""The replies of the stand-in."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from ._journal import Scope
from ._webhooks import Message

# Discord's answers pass a proxy that names itself here; Cloudflare's own do not have the header.
_DISCORD_HEADERS = {"Via": "1.1 google", "Server": "cloudflare"}

_BANNED_PAGE = """\
<!DOCTYPE html>
<html lang="en-US">
<head><title>Access denied | discord.com used Cloudflare to restrict access</title></head>
<body><h1>Error 1015</h1><h2>You are being rate limited</h2></body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and what the journal says about it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int = 0
    reason: str = ""
    scope: Scope | None = None
    retry_after: float | None = None
    message_id: str | None = None
    message: Message | None = None
    errors: Mapping[str, Any] | None = None
    """the nested errors of a rejected body"""

    @property
    def accepted(self) -> bool:
        """Whether what was asked was done."""
        return self.status < 300


def phrase(status: int) -> str:
    """Return the words for a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def json_reply(
    status: int,
    data: Any,
    *,
    headers: Mapping[str, str] | None = None,
    message: Message | None = None,
) -> Reply:
    """Answer with JSON."""
    return Reply(
        status,
        json.dumps(data).encode("ascii"),
        {**_DISCORD_HEADERS, "Content-Type": "application/json", **(headers or {})},
        message=message,
        message_id=None if message is None else message["id"],
    )


def no_content(*, message: Message | None = None, message_id: str | None = None) -> Reply:
    """Answer that it is done, without a body."""
    return Reply(204, headers=_DISCORD_HEADERS, message=message, message_id=message_id)


def error(status: int, code: int, message: str, errors: Mapping[str, Any] | None = None) -> Reply:
    """Answer with one of Discord's errors; ``errors`` is the nested form of a rejected body."""
    data: dict[str, Any] = {"message": message, "code": code}
    reason = f"{code} {message}" if code else message
    if errors:
        data["errors"] = errors
        reason += ": " + "; ".join(flatten(errors))

    return replace(json_reply(status, data), code=code, reason=reason, errors=errors)


def in_old_form(reply: Reply) -> Reply:
    """Return the reply as API versions before 8 give it: with names instead of nested errors.

    Not documented; seen in ``{"embeds": ["0"]}`` (python-discord-webhook#16), ``{"username":
    ["Must be between 1 and 80 in length."]}`` (gitlab-ci-discord-webhook#11) and ``{"_misc":
    [...]}`` (CrazyHackGUT/Discord#14).
    """
    if not reply.errors:
        return reply

    data = {}
    for key, value in reply.errors.items():
        problems = value if key == "_errors" else value.get("_errors")
        names = list(value) if problems is None else [problem["message"] for problem in problems]
        data["_misc" if key == "_errors" else key] = names

    return replace(reply, body=json.dumps(data).encode("ascii"))


def form_error(errors: Mapping[str, Any]) -> Reply:
    """Answer that fields of the body are not valid."""
    return error(400, 50035, "Invalid Form Body", errors)


def rate_limited(
    retry_after: float,
    scope: Scope,
    *,
    message: str = "You are being rate limited.",
    code: int = 0,
    reason: str = "",
) -> Reply:
    """Answer 429 as Discord does.

    :param retry_after: seconds; the body has milliseconds, the header whole seconds, rounded up
    :param scope: which limit was reached
    """
    retry_after = round_up(retry_after)
    data: dict[str, Any] = {
        "message": message,
        "retry_after": retry_after,
        "global": scope == "global",
    }
    if code:
        data["code"] = code

    headers = {"Retry-After": str(math.ceil(retry_after)), "X-RateLimit-Scope": scope}
    if scope == "global":
        headers["X-RateLimit-Global"] = "true"

    reply = json_reply(429, data, headers=headers)
    reason = reason or message
    return replace(reply, code=code, reason=reason, scope=scope, retry_after=retry_after)


def cloudflare(status: int, page: str, *, reason: str, retry_after: float | None = None) -> Reply:
    """Answer as Cloudflare does in front of Discord: with HTML and without ``Via``."""
    headers = {"Server": "cloudflare", "Content-Type": "text/html; charset=UTF-8"}
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))

    return Reply(status, page.encode("utf-8"), headers, reason=reason, retry_after=retry_after)


def banned(retry_after: float) -> Reply:
    """Answer as Cloudflare does to an address that sent too many invalid requests."""
    return cloudflare(429, _BANNED_PAGE, reason="banned by Cloudflare", retry_after=retry_after)


def plain(status: int, text: str) -> Reply:
    """Answer with plain text, as Discord's load balancer does when nothing stands behind it."""
    headers = {**_DISCORD_HEADERS, "Content-Type": "text/plain"}
    return Reply(status, text.encode("utf-8"), headers, reason=f"{status} {phrase(status)}")


def round_up(seconds: float) -> float:
    """Return seconds in whole milliseconds, never less, so that no client is too early."""
    return math.ceil(seconds * 1000 - 1e-6) / 1000


def flatten(errors: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield ``embeds.0.title: Must be 256 or fewer in length.`` for each of nested errors."""
    for key, value in errors.items():
        if key == "_errors":
            for problem in value:
                yield f"{path}: {problem['message']}" if path else problem["message"]
        else:
            yield from flatten(value, f"{path}.{key}" if path else key)
