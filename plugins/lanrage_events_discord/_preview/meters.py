"""How much of Discord's limits a message uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import limits
from .._embeds import Embed, embed_size, length


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of one limit is used."""

    label: str
    """what is limited, such as ``title``"""
    used: int
    """characters, or how many there are"""
    limit: int


def measure(embeds: Sequence[Embed]) -> list[Meter]:
    """Measure the embeds of a message, by the fullest of each kind of text.

    Parts that no embed has are omitted, except title and description.
    """
    fields = [field for embed in embeds for field in embed.fields]
    kinds = [
        ("title", [embed.title for embed in embeds], limits.TITLE_MAX_CHARACTERS),
        ("description", [embed.description for embed in embeds], limits.DESCRIPTION_MAX_CHARACTERS),
        ("author", [embed.author for embed in embeds], limits.AUTHOR_MAX_CHARACTERS),
        ("field name", [field.name for field in fields], limits.FIELD_NAME_MAX_CHARACTERS),
        ("field value", [field.value for field in fields], limits.FIELD_VALUE_MAX_CHARACTERS),
        ("footer", [embed.footer for embed in embeds], limits.FOOTER_MAX_CHARACTERS),
    ]
    meters = [
        Meter(label, max(map(length, texts)), limit)
        for label, texts, limit in kinds
        if any(texts) or label in ("title", "description")
    ]
    if fields:
        count = max(len(embed.fields) for embed in embeds)
        meters.append(Meter("fields", count, limits.EMBED_MAX_FIELDS))

    meters.append(
        Meter("message", sum(map(embed_size, embeds)), limits.MESSAGE_EMBEDS_MAX_CHARACTERS)
    )
    return meters
