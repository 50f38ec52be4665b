"""Masking of webhook URLs, which anyone who sees them can post with."""

from __future__ import annotations

import re

SECRET_MASK = "**********"  # noqa: S105 - replaces a secret

# A slash as it is, and as JSON, Python, URLs (also encoded twice) and HTML write it.
_SLASH = r"(?:\\*/|%(?:25)*2f|\\+x2f|\\+u002f|&#x2f;|&#47;)"
# Discord's form, https://docs.discord.com/developers/resources/webhook#execute-webhook, on any host
# and with any prefix; services that copied it number their webhooks by a UUID. And Slack's.
_URL = re.compile(
    rf"(?:webhooks{_SLASH}+(?:\d+|[0-9a-f]{{8}}-[0-9a-f-]{{27}})"
    rf"|hooks\.slack\.com{_SLASH}+(?:services|workflows|triggers)){_SLASH}+"
    rf"(?P<token>[\w%-](?:[\w%-]|{_SLASH}(?=\w))*)",
    re.IGNORECASE,
)


def webhook_tokens(text: str) -> list[tuple[int, int]]:
    """Return the start and end of the secret part of each webhook URL in a text, in order."""
    # Far faster than the expression, and nearly no text has one.
    if "ook" not in text and "OOK" not in text:
        return []

    return [match.span("token") for match in _URL.finditer(text)]


def mask_webhook_urls(text: str) -> str:
    """Return the text with the secret part of each webhook URL replaced by ``**********``."""
    return mask(text, webhook_tokens(text))


def mask(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with some spans of it, in order, replaced by ``**********``."""
    if not spans:
        return text

    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        if start >= end:
            pieces += text[end:start], SECRET_MASK

        end = max(end, stop)

    return "".join(pieces) + text[end:]
