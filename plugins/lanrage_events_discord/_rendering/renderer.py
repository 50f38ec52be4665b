"""The renderer: turns an event into an embed by the templates."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from hashlib import sha256
from importlib.resources.abc import Traversable
from math import inf
from typing import Any, Self

from lanrage_events import Event
from lanrage_events.events import in_utc, utc_now
from lanrage_events.templates import RenderedLeaves, TemplateError, Templates, utf16_units

from .. import limits
from .._embeds import (
    PARTS,
    Button,
    Embed,
    EmbedField,
    Pictures,
    break_markdown,
    embed_size,
    shorten_markdown,
    text_size,
)
from .entry import NO_EXTRAS, Digest, Entry, Extras
from .leaves import (
    DIGEST_GROUP_MAX_CHARACTERS,
    DIGEST_HEADING_OVERFLOW_CHARACTERS,
    DIGEST_ITEM_MAX_CHARACTERS,
    EXTRA_LEAVES,
    FILTERS,
    FUNCTIONS,
    ITEM_NEEDS,
    LEAVES,
    LIST_LIMITS,
    SHORTHANDS,
    pictures_of,
)
from .party import (
    CARD_LEAVES,
    CARD_ONLY_LEAVES,
    PLAIN_CARD_LEAVES,
    RECAP_LEAVES,
    SAMPLE_PARTY,
    PartyCard,
    PartyRecap,
    PlainCard,
)
from .players import Players
from .wording import ALERT_LEAVES, DIGEST_LEAVES, OWN_MESSAGES, Wording, frame_of

logger = logging.getLogger("lanrage_events.discord")

_KIND = "discord"
"""the name of the folder of its templates"""
# Lines that are shown in one line, with " / " between them.
_JOINED_MAX_LINES = 3
_JOINED_MAX_CHARACTERS = 160
# Headings, small print, lists, quotes and blocks of code exist only in lines of their own.
_BLOCK = re.compile(r"```|^\s*(?:#{1,3}\s|-#|[-*+]\s|>|\d+\.\s)", re.MULTILINE)


# Discord requires a name of each field, and shows nothing for this one.
_NO_NAME = "\u200b"
_EXTRA_KEYS = frozenset(path.partition("[]")[0] for path in (*EXTRA_LEAVES, *CARD_ONLY_LEAVES))
# Longer ones are kept as their hash, so that two that begin alike are not one.
_SUBJECT_MAX_CHARACTERS = 128
# Of the fields in which a description goes on.
_NAMES_MAX_CHARACTERS = 8


class Renderer:
    """Turns events into embeds, by the templates.

    :param folders: where to look for templates, the most important first; each has a folder
        ``discord`` with one file an event type
    :param invite_url: gives the invite that templates name as ``invite``, ``None`` if there is none
    :param report: called with each error in a template, once; by default it is logged
    :param players: knows the users of players, whom texts mention
    """

    def __init__(
        self,
        folders: Iterable[Traversable],
        *,
        invite_url: Callable[[], str | None],
        report: Callable[[TemplateError], object] | None = None,
        players: Players | None = None,
    ) -> None:
        self.players = players or Players()
        """the users of players"""
        folders = tuple(folders)
        self.pictures = Pictures(folder / _KIND for folder in folders)
        """those beside the templates"""
        self._templates = Templates(
            _KIND,
            folders,
            LEAVES,
            shorthands=SHORTHANDS,
            filters=FILTERS,
            functions=FUNCTIONS,
            steady=(PartyCard.type, PartyRecap.type, PlainCard.type),
            leaves_of={
                "digest": DIGEST_LEAVES,
                "alert": ALERT_LEAVES,
                PartyCard.type: CARD_LEAVES,
                PartyRecap.type: RECAP_LEAVES,
                PlainCard.type: PLAIN_CARD_LEAVES,
            },
            report=report,
            context=("invite",),
            list_limits=LIST_LIMITS,
            item_needs=ITEM_NEEDS,
        )
        self._invite_url = invite_url
        self._classes: dict[str, type[Event]] = {}
        self._failed: set[type[Event]] = set()
        self.problems: Sequence[TemplateError] = ()
        """what was wrong with the templates when they were read last"""
        self.wording = Wording(
            self._templates, self._context, lambda name: self._classes.get(name, Event)
        )
        """what the plugin itself says in the same words"""

    async def prepare(self, types: Collection[type[Event]]) -> None:
        """Do the same as :meth:`check`, and let other tasks run between two types."""
        await self._templates.prepare((*types, *OWN_MESSAGES))
        self._check_wording(types)

    def check(self, types: Collection[type[Event]]) -> None:
        """Read and compile the templates of event types now, not at their first event.

        :param types: all event types that there are; a file that is named for none is an error
        """
        self._templates.check((*types, *OWN_MESSAGES))
        self._check_wording(types)

    def reload(
        self, folders: Iterable[Traversable], types: Collection[type[Event]]
    ) -> list[TemplateError]:
        """Read the templates again.

        :param folders: where to look from now on, the most important first
        :param types: as for :meth:`check`
        :return: what is wrong with them now, which is reported, too
        """
        self._failed.clear()
        folders = tuple(folders)
        self.pictures.use(folder / _KIND for folder in folders)
        self._templates.reload(folders, (*types, *OWN_MESSAGES))
        self._check_wording(types)
        return list(self.problems)

    def _check_wording(self, types: Collection[type[Event]]) -> None:
        self._classes = {cls.type: cls for cls in types}
        self.wording.check(self._classes)
        for cls in (PartyCard, PartyRecap, PlainCard):
            self._templates.render(cls(party=SAMPLE_PARTY), self._context())

        self.problems = tuple(self._templates.problems)

    def renders_like(self, other: Self, cls: type[Event]) -> bool:
        """Return whether another renderer has the same templates for events of a class."""
        return all(
            self._templates.sources(part) == other._templates.sources(part) for part in (cls, None)
        )

    def sources(self, cls: type[Event]) -> Mapping[str, str]:
        """Return the file of each leaf by which events of a class are rendered, by its path.

        Where the leaf has an error, the next file that has it is used.
        """
        found: dict[str, str] = {}
        for file, path, _ in self._templates.sources(cls):
            if path in LEAVES:  # and not a word that values are written with
                found.setdefault(path, file)

        return found

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
        leaves = shown = self._templates.render(event, context)
        parts = self._parts(event, leaves)
        if _is_too_long(parts):
            shown = self._shortened(event, context)
            parts = self._parts(event, shown)

        if not _fits_description(parts) and not _continue_in_fields(parts):
            shown = self._shortened(event, context, _fits_description)
            parts = self._parts(event, shown)

        embed = Embed(**parts)
        extras = NO_EXTRAS
        if not _EXTRA_KEYS.isdisjoint(leaves):
            extras = _extras(leaves, *self.players.mention(leaves.get("content", ""), event))

        shortened = _lacks_text(embed, parts, shown.shortened)
        shown_by_embed = embed_size(embed) if shortened else inf
        return Entry(
            event_id=str(event.id),
            type=event.type,
            time=_time(event),
            embed=embed,
            digest=self._digest(event, leaves, leaves.shortened, shown_by_embed),
            shortened=shortened,
            extras=extras,
        )

    def _shortened(
        self,
        event: Event,
        context: Mapping[str, object],
        fits: Callable[[Mapping[str, Any]], bool] = lambda parts: True,
    ) -> RenderedLeaves:
        """Render an event whose texts are too long together: the longest values are shortened.

        :param fits: whether parts keep a further limit
        """

        def render(value_limit: int) -> RenderedLeaves:
            return self._templates.render(event, context, value_limit=value_limit)

        low, high = 1, limits.MESSAGE_EMBEDS_MAX_CHARACTERS
        while low < high:
            middle = (low + high + 1) // 2
            parts = self._parts(event, render(middle))
            if _is_too_long(parts) or not fits(parts):
                high = middle - 1
            else:
                low = middle

        return render(low)

    def _parts(self, event: Event, leaves: Mapping[str, Any]) -> dict[str, Any]:
        parts = {PARTS[path]: value for path, value in leaves.items() if path in PARTS}
        parts.update(pictures_of(leaves))
        if "fields" in leaves:
            parts["fields"] = _fields(leaves["fields"])

        if not any(map(parts.get, ("title", "description", "author", "fields", "image"))):
            parts["title"] = self.wording.name(event.type)

        title = parts.get("title", "")
        if 2 * len(title) > limits.TITLE_MAX_CHARACTERS:
            _move_long_title(parts, title)

        return parts

    def _digest(
        self,
        event: Event,
        leaves: Mapping[str, Any],
        shortened: AbstractSet[str] = frozenset(),
        shown_by_embed: float = 0,
    ) -> Digest:
        """Make the line of an event.

        :param shown_by_embed: how many characters of the event its embed shows; infinite if all
        """
        heading = leaves.get("digest.heading") or self.wording.heading(event.type)
        heading_shown = shorten_markdown(heading, DIGEST_HEADING_OVERFLOW_CHARACTERS)
        lacks_heading = heading_shown != heading or "digest.heading" in shortened

        item = leaves.get("digest.item", "")
        lacks_item = "digest.item" in shortened
        if "\n" in item:
            item, is_whole = _in_one_line(item)
            lacks_item = lacks_item or not is_whole

        item_shown = shorten_markdown(item, DIGEST_ITEM_MAX_CHARACTERS)
        lacks_item = lacks_item or item_shown != item
        # Of a name that is too long for both, the line may show more than the embed. And a heading that
        # is too long must not make an embed of each event that shares it.
        use_embed = lacks_item and shown_by_embed > utf16_units(item_shown)
        subject, effect = leaves.get("digest.subject", ""), leaves.get("digest.effect")
        if len(subject) > _SUBJECT_MAX_CHARACTERS:
            subject = sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()

        return Digest(
            group=leaves.get("digest.group", event.type)[:DIGEST_GROUP_MAX_CHARACTERS],
            heading=heading_shown,
            item=item_shown,
            shortened=lacks_heading or lacks_item,
            use_embed=use_embed,
            subject=subject if effect else "",
            effect=effect if subject else None,
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


def _move_long_title(parts: dict[str, Any], title: str) -> None:
    """Put a title that Discord would not take above the description, if there is room for it."""
    if utf16_units(title) <= limits.TITLE_MAX_CHARACTERS:
        return

    bold = title if "**" in title else f"**{title}**"
    text = "\n".join(filter(None, [bold, parts.get("description")]))
    if utf16_units(text) <= limits.DESCRIPTION_MAX_CHARACTERS:
        parts["description"] = text
        if parts.get("url"):
            parts["title"] = shorten_markdown(title, limits.TITLE_MAX_CHARACTERS)
        else:
            del parts["title"]


def _fits_description(parts: Mapping[str, Any]) -> bool:
    return utf16_units(parts.get("description", "")) <= limits.DESCRIPTION_MAX_CHARACTERS


def _continue_in_fields(parts: dict[str, Any]) -> bool:
    """Put what the description cannot hold into fields; return whether that is possible."""
    first, rest = break_markdown(parts["description"], limits.DESCRIPTION_MAX_CHARACTERS)
    others: list[EmbedField] = []
    while first and utf16_units(rest) > limits.FIELD_VALUE_MAX_CHARACTERS:
        value, rest = break_markdown(rest, limits.FIELD_VALUE_MAX_CHARACTERS)
        if not value:
            return False

        others.append(EmbedField(_NO_NAME, value))

    if rest:
        others.append(EmbedField(_NO_NAME, rest))

    fields = (*others, *parts.get("fields", ()))
    if not first or len(fields) > limits.EMBED_MAX_FIELDS:
        return False

    parts["description"], parts["fields"] = first, fields
    return True


def _in_one_line(item: str) -> tuple[str, bool]:
    """Return lines as one line, and whether that shows all that the lines show."""
    lines = [line for line in map(str.strip, item.split("\n")) if line]
    joined = " / ".join(lines)
    if (
        len(lines) <= _JOINED_MAX_LINES
        and utf16_units(joined) <= _JOINED_MAX_CHARACTERS
        and _BLOCK.search(item) is None
    ):
        return joined, True

    return " ".join(lines), False


def _lacks_text(embed: Embed, parts: Mapping[str, Any], shortened: AbstractSet[str]) -> bool:
    """Return whether an embed has less text than the event."""
    if shortened and any(not path.startswith("digest.") for path in shortened):
        return True

    get = parts.get
    return bool(
        get("title", embed.title) != embed.title
        or get("description", embed.description) != embed.description
        or get("footer", embed.footer) != embed.footer
        or get("author", embed.author) != embed.author
        or get("fields", ()) != embed.fields
    )


def _is_too_long(parts: Mapping[str, Any]) -> bool:
    texts = [parts.get(name, "") for name in ("title", "description", "footer", "author")]
    maximum = limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    fields = parts.get("fields", ())
    # Most embeds are so short that their texts need not be measured.
    if not fields and 2 * sum(map(len, texts)) <= maximum:
        return False

    if not _fits_description(parts):
        maximum -= _NAMES_MAX_CHARACTERS

    return text_size(texts, fields[: limits.EMBED_MAX_FIELDS]) > maximum


def _fields(items: Iterable[Mapping[str, Any]]) -> tuple[EmbedField, ...]:
    return tuple(
        EmbedField(item["name"], item["value"], item.get("inline", False))
        for item in items
        if "name" in item and "value" in item
    )


def _extras(leaves: Mapping[str, Any], content: str, players: tuple[str, ...]) -> Extras:
    buttons = [
        Button(item["label"], item["url"])
        for item in leaves.get("buttons", ())
        if "label" in item and "url" in item
    ]
    return Extras(
        content=content,
        players=players,
        username=leaves.get("username", ""),
        avatar_url=leaves.get("avatar_url", ""),
        buttons=tuple(buttons[: limits.MESSAGE_MAX_BUTTONS]),
        thread_name=leaves.get("thread_name", ""),
        applied_tags=leaves.get("applied_tags", ()),
    )


def _time(event: Event) -> datetime:
    try:
        return in_utc(event.time)
    except (AttributeError, TypeError, ValueError):
        return utc_now()
