"""The addresses of Discord's webhook API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ._journal import Action

_PATH = re.compile(
    r"/api(?:/v(?P<version>\d{1,3}))?/webhooks/(?P<webhook_id>\d{1,20})"
    r"(?:/(?P<token>[^/]+)(?:/messages/(?P<message_id>[^/]+))?)?/?"
)
_TOKEN = re.compile(r"(/webhooks/[^/?]*/)[^/?]+")

_ACTIONS: Mapping[tuple[str, bool], Action] = {
    ("POST", False): "execute",
    ("GET", False): "get_webhook",
    ("PATCH", False): "modify_webhook",
    ("DELETE", False): "delete_webhook",
    ("PATCH", True): "edit",
    ("GET", True): "get_message",
    ("DELETE", True): "delete",
}


@dataclass(frozen=True, slots=True)
class Route:
    """What the method and the target of a request name."""

    method: str
    redacted: str
    """path and query without the token"""
    query: Mapping[str, str]
    action: Action
    version: int | None = None
    webhook_id: str | None = None
    token: str | None = field(default=None, repr=False)
    message_id: str | None = None

    @classmethod
    def parse(cls, method: str, target: str) -> Route:
        """Read the method and the target of a request."""
        redacted = _TOKEN.sub(r"\1***", target)
        try:
            parts = urlsplit(target)
        except ValueError:
            return cls(method, redacted, {}, "unknown")

        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        match = _PATH.fullmatch(parts.path)
        if match is None:
            return cls(method, redacted, query, "unknown")

        message_id = match["message_id"]
        version = match["version"]
        return cls(
            method,
            redacted,
            query,
            _ACTIONS.get((method, message_id is not None), "unknown"),
            None if version is None else int(version),
            match["webhook_id"],
            match["token"],
            message_id,
        )
