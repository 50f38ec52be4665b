"""Omissions: optional parts of messages that Discord rejects, and that are left out from then on."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .. import limits
from .._client import DiscordError, Outcome
from .._embeds import NESTED_TEXTS, PARTS, URLS, Button, Embed, EmbedField, Message

MAX_REMEMBERED = 1000
_SHOWN_CHARACTERS = 80

_EMBED_PATH = re.compile(r"embeds\.([0-9]{1,3})(?:\.(.+))?")
_BUTTON_PATH = re.compile(r"components\.([0-9])(?:\.components\.([0-9]))?(?:\..*)?")
_FIELD_PATH = re.compile(r"fields\.([0-9]{1,3})(?:\..*)?")
# Without the title and the description, which say what happened.
_OPTIONAL: Mapping[str, str] = {
    **{path: part for path, part in PARTS.items() if path not in ("title", "description")},
    **{part: part for part in NESTED_TEXTS},
}
"""what an embed calls the parts that it can do without, by Discord's path"""
_NAMES = tuple(dict.fromkeys(_OPTIONAL.values()))
_SHOWN = ("title", "description", "author", "image", "thumbnail")
_EMPTY: Mapping[str, Any] = {"color": None, "timestamp": None}
_SETTINGS = ("username", "avatar_url", "flags", "applied_tags")
_MENTIONS = ("content", "allowed_mentions")

Part: TypeAlias = tuple[str, Any]
"""the name of a part of an embed or a message, and its value"""
Addresses: TypeAlias = tuple[str, ...]
"""all the addresses of an embed"""


@dataclass(frozen=True, slots=True)
class Omission:
    """A part that is left out from now on."""

    name: str
    """what Discord calls it, such as ``thumbnail.url``"""
    value: str
    """what it was, in a few characters"""
    reason: str
    """what Discord said"""

    def __str__(self) -> str:
        return f"{self.name} '{self.value}' ({self.reason})"


class Omissions:
    """Leaves out of messages what Discord rejected before, by its value.

    What stays the same for each event, such as the picture of a template, costs one rejected request
    and not one each. It is forgotten at the next start.
    """

    def __init__(self) -> None:
        self.count = 0
        """how many parts were missing in messages that Discord accepted"""
        self._parts: dict[Part, None] = {}
        """what Discord named, the latest at the end"""
        self._addresses: dict[Addresses, bool] = {}
        """the addresses of embeds that Discord named as a whole, and whether it accepted them without"""
        self._innocent: dict[Addresses, None] = {}
        """those of embeds that Discord rejected without them, too"""
        self._suspended: dict[int, Addresses] = {}
        """the addresses that were left out of an embed of the last message, by its index"""
        self._missing = 0

    def apply(self, message: Message) -> Message:
        """Return the message without what Discord rejected before."""
        self._suspended.clear()
        self._missing = 0
        if not self._parts and not self._addresses:
            return message

        embeds = [self._without(index, embed) for index, embed in enumerate(message.embeds)]
        if message.content and ("content", message.content) in self._parts:
            self._missing += 1
            message = replace(message, content="", allowed_mentions={"parse": []})

        for name in _SETTINGS:
            value = getattr(message, name)
            if value and (name, value) in self._parts:
                self._missing += 1
                message = replace(message, **{name: type(value)()})

        buttons = tuple(one for one in message.buttons if ("buttons", one) not in self._parts)
        self._missing += len(message.buttons) - len(buttons)
        if not self._missing:
            return message

        return replace(message, embeds=tuple(embeds), buttons=buttons)

    def find(self, message: Message, outcome: Outcome) -> list[Omission]:
        """Return what is left out from now on, empty if the message cannot be sent without it.

        :param message: what was sent, see :meth:`apply`
        :param outcome: how Discord rejected it
        """
        found = []
        for error in outcome.errors:
            for name, part in _parts_of(message, error):
                if part not in self._parts:
                    _remember(self._parts, part, None)
                    found.append(Omission(name, _shown(part[1]), error.message))

            if (place := _embed_of(message, error)) is not None and not place[1]:
                found += self._suspect(place[0], message.embeds[place[0]], error)

        return found

    def delivered(self) -> None:
        """Record that Discord accepted the last message, without what was left out of it."""
        self.count += self._missing
        for addresses in self._suspended.values():
            self._addresses[addresses] = True

    def _suspect(self, index: int, embed: Embed, error: DiscordError) -> Iterator[Omission]:
        """Leave out the addresses of an embed, of which Discord does not say what is wrong.

        Of an address it says no more than ``{"embeds": ["0"]}`` in the form of some answers:
        https://github.com/bugsink/bugsink/issues/280
        """
        addresses = _addresses_of(embed)
        is_known = addresses in self._addresses or addresses in self._innocent
        if addresses and not is_known and _is_shown(embed, URLS):
            _remember(self._addresses, addresses, False)
            shown = ", ".join(filter(None, dict.fromkeys(addresses)))
            yield Omission("addresses", _shown(shown), error.message)
        elif (suspended := self._suspended.get(index)) and not self._addresses.get(suspended, True):
            del self._addresses[suspended]
            _remember(self._innocent, suspended, None)

    def _without(self, index: int, embed: Embed) -> Embed:
        missing = [name for name in _NAMES if (name, getattr(embed, name)) in self._parts]
        fields = tuple(field for field in embed.fields if ("fields", field) not in self._parts)
        excess = len(embed.fields) - len(fields)
        addresses = _addresses_of(embed, missing)
        suspended = addresses in self._addresses
        if suspended:
            missing += [name for name in URLS if getattr(embed, name)]

        if not (missing or excess) or not _is_shown(embed, missing, fields):
            return embed

        if suspended:
            self._suspended[index] = addresses

        self._missing += len({*missing}) + excess
        empty: dict[str, Any] = {name: _EMPTY.get(name, "") for name in missing}
        return replace(embed, fields=fields, **empty)


def _parts_of(message: Message, error: DiscordError) -> Iterator[tuple[str, Part]]:
    """Yield the optional parts that an error is about, if the message is something without them."""
    key = error.path.partition(".")[0]
    if key in _SETTINGS and getattr(message, key):
        yield key, (key, getattr(message, key))
    elif key in _MENTIONS and message.content:
        yield key, ("content", message.content)
    elif key == "components":
        for button in _buttons_of(message, error):
            yield error.path, ("buttons", button)

    elif (place := _embed_of(message, error)) is not None:
        index, path = place
        embed = message.embeds[index]
        part = _part_of(embed, path)
        if part is not None:
            fields = [field for field in embed.fields if part != ("fields", field)]
            if _is_shown(embed, part[:1], fields):
                yield path, part


def _buttons_of(message: Message, error: DiscordError) -> Sequence[Button]:
    """Return the button that an error is about, or those of its row, or all of them."""
    match = _BUTTON_PATH.fullmatch(error.path)
    if match is None:
        return message.buttons

    begin, length = int(match[1]) * limits.ROW_MAX_BUTTONS, limits.ROW_MAX_BUTTONS
    if match[2] is not None:
        begin, length = begin + int(match[2]), 1

    return message.buttons[begin : begin + length]


def _part_of(embed: Embed, path: str) -> Part | None:
    if match := _FIELD_PATH.fullmatch(path):
        index = int(match[1])
        return ("fields", embed.fields[index]) if index < len(embed.fields) else None

    name = _OPTIONAL.get(path)
    value = getattr(embed, name) if name else None
    return None if name is None or value in ("", None) else (name, value)


def _embed_of(message: Message, error: DiscordError) -> tuple[int, str] | None:
    """Return the index of the embed that an error is about, and the path in it, empty for the whole."""
    match = _EMBED_PATH.fullmatch(error.path)
    if match is None or int(match[1]) >= len(message.embeds):
        return None

    return int(match[1]), match[2] or ""


def _addresses_of(embed: Embed, missing: Container[str] = ()) -> Addresses:
    addresses = ["" if name in missing else getattr(embed, name) for name in URLS]
    return tuple(addresses) if any(addresses) else ()


def _is_shown(
    embed: Embed, missing: Container[str], fields: Sequence[EmbedField] | None = None
) -> bool:
    """Return whether something is left of an embed without some parts."""
    if embed.fields if fields is None else fields:
        return True

    return any(getattr(embed, name) and name not in missing for name in _SHOWN)


def _remember(known: dict[Any, Any], key: object, value: object) -> None:
    known.pop(key, None)
    known[key] = value
    while len(known) > MAX_REMEMBERED:
        del known[next(iter(known))]


def _shown(value: object) -> str:
    if isinstance(value, EmbedField):
        value = f"{value.name}: {value.value}"
    elif isinstance(value, Button):
        value = f"{value.label}: {value.url}"

    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
