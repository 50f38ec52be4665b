"""The renderer: turns an event into an embed by the templates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import Any

from lanrage_events import Event
from lanrage_events.events import in_utc, parse_time
from lanrage_events.templates import (
    SafeString,
    TemplateError,
    TemplateFilter,
    TemplateLeaf,
    Templates,
    utf16_units,
)

from .._embeds import (
    NESTED_TEXTS,
    Embed,
    EmbedField,
    code,
    code_text,
    limits,
    link_text,
    markdown,
    parse_color,
    parse_url,
    place_in_markdown,
    place_in_url,
    plain,
    shorten_markdown,
    text_size,
    url,
    url_part,
)
from .entry import COUNT, Digest, Entry

logger = logging.getLogger("lanrage_events.discord")

# A digest must have room for several.
DIGEST_GROUP_MAX_CHARACTERS = 256
DIGEST_HEADING_MAX_CHARACTERS = 256
DIGEST_ITEM_MAX_CHARACTERS = 512

# Where the values of all leaves together are too long, each is cut to this, then to half of it.
_VALUE_FIRST_LIMIT = 2048


def _parse_switch(value: object) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on"):
        return True

    if text in ("false", "no", "off"):
        return False

    raise ValueError(f"expected true or false, not '{text[:40]}'")


def _markdown_leaf(limit: int, *, lines: bool = False) -> TemplateLeaf:
    return TemplateLeaf(
        write=markdown,
        context_filter=place_in_markdown,
        limit=limit,
        measure=utf16_units,
        lines=lines,
    )


def _plain_leaf(limit: int) -> TemplateLeaf:
    return TemplateLeaf(write=plain, limit=limit, measure=utf16_units)


_URL_LEAF = TemplateLeaf(write=plain, context_filter=place_in_url, parse=parse_url)

LEAVES: Mapping[str, TemplateLeaf] = {
    "title": _markdown_leaf(limits.TITLE_MAX_CHARACTERS),
    "description": _markdown_leaf(limits.DESCRIPTION_MAX_CHARACTERS, lines=True),
    "url": _URL_LEAF,
    "color": TemplateLeaf(parse=parse_color),
    "timestamp": TemplateLeaf(parse=parse_time),
    "footer.text": _plain_leaf(limits.FOOTER_MAX_CHARACTERS),
    "footer.icon_url": _URL_LEAF,
    "author.name": _plain_leaf(limits.AUTHOR_MAX_CHARACTERS),
    "author.url": _URL_LEAF,
    "author.icon_url": _URL_LEAF,
    "thumbnail.url": _URL_LEAF,
    "image.url": _URL_LEAF,
    "fields[].name": _markdown_leaf(limits.FIELD_NAME_MAX_CHARACTERS),
    "fields[].value": _markdown_leaf(limits.FIELD_VALUE_MAX_CHARACTERS, lines=True),
    "fields[].inline": TemplateLeaf(parse=_parse_switch),
    "digest.group": _plain_leaf(DIGEST_GROUP_MAX_CHARACTERS),
    "digest.heading": TemplateLeaf(
        write=markdown,
        context_filter=place_in_markdown,
        limit=DIGEST_HEADING_MAX_CHARACTERS,
        measure=utf16_units,
        context={"count": SafeString(COUNT)},
    ),
    "digest.item": _markdown_leaf(DIGEST_ITEM_MAX_CHARACTERS),
}
"""the leaves of a Discord template"""

_PARTS: Mapping[str, str] = {
    **{name: name for name in ("title", "description", "url", "color", "timestamp")},
    **{
        f"{key}.{name}": part for key, names in NESTED_TEXTS.items() for name, part in names.items()
    },
}
"""what an embed calls the leaves that it shows"""

SHORTHANDS: Mapping[str, str] = {
    part: path for path, part in _PARTS.items() if path.startswith(f"{part}.")
}
"""what a text stands for where Discord has an object, such as ``footer.text`` for ``footer``"""

FILTERS: Mapping[str, TemplateFilter] = {
    "code": TemplateFilter(code),
    "code_text": TemplateFilter(code_text),
    "link_text": TemplateFilter(link_text),
    "markdown": TemplateFilter(plain, atomic=True),
    "url": TemplateFilter(url, atomic=True),
    "urlencode": TemplateFilter(url_part, atomic=True),
}
"""the filters of Discord templates besides Jinja2's and the core's"""


class Renderer:
    """Turns events into embeds, by the templates.

    :param folders: where to look for templates, the most important first; each has a folder
        ``discord`` with one file an event type
    :param invite_url: gives the invite that templates name as ``invite``, ``None`` if there is none
    :param report: called with each error in a template, once; by default it is logged
    """

    def __init__(
        self,
        folders: Iterable[Traversable],
        *,
        invite_url: Callable[[], str | None],
        report: Callable[[TemplateError], object] | None = None,
    ) -> None:
        self._templates = Templates(
            "discord", folders, LEAVES, shorthands=SHORTHANDS, filters=FILTERS, report=report
        )
        self._invite_url = invite_url
        self._failed: set[type[Event]] = set()

    def check(self, types: Iterable[type[Event]]) -> None:
        """Read and compile the templates of event types now, not at their first event.

        :param types: all event types that there are; a file that is named for none is an error
        """
        self._templates.check(types)

    def render(self, event: Event) -> Entry:
        """Render an event, whatever is wrong with its templates or its values."""
        try:
            return self._render(event)
        except Exception:
            if type(event) not in self._failed:
                self._failed.add(type(event))
                logger.exception("cannot render %s, so only its name is shown", event.type)

            return _bare_entry(event)

    def _render(self, event: Event) -> Entry:
        context = {"invite": self._invite_url()}
        leaves = self._templates.render(event, context)
        parts = _parts(event, leaves)
        value_limit = _VALUE_FIRST_LIMIT
        while value_limit and _is_too_long(parts):
            parts = _parts(event, self._templates.render(event, context, value_limit=value_limit))
            value_limit //= 2

        return Entry(
            event_id=str(event.id),
            type=event.type,
            time=_time(event),
            embed=Embed(**parts),
            digest=_digest(event, leaves),
        )


def _parts(event: Event, leaves: Mapping[str, Any]) -> dict[str, Any]:
    parts = {_PARTS[path]: value for path, value in leaves.items() if path in _PARTS}
    if "fields" in leaves:
        parts["fields"] = _fields(leaves["fields"])

    if not any(map(parts.get, ("title", "description", "author", "fields", "image"))):
        parts["title"] = _name(event)

    return parts


def _is_too_long(parts: Mapping[str, Any]) -> bool:
    texts = [parts.get(name, "") for name in ("title", "description", "footer", "author")]
    maximum = limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    fields = parts.get("fields", ())
    # Most embeds are so short that their texts need not be measured.
    if not fields and 2 * sum(map(len, texts)) <= maximum:
        return False

    return text_size(texts, fields) > maximum


def _fields(items: Iterable[Mapping[str, Any]]) -> tuple[EmbedField, ...]:
    return tuple(
        EmbedField(item["name"], item["value"], item.get("inline", False))
        for item in items
        if "name" in item and "value" in item
    )


def _digest(event: Event, leaves: Mapping[str, Any]) -> Digest:
    heading = leaves.get("digest.heading") or f"**{_name(event)}** × {COUNT}"
    return Digest(
        group=leaves.get("digest.group", event.type)[:DIGEST_GROUP_MAX_CHARACTERS],
        heading=shorten_markdown(heading, DIGEST_HEADING_MAX_CHARACTERS),
        item=shorten_markdown(leaves.get("digest.item", ""), DIGEST_ITEM_MAX_CHARACTERS),
    )


def _name(event: Event) -> str:
    return markdown(event.type.replace("_", " ").title())


def _time(event: Event) -> datetime:
    try:
        return in_utc(event.time)
    except (AttributeError, TypeError, ValueError):
        return datetime.now(UTC)


def _bare_entry(event: Event) -> Entry:
    """Render the name and the time of an event, whatever its values are."""
    time = _time(event)
    return Entry(
        event_id=str(event.id),
        type=event.type,
        time=time,
        embed=Embed(title=_name(event), timestamp=time, footer="LANrage"),
        digest=_digest(event, {}),
    )
