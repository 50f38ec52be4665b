"""Everything that is posted, with every combination of values that may be missing."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lanrage_events import Event, Member, Party
from lanrage_events.events import EventRegistry
from lanrage_events_discord._embeds import Embed, Message
from lanrage_events_discord._rendering import ALERT_LEAVES, OWN_MESSAGES, Entry, Renderer, compose

TIME = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
NAMES = ("Zoë", "Jürgen", "Øyvind", "Łukasz")
INVITES = ("https://discord.gg/abc123", None)
PARTY = Party(
    key="id:lan-42",
    id="lan-42",
    name="Friday LAN",
    host=NAMES[0],
    since=TIME,
    members=tuple(Member(name=name, since=TIME) for name in NAMES),
    peak=5,
    game="Quake",
    game_since=TIME,
    players=(),
    games=tuple((f"Quake {number}", 3661.0, number) for number in range(1, 13)),
    visitors=7,
    loyal=tuple((name, 7200.0) for name in NAMES[:3]),
    last_change=TIME + timedelta(hours=3),
    is_empty=False,
    is_idle=False,
)
NEW_PARTY = replace(
    PARTY,
    id=None,
    name=None,
    host=None,
    members=(),
    game=None,
    game_since=None,
    games=(),
    loyal=(),
    is_empty=True,
)
# Of one event class, so many combinations are enough.
MAX_COMBINATIONS = 2000


def values_of(annotation: Any, name: str = "") -> Sequence[Any]:
    """Return values of a field's type: what is usual, and whatever there may be little of."""
    origin = get_origin(annotation)
    if origin is Literal:
        return get_args(annotation)

    if origin in (Union, types.UnionType):
        return [value for choice in get_args(annotation) for value in values_of(choice, name)]

    if origin in (tuple, list, Sequence):
        first, second, *_ = NAMES
        return [(), (first,), (first, second), ("",)]

    if origin in (dict, Mapping):
        return [{}, {NAMES[0]: 3}]

    plain: dict[Any, Sequence[Any]] = {
        type(None): [None],
        str: [NAMES[len(name) % len(NAMES)], ""],
        int: [3, 1, 0],
        float: [3661.0, 0.0, 59.0],
        bool: [True, False],
        datetime: [TIME],
        timedelta: [timedelta(minutes=90)],
        Party: [PARTY, replace(PARTY, ended=TIME), NEW_PARTY, replace(NEW_PARTY, id="lan-42")],
    }
    return plain[annotation]


def events_of(cls: type[Event]) -> Iterator[Event]:
    """Yield events of a class with all combinations of values."""
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls) if field.name not in ("id", "time")]
    choices = []
    for field in (field for field in fields(cls) if field.name in names):
        values = list(values_of(hints[field.name], field.name))
        # An empty text is a value that may be missing only where it is the default.
        if field.default is not MISSING and field.default not in values:
            values.append(field.default)

        choices.append(values)

    for combination in islice(product(*choices), MAX_COMBINATIONS):
        yield cls(time=TIME, **dict(zip(names, combination, strict=True)))


def classes() -> list[type[Event]]:
    """Return the built-in event types."""
    return list(EventRegistry().types())


def own_messages() -> list[type[Event]]:
    """Return what is posted without an event, each as an embed of its own."""
    return [cls for cls in OWN_MESSAGES if cls.type != "digest"]


def messages_of(renderer: Renderer, entries: Sequence[Entry]) -> Iterator[Message]:
    """Yield all kinds of messages that are made of entries."""
    wording = renderer.wording
    yield from compose(entries, wording=wording)
    yield from compose(entries, wording=wording, catch_up=True)
    for style in ("digest", "embeds"):
        chosen: Literal["digest", "embeds"] = "digest" if style == "digest" else "embeds"
        yield from compose([*entries] * 400, wording=wording, style=chosen, max_messages=1)

    for count in (1, 2):
        expired = dict.fromkeys([*(cls.type for cls in classes()), Event.type], count)
        yield from compose([], wording=wording, expired=expired)
        yield from compose([], wording=wording, expired={"peer_joined": count})
        yield Message(0, (wording.note(wording.more({"game_ended": count}), TIME),))


def alert_lines(renderer: Renderer) -> Iterator[str]:
    """Yield each line of an alert, with and without what is known about the problem."""
    for path, leaf in ALERT_LEAVES.items():
        known = [("", ""), *(("it was deleted", status) for status in ("", "HTTP 401", "HTTP 404"))]
        for (detail, status), count in product(known, (1, 2)):
            if leaf.apart:
                names = {"detail": detail, "status": status, "count": count, "seconds": 3661.0}
                yield renderer.wording.alert_line(path, name=NAMES[0], **names)


def texts_of(embed: Embed) -> list[str]:
    """Return the texts of an embed."""
    return [text for text in embed.texts() if text]
