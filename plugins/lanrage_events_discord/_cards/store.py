"""The store: the parties as events say, and what each card has shown of them, on the disk."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Container,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from secrets import token_hex
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Parties,
    Party,
    PartyCreated,
    PartyEnded,
    PartyEvent,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events.abc import Person
from lanrage_events.cli import error_text
from lanrage_events.config import ConfigError
from lanrage_events.state import Database

from .._config import CardConfig
from .._memory import wall_time
from .card import Card
from .ended import dump_party, load_party, without

logger = logging.getLogger("lanrage_events.discord")

MOST_CARDS = 10_000
"""of parties that are not over"""
KEPT_SECONDS = 7 * 24 * 60 * 60.0
"""how long a card is known whose party is over"""
_STALE_SECONDS = 31 * 24 * 60 * 60.0
"""after which a party is over although its end never came; the plugin ``parties`` ends it before"""

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

SCHEMA = (
    "CREATE TABLE parties (id TEXT PRIMARY KEY, ended REAL, content TEXT)",
    "CREATE TABLE cards (id TEXT PRIMARY KEY, webhook TEXT, party TEXT, is_due INTEGER, content TEXT)",
)


@dataclass(slots=True, eq=False)
class _Followed:
    """A party that is followed, or that is over."""

    id: str
    key: str
    cards: dict[str, Card] = field(default_factory=dict)
    """by webhook"""
    called: tuple[str | None, str | None] | None = None
    """what the last event called it that was looked at for new cards"""
    over: Party | None = None
    """the party as it ended, None while it lasts"""
    ended_at: float | None = None
    """when that was followed, in seconds since 1970"""


class CardStore:
    """The parties as of the events that were followed, and the cards that show them.

    :param database: keeps it
    :param configs: which parties have a card; None to leave the cards as they are
    :param wall_clock: returns the seconds since 1970
    """

    def __init__(
        self,
        database: Database,
        configs: Sequence[CardConfig] | None = None,
        *,
        wall_clock: Callable[[], float] = wall_time,
    ) -> None:
        self.parties = Parties(max_parties=MOST_CARDS, ended=self._replaced)
        self.problem: str | None = None
        """why the file could not be written; None if it could"""
        self._database = database
        self._losses = database.losses
        self._configs = configs
        self._webhooks = frozenset(name for one in configs or () for name in one.webhook)
        self._wall_clock = wall_clock
        self._open: dict[str, _Followed] = {}
        """by the key of the party"""
        self._known: dict[str, _Followed] = {}
        """by id, those that are over as well"""
        self._ended: dict[_Followed, None] = {}
        """those that are over, what ended first first"""
        self._over: dict[str, _Followed] = {}
        """those that are over, by what they were called; see :func:`_names`"""
        self._cards: dict[str, dict[str, Card]] = {}
        """by webhook and id"""
        self._open_cards = 0
        self._bounded = 0
        self._changed: dict[Card, None] = {}
        self._unsaved = _Unsaved()
        self._lock = anyio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        path: Path | None,
        configs: Sequence[CardConfig] | None,
        *,
        wall_clock: Callable[[], float] = wall_time,
    ) -> AsyncIterator[CardStore]:
        """Open a file, and find which cards there are by the configuration as it is now.

        :param path: the file; None to keep nothing over the end of the process
        :raises ConfigError: if it cannot be used
        """
        async with AsyncExitStack() as stack:
            try:
                database = await stack.enter_async_context(Database(path, SCHEMA))
                store = cls(database, configs, wall_clock=wall_clock)
                await store._load()
            except OSError as error:
                raise ConfigError([f"{error.filename}: {error.strerror}"]) from error

            yield store

    @property
    def bounded(self) -> Mapping[str, int]:
        """How often a bound left something out, as :attr:`Parties.bounded` says, and ``cards``."""
        return {**self.parties.bounded, "cards": self._bounded}

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

    def follow(self, event: Event) -> Collection[str]:
        """Update the parties by an event, and return the webhooks whose cards show what it says.

        Await :meth:`save` afterwards. An event that was followed before changes nothing.

        :return: not those that post the event as a message, too
        """
        if not isinstance(event, SHOWN_EVENTS):
            return ()

        key = self.parties.find(event)
        before = None if key is None else self._open.get(key)
        # Afterwards, it is another party.
        ending = isinstance(event, PartyEnded) and before is not None and before.cards
        party = self.parties.get(before.key) if ending and before is not None else None
        keys = self.parties.follow(event)
        if keys and isinstance(event, PartyEnded) and before is not None:
            self._end(before, party and replace(party, ended=party.last_change))

        for one in keys:
            self._update(one, event)

        about = self._about(event, keys, before)
        cards = (card for one in about for card in one.cards.values())
        shown = (card for card in cards if not (card.stopped or card.is_removed))
        return {one.webhook for one in shown if not one.config.messages.select(type(event))}

    def changed(self) -> list[Card]:
        """Return the cards whose parties have changed since the last call."""
        changed, self._changed = self._changed, {}
        return list(changed)

    def _about(
        self, event: PartyEvent, keys: Sequence[str], before: _Followed | None
    ) -> Collection[_Followed]:
        """Return the parties that an event was about, or would have been in time."""
        if keys:
            after = self._open.get(keys[0])
            return {one: None for one in (before, after) if one is not None}

        late = self._over.get(next(_names(*_called(event)), ""))
        is_end = isinstance(event, PartyEnded)
        if late is not None and late.over is not None and (is_end or before is None):
            return [late] if is_end or event.time <= late.over.last_change else []

        return [] if before is None else [before]

    def _update(self, key: str, event: PartyEvent) -> None:
        """Note that a party has changed, and give it the cards that it does not have yet."""
        if key not in self.parties:
            if (followed := self._open.get(key)) is not None:
                self._end(followed, None)

            return

        followed = self._open.get(key)
        if followed is None:
            followed = self._open[key] = _Followed(_new_id(self._known), key)
            self._known[followed.id] = followed

        self._unsaved.parties[followed] = None
        called = _called(event)
        is_full = len(followed.cards) == len(self._webhooks)
        if not is_full and called != followed.called and self.parties.size(key):
            followed.called = called
            self._add_cards(followed)

        for card in followed.cards.values():
            self._touch(card)

    def _add_cards(self, followed: _Followed) -> None:
        party = self.parties.get(followed.key)
        for webhook, config in self._wanted(party).items() if party is not None else ():
            if webhook in followed.cards:
                continue

            if self._open_cards >= MOST_CARDS:
                self._note_bound()
                continue

            id = _new_id(self._cards.get(webhook, {}))
            self._add(
                Card(
                    id=id, webhook=webhook, party=followed.id, party_key=followed.key, config=config
                )
            )

    def _add(self, card: Card) -> None:
        followed = self._known[card.party]
        followed.cards[card.webhook] = card
        self._cards.setdefault(card.webhook, {})[card.id] = card
        self._open_cards += followed.over is None
        self._touch(card)

    def _touch(self, card: Card) -> None:
        card.is_due = True
        self._changed[card] = self._unsaved.cards[card] = None

    def _wanted(self, party: Party) -> dict[str, CardConfig]:
        """Return the webhooks that have a card of a party, each with its configuration."""
        # Conditions are for events, and this one has both fields.
        event = PartyCreated(party_id=party.id or "", party_name=party.name or "", host="")
        wanted: dict[str, CardConfig] = {}
        for config in self._configs or ():
            if config.where.matches(event):
                for webhook in config.webhook:
                    wanted.setdefault(webhook, config)

        return wanted

    def _replaced(self, party: Party) -> None:
        """Follow that another party has taken the place of one, or that there were too many."""
        if (followed := self._open.get(party.key)) is not None:
            self._end(followed, party)

    def _end(self, followed: _Followed, party: Party | None) -> None:
        """Follow that a party is over.

        :param party: as it ended; None if it has no card
        """
        del self._open[followed.key]
        self._open_cards -= len(followed.cards)
        if party is None or not followed.cards:
            self._forget(followed)
            return

        followed.over, followed.ended_at = party, self._wall_clock()
        self._unsaved.parties[followed] = None
        for card in followed.cards.values():
            card.is_over = True
            self._touch(card)

        self._keep(followed, party)
        self._forget_old()

    def _keep(self, followed: _Followed, party: Party) -> None:
        self._ended[followed] = None
        for name in _names(party.id, party.name):
            self._over[name] = followed

    def _forget_old(self) -> None:
        """Forget the parties that have been over for long."""
        before = self._wall_clock() - KEPT_SECONDS
        for followed in list(takewhile(lambda one: (one.ended_at or 0.0) < before, self._ended)):
            self._forget(followed)

    def _forget(self, followed: _Followed) -> None:
        """Forget a party with its cards."""
        for card in list(followed.cards.values()):
            self._drop(card)

        del self._known[followed.id]
        self._unsaved.parties.pop(followed, None)
        self._unsaved.gone[followed.id] = None
        self._ended.pop(followed, None)
        if (party := followed.over) is not None:
            for name in _names(party.id, party.name):
                if self._over.get(name) is followed:
                    del self._over[name]

    def _drop(self, card: Card) -> None:
        del self._known[card.party].cards[card.webhook]
        self._cards.get(card.webhook, {}).pop(card.id, None)
        self._changed.pop(card, None)
        self._unsaved.cards.pop(card, None)
        self._unsaved.gone[card.id] = None

    def _note_bound(self) -> None:
        self._bounded += 1
        if self._bounded & (self._bounded - 1) == 0:
            logger.warning(
                "more than %s cards of parties that are not over: so far %s were not posted, and"
                " their events are posted as messages",
                f"{MOST_CARDS:,}",
                f"{self._bounded:,}",
            )

    # Keeping

    async def save(self, card: Card | None = None) -> None:
        """Wait until the file has everything as of the call.

        :param card: one that the caller has changed
        :raises OSError: if it cannot be written; the next call tries again
        """
        if card is not None and card.party in self._known:
            self._unsaved.cards[card] = None

        async with self._lock:
            try:
                await self._save()
            except OSError:
                if self._losses == self._database.losses:
                    raise

                # A new file was begun.
                self._losses = self._database.losses
                self._unsaved.parties |= dict.fromkeys(self._known.values())
                self._unsaved.cards |= dict.fromkeys(self._all_cards())
                await self._save()

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
            self._unsaved.parties[followed] = None
            for card in followed.cards.values():
                self._touch(card)

        await self.save()
        await self._database.compact()
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
        await self._database.compact()

    def _all_cards(self) -> Iterator[Card]:
        return (card for cards in self._cards.values() for card in cards.values())

    async def _save(self) -> None:
        unsaved, self._unsaved = self._unsaved, _Unsaved()
        parties = [self._row(followed) for followed in unsaved.parties]
        cards = [card.row() for card in unsaved.cards]
        gone = [(id,) for id in unsaved.gone]
        if not (parties or cards or gone):
            return

        def write(connection: sqlite3.Connection) -> None:
            for statement, rows in (
                ("INSERT OR REPLACE INTO parties VALUES (?, ?, ?)", parties),
                (_PUT_CARD, cards),
                ("DELETE FROM parties WHERE id = ?", gone),
                ("DELETE FROM cards WHERE id = ?", gone),
            ):
                connection.executemany(statement, rows)

        try:
            await self._database.run(write)
        except BaseException as error:
            self._unsaved = unsaved.merged(self._unsaved)
            if isinstance(error, OSError):
                self.problem = error.strerror or str(error)

            raise

        self.problem = None

    def _row(self, followed: _Followed) -> tuple[str, float | None, str]:
        party = followed.over
        content = self.parties.dump(followed.key) if party is None else dump_party(party)
        return followed.id, followed.ended_at, content

    async def _load(self) -> None:
        parties, cards = await self._database.run(_read)
        for id, ended_at, content in parties:
            try:
                over = None if ended_at is None else load_party(content)
                key = self.parties.load(content) if over is None else over.key
            except ValueError as error:
                self._leave_out(id, "party", error)
                continue

            followed = self._known[id] = _Followed(id, key, over=over, ended_at=ended_at)
            if over is None:
                self._open[key] = followed
            else:
                self._keep(followed, over)

            await checkpoint()

        for id, *values in cards:
            try:
                card = Card.load(id, *values)
                self._known[card.party].cards[card.webhook] = card
                self._cards.setdefault(card.webhook, {})[card.id] = card
            except (KeyError, ValueError) as error:
                self._leave_out(id, "card", error)

        if self._configs is not None:
            self._configure(self._configs)
            self._end_stale()
            self._forget_old()
            await self.save()

    def _leave_out(self, id: str, what: str, error: Exception) -> None:
        self._unsaved.gone[id] = None
        logger.error(
            "%s: a %s cannot be read, and is left out: %s",
            self._database.path,
            what,
            error_text(error),
        )

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
            wanted = {} if party is None else self._wanted(party)
            for card in list(followed.cards.values()):
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


_PUT_CARD = """
    INSERT INTO cards VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET is_due = excluded.is_due, content = excluded.content
"""


@dataclass(slots=True)
class _Unsaved:
    """What is not in the file yet."""

    parties: dict[_Followed, None] = field(default_factory=dict)
    cards: dict[Card, None] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    """ids of parties and cards that are not known any more"""

    def merged(self, later: _Unsaved) -> _Unsaved:
        gone = self.gone | later.gone
        parties, cards = self.parties | later.parties, self.cards | later.cards
        return _Unsaved(
            {one: None for one in parties if one.id not in gone},
            {one: None for one in cards if one.id not in gone},
            gone,
        )


def _read(connection: sqlite3.Connection) -> tuple[list[Any], list[Any]]:
    parties = connection.execute("SELECT id, ended, content FROM parties ORDER BY ended")
    cards = connection.execute(
        "SELECT id, webhook, party, is_due, content FROM cards ORDER BY rowid"
    )
    return parties.fetchall(), cards.fetchall()


def _called(event: PartyEvent) -> tuple[str | None, str | None]:
    """Return the id and the name that an event gives its party."""
    return event.party_id, getattr(event, "party_name", getattr(event, "server_name", None))


def _names(id: str | None, name: str | None) -> Iterator[str]:
    """Yield what a party is found by, the surest first."""
    if id:
        yield f"id {id}"

    if name:
        yield f"name {str(name).strip().casefold()}"


def _new_id(known: Container[str]) -> str:
    """Return a short id that is not known yet."""
    while (id := token_hex(4)) in known:
        pass

    return id


def _cards(count: int) -> str:
    return "1 card is" if count == 1 else f"{count:,} cards are"
