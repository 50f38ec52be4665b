"""Discord's message object: how it is made and edited, and whom it mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ._body import Attachment
from ._validation import IS_COMPONENTS_V2, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, Checked
from ._webhooks import Message

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(everyone|here)\b")

# https://docs.discord.com/developers/resources/webhook#execute-webhook
_FLAGS_OF_NEW = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_COMPONENTS_V2


def new_message(
    checked: Checked,
    *,
    message_id: str,
    channel_id: str,
    webhook_id: str,
    webhook_name: str,
    files: Iterable[Attachment],
    seconds: float,
) -> Message:
    """Make the message object of a new message.

    :param seconds: when it is posted, since 1970
    """
    message: Message = {
        "id": message_id,
        "type": 0,
        "channel_id": channel_id,
        "webhook_id": webhook_id,
        "author": {
            "id": webhook_id,
            "username": checked.username or webhook_name,
            "avatar": checked.avatar_url or None,
            "discriminator": "0000",
            "bot": True,
        },
        "content": checked.content or "",
        "embeds": _shown(checked.embeds or []),
        "components": checked.components or [],
        "attachments": [
            {"id": str(index), "filename": file.filename, "size": file.size}
            for index, file in enumerate(files)
        ],
        "flags": (checked.flags or 0) & _FLAGS_OF_NEW,
        "tts": checked.tts,
        "pinned": False,
        "timestamp": _iso(seconds),
        "edited_timestamp": None,
        **_mentions(checked.content or "", checked.allowed_mentions),
    }
    if checked.poll is not None:
        message["poll"] = dict(checked.poll)

    return message


def edited_message(
    message: Message, checked: Checked, *, files: Iterable[Attachment], seconds: float
) -> Message:
    """Make the message object of an edited message; what the edit does not name stays.

    :param seconds: when it is edited, since 1970
    """
    content = message["content"] if checked.content is None else checked.content
    attachments = [
        attachment
        for attachment in message["attachments"]
        if checked.attachments is None or attachment["id"] in checked.attachments
    ]
    for index, file in enumerate(files, len(message["attachments"])):
        attachments.append({"id": str(index), "filename": file.filename, "size": file.size})

    flags = message["flags"]
    if checked.flags is not None:
        # https://docs.discord.com/developers/resources/webhook#edit-webhook-message
        flags &= ~SUPPRESS_EMBEDS
        flags |= checked.flags & (SUPPRESS_EMBEDS | IS_COMPONENTS_V2)

    return {
        **message,
        "content": content,
        "embeds": message["embeds"] if checked.embeds is None else _shown(checked.embeds),
        "components": (message["components"] if checked.components is None else checked.components),
        "attachments": attachments,
        "flags": flags,
        "edited_timestamp": _iso(seconds),
        **_mentions(content, checked.allowed_mentions),
    }


def is_empty(message: Message) -> bool:
    """Return whether there is nothing to see."""
    parts = ("content", "embeds", "components", "attachments", "poll")
    return not any(message.get(part) for part in parts)


def _shown(embeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the embeds that people see: of several with one ``url``, Discord shows the first."""
    shown = []
    urls = set()
    for embed in embeds:
        url = embed.get("url")
        if url and url in urls:
            continue

        urls.add(url)
        shown.append({**embed, "type": "rich"})

    return shown


def _mentions(content: str, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom the content pings; embeds ping no one."""
    parse = allowed.get("parse", ())

    def pinged(pattern: re.Pattern[str], kind: str) -> list[str]:
        found = dict.fromkeys(pattern.findall(content))
        return [item for item in found if kind in parse or item in allowed.get(kind, ())]

    return {
        "mentions": [{"id": item} for item in pinged(_USER, "users")],
        "mention_roles": pinged(_ROLE, "roles"),
        "mention_everyone": "everyone" in parse and _EVERYONE.search(content) is not None,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
