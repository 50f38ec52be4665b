"""The store: the parties as events say, and what each card has shown of them, on the disk."""

from __future__ import annotations

import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Container,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from secrets import token_hex

from lanrage_events import (
    Event,
    Parties,
    Party,
    PartyEnded,
    PartyEvent,
)
from lanrage_events.abc import Person
from lanrage_events.config import ConfigError
from lanrage_events.state import Database

from .._config import SHOWN_EVENTS, CardConfig, wanted_cards
from .._delivery import post_name
from .._memory import wall_time
from .card import Card
from .file import SCHEMA, CardFile, Row
from .followed import EndedParties, Followed, dump_party, load_party, without

logger = logging.getLogger("lanrage_events.discord")

MOST_CARDS = 10_000
"""of parties that are not over, and as many parties that are over"""
KEPT_SECONDS = 7 * 24 * 60 * 60.0
"""how long a card is known whose party is over"""
_STALE_SECONDS = 31 * 24 * 60 * 60.0
"""after which a party is over although its end never came; the plugin ``parties`` ends it before"""


class CardStore:
    """The parties as of the events that were followed, and the cards that show them.

    :param database: keeps it
    :param configs: which parties have a card; None to leave the cards as they are
    :param wall_clock: returns the seconds since 1970
    """

    most_cards = MOST_CARDS

    def __init__(
        self,
        database: Database,
        configs: Sequence[CardConfig] | None = None,
        *,
        wall_clock: Callable[[], float] = wall_time,
    ) -> None:
        self.parties = Parties(max_parties=self.most_cards, ended=self._replaced)
        self._file = CardFile(database, self._row, self._everything)
        self._configs = configs
        self.webhooks = tuple(dict.fromkeys(name for one in configs or () for name in one.webhook))
        """the names of those that have cards"""
        self._wall_clock = wall_clock
        self._open: dict[str, Followed] = {}
        """by the key of the party"""
        self._known: dict[str, Followed] = {}
        """by id, those that are over as well"""
        self._ended = EndedParties()
        self._cards: dict[str, dict[str, Card]] = {}
        """by webhook and id"""
        self._open_cards = 0
        self._bounded = 0
        self._changed: dict[Card, None] = {}

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        path: Path | None,
        configs: Sequence[CardConfig] | None,
        webhook_ids: Mapping[str, str] | None = None,
        *,
        wall_clock: Callable[[], float] = wall_time,
    ) -> AsyncIterator[CardStore]:
        """Open a file, and find which cards there are by the configuration as it is now.

        :param path: the file; None to keep nothing over the end of the process
        :param webhook_ids: Discord's ids of the webhooks by name, after which cards stay with the
            webhook that has posted them though its name is another one now
        :raises ConfigError: if it cannot be used
        """
        async with AsyncExitStack() as stack:
            try:
                database = await stack.enter_async_context(Database(path, SCHEMA))
                store = cls(database, configs, wall_clock=wall_clock)
                await store._load(webhook_ids or {})
            except OSError as error:
                raise ConfigError([f"{error.filename}: {error.strerror}"]) from error

            yield store

    @property
    def bounded(self) -> Mapping[str, int]:
        """How often a bound left something out, as :attr:`Parties.bounded` says, and ``cards``."""
        return {**self.parties.bounded, "cards": self._bounded}

    @property
    def problem(self) -> str | None:
        """Why the file could not be written; None if it could."""
        return self._file.problem

    def __iter__(self) -> Iterator[Card]:
        """Iterate over the cards that the user has not removed."""
        return (card for card in self._all_cards() if not card.is_removed)

    def cards_of(self, webhook: str) -> list[Card]:
        """Return the cards of a webhook that are not done, oldest first."""
        return [card for card in self._cards.get(webhook, {}).values() if not card.is_done]

    def get(self, id: str) -> Card | None:
        """Return a card, None if there is none with that id."""
        return next((card for card in self if card.id == id), None)

    def party(self, card: Card) -> Party:
        """Return the party of a card as it is now, or as it ended.

        :raises LookupError: if the card is not known any more
        """
        followed = self._known[card.party]
        party = followed.over or self.parties.get(followed.key)
        if party is None:
            raise LookupError(f"the party of card {card.id} is not known any more")

        return party

    # Following

    def follow(self, event: Event) -> Mapping[str, str]:
        """Update the parties by an event, and return the webhooks whose cards show what it says.

        Await :meth:`save` afterwards. An event that was followed before changes nothing.

        :return: with an empty text, or for what is a message in the party's own post, too, the name of
            that; without those that post it as any other event
        """
        if not isinstance(event, SHOWN_EVENTS):
            return {}

        before = self._open.get(self.parties.find(event) or "")
        is_end = isinstance(event, PartyEnded)
        # Afterwards, it is another party.
        party = self.parties.get(before.key) if is_end and before and before.cards else None
        keys = self.parties.follow(event)
        if keys and is_end and before is not None:
            self._end(before, party and replace(party, ended=party.last_change))

        for one in keys:
            self._update(one, event)

        about = self._about(event, keys, before)
        cards = () if about is None else about.cards
        shown: dict[str, str] = {}
        for card in cards:
            is_message = card.config.messages.select(type(event))
            if not (card.stopped or card.is_removed) and (card.config.thread or not is_message):
                shown[card.webhook] = post_name(card.id) if is_message else ""

        return shown

    def changed(self) -> list[Card]:
        """Return the cards whose parties have changed since the last call."""
        changed, self._changed = self._changed, {}
        return list(changed)

    def _about(
        self, event: PartyEvent, keys: Sequence[str], before: Followed | None
    ) -> Followed | None:
        """Return the party that an event was about, or would have been in time."""
        if isinstance(event, PartyEnded):
            return before if keys else self._ended.find(event)

        if not keys:
            return before or self._ended.find(event)

        return self._open.get(keys[0], before)

    def _update(self, key: str, event: PartyEvent) -> None:
        """Note that a party has changed, and give it the cards that it does not have yet."""
        if key not in self.parties:
            if (followed := self._open.get(key)) is not None:
                self._end(followed, None)

            return

        followed = self._open.get(key)
        if followed is None:
            followed = self._open[key] = Followed(_new_id(self._known), key)
            self._known[followed.id] = followed

        self._file.put(followed)
        is_full = len(followed.cards) == len(self.webhooks)
        if not is_full and followed.may_get_cards(event) and self.parties.size(key):
            self._add_cards(followed)

        for card in followed.cards:
            self._touch(card)

    def _add_cards(self, followed: Followed) -> None:
        party = self.parties.get(followed.key)
        if party is None:
            return

        followed.has_id, followed.has_name = bool(party.id), bool(party.name)
        for webhook, config in wanted_cards(self._configs or (), party.id, party.name).items():
            if any(card.webhook == webhook for card in followed.cards):
                continue

            if self._open_cards >= self.most_cards:
                self._note_bound()
                continue

            cards = self._cards.setdefault(webhook, {})
            id = _new_id(cards)
            card = Card(id=id, webhook=webhook, party=followed.id, config=config)
            cards[id] = card
            followed.put(card)
            self._open_cards += 1
            self._touch(card)

    def _touch(self, card: Card) -> None:
        card.is_due = True
        self._changed[card] = None
        self._file.put(card)

    def _replaced(self, party: Party) -> None:
        """Follow that another party has taken the place of one, or that there were too many."""
        if (followed := self._open.get(party.key)) is not None:
            self._end(followed, party)

    def _end(self, followed: Followed, party: Party | None) -> None:
        """Follow that a party is over.

        :param party: as it ended; None if it has no card
        """
        del self._open[followed.key]
        self._open_cards -= len(followed.cards)
        if party is None or not followed.cards:
            self._forget(followed)
            return

        followed.over, followed.ended_at = party, self._wall_clock()
        self._file.put(followed)
        for card in followed.cards:
            card.is_over = True
            self._touch(card)

        self._ended.add(followed)
        self._forget_old()

    def _forget_old(self) -> None:
        """Forget the parties that have been over for long, and the first ones beyond the bound."""
        for followed in self._ended.before(self._wall_clock() - KEPT_SECONDS):
            self._forget(followed)

        for followed in islice(self._ended, max(0, len(self._ended) - self.most_cards)):
            self._forget(followed)
            self._note_bound()

    def _forget(self, followed: Followed) -> None:
        """Forget a party with its cards."""
        for card in followed.cards:
            self._drop(card)

        del self._known[followed.id]
        self._ended.discard(followed)
        self._file.remove(followed)

    def _drop(self, card: Card) -> None:
        self._known[card.party].drop(card)
        self._cards.get(card.webhook, {}).pop(card.id, None)
        self._changed.pop(card, None)
        self._file.remove(card)

    def _note_bound(self) -> None:
        self._bounded += 1
        if self._bounded & (self._bounded - 1) == 0:
            logger.warning(
                "more than %s cards: so far %s were left out, and the events of parties without a"
                " card are posted as messages",
                f"{self.most_cards:,}",
                f"{self._bounded:,}",
            )

    # Keeping

    async def save(self, card: Card | None = None) -> None:
        """Wait until the file has everything as of the call.

        :param card: one that the caller has changed
        :raises OSError: if it cannot be written; the next call tries again
        """
        if card is not None and card.id in self._cards.get(card.webhook, {}):
            self._file.put(card)

        await self._file.save()

    async def forget(self, person: Person) -> int:
        """Remove a person from all parties, and return from how many.

        :raises OSError: if it cannot be written
        """
        changed = [
            self._open[key]
            for key in self.parties.forget(person.is_called, person.is_in)
            if key in self._open
        ]
        for followed in self._ended:
            if followed.over != (party := followed.over and without(followed.over, person)):
                followed.over = party
                changed.append(followed)

        for followed in changed:
            self._file.put(followed)
            for card in followed.cards:
                # Its message still has the name.
                card.is_done = card.is_done and card.message_id is None
                self._touch(card)

        await self.save()
        await self._file.compact()
        return len(changed)

    async def clear(self) -> None:
        """Forget everything.

        :raises OSError: if it cannot be written
        """
        for followed in list(self._known.values()):
            self._forget(followed)

        self._open.clear()
        self._open_cards = 0
        await self.save()
        await self._file.compact()

    def _all_cards(self) -> Iterator[Card]:
        return (card for cards in self._cards.values() for card in cards.values())

    def _everything(self) -> Iterator[Followed | Card]:
        yield from self._known.values()
        yield from self._all_cards()

    def _row(self, followed: Followed) -> Row:
        party = followed.over
        content = self.parties.dump(followed.key) if party is None else dump_party(party)
        return followed.id, followed.ended_at, content

    async def _load(self, webhook_ids: Mapping[str, str]) -> None:
        async for id, ended_at, content in self._file.read("parties"):
            try:
                over = None if ended_at is None else load_party(content)
                key = self.parties.load(content) if over is None else over.key
            except ValueError as error:
                self._file.leave_out(id, "party", error)
                continue

            followed = self._known[id] = Followed(id, key, over=over, ended_at=ended_at)
            if over is None:
                self._open[key] = followed

        ended = (one for one in self._known.values() if one.over is not None)
        for followed in sorted(ended, key=lambda one: one.ended_at or 0.0):
            self._ended.add(followed)

        loaded: list[Card] = []
        async for id, webhook, party, *values in self._file.read("cards"):
            try:
                followed = self._known[party]
                card = Card.load(id, webhook, followed.id, *values)
                followed.put(card)
                loaded.append(card)
            except (KeyError, ValueError) as error:
                self._file.leave_out(id, "card", error)

        for followed in self._known.values():
            for card in followed.place(self.webhooks, webhook_ids):
                self._file.put(card)

        for card in loaded:
            if card in self._known[card.party].cards:
                self._cards.setdefault(card.webhook, {})[card.id] = card
            else:
                self._file.remove(card)

        if self._configs is not None:
            self._configure(self._configs)
            self._end_stale()
            self._forget_old()
            await self.save()

    def _end_stale(self) -> None:
        before = datetime.fromtimestamp(self._wall_clock() - _STALE_SECONDS, UTC)
        for key in self.parties.stale(before):
            party = self.parties.end(key, before)
            self._end(self._open[key], replace(party, ended=party.last_change))

    def _configure(self, configs: Sequence[CardConfig]) -> None:
        """Let there be the cards that the configuration asks for, of what is known."""
        left = 0
        for followed in list(self._known.values()):
            party = followed.over or self.parties.get(followed.key)
            wanted = (
                {} if party is None else wanted_cards(self._configs or (), party.id, party.name)
            )
            for card in followed.cards:
                if card.webhook not in wanted:
                    left += not card.is_removed
                    self._drop(card)
                    continue

                card.config = wanted[card.webhook]
                self._open_cards += not card.is_over

            if self.parties.size(followed.key) and followed.over is None:
                self._add_cards(followed)

        if left:
            logger.info("%s left as they are: the configuration has no such cards", _cards(left))


def _new_id(known: Container[str]) -> str:
    """Return a short id that is not known yet."""
    while (id := token_hex(4)) in known:
        pass

    return id


def _cards(count: int) -> str:
    return "1 card is" if count == 1 else f"{count:,} cards are"
