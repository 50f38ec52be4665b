"""A directory of webhooks: what Discord says they are named, and in which channels they post."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import anyio
from anyio.abc import TaskGroup

from .._client import Action, Outcome, OutcomeKind, RateLimits, WebhookClient, WebhookURL
from .._delivery import in_words
from .errors import SetupUnavailable

TURN_MAX_SECONDS = 10.0
"""how long a user who looks at a page waits for Discord's limits"""

_KNOWN_SECONDS = 600.0
_RETRY_SECONDS = 30.0


class Answer(Enum):
    """What Discord says about a webhook."""

    FOUND = "found"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Listing:
    """What is known about a webhook. Others wrote its name and the reason, so escape them."""

    answer: Answer = Answer.PENDING
    name: str | None = None
    """its name in Discord"""
    channel_id: str | None = None
    channel_url: str | None = None
    """the channel in Discord, for users who may see it"""
    reason: str = ""
    """why it is not found"""

    def message_url(self, channel_id: str | None, message_id: str | None) -> str | None:
        """Return a message in Discord, for users who may see it; None if that is not known.

        :param channel_id: the channel or the thread that has it; None for the webhook's channel
        """
        if self.channel_url is None or message_id is None:
            return None

        guild, _, channel = self.channel_url.rpartition("/")
        return f"{guild}/{channel_id or channel}/{message_id}"


UNKNOWN = Listing()


class WebhookDirectory:
    """Remembers what Discord says about webhooks, and asks it in the background.

    Webhooks are asked about one after the other, within Discord's limits. What is known is asked
    again after ten minutes. If Discord cannot be asked, the rest of them wait half a minute, and so
    the answer before stays.

    :param task_group: runs what asks
    """

    def __init__(self, limits: RateLimits, client: WebhookClient, task_group: TaskGroup) -> None:
        self._limits = limits
        self._client = client
        self._task_group = task_group
        self._listings: dict[WebhookURL, Listing] = {}
        self._ask_at: dict[WebhookURL, float] = {}
        self._wanted: tuple[WebhookURL, ...] = ()
        self._is_asking = False

    def find(self, webhook: WebhookURL | None) -> Listing:
        """Return what is known about a webhook."""
        return UNKNOWN if webhook is None else self._listings.get(webhook, UNKNOWN)

    def look_up(self, webhooks: Iterable[WebhookURL]) -> None:
        """Ask for webhooks that are not known, in the background, and forget all others."""
        self._wanted = tuple(dict.fromkeys(webhooks))
        for known in self._listings.keys() - set(self._wanted):
            del self._listings[known]
            self._ask_at.pop(known, None)

        if not self._is_asking and self._next() is not None:
            self._is_asking = True
            self._task_group.start_soon(self._ask)

    async def fetch(self, webhook: WebhookURL) -> Outcome:
        """Ask Discord about a webhook, and remember what it says.

        :raises SetupUnavailable: if its limits do not allow that soon
        """
        limits = self._limits.of(webhook.id, Action.FETCH)
        turn = limits.turn()
        seconds = turn.at - anyio.current_time()
        if seconds > TURN_MAX_SECONDS:
            raise cannot_ask(f"it has to wait {in_words(seconds)} because {turn.reason}")

        with anyio.move_on_after(TURN_MAX_SECONDS) as scope:
            await limits.wait()

        if scope.cancelled_caught:
            raise cannot_ask("too many requests leave from this address")

        answer: Outcome | None = None
        try:
            outcome = answer = await self._client.fetch(webhook)
        finally:
            limits.observe(answer)

        self._remember(webhook, _listing(webhook, outcome))
        return outcome

    def _next(self) -> WebhookURL | None:
        now = anyio.current_time()
        return next((one for one in self._wanted if self._ask_at.get(one, now) <= now), None)

    async def _ask(self) -> None:
        try:
            while (webhook := self._next()) is not None:
                try:
                    outcome = await self.fetch(webhook)
                except SetupUnavailable as error:
                    self._postpone(str(error))
                    return

                if outcome.kind is not OutcomeKind.DELIVERED and not outcome.is_rejection:
                    self._postpone(outcome.reason)
                    return
        finally:
            self._is_asking = False

    def _postpone(self, reason: str) -> None:
        """Leave Discord alone for a while, and say why about what is not known."""
        listing = Listing(Answer.UNREACHABLE, reason=reason)
        later = anyio.current_time() + _RETRY_SECONDS
        for webhook in self._wanted:
            self._ask_at[webhook] = max(later, self._ask_at.get(webhook, later))
            if self.find(webhook).answer in (Answer.PENDING, Answer.UNREACHABLE):
                self._listings[webhook] = listing

    def _remember(self, webhook: WebhookURL, listing: Listing) -> None:
        if listing.answer is not Answer.UNREACHABLE:
            self._listings[webhook] = listing
            self._ask_at[webhook] = anyio.current_time() + _KNOWN_SECONDS


def cannot_ask(reason: str) -> SetupUnavailable:
    """Return the error that Discord cannot be asked about a webhook."""
    return SetupUnavailable(
        f"Discord cannot be asked whether the webhook exists: {reason}. "
        "Try again, or save it without asking"
    )


def _listing(webhook: WebhookURL, outcome: Outcome) -> Listing:
    if outcome.is_rejection:
        return Listing(Answer.REJECTED, reason=outcome.reason)

    if outcome.kind is not OutcomeKind.DELIVERED:
        return Listing(Answer.UNREACHABLE, reason=outcome.reason)

    channel, guild = outcome.webhook_channel_id, outcome.webhook_guild_id
    is_linked = channel and guild and webhook.is_discords
    url = f"https://discord.com/channels/{guild}/{channel}" if is_linked else None
    return Listing(Answer.FOUND, outcome.webhook_name, channel, url)
