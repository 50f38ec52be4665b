"""The services that need only an address: what each of them expects, and how it escapes texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

# Slack has no escape for these: https://docs.slack.dev/messaging/formatting-message-text
_LIKE_MARKUP = str.maketrans("*_~`", "∗＿∼ˋ")
_QUOTE = re.compile(r"^(\s*)&gt;", re.MULTILINE)

_TITLE = "{{ rendered.title }}"
_TEXT = "\n{{ rendered.text | lines }}"


def _slack(text: str) -> str:
    """Escape mrkdwn; ``&gt;`` is a quote where a line begins."""
    return _QUOTE.sub(r"\1›", escape(text, quote=False).translate(_LIKE_MARKUP))


def _no_mention(text: str) -> str:
    """Write a text in which ``@`` names no one, since clients look for names in all of it."""
    return text.replace("@", "＠")


def _html(text: str) -> str:
    return escape(_no_mention(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is the same for all targets of a service."""

    url: str = ""
    """the address, unless the settings have another one"""
    needs: tuple[str, ...] = ("url",)
    """the settings that a target must have"""
    method: str = ""
    """the method; empty for that of the settings"""
    path: str = ""
    """what follows the address, with ``{to}``, ``{token}`` and ``{id}``, the same for each attempt"""
    look: str = ""
    """what follows the address to ask whether the settings are right; empty if nothing does"""
    to: str = ""
    """the key of the body that says where the message goes, if the address does not"""
    body: Mapping[str, Any] | None = None
    """the body, whose texts are templates; None for that of the settings"""
    escape: Callable[[str], str] = str
    """escapes values in the body"""


ANY_SERVICE = Service()
SERVICES: Mapping[str, Service] = {
    # https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    "slack": Service(
        method="POST",
        body={"text": f"*{_TITLE}*{_TEXT}", "unfurl_links": False, "unfurl_media": False},
        escape=_slack,
    ),
    # https://docs.ntfy.sh/publish/#publish-as-json; without a message it shows "triggered".
    "ntfy": Service(
        url="https://ntfy.sh",
        needs=("to",),
        method="POST",
        path="/",
        look="/v1/health",
        to="topic",
        body={
            "title": "{% if rendered.text %}{{ rendered.title }}{% endif %}",
            "message": "{{ (rendered.text or rendered.title) | lines }}",
        },
    ),
    # https://spec.matrix.org/v1.11/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
    # Without "m.mentions", servers look for names and for @room in the body.
    "matrix": Service(
        needs=("url", "to", "token"),
        method="PUT",
        path="/_matrix/client/v3/rooms/{to}/send/m.room.message/{id}",
        look="/_matrix/client/v3/account/whoami",
        body={"msgtype": "m.notice", "body": _TITLE + _TEXT, "m.mentions": {}},
        escape=_no_mention,
    ),
    # https://developers.home-assistant.io/docs/api/rest
    "home_assistant": Service(
        needs=("url", "to", "token"),
        method="POST",
        path="/api/events/{to}",
        look="/api/",
        body={"title": _TITLE, "message": "{{ rendered.text | lines }}", "event": "{{ event }}"},
    ),
    # https://core.telegram.org/bots/api#sendmessage
    "telegram": Service(
        url="https://api.telegram.org",
        needs=("to", "token"),
        method="POST",
        path="/bot{token}/sendMessage",
        look="/bot{token}/getChat?chat_id={to}",
        to="chat_id",
        body={
            "text": f"<b>{_TITLE}</b>{_TEXT}",
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        },
        escape=_html,
    ),
}
"""by the name of the preset"""
