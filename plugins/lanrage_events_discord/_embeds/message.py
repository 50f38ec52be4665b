from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .embed import (
    MESSAGE_EMBEDS_MAX_CHARACTERS,
    MESSAGE_MAX_EMBEDS,
    Embed,
    EmbedProblem,
    embed_size,
    length,
    problems,
)

# https://docs.discord.com/developers/resources/webhook#execute-webhook
CONTENT_MAX_CHARACTERS = 2000
# https://docs.discord.com/developers/resources/webhook#create-webhook: stated for a webhook's own
# name, and taken for the one that a message overrides it with.
USERNAME_MAX_CHARACTERS = 80
USERNAME_MUST_NOT_CONTAIN = ("clyde", "discord")
# https://docs.discord.com/developers/resources/channel#start-thread-in-forum-or-media-channel
THREAD_NAME_MAX_CHARACTERS = 100
# https://docs.discord.com/developers/resources/message#allowed-mentions-object
MENTIONS_MAX_IDS = 100

# https://docs.discord.com/developers/resources/message#message-object-message-flags
SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12
_SETTABLE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS


def _nobody() -> Mapping[str, Sequence[str]]:
    return {"parse": []}


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted at once: a slice of a batch, told in embeds."""

    entries: int
    """how many entries of the batch, following those of the messages before, it tells"""
    embeds: tuple[Embed, ...]
    content: str = ""
    """text above the embeds; only what stands here can mention somebody"""
    allowed_mentions: Mapping[str, Sequence[str]] = field(default_factory=_nobody)
    """whom ``content`` may mention, in Discord's form; always sent, since Discord's default is
    everybody who is named"""
    flags: int = 0
    """:data:`SUPPRESS_NOTIFICATIONS` makes it arrive without a sound"""
    username: str = ""
    """the name to show in place of the webhook's"""
    avatar_url: str = ""
    """the picture to show in place of the webhook's"""
    thread_name: str = ""
    """the thread to create in a forum channel; such a message must not name a thread id too"""

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

        body["embeds"] = [embed.to_dict() for embed in self.embeds]
        body["allowed_mentions"] = {key: list(ids) for key, ids in self.allowed_mentions.items()}
        return body

    def problems(self) -> list[EmbedProblem]:
        """Tell each of Discord's limits that the message breaks."""
        found = [
            EmbedProblem(path, f"{length(text)} characters, at most {maximum} are allowed")
            for path, text, maximum in (
                ("content", self.content, CONTENT_MAX_CHARACTERS),
                ("username", self.username, USERNAME_MAX_CHARACTERS),
                ("thread_name", self.thread_name, THREAD_NAME_MAX_CHARACTERS),
            )
            if length(text) > maximum
        ]
        found.extend(
            EmbedProblem("username", f"must not contain '{word}'")
            for word in USERNAME_MUST_NOT_CONTAIN
            if word in self.username.lower()
        )
        if not self.embeds and not self.content.strip():
            found.append(EmbedProblem("", "has neither content nor embeds"))

        if len(self.embeds) > MESSAGE_MAX_EMBEDS:
            allowed = MESSAGE_MAX_EMBEDS
            found.append(
                EmbedProblem("embeds", f"{len(self.embeds)}, at most {allowed} are allowed")
            )

        size = sum(map(embed_size, self.embeds))
        if size > MESSAGE_EMBEDS_MAX_CHARACTERS:
            allowed = MESSAGE_EMBEDS_MAX_CHARACTERS
            found.append(
                EmbedProblem("embeds", f"{size} characters, at most {allowed} are allowed")
            )

        for index, embed in enumerate(self.embeds):
            path = f"embeds.{index}"
            found.extend(
                EmbedProblem(f"{path}.{problem.path}" if problem.path else path, problem.message)
                for problem in problems(embed)
            )

        for key in ("users", "roles"):
            count = len(self.allowed_mentions.get(key, ()))
            if count > MENTIONS_MAX_IDS:
                found.append(
                    EmbedProblem(
                        f"allowed_mentions.{key}",
                        f"{count} ids, at most {MENTIONS_MAX_IDS} are allowed",
                    )
                )

            # https://docs.discord.com/developers/resources/message#allowed-mentions-object
            if count and key in self.allowed_mentions.get("parse", ()):
                found.append(
                    EmbedProblem("allowed_mentions", f"at most one of '{key}' and its ids")
                )

        if self.flags & ~_SETTABLE_FLAGS:
            found.append(EmbedProblem("flags", f"{self.flags} has flags that cannot be set"))

        return found
