"""Discord's message object: how it is made and edited, and whom it mentions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .._webhooks import Message
from .attachments import resolve, shown_apart
from .checks import IS_COMPONENTS_V2, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, Checked
from .components import displayed_texts
from .poll import new_poll

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = re.compile(r"@(everyone|here)\b")

# https://docs.discord.com/developers/resources/webhook#execute-webhook
_FLAGS_OF_NEW = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | IS_COMPONENTS_V2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Where, by whom and when a message is posted."""

    message_id: str
    channel_id: str
    webhook_id: str
    webhook_name: str
    webhook_avatar: str | None
    seconds: float
    """since 1970"""


def new_message(checked: Checked, sent: Sent, attachments: Sequence[Mapping[str, Any]]) -> Message:
    """Make the message object of a new message."""
    avatar = avatar_hash(checked.avatar_url) if checked.avatar_url else sent.webhook_avatar
    message: Message = {
        "id": sent.message_id,
        "type": 0,
        "channel_id": sent.channel_id,
        "webhook_id": sent.webhook_id,
        "author": {
            **_user(sent.webhook_id, checked.username or sent.webhook_name),
            "avatar": avatar,
            "discriminator": "0000",
            "bot": True,
        },
        "content": checked.content or "",
        "flags": (checked.flags or 0) & _FLAGS_OF_NEW,
        "tts": checked.tts,
        "pinned": False,
        "timestamp": _iso(sent.seconds),
        "edited_timestamp": None,
        **_shown(_of_url(checked.embeds or []), checked.components or [], attachments),
    }
    if checked.poll is not None:
        message["poll"] = new_poll(checked.poll, sent.seconds)

    return {**message, **_mentions(message, checked.allowed_mentions)}


def edited_message(
    message: Message,
    checked: Checked,
    attachments: Sequence[Mapping[str, Any]],
    *,
    seconds: float,
) -> Message:
    """Make the message object of an edited message; what the edit does not name stays.

    :param seconds: when it is edited, since 1970
    """
    flags = message["flags"]
    if checked.flags is not None:
        # https://docs.discord.com/developers/resources/webhook#edit-webhook-message
        flags &= ~SUPPRESS_EMBEDS
        flags |= checked.flags & (SUPPRESS_EMBEDS | IS_COMPONENTS_V2)

    embeds = message["embeds"] if checked.embeds is None else _of_url(checked.embeds)
    components = message["components"] if checked.components is None else checked.components
    edited = {
        **message,
        "content": message["content"] if checked.content is None else checked.content,
        "flags": flags,
        "edited_timestamp": _iso(seconds),
        **_shown(embeds, components, attachments),
    }
    return {**edited, **_mentions(edited, checked.allowed_mentions)}


def avatar_hash(picture: str) -> str:
    """Return what stands for a picture in Discord's objects."""
    return hashlib.sha256(picture.encode("utf-8", "replace")).hexdigest()[:32]


def is_empty(message: Message) -> bool:
    """Return whether there is nothing to see."""
    parts = ("content", "embeds", "components", "attachments", "poll")
    return not any(message.get(part) for part in parts)


def _shown(
    embeds: Sequence[Mapping[str, Any]],
    components: Sequence[Mapping[str, Any]],
    attachments: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return what people see of embeds, components and files."""
    shown = {
        "embeds": resolve(list(embeds), attachments),
        "components": resolve(list(components), attachments),
    }
    return {**shown, "attachments": shown_apart(attachments, shown)}


def _of_url(embeds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
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


def _mentions(message: Message, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """Return whom content and text displays ping; embeds ping no one."""
    texts = "\n".join((message["content"], *displayed_texts(message["components"])))
    parse = allowed.get("parse", ())

    def pinged(pattern: re.Pattern[str], kind: str) -> list[str]:
        found = dict.fromkeys(pattern.findall(texts))
        return [item for item in found if kind in parse or item in allowed.get(kind, ())]

    return {
        "mentions": [_user(item, f"user.{item}") for item in pinged(_USER, "users")],
        "mention_roles": pinged(_ROLE, "roles"),
        "mention_everyone": "everyone" in parse and _EVERYONE.search(texts) is not None,
    }


def _user(user_id: str, name: str) -> dict[str, Any]:
    # https://docs.discord.com/developers/resources/user#user-object
    return {
        "id": user_id,
        "username": name,
        "global_name": None,
        "discriminator": "0",
        "avatar": None,
        "public_flags": 0,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
