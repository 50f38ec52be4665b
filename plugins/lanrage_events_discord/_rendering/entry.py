"""An entry: one rendered event, as it waits in the outbox."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self

from pydantic_core import from_json, to_json

from .._embeds import Button, Embed

COUNT = "\ue000"
"""stands in a heading where the number of items goes; a code point for private use"""


class Effect(StrEnum):
    """What an event does to its subject; the one takes back the other."""

    JOIN = "join"
    LEAVE = "leave"


_EFFECTS = {effect.value: effect for effect in Effect}


# This and Entry are not frozen, which would take four times as long: each event has one.
@dataclass(slots=True)
class Digest:
    """How an event is shown in one line with others of its group."""

    group: str
    """the same for all events that belong in one line"""
    heading: str
    """markdown in which :data:`COUNT` stands for the number of items"""
    item: str
    """markdown that names what this event is about"""
    shortened: bool = False
    """whether the line lacks text or lines of the event"""
    use_embed: bool = False
    """whether the embed is shown in place of the line, because it lacks less"""
    subject: str = ""
    """who or what joins or leaves; empty if it is not about that"""
    effect: Effect | None = None
    """whether it joins or leaves; None without a subject"""


@dataclass(frozen=True, slots=True)
class Presentation:
    """How the message of an event arrives, besides its embed."""

    silent: bool = False
    """whether it arrives without a notification"""
    immediate: bool = False
    """whether it is sent without gathering"""
    roles: tuple[str, ...] = ()
    """ids of the roles that it mentions"""
    users: tuple[str, ...] = ()
    """ids of the users that it mentions"""
    cooldown: float = 0.0
    """seconds in which none of these is mentioned again"""
    important: bool = False
    """whether it arrives with a notification and at once in quiet hours, too"""
    once: str = ""
    """for what each of these is mentioned only once, such as a party; empty for each message"""
    mentions_until: float = 0.0
    """when it is too late to mention them, in seconds since 1970; 0 for never"""
    thread_name: str = ""
    """the thread of a forum that it is posted in; empty for the webhook's own"""
    applied_tags: tuple[str, ...] = ()
    """ids of the tags of that thread, should it be created"""

    def in_thread(self, name: str) -> Self:
        """Return it in a thread, unless it names one; it is the same for an empty name."""
        return replace(self, thread_name=name) if name and not self.thread_name else self


class NamedThread(NamedTuple):
    """A thread of a forum, which may have to be created."""

    name: str = ""
    """empty for none"""
    tags: tuple[str, ...] = ()
    """ids of the tags that it gets when it is created"""


DEFAULT_PRESENTATION = Presentation()
"""with a notification, after gathering, without mentions"""

_DEFAULT_DATA = {"silent": False, "immediate": False, "roles": [], "users": [], "cooldown": 0.0}
"""what entries of all versions have"""
_PRESENTED = frozenset(one.name for one in fields(Presentation))


@dataclass(frozen=True, slots=True)
class Extras:
    """What the message of an event has besides its embed, by its template."""

    content: str = ""
    """markdown above the embed; a message that shows other events, too, has none"""
    players: tuple[str, ...] = ()
    """ids of the users that it mentions, unless they were mentioned shortly before"""
    username: str = ""
    """the name to show in place of the webhook's"""
    avatar_url: str = ""
    """the picture to show in place of the webhook's"""
    buttons: tuple[Button, ...] = ()
    """below the embed; a message that shows other events, too, has none"""
    thread_name: str = ""
    """the post of a card in a forum"""
    applied_tags: tuple[str, ...] = ()
    """ids of the tags of that post"""

    def has_sender_of(self, other: Self) -> bool:
        """Whether both are posted under one name and with one picture."""
        return self.username == other.username and self.avatar_url == other.avatar_url


NO_EXTRAS = Extras()


@dataclass(slots=True)
class Entry:
    """One rendered event."""

    event_id: str
    type: str
    time: datetime
    embed: Embed
    digest: Digest
    presentation: Presentation = DEFAULT_PRESENTATION
    is_alert: bool = False
    """whether it is an alert: it is a message of its own, and no digest shows or counts it"""
    shortened: bool = False
    """whether the embed lacks text of the event"""
    extras: Extras = NO_EXTRAS

    @property
    def is_important(self) -> bool:
        """Whether quiet hours and mutes do not apply to it."""
        return self.is_alert or self.presentation.important

    def to_json(self) -> str:
        """Return the entry as one line of JSON."""
        digest, is_default = self.digest, self.presentation is DEFAULT_PRESENTATION
        data: dict[str, Any] = {
            "event_id": self.event_id,
            "type": self.type,
            "time": self.time,
            "embed": self.embed.to_dict(),
            "digest": {
                "group": digest.group,
                "heading": digest.heading,
                "item": digest.item,
            },
            "presentation": _DEFAULT_DATA if is_default else _presentation_data(self.presentation),
        }
        # Entries of older versions have none of these.
        if self.is_alert:
            data["is_alert"] = True

        if digest.shortened:
            data["digest"]["shortened"] = True

        if digest.use_embed:
            data["digest"]["use_embed"] = True

        if digest.effect is not None:
            data["digest"]["subject"] = digest.subject
            data["digest"]["effect"] = digest.effect.value

        if self.shortened:
            data["shortened"] = True

        if self.presentation.thread_name:
            presented = self.presentation
            data["thread"] = {"name": presented.thread_name, "tags": presented.applied_tags}

        if self.extras is not NO_EXTRAS:
            data["extras"] = {key: one for key, one in asdict(self.extras).items() if one}

        try:
            # Three times as fast, but it rejects half of a surrogate pair.
            return to_json(data).decode()
        except ValueError:
            return json.dumps(data, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` gave.

        :raises ValueError: if it is something else
        """
        try:
            data = _loads(text)
            digest, presentation = data["digest"], data["presentation"]
            return cls(
                data["event_id"],
                data["type"],
                datetime.fromisoformat(data["time"]),
                Embed.from_dict(data["embed"]),
                Digest(
                    digest["group"],
                    digest["heading"],
                    digest["item"],
                    digest.get("shortened") is True,
                    digest.get("use_embed") is True,
                    *_subject_and_effect(digest),
                ),
                DEFAULT_PRESENTATION
                if presentation == _DEFAULT_DATA and "thread" not in data
                else _presentation(presentation, data.get("thread", {})),
                data.get("is_alert") is True,
                data.get("shortened") is True,
                _extras(data["extras"]) if "extras" in data else NO_EXTRAS,
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError("this is not an entry") from exc


def _loads(text: str) -> Any:
    try:
        # Twice as fast, but it rejects half of a surrogate pair.
        return from_json(text, cache_strings="keys")
    except ValueError:
        return json.loads(text)


def _subject_and_effect(digest: dict[str, Any]) -> tuple[str, Effect | None]:
    effect = _EFFECTS.get(digest.get("effect", ""))
    return ("", None) if effect is None else (digest["subject"], effect)


def _presentation_data(presentation: Presentation) -> dict[str, Any]:
    # An older version, which may read it, knows nothing of the others, and rejects those of threads.
    data = asdict(presentation)
    del data["thread_name"], data["applied_tags"]
    return {key: one for key, one in data.items() if key in _DEFAULT_DATA or one}


def _presentation(data: dict[str, Any], thread: dict[str, Any]) -> Presentation:
    # A later version may write others.
    known = {key: one for key, one in data.items() if key in _PRESENTED}
    lists = {"roles": tuple(data["roles"]), "users": tuple(data["users"])}
    name, tags = str(thread.get("name", "")), tuple(map(str, thread.get("tags", ())))
    return Presentation(**{**known, **lists, "thread_name": name, "applied_tags": tags})


def _extras(data: dict[str, Any]) -> Extras:
    # A later version may write others.
    return Extras(
        content=str(data.get("content", "")),
        players=tuple(map(str, data.get("players", ()))),
        username=str(data.get("username", "")),
        avatar_url=str(data.get("avatar_url", "")),
        buttons=tuple(Button(one["label"], one["url"]) for one in data.get("buttons", ())),
    )
