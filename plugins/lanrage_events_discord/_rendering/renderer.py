"""The renderer: turns an event into an embed by the templates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import Any

from lanrage_events import Event
from lanrage_events.events import in_utc
from lanrage_events.templates import TemplateError, Templates

from .._embeds import Embed, EmbedField, limits, shorten_markdown, text_size
from .entry import COUNT, Digest, Entry
from .leaves import (
    DIGEST_GROUP_MAX_CHARACTERS,
    DIGEST_HEADING_MAX_CHARACTERS,
    DIGEST_ITEM_MAX_CHARACTERS,
    FILTERS,
    LEAVES,
    PARTS,
    SHORTHANDS,
)
from .wording import ALERT_LEAVES, DIGEST_LEAVES, OWN_MESSAGES, Wording, frame_of

logger = logging.getLogger("lanrage_events.discord")

# Where the values of all leaves together are too long, each is cut to this, then to half of it.
_VALUE_FIRST_LIMIT = 2048


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
            "discord",
            folders,
            LEAVES,
            shorthands=SHORTHANDS,
            filters=FILTERS,
            leaves_of={"digest": DIGEST_LEAVES, "alert": ALERT_LEAVES},
            rest=lambda count: self.wording.rest(count),
            report=report,
        )
        self._invite_url = invite_url
        self._classes: dict[str, type[Event]] = {}
        self._failed: set[type[Event]] = set()
        self.wording = Wording(
            self._templates, self._context, lambda name: self._classes.get(name, Event)
        )
        """what the plugin itself says in the same words"""

    async def prepare(self, types: Collection[type[Event]]) -> None:
        """Do the same as :meth:`check`, and let other tasks run between two types."""
        await self._templates.prepare((*types, *OWN_MESSAGES))
        self.check(types)

    def check(self, types: Iterable[type[Event]]) -> None:
        """Read and compile the templates of event types now, not at their first event.

        :param types: all event types that there are; a file that is named for none is an error
        """
        self._classes = {cls.type: cls for cls in types}
        self._templates.check((*self._classes.values(), *OWN_MESSAGES))

    def render(self, event: Event) -> Entry:
        """Render an event, whatever is wrong with its templates or its values."""
        try:
            return self._render(event)
        except Exception:
            if type(event) not in self._failed:
                self._failed.add(type(event))
                logger.exception("cannot render %s, so only its name is shown", event.type)

            return self._bare_entry(event)

    def _context(self) -> Mapping[str, object]:
        return {"invite": self._invite_url()}

    def _render(self, event: Event) -> Entry:
        context = self._context()
        leaves = self._templates.render(event, context)
        parts = self._parts(event, leaves)
        value_limit = _VALUE_FIRST_LIMIT
        while value_limit and _is_too_long(parts):
            parts = self._parts(
                event, self._templates.render(event, context, value_limit=value_limit)
            )
            value_limit //= 2

        return Entry(
            event_id=str(event.id),
            type=event.type,
            time=_time(event),
            embed=Embed(**parts),
            digest=self._digest(event, leaves),
        )

    def _parts(self, event: Event, leaves: Mapping[str, Any]) -> dict[str, Any]:
        parts = {PARTS[path]: value for path, value in leaves.items() if path in PARTS}
        if "fields" in leaves:
            parts["fields"] = _fields(leaves["fields"])

        if not any(map(parts.get, ("title", "description", "author", "fields", "image"))):
            parts["title"] = self.wording.name(event.type)

        return parts

    def _digest(self, event: Event, leaves: Mapping[str, Any]) -> Digest:
        heading = leaves.get("digest.heading") or f"**{self.wording.name(event.type)}** × {COUNT}"
        return Digest(
            group=leaves.get("digest.group", event.type)[:DIGEST_GROUP_MAX_CHARACTERS],
            heading=shorten_markdown(heading, DIGEST_HEADING_MAX_CHARACTERS),
            item=shorten_markdown(leaves.get("digest.item", ""), DIGEST_ITEM_MAX_CHARACTERS),
        )

    def _bare_entry(self, event: Event) -> Entry:
        """Render the name and the time of an event, whatever its values are."""
        time = _time(event)
        frame = frame_of(self._templates.render(Event(time=time), {"invite": None}))
        return Entry(
            event_id=str(event.id),
            type=event.type,
            time=time,
            embed=Embed(**{**frame, "title": self.wording.name(event.type), "timestamp": time}),
            digest=self._digest(event, {}),
        )


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


def _time(event: Event) -> datetime:
    try:
        return in_utc(event.time)
    except (AttributeError, TypeError, ValueError):
        return datetime.now(UTC)
