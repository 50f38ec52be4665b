"""The wording: what the plugin itself posts, in the words of the templates.

Each message of the plugin's own has a class in :data:`OWN_MESSAGES`, which nothing publishes. Its
template is named after its type, like that of an event, and what that lacks comes from
``event.yaml``: so one line there changes the footer of everything. A message that is an embed of its
own, such as :class:`WebhookTest`, is rendered like an event, by ``Renderer.render``. A text that
stands in a message of others is a leaf of ``digest.yaml`` in :data:`DIGEST_LEAVES`, or of
``alert.yaml`` in :data:`ALERT_LEAVES`, and a method of :class:`Wording`. No text of a message stands in the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lanrage_events import Event
from lanrage_events.events import in_utc, utc_now
from lanrage_events.templates import SafeString, Templates, utf16_units

from .. import limits
from .._embeds import PARTS, Embed, markdown, shorten_markdown
from .entry import COUNT
from .leaves import (
    DIGEST_COUNTED_MAX_CHARACTERS,
    EXTRA_LEAVES,
    FILE_LEAVES,
    LEAVES,
    markdown_leaf,
    pictures_of,
)
from .party import POLL_ANSWER, PartyCard, PartyRecap, PlainCard

MORE_MAX_CHARACTERS = 600
"""of the line that counts what a message does not show"""
ALERT_LINE_MAX_CHARACTERS = 600
"""of what an alert says about one problem"""
ALERT_KINDS = ("webhook", "rejected", "dropped", "plugin", "silent", "late", "card")
"""what an alert can report"""
_COUNTED_MAX_TYPES = 8
_NAME_MAX_CHARACTERS = 64
_NAMES_MAX_CHARACTERS = 400
_UNSTEADY_MAX_LINES = 3

_FRAME = tuple(path for path in PARTS if path not in ("title", "description"))
_OWN_LEAVES = {
    **{path: LEAVES[path] for path in (*_FRAME, *FILE_LEAVES)},
    "title": markdown_leaf(limits.TITLE_MAX_CHARACTERS),
}

DIGEST_LEAVES = {
    **_OWN_LEAVES,
    "catch_up_title": _OWN_LEAVES["title"],
    "more": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "expired": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "other_types": markdown_leaf(DIGEST_COUNTED_MAX_CHARACTERS, apart=True),
    "reconnected": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "unsteady": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "several_unsteady": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "other_names": markdown_leaf(DIGEST_COUNTED_MAX_CHARACTERS, apart=True),
}
"""the leaves of ``digest.yaml``"""


ALERT_LEAVES = {
    **_OWN_LEAVES,
    **EXTRA_LEAVES,
    **{
        f"{part}.{kind}": markdown_leaf(ALERT_LINE_MAX_CHARACTERS, apart=True)
        for part in ("begun", "over")
        for kind in ALERT_KINDS
    },
    "still": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
    "more": markdown_leaf(MORE_MAX_CHARACTERS, apart=True),
}
"""the leaves of ``alert.yaml``"""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Someone who left and came back."""

    name: str
    """in markdown"""
    times: int


@dataclass(frozen=True, slots=True)
class Unsteady:
    """Someone who left and came back so often that no more is posted about it for a while."""

    name: str
    """in markdown"""
    times: int
    seconds: float
    """in how long"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest(Event):
    """A message that shows several events."""

    count: int
    """how many"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookTest(Event):
    """The message that shows whether a webhook works."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert(Event):
    """The message that reports what does not work, and what works again."""

    begun: int = 0
    """how many problems are new"""
    lasting: int = 0
    """how many were reported before and are not over"""
    over: int = 0
    """how many are over"""


OWN_MESSAGES: tuple[type[Event], ...] = (
    Digest,
    WebhookTest,
    Alert,
    PartyCard,
    PartyRecap,
    PlainCard,
)
"""what the plugin posts without an event"""


class Wording:
    """The texts of digests and of what they do not show.

    :param context: gives what all templates can name besides the event
    :param find_class: returns the class of an event type, or one that is rendered like it
    """

    def __init__(
        self,
        templates: Templates,
        context: Callable[[], Mapping[str, object]],
        find_class: Callable[[str], type[Event]],
    ) -> None:
        self._templates = templates
        self._context = context
        self._find_class = find_class

    def check(self, types: Iterable[str]) -> None:
        """Render each text once, so that what is wrong is reported now.

        :param types: the event types that there are
        """
        for catch_up in (False, True):
            self.digest(2, utc_now(), catch_up=catch_up)

        for name in types:
            self._counted(name, 2)

        for path in ("other_types", "other_names"):
            self._line(path, 2, DIGEST_COUNTED_MAX_CHARACTERS)

        self.reconnects([Unsteady("", 2, 60.0)], [Reconnected("", 2)])
        self.reconnects([Unsteady("", 2, 60.0)] * (_UNSTEADY_MAX_LINES + 1), ())
        for path in ("more", "expired"):
            self._counting(path, {Event.type: 2})

        self.poll_answer("")
        names = {"name": "default", "detail": "", "status": "", "count": 2, "seconds": 60.0}
        for path, leaf in ALERT_LEAVES.items():
            if leaf.apart:
                self.alert_line(path, **names)

    def digest(self, count: int, last: datetime, *, catch_up: bool = False) -> dict[str, Any]:
        """Return the parts of a digest's embed besides its lines, by their names in an embed.

        :param count: how many events it shows
        :param last: the time of the last of them
        :param catch_up: whether they are backlog
        """
        title = "catch_up_title" if catch_up else "title"
        time = _in_calendar(last)
        event = Digest(count=count, time=time or utc_now())
        leaves = self._templates.render(event, self._context())
        parts = {**frame_of(leaves), "title": leaves.get(title, "")}
        return parts if time is not None else {**parts, "timestamp": None}

    def note(self, text: str, last: datetime | None = None) -> Embed:
        """Return an embed with a text, in the colour and with the footer of a digest.

        :param last: the time that it shows
        """
        frame = self.digest(1, utc_now() if last is None else last)
        return Embed(**{**frame, "title": "", "url": "", "description": text, "timestamp": last})

    def more(self, counts: Mapping[str, int]) -> str:
        """Count the events that a message has no room for, by their types."""
        return self._counting("more", counts)

    def expired(self, counts: Mapping[str, int]) -> str:
        """Count the events that were too old to be posted, by their types."""
        return self._counting("expired", counts)

    def reconnects(self, unsteady: Sequence[Unsteady], counts: Sequence[Reconnected]) -> str:
        """Return the lines about who reconnected and whose connection is unsteady, in markdown."""
        lines: list[str] = []
        if len(unsteady) > _UNSTEADY_MAX_LINES:
            names = self._names((_short_name(one.name) for one in unsteady), len(unsteady))
            lines.append(self._line("several_unsteady", len(unsteady), counted=names))
        else:
            for one in unsteady:
                name = SafeString(_short_name(one.name))
                lines.append(self._line("unsteady", one.times, name=name, seconds=one.seconds))

        if counts:
            times = (f" ×{one.times}" if one.times > 1 else "" for one in counts)
            named = (_short_name(one.name) + more for one, more in zip(counts, times, strict=True))
            names, count = self._names(named, len(counts)), sum(one.times for one in counts)
            lines.append(self._line("reconnected", count, counted=names))

        return "\n".join(lines)

    def alert_line(self, path: str, **names: object) -> str:
        """Return one line of an alert, in markdown.

        :param path: one of the leaves of ``alert.yaml``
        :param names: what the leaf can name
        """
        text = self._render(Alert, path, {"type": Alert.type, **names})
        return shorten_markdown(text, ALERT_LINE_MAX_CHARACTERS)

    def poll_answer(self, game: str) -> str:
        """Return an answer of the poll of a party, about a game that was played."""
        return self._render(PartyRecap, POLL_ANSWER, {"type": PartyRecap.type, "name": game})

    def name(self, event_type: str) -> str:
        """Return the name of an event type, in markdown."""
        return markdown(self._templates.words.name(event_type))

    def heading(self, event_type: str) -> str:
        """Return the heading in digests of an event type that has none of its own, in markdown."""
        return f"**{self.name(event_type)}** × {COUNT}"

    def _counting(self, path: str, counts: Mapping[str, int]) -> str:
        by_count = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        parts = [self._counted(name, count) for name, count in by_count[:_COUNTED_MAX_TYPES]]
        if others := sum(count for _, count in by_count[_COUNTED_MAX_TYPES:]):
            parts.append(self._line("other_types", others, DIGEST_COUNTED_MAX_CHARACTERS))

        counted = SafeString(", ".join(parts))
        return self._line(path, sum(counts.values()), MORE_MAX_CHARACTERS, counted=counted)

    def _counted(self, event_type: str, count: int) -> str:
        cls = self._find_class(event_type)
        text = self._render(cls, "digest.counted", {"type": event_type, "count": count})
        return shorten_markdown(text or f"{count}", DIGEST_COUNTED_MAX_CHARACTERS)

    def _names(self, names: Iterable[str], count: int) -> SafeString:
        """Name as many as fit, and count the others."""
        shown: list[str] = []
        room = _NAMES_MAX_CHARACTERS
        for name in names:
            room -= utf16_units(name) + 2
            if room < 0:
                break

            shown.append(name)

        if others := count - len(shown):
            shown.append(self._line("other_names", others, DIGEST_COUNTED_MAX_CHARACTERS))

        return SafeString(", ".join(shown))

    def _line(
        self, path: str, count: int, maximum: int = MORE_MAX_CHARACTERS, **names: object
    ) -> str:
        text = self._render(Digest, path, {"type": Digest.type, "count": count, **names})
        return shorten_markdown(text or f"+{count}", maximum)

    def _render(self, cls: type[Event], path: str, names: Mapping[str, object]) -> str:
        text: str | None = self._templates.render_leaf(cls, path, {**self._context(), **names})
        return text or ""


def _short_name(name: str) -> str:
    return shorten_markdown(" ".join(name.split()), _NAME_MAX_CHARACTERS) or "?"


def _in_calendar(time: datetime) -> datetime | None:
    """Return the moment, None for one that an earlier version has let in and no one can show."""
    try:
        return in_utc(time)
    except ValueError:
        return None


def frame_of(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an embed besides its title, its text and its fields, by their names."""
    found = {PARTS[path]: leaves[path] for path in _FRAME if path in leaves}
    return found | pictures_of(leaves)
