"""The leaves of Discord's templates: where each text goes, and how values are written in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from lanrage_events.events import in_utc, parse_time
from lanrage_events.templates import (
    Continuation,
    LeafWarning,
    SafeString,
    TemplateFilter,
    TemplateLeaf,
    utf16_units,
)

from .. import limits
from .._embeds import (
    PARTS,
    SHOWN_AS,
    check_picture,
    code,
    code_text,
    explain_picture,
    explain_username,
    file_part,
    find_host,
    find_line_place,
    link_markdown,
    link_text,
    markdown,
    parse_color,
    parse_url,
    place_in_markdown,
    place_in_url,
    plain,
    refer_to,
    url,
    url_part,
    write_lines,
)
from .entry import COUNT, Effect
from .players import mark_player

# A digest must have room for several.
DIGEST_GROUP_MAX_CHARACTERS = 256
DIGEST_HEADING_MAX_CHARACTERS = 256
# A line has one heading, so a long title may be whole in it.
DIGEST_HEADING_OVERFLOW_CHARACTERS = 1024
# Titles up to this stand whole above the text, since Discord has no title of more than 256.
TITLE_OVERFLOW_CHARACTERS = 1000
DIGEST_ITEM_MAX_CHARACTERS = 512
# A counted line has those of eight types in 600.
DIGEST_COUNTED_MAX_CHARACTERS = 60


def _parse_switch(value: object) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on"):
        return True

    if text in ("false", "no", "off"):
        return False

    raise ValueError(f"expected true or false, not '{text[:40]}'")


def _relative(time: object) -> SafeString:
    """Write a time so that each reader's Discord says how long ago it is, and goes on counting."""
    if time is None:
        return SafeString("")

    if not isinstance(time, datetime):
        raise ValueError("'relative' needs a time")  # noqa: TRY004 - as for other values

    return SafeString(f"<t:{int(in_utc(time).timestamp())}:R>")


def _parse_effect(value: object) -> Effect:
    text = str(value).strip().lower()
    if text in list(Effect):
        return Effect(text)

    raise ValueError(f"expected {Effect.JOIN} or {Effect.LEAVE}, not '{text[:40]}'")


def _parse_username(value: object) -> str:
    name = str(value)
    if problem := explain_username(name):
        raise LeafWarning(f"{problem}: choose another name. The webhook's own is shown")

    return name


def _parse_button_url(value: object) -> str:
    address = parse_url(value)
    if utf16_units(address) > limits.BUTTON_URL_MAX_CHARACTERS:
        most = limits.BUTTON_URL_MAX_CHARACTERS
        raise LeafWarning(f"the address of a button has at most {most} characters: shorten it")

    return address


def markdown_leaf(
    limit: int,
    *,
    overflow: int | None = None,
    lines: bool = False,
    apart: bool = False,
    required: bool = False,
) -> TemplateLeaf:
    """Return a leaf whose text is Discord's markdown.

    :param limit: UTF-16 units
    :param overflow: UTF-16 units up to which a text stays whole nevertheless
    :param lines: whether it may have more than one line
    :param apart: whether it is not rendered with the event
    :param required: whether there is something to show of an empty text
    """
    return TemplateLeaf(
        write=markdown,
        context_filter=place_in_markdown,
        continuation=Continuation(find_line_place, write_lines),
        limit=limit,
        overflow=overflow,
        measure=utf16_units,
        lines=lines,
        apart=apart,
        required=required,
    )


def plain_leaf(limit: int) -> TemplateLeaf:
    """Return a leaf whose text Discord shows as it is.

    :param limit: UTF-16 units
    """
    return TemplateLeaf(
        write=plain, limit=limit, measure=utf16_units, meaningless={"relative": _ONLY_MARKDOWN}
    )


_ONLY_MARKDOWN = "Discord would show it as '<t:…:R>', since it has times only in markdown"
_URL_LEAF = TemplateLeaf(
    write=plain,
    context_filter=place_in_url,
    parse=parse_url,
    find_constant=find_host,
    meaningless={"relative": _ONLY_MARKDOWN},
)
_PICTURE_LEAF = replace(_URL_LEAF, warn=explain_picture)

EXTRA_LEAVES: Mapping[str, TemplateLeaf] = {
    # Outside of an embed, the same is markdown; what would mention someone is escaped there, too.
    "content": markdown_leaf(limits.CONTENT_MAX_CHARACTERS, lines=True),
    "username": replace(plain_leaf(limits.USERNAME_MAX_CHARACTERS), parse=_parse_username),
    "avatar_url": _PICTURE_LEAF,
    "buttons[].label": plain_leaf(limits.BUTTON_LABEL_MAX_CHARACTERS),
    "buttons[].url": replace(_URL_LEAF, parse=_parse_button_url),
}
"""the leaves of what a message has besides its embed"""

FILE_LEAVES: Mapping[str, TemplateLeaf] = {
    f"{part}.{name}": TemplateLeaf(write=file_part, check_file=check_picture)
    for part in SHOWN_AS
    for name in ("file", "fallback")
}
"""those that name a picture beside the template"""

LEAVES: Mapping[str, TemplateLeaf] = {
    "title": markdown_leaf(limits.TITLE_MAX_CHARACTERS, overflow=TITLE_OVERFLOW_CHARACTERS),
    # What Discord's description cannot hold goes on in fields.
    "description": markdown_leaf(limits.MESSAGE_EMBEDS_MAX_CHARACTERS, lines=True),
    "url": _URL_LEAF,
    "color": TemplateLeaf(parse=parse_color),
    "timestamp": TemplateLeaf(parse=parse_time),
    "footer.text": plain_leaf(limits.FOOTER_MAX_CHARACTERS),
    "footer.icon_url": _PICTURE_LEAF,
    "author.name": plain_leaf(limits.AUTHOR_MAX_CHARACTERS),
    "author.url": _URL_LEAF,
    "author.icon_url": _PICTURE_LEAF,
    "thumbnail.url": _PICTURE_LEAF,
    "image.url": _PICTURE_LEAF,
    **FILE_LEAVES,
    "fields[].name": markdown_leaf(limits.FIELD_NAME_MAX_CHARACTERS),
    "fields[].value": markdown_leaf(limits.FIELD_VALUE_MAX_CHARACTERS, lines=True),
    "fields[].inline": TemplateLeaf(parse=_parse_switch),
    "digest.group": plain_leaf(DIGEST_GROUP_MAX_CHARACTERS),
    "digest.heading": replace(
        markdown_leaf(DIGEST_HEADING_MAX_CHARACTERS, overflow=DIGEST_HEADING_OVERFLOW_CHARACTERS),
        context={"count": SafeString(COUNT)},
    ),
    # Its lines are those of values, which the renderer puts into one line if that loses nothing.
    "digest.item": replace(
        markdown_leaf(DIGEST_ITEM_MAX_CHARACTERS, lines=True, required=True), own_lines=False
    ),
    "digest.subject": TemplateLeaf(write=plain, measure=utf16_units),
    "digest.effect": TemplateLeaf(parse=_parse_effect),
    "digest.counted": markdown_leaf(DIGEST_COUNTED_MAX_CHARACTERS, apart=True),
    **EXTRA_LEAVES,
}
"""the leaves of a Discord template"""

LIST_LIMITS = {"fields": limits.EMBED_MAX_FIELDS, "buttons": limits.MESSAGE_MAX_BUTTONS}
"""how many items Discord shows of the lists of a template"""

ITEM_NEEDS = {"fields": ("name", "value"), "buttons": ("label", "url")}
"""the leaves without which an item of those lists is not shown"""


def pictures_of(leaves: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts of an embed that show pictures beside the template, by their names."""
    found: dict[str, str] = {}
    for part in SHOWN_AS:
        files = [
            leaves[f"{part}.{name}"] for name in ("file", "fallback") if f"{part}.{name}" in leaves
        ]
        if files:
            found[part] = refer_to(*files)

    return found


SHORTHANDS: Mapping[str, str] = {
    part: path for path, part in PARTS.items() if path.startswith(f"{part}.")
}
"""what a text stands for where Discord has an object, such as ``footer.text`` for ``footer``"""

_IN_CODE = "in code, markdown is shown as it is written"
_ADDRESS = "an address is no markdown"

FILTERS: Mapping[str, TemplateFilter] = {
    "url": TemplateFilter(url, atomic=True, order=0, excludes={"lines": "an address has one line"}),
    "urlencode": TemplateFilter(url_part, atomic=True, order=1, placed=True),
    "markdown": TemplateFilter(
        plain,
        atomic=True,
        order=2,
        lines=True,
        excludes={"code": _IN_CODE, "code_text": _IN_CODE, "url": _ADDRESS, "urlencode": _ADDRESS},
    ),
    "code_text": TemplateFilter(code_text, order=3, placed=True),
    "code": TemplateFilter(code, order=4),
    "link_text": TemplateFilter(
        link_text,
        order=5,
        placed=True,
        after={"markdown": link_markdown, "code": link_markdown},
        excludes={"lines": "the text of a link has one line"},
    ),
    "mention_player": TemplateFilter(
        mark_player,
        atomic=True,
        order=6,
        leaves=("content",),
        excludes=dict.fromkeys(
            ("url", "urlencode", "markdown", "code_text", "code", "link_text"),
            "a mention has no other markup",
        ),
    ),
}
"""the filters of Discord templates besides Jinja2's and the core's"""

FUNCTIONS: Mapping[str, Callable[..., object]] = {"relative": _relative}
"""the filters of Discord templates that make another value of a value"""
