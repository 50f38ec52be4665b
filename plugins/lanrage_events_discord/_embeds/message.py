"""A message to a webhook: embeds, content and who may be mentioned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import normalize

from .. import limits
from .embed import Embed
from .picture import SHOWN_AS, Picture, attached, referred

# https://docs.discord.com/developers/resources/message#message-object-message-flags
SUPPRESS_NOTIFICATIONS = 1 << 12
# https://docs.discord.com/developers/components/reference#component-object-component-types
_ROW = 1
_BUTTON = 2
# https://docs.discord.com/developers/components/reference#button-button-styles
_LINK = 5


@dataclass(frozen=True, slots=True)
class Button:
    """A button below a message that opens an address."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted at once: embeds that show a slice of a batch."""

    entries: int
    """how many entries of the batch it shows, after those of the earlier messages"""
    embeds: tuple[Embed, ...]
    content: str = ""
    """text above the embeds; only this can mention anyone"""
    allowed_mentions: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"parse": []})
    """whom ``content`` may mention, in Discord's form; always sent, since by default Discord
    notifies everyone who is named"""
    flags: int = 0
    """:data:`SUPPRESS_NOTIFICATIONS` makes it arrive without a sound"""
    username: str = ""
    """the name to show in place of the webhook's"""
    avatar_url: str = ""
    """the picture to show in place of the webhook's"""
    thread_name: str = ""
    """the thread to create in a forum channel; such a message must not name a thread id too"""
    applied_tags: tuple[str, ...] = ()
    """ids of the tags of a thread that it creates"""
    thread_id: str = ""
    """the thread to post it to, which is no part of the body; empty for the channel, for a thread to
    create or for the one that the webhook's URL names"""
    buttons: tuple[Button, ...] = ()
    """in rows of five below the embeds"""
    pictures: tuple[Picture, ...] = ()
    """those that were read for its embeds, see :class:`Pictures`"""
    poll: Mapping[str, object] | None = None
    """in Discord's form; an edit cannot change it"""
    shortened: int = 0
    """how many of the entries it shows with less text than their events have"""
    counted: int = 0
    """how many of the entries it only counts"""
    ends_in_lines: bool = field(default=False, compare=False)
    """whether the last embed consists of lines, to which another one can be added"""
    has_ending: bool = False
    """whether it has the lines that are about no entry, see ``compose``"""

    @property
    def files(self) -> tuple[Picture, ...]:
        """The pictures to send with it, those that an embed shows."""
        shown = {getattr(embed, part) for embed in self.embeds for part in SHOWN_AS}
        return tuple(one for one in self.pictures if attached(one) in shown)

    @property
    def references(self) -> list[str]:
        """What stands for pictures in its embeds that were not read yet."""
        addresses = (getattr(embed, part) for embed in self.embeds for part in SHOWN_AS)
        return [address for address in addresses if referred(address)]

    def body(self) -> dict[str, object]:
        """Return Discord's JSON form, without what is empty."""
        body: dict[str, object] = {}
        for key, text in (
            ("content", self.content),
            ("username", self.username),
            ("avatar_url", self.avatar_url),
            ("thread_name", self.thread_name),
        ):
            if text.strip():
                body[key] = text.strip()

        if self.flags:
            body["flags"] = self.flags

        if self.thread_name and self.applied_tags:
            body["applied_tags"] = list(self.applied_tags)

        if self.buttons:
            body["components"] = self._components()

        if self.poll is not None:
            body["poll"] = self.poll

        return body | self._shown()

    def edit_body(self) -> dict[str, object]:
        """Return Discord's JSON form of what an edit changes; what is empty is taken away.

        An edit cannot change the name, the picture, the flags, the thread and the poll.
        """
        return {
            "content": self.content.strip(),
            "components": self._components(),
            **self._shown(),
        }

    def _shown(self) -> dict[str, object]:
        return {
            "embeds": [_without_unread(embed).to_dict() for embed in self.embeds],
            "allowed_mentions": {key: list(ids) for key, ids in self.allowed_mentions.items()},
        }

    def _components(self) -> list[dict[str, object]]:
        buttons = [
            {"type": _BUTTON, "style": _LINK, "label": button.label, "url": button.url}
            for button in self.buttons
        ]
        size = limits.ROW_MAX_BUTTONS
        return [
            {"type": _ROW, "components": buttons[begin : begin + size]}
            for begin in range(0, len(buttons), size)
        ]


def explain_username(name: str) -> str:
    """Return why Discord does not accept the name of a message, empty if it does."""
    name = name.strip()
    for word in limits.USERNAME_MUST_NOT_CONTAIN:
        if word in name.lower():
            return f"Discord does not allow '{word}' in it"

    if name.lower() in limits.USERNAMES_RESERVED:
        return f"Discord does not allow the name '{name}'"

    return ""


def _without_unread(embed: Embed) -> Embed:
    """Return an embed without the pictures that were not read for it."""
    unread: dict[str, Any] = {part: "" for part in SHOWN_AS if referred(getattr(embed, part))}
    return replace(embed, **unread) if unread else embed


def fit_mentions(roles: Iterable[str], users: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return as many of the ids of roles and of users as a message can mention, roles first.

    :param roles: each id once
    :param users: each id once
    """
    room = limits.CONTENT_MAX_CHARACTERS + 1
    fitting: tuple[list[str], list[str]] = [], []
    for ids, chosen, mention in (
        (roles, fitting[0], role_mention),
        (users, fitting[1], user_mention),
    ):
        for one in ids:
            # And the space before the next one.
            room -= len(mention(one)) + 1
            if room < 0 or len(chosen) == limits.MENTIONS_MAX_IDS:
                break

            chosen.append(one)

    return fitting


def role_mention(role: str) -> str:
    """Write that a role is mentioned."""
    return f"<@&{role}>"


def user_mention(user: str) -> str:
    """Write that a user is mentioned."""
    return f"<@{user}>"


def player_key(text: str) -> str:
    """Return the name of a player, or a ``peer_id``, as it is compared."""
    return normalize("NFC", " ".join(text.split()))
