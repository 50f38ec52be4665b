"""The cards of all webhooks: what the plugin, the API and the metrics use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.abc import TaskGroup

from lanrage_events import Event, Party
from lanrage_events.abc import Person
from lanrage_events.state import Database

from .._client import WebhookClient
from .._config import SHOWN_EVENTS, CardConfig
from .._delivery import LaneChange, Lanes
from .._rendering import Renderer
from .card import Card, CardState, CardStatistics
from .file import SCHEMA
from .reconciler import Reconciler
from .render import CardRenderer
from .store import CardStore


class Cards:
    """The cards of all webhooks that have some by the configuration.

    :param store: keeps them; without webhooks, nothing is followed
    :param lanes: those of the webhooks
    :param renderer: renders the templates
    :param client: sends, and stays open
    :param task_group: runs what sends
    """

    def __init__(
        self,
        store: CardStore,
        lanes: Lanes,
        renderer: Renderer,
        client: WebhookClient,
        task_group: TaskGroup,
    ) -> None:
        self._store = store
        self._lanes = lanes
        card_renderer = CardRenderer(renderer)
        self._reconcilers = {
            name: Reconciler(
                name,
                lanes=lanes,
                store=store,
                renderer=card_renderer,
                client=client,
                task_group=task_group,
            )
            for name in store.webhooks
        }

    @property
    def statistics(self) -> Mapping[str, CardStatistics]:
        """What was done, by webhook."""
        return {name: one.statistics for name, one in self._reconcilers.items()}

    @property
    def outages(self) -> Mapping[str, str]:
        """Why all requests for cards fail at the moment, by webhook."""
        outages = {name: one.outage for name, one in self._reconcilers.items()}
        return {name: reason for name, reason in outages.items() if reason}

    @property
    def bounded(self) -> Mapping[str, int]:
        """How often a bound left something out: ``cards``, and those of parties."""
        return self._store.bounded

    @property
    def problem(self) -> str | None:
        """Why the cards cannot be kept; None if they can."""
        return self._store.problem

    async def follow(
        self, events: Sequence[Event]
    ) -> tuple[Mapping[int, Mapping[str, str]], dict[int, Exception]]:
        """Let the cards show what events say; it is kept when this returns.

        :return: by the positions of the events, the webhooks whose cards show them, as
            :meth:`CardStore.follow` says; and what kept them from being followed, or from being kept
        """
        shown: dict[int, Mapping[str, str]] = {}
        failures: dict[int, Exception] = {}
        if not self._reconcilers:
            return shown, failures

        for position, event in enumerate(events):
            if not isinstance(event, SHOWN_EVENTS):
                continue

            try:
                shown[position] = self._store.follow(event)
            except Exception as error:  # noqa: BLE001 - a bad event does not fail the others
                failures[position] = error

        if shown:
            try:
                await self._store.save()
            except OSError as error:
                failures |= dict.fromkeys(shown, error)
            finally:
                self._redraw()

        return shown, failures

    def _redraw(self) -> None:
        changed: dict[str, list[Card]] = {}
        for card in self._store.changed():
            changed.setdefault(card.webhook, []).append(card)

        for name, cards in changed.items():
            self._reconcilers[name].dirty(cards)

    def _changed(self, name: str, change: LaneChange) -> None:
        if (reconciler := self._reconcilers.get(name)) is None:
            return

        if change is LaneChange.POSTED:
            reconciler.posted()
        else:
            reconciler.restart()

    def begin(self) -> None:
        """Bring all cards up to date, now that the lanes have begun."""
        self._lanes.on_change = self._changed
        self.refresh()

    def refresh(self) -> None:
        """Render all cards again, since templates or the invite may be other ones."""
        for reconciler in self._reconcilers.values():
            reconciler.restart()

    def finish(self, give_up_at: float) -> None:
        """Send what is due, and end; nothing is sent after a time of the event loop."""
        for reconciler in self._reconcilers.values():
            reconciler.finish(give_up_at)

    def hand_over(self) -> None:
        """End once the requests under way are answered; the next start goes on."""
        for reconciler in self._reconcilers.values():
            reconciler.hand_over()

    def open(self) -> list[Card]:
        """Return the cards whose party is not over, or that are not yet as they should be then.

        They are in the order of the webhooks, and the oldest of each first.
        """
        return [card for card in self._store if not card.is_done]

    def state_of(self, card: Card) -> CardState:
        """Return what is true of a card."""
        return self._reconcilers[card.webhook].state_of(card)

    def party(self, card: Card) -> Party:
        """Return the party of a card as it is now, or as it ended."""
        return self._store.party(card)

    def _find(self, id: str) -> Card:
        card = self._store.get(id)
        if card is None:
            raise LookupError(f"there is no card '{id}': its party may be over for long")

        return card

    async def post_again(self, id: str) -> None:
        """Post a card again below the newest messages, also one that has stopped.

        :raises LookupError: if there is none with that id
        :raises OSError: if that cannot be kept
        """
        card = self._find(id)
        await self._reconcilers[card.webhook].post_again(card)

    async def remove(self, id: str) -> None:
        """Delete the message of a card, and let its party have no card there any more.

        :raises LookupError: if there is none with that id
        :raises OSError: if that cannot be kept
        """
        card = self._find(id)
        await self._reconcilers[card.webhook].remove(card)

    async def forget(self, person: Person) -> int:
        """Remove a person from all parties and their cards, and return from how many parties.

        :raises OSError: if that cannot be kept
        """
        if not self._reconcilers:
            return 0

        try:
            return await self._store.forget(person)
        finally:
            self._redraw()


@asynccontextmanager
async def opened_store(
    path: Path | None,
    configs: Sequence[CardConfig],
    webhook_ids: Mapping[str, str],
    wall_clock: Callable[[], float],
) -> AsyncIterator[CardStore]:
    """Open what is kept of cards; without any, forget it.

    :param path: the file, None without a state folder
    :param webhook_ids: Discord's ids of the webhooks by name
    :raises ConfigError: if it cannot be used
    """
    if configs:
        async with CardStore.opened(path, configs, webhook_ids, wall_clock=wall_clock) as store:
            yield store

        return

    # What happens to the parties meanwhile will not be known.
    if _is_file(path):
        async with CardStore.opened(path, None) as store:
            await store.clear()

    yield CardStore(Database(None, SCHEMA), ())


async def forget_person(path: Path | None, person: Person) -> int:
    """Remove a person from the file of cards while they are not open; see :meth:`Cards.forget`."""
    if not _is_file(path):
        return 0

    async with CardStore.opened(path, None) as store:
        return await store.forget(person)


def _is_file(path: Path | None) -> bool:
    return path is not None and path.exists()
