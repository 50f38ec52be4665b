"""Discord's webhook API without a network: a request in, an answer out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ._body import Body
from ._form import Form
from ._journal import Action, StandInRequest
from ._limits import OLD_MESSAGE_SECONDS, Limits
from ._messages import edited_message, is_empty, new_message
from ._reply import Reply, error, form_error, json_reply, no_content
from ._validation import check_identity, check_message
from ._webhooks import Channel, Snowflakes, StandInWebhook

_PATH = re.compile(
    r"/api(?:/v(?P<version>\d+))?/webhooks/(?P<webhook>\d+)"
    r"(?:/(?P<token>[^/]+)(?:/messages/(?P<message>[^/]+))?)?/?"
)
_TOKEN = re.compile(r"(/webhooks/[^/?]*/)[^/?]+")

# https://discord.com/developers/docs/reference#api-versioning
_VERSIONS = range(6, 11)

_ACTIONS: Mapping[tuple[str, bool], Action] = {
    ("POST", False): "execute",
    ("GET", False): "get_webhook",
    ("DELETE", False): "delete_webhook",
    ("PATCH", True): "edit",
    ("GET", True): "get_message",
    ("DELETE", True): "delete",
}


@dataclass(frozen=True, slots=True)
class Route:
    """What a request's method and target name; its repr and redacted path hold no token."""

    method: str
    path: str
    redacted: str
    query: Mapping[str, str]
    action: Action
    webhook_id: str | None
    token: str | None
    message_id: str
    version: int | None
    known: bool

    @classmethod
    def parse(cls, method: str, target: str) -> Route:
        """Read a request's method and target."""
        parts = urlsplit(target)
        match = _PATH.fullmatch(parts.path)
        groups = match.groupdict() if match else {}
        message_id = groups.get("message") or ""
        version = groups.get("version")
        return cls(
            method=method,
            path=parts.path,
            redacted=_TOKEN.sub(r"\1***", target),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            action=_ACTIONS.get((method, bool(message_id)), "unknown") if match else "unknown",
            webhook_id=groups.get("webhook"),
            token=groups.get("token"),
            message_id=message_id,
            version=int(version) if version else None,
            known=match is not None,
        )
