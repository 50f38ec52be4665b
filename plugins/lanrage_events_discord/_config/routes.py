"""Which events go where, and whom their messages mention."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import Field, field_validator

from lanrage_events.config import ConfigModel, Duration, EventFilter, Names

from .._embeds import fit_mentions
from .._quiet import Calendar, QuietTimesConfig, make_calendar
from .checks import Snowflake, check_names
from .threads import Tags, ThreadName


class MentionCondition(ConfigModel):
    """What must be so that a message mentions someone."""

    count: Annotated[int, Field(ge=1, le=1_000_000)]
    """how many players the party must have, at least; it needs the plugin ``parties``, which counts
    them. Then each role and user is mentioned once in a party"""


class MentionConfig(ConfigModel):
    """Whom a message mentions."""

    roles: tuple[Snowflake, ...] = ()
    """ids of roles, which must be mentionable in Discord"""
    users: tuple[Snowflake, ...] = ()
    """ids of users"""
    cooldown: Annotated[Duration, Field(ge=0)] = 300.0
    """how long the same role or user is not mentioned again"""
    when: MentionCondition | None = None
    """what must be so that they are mentioned; always if it is missing"""
    quiet: tuple[QuietTimesConfig, ...] = ()
    """when they are not mentioned, although the message is posted"""

    @cached_property
    def calendar(self) -> Calendar:
        """When they are not mentioned."""
        return make_calendar(self.quiet)

    def warning(self) -> str:
        """Return how many of them a message can mention, empty if it can mention all."""
        roles, users = dict.fromkeys(self.roles), dict.fromkeys(self.users)
        wanted, fitting = len(roles) + len(users), sum(map(len, fit_mentions(roles, users)))
        if fitting == wanted:
            return ""

        return f"a message has room for {fitting} of these {wanted} mentions: the last are left out"


class RouteConfig(EventFilter):
    """Which events go where, and how."""

    webhook: Names | None = None
    """names of webhooks; all if it is missing, none if it is empty"""
    stop: bool = False
    """whether the routes below this one do not see the events that it matches"""
    silent: bool = False
    """whether the messages arrive without a notification"""
    mention: MentionConfig | None = None
    """whom the messages mention"""
    immediate: bool = False
    """whether the events are sent at once, without gathering"""
    important: bool = False
    """whether quiet hours and mutes do not apply to the events"""
    thread_name: ThreadName = None
    """in a forum channel: the name of the post that the messages go to, which may be a template; the
    webhook's if it is missing"""
    applied_tags: Tags = ()
    """in a forum channel: ids of the tags of such a post, or templates that give one each"""

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        check_names(((index,), name) for index, name in enumerate(value or ()))
        return value
