"""Which parties have a card, where, and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events.cli import did_you_mean
from lanrage_events.config import ConfigModel, Duration, EventTypes, Names, Where

from .. import limits
from .checks import check_names, fits, raise_problems
from .routes import MentionConfig

SHOWN_EVENTS = (
    PartyCreated,
    PartyEnded,
    PeerJoined,
    PeerLeft,
    GameStarted,
    GameEnded,
    ServerStarted,
    ServerStopped,
)
"""what a card can show"""
CARD_WHERE = ("party_name", "party_id")
"""what chooses the parties that have a card"""
_NEVER = "never"
_TRUTH = TypeAdapter(bool)


def parse_cards(value: object) -> object:
    """Return a list of cards, of a truth value one with the defaults or none.

    A placeholder makes a text of a truth value.
    """
    if value is None or isinstance(value, list | tuple):
        return value or ()

    try:
        return [{}] if _TRUTH.validate_python(value) else ()
    except ValidationError:
        raise ValueError("expected true, false, or a list of cards") from None


def _never_is_none(value: object) -> object:
    if value == _NEVER:
        return None

    if isinstance(value, bool) or (isinstance(value, str) and not any(map(str.isdigit, value))):
        raise ValueError(f"expected '{_NEVER}', or a duration, such as '10m'")

    return value


class PollConfig(ConfigModel):
    """The poll that is posted when a party is over, with what was played as answers."""

    question: Annotated[
        str,
        Field(min_length=1, max_length=limits.POLL_QUESTION_MAX_CHARACTERS),
        fits(limits.POLL_QUESTION_MAX_CHARACTERS),
    ]
    """what is asked"""
    hours: Annotated[int, Field(ge=1, le=limits.POLL_MAX_HOURS)] = 24
    """for how many hours it can be answered"""


class CardConfig(ConfigModel):
    """Which parties have a card, where, and what it does."""

    webhook: Names = ("default",)
    """names of webhooks, each of which gets a card"""
    where: Where = Where()
    """``party_name`` and ``party_id`` of the parties that have a card, with values as in routes; all
    parties if it is empty"""
    every: Annotated[Duration, Field(ge=1, le=300)] = 2.0
    """a card is edited at most once in this time"""
    messages: EventTypes = EventTypes(["game_started", "game_ended"])
    """event types, base types or patterns of what is posted as a message, too; the rest of what a card
    shows is only on the card"""
    silent: bool = True
    """whether a card is posted without a notification"""
    mention: MentionConfig | None = None
    """whom a card mentions, once in a party"""
    thread: bool = False
    """whether each party gets a post of its own, in a forum channel"""
    bump: Annotated[
        Annotated[Duration, Field(ge=60, le=86_400)] | None,
        BeforeValidator(_never_is_none, json_schema_input_type=Duration | Literal["never"] | None),
    ] = 600.0
    """how often a card is posted again at most, without a notification, when messages of the webhook
    have pushed it up; ``never`` to leave it where it is"""
    when_over: Literal["recap", "keep", "delete"] = "recap"
    """what becomes of a card when its party is over: ``recap`` says what the party was, ``keep`` leaves
    the card as it is, ``delete`` deletes it"""
    poll: PollConfig | None = None
    """a poll that is posted when the party is over and two games were played; none if it is missing"""

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("expected the name of a webhook, found none")

        check_names(((index,), name) for index, name in enumerate(value))
        return value

    @field_validator("where")
    @classmethod
    def _check_where(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        known = f"a card is chosen by {' and '.join(CARD_WHERE)}"
        raise_problems(
            ((key,), f"there is no key '{key}' here{did_you_mean(key, CARD_WHERE) or f': {known}'}")
            for key in value
            if key not in CARD_WHERE
        )
        return value

    def shows(self, event: Event) -> bool:
        """Whether an event is only on the card, as far as it says itself which party it is about."""
        is_shown = isinstance(event, SHOWN_EVENTS) and not self.messages.select(type(event))
        return is_shown and self.where.matches(event)

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield the settings that have no effect, each with what is wrong."""
        mention = self.mention
        if mention is not None and not (mention.roles or mention.users):
            yield "mention", "it names no role and no user, so no one is mentioned"
        elif mention is not None and (problem := mention.warning()):
            yield "mention", problem

        if self.poll is not None and self.when_over == "delete" and self.thread:
            problem = (
                "Discord may delete the post of the party with its card: use 'when_over: recap'"
            )
            yield "poll", problem


def wanted_cards(
    cards: Iterable[CardConfig], party_id: str | None, party_name: str | None
) -> dict[str, CardConfig]:
    """Return the webhooks that have a card of a party, each with its configuration."""
    # Conditions are for events, and this one has both fields.
    event = PartyCreated(party_id=party_id or "", party_name=party_name or "", host="")
    wanted: dict[str, CardConfig] = {}
    for config in cards:
        if config.where.matches(event):
            wanted = dict.fromkeys(config.webhook, config) | wanted

    return wanted


def unreached(cards: tuple[CardConfig, ...]) -> Iterator[tuple[int, str]]:
    """Yield the indexes of cards that no party gets, each with why."""
    taken: dict[str, int] = {}
    for index, card in enumerate(cards):
        above = [taken[name] for name in card.webhook if name in taken]
        if len(above) == len(card.webhook):
            yield index, f"no party has it, since all have that of cards.{max(above)} there"
        elif not card.where:
            taken.update((name, index) for name in card.webhook if name not in taken)
