"""The handlers of the operations that list cards, post them again and remove them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from lanrage_events.config import ConfigModel
from lanrage_events.http import Route, RouteError, RouteRequest

from .._cards import Card
from .runtime import NOT_RUNNING, RunningPlugin, Runtime

NAME_MAX_CHARACTERS = 256
"""of a party's name in an answer, beyond which it is cut"""
CARDS_MAX = 1000
"""cards in one answer"""

_ERRORS = {
    404: "no open card has the id, such as after the end of its party",
    503: "it cannot be saved, or the plugin is not running",
}


class CardsQuery(ConfigModel):
    """Which cards to return."""

    limit: int = Field(default=100, ge=1, le=CARDS_MAX)
    """how many at most"""


class CardEntry(ConfigModel):
    """A card: a message that shows a party and is edited in place."""

    id: str
    """what it is called in ``/api/discord/cards/{id}``"""
    webhook: str
    """the name of the webhook that posts it"""
    party: Annotated[str, Field(max_length=NAME_MAX_CHARACTERS)] | None = Field(
        examples=["Friday LAN"]
    )
    """the name of the party, or its id; null if it has neither"""
    over: bool
    """whether the party is over"""
    state: Literal["shown", "waiting", "stopped"]
    """``shown`` if Discord has it as it should be, ``waiting`` if something is still to be done,
    ``stopped`` if nothing is done for it any more"""
    reason: str
    """why it waits or has stopped, if that is known"""
    since: datetime
    """when the party began"""
    last_change: datetime
    """the time of the last event that changed the party"""
    posted: datetime | None
    """when the message was posted; null if there is none"""
    message_id: str | None
    """the id of the message in Discord; null if there is none"""
    message_url: str | None
    """the message in Discord, for users who may see it; null if the server is not known"""


class CardList(ConfigModel):
    """The open cards: those that have stopped first, and of each webhook the newest first."""

    cards: tuple[CardEntry, ...]
    total: int
    """how many there are; more than in ``cards`` if the limit is lower"""
    stopped: int
    """how many have stopped"""
    configured: bool
    """whether the configuration has cards"""


class CardsAPI:
    """Answers requests about cards.

    :param runtime: returns what exists while the plugin runs
    """

    def __init__(self, runtime: RunningPlugin) -> None:
        self._runtime = runtime

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        return (
            Route(
                method="GET",
                path="/cards",
                handler=self.cards,
                query=CardsQuery,
                response=CardList,
                errors=NOT_RUNNING,
                scope="read",
            ),
            Route(
                method="POST",
                path="/cards/{id}/post",
                handler=self.post,
                response=CardList,
                errors=_ERRORS,
            ),
            Route(
                method="DELETE",
                path="/cards/{id}",
                handler=self.remove,
                response=CardList,
                errors=_ERRORS,
            ),
        )

    async def cards(self, request: RouteRequest) -> CardList:
        """Return the open cards: what Discord shows of each, and what it waits for.

        A card is open until its party is over and Discord has what is to be shown then.
        """
        return _cards(self._runtime(), request.query.limit)

    async def post(self, request: RouteRequest) -> CardList:
        """Post a card again, below what was posted in the channel since.

        The new message arrives silently, then the one before is deleted. A card that has stopped goes on.
        It happens in the background, within Discord's limits; whether it is posted is in the list of cards.
        """
        runtime = self._runtime()
        with _errors():
            await runtime.cards.post_again(request.path["id"])

        return _cards(runtime)

    async def remove(self, request: RouteRequest) -> CardList:
        """Remove a card: its message is deleted in Discord, and the party gets no other one there.

        It happens in the background, within Discord's limits. A party that begins later under the same
        name has a card again.
        """
        runtime = self._runtime()
        with _errors():
            await runtime.cards.remove(request.path["id"])

        return _cards(runtime)


def _cards(runtime: Runtime, limit: int = 100) -> CardList:
    newest_first = runtime.cards.open()[::-1]
    cards = sorted(newest_first, key=lambda card: not card.stopped)
    lanes = runtime.lanes
    used = [lane.webhook for lane in lanes.values() if lane.webhook is not None]
    if cards:
        runtime.directory.look_up(used)

    return CardList(
        cards=tuple(_entry(runtime, card) for card in cards[:limit]),
        total=len(cards),
        stopped=sum(bool(card.stopped) for card in cards),
        configured=bool(runtime.cards.statistics),
    )


def _entry(runtime: Runtime, card: Card) -> CardEntry:
    party, state = runtime.cards.party(card), runtime.cards.state_of(card)
    posted_at = None if card.message_id is None else card.posted_at
    lane = runtime.lanes.get(card.webhook)
    known = runtime.directory.find(None if lane is None else lane.webhook)
    return CardEntry(
        id=card.id,
        webhook=card.webhook,
        party=_cut(party.name or party.id or "") or None,
        over=card.is_over,
        state=state.status.value,
        reason=runtime.bus.redactor.redact(state.reason),
        since=party.since,
        last_change=party.last_change,
        posted=None if posted_at is None else datetime.fromtimestamp(posted_at, UTC),
        message_id=card.message_id,
        message_url=known.message_url(card.thread_id or card.channel_id, card.message_id),
    )


def _cut(name: str) -> str:
    return name if len(name) <= NAME_MAX_CHARACTERS else f"{name[: NAME_MAX_CHARACTERS - 1]}…"


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except LookupError as error:
        raise RouteError(404, str(error)) from None
    except OSError as error:
        raise RouteError(503, f"it cannot be saved: {error.strerror}") from None
