"""How much of Discord's limits a message uses."""

from __future__ import annotations

from dataclasses import dataclass

from .. import limits
from .._embeds import Message, embed_size, length


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of one limit is used."""

    label: str
    """what is limited, such as ``title``"""
    used: int
    """characters, or how many there are"""
    limit: int


def measure(message: Message) -> list[Meter]:
    """Measure a message, its embeds by the fullest of each kind of text.

    Parts that it does not have are omitted, except title and description.
    """
    embeds = message.embeds
    fields = [field for embed in embeds for field in embed.fields]
    kinds = [
        ("content", [message.content], limits.CONTENT_MAX_CHARACTERS),
        ("username", [message.username], limits.USERNAME_MAX_CHARACTERS),
        ("title", [embed.title for embed in embeds], limits.TITLE_MAX_CHARACTERS),
        ("description", [embed.description for embed in embeds], limits.DESCRIPTION_MAX_CHARACTERS),
        ("author", [embed.author for embed in embeds], limits.AUTHOR_MAX_CHARACTERS),
        ("field name", [field.name for field in fields], limits.FIELD_NAME_MAX_CHARACTERS),
        ("field value", [field.value for field in fields], limits.FIELD_VALUE_MAX_CHARACTERS),
        ("footer", [embed.footer for embed in embeds], limits.FOOTER_MAX_CHARACTERS),
        (
            "button label",
            [button.label for button in message.buttons],
            limits.BUTTON_LABEL_MAX_CHARACTERS,
        ),
        (
            "button url",
            [button.url for button in message.buttons],
            limits.BUTTON_URL_MAX_CHARACTERS,
        ),
    ]
    meters = [
        Meter(label, max(map(length, texts), default=0), limit)
        for label, texts, limit in kinds
        if any(texts) or label in ("title", "description")
    ]
    if fields:
        count = max(len(embed.fields) for embed in embeds)
        meters.append(Meter("fields", count, limits.EMBED_MAX_FIELDS))

    if message.buttons:
        meters.append(Meter("buttons", len(message.buttons), limits.MESSAGE_MAX_BUTTONS))

    meters.append(
        Meter("message", sum(map(embed_size, embeds)), limits.MESSAGE_EMBEDS_MAX_CHARACTERS)
    )
    return meters
