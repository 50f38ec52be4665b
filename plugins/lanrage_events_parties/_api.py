"""The plugin's HTTP API: which parties there are, and who is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated

from pydantic import AwareDatetime, Field

from lanrage_events import Parties, Party
from lanrage_events.config import ConfigModel
from lanrage_events.http import Route, RouteError, RouteRequest

NAME_MAX_CHARACTERS = 256
"""of a name in an answer, beyond which it is cut"""
LISTED_MEMBERS_MAX = 50
"""members of each party in a list of parties"""
PARTIES_MAX = 200
"""parties in one answer"""

Name = Annotated[str, Field(max_length=NAME_MAX_CHARACTERS)]


class PartiesQuery(ConfigModel):
    """Which parties to return."""

    party: str | None = Field(default=None, max_length=1000, examples=["Friday LAN"])
    """only those of this id, or of this name in any case"""
    active: bool | None = None
    """only those that someone is in or plays in, or only the others"""
    limit: int = Field(default=100, ge=1, le=PARTIES_MAX)
    """how many at most"""


class MemberEntry(ConfigModel):
    """A player who is in a party."""

    name: Name = Field(examples=["Ann"])
    since: AwareDatetime
    """when the player joined"""


class GameEntry(ConfigModel):
    """A game that a party has played."""

    name: Name = Field(examples=["Factorio"])
    seconds: float
    """for how long, up to ``last_change`` of the party"""
    times: int
    """how many times it was started"""


class VisitorEntry(ConfigModel):
    """A player who was in a party longer than most."""

    name: Name = Field(examples=["Ann"])
    seconds: float
    """for how long, up to ``last_change`` of the party"""


class PartyEntry(ConfigModel):
    """A party: people who are together, as events say."""

    key: str = Field(examples=["id:lan-42"])
    """what it is called in ``/api/parties/{key}``; it stays the same while the party lasts"""
    id: str | None
    """the ``party_id`` of its events, null if they have none"""
    name: Name | None
    """null if no event named it"""
    host: Name | None
    """who opened it, null if unknown"""
    active: bool
    """whether someone is in it or plays in it; one that is not is over after a while"""
    since: AwareDatetime
    """when it began"""
    size: int
    """how many members it has, of which a list of parties may have fewer"""
    members: list[MemberEntry]
    """who is in it, in the order in which they joined"""
    peak: int
    """how many members it had at most"""
    visitors: int
    """how many different players were in it"""
    game: Name | None
    """what is played now, or what the server is for"""
    game_since: AwareDatetime | None
    players: list[Name]
    """who plays, as the event of the game said; they need not be members"""
    games: list[GameEntry]
    """what was played, the longest first"""
    loyal: list[VisitorEntry]
    """who was in it longest, at most three"""
    last_change: AwareDatetime
    """the time of the last event that changed it"""


class PartyList(ConfigModel):
    """The parties, those that are active first, and of these what changed last."""

    parties: list[PartyEntry]
    total: int
    """how many there are; more than in ``parties`` if the limit is lower"""


class PartiesAPI:
    """Answers requests about the parties.

    :param parties: returns them
    """

    def __init__(self, parties: Callable[[], Parties]) -> None:
        self._parties = parties

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        get = partial(Route, method="GET", scope="read")
        return (
            get(path="/", handler=self.list, query=PartiesQuery, response=PartyList),
            get(
                path="/{key}",
                handler=self.show,
                response=PartyEntry,
                errors={404: "there is no party with the key, such as after its end"},
            ),
        )

    async def list(self, request: RouteRequest) -> PartyList:
        """Return the parties that are not over, and who is in them.

        Names that rules hide stay hidden. To follow changes, read the live feed, which has an event of
        each, or ask again with If-None-Match.
        """
        query: PartiesQuery = request.query
        found = select(self._parties(), query.party, active=query.active)
        entries = [entry_of(party, LISTED_MEMBERS_MAX) for party in found[: query.limit]]
        return PartyList(parties=entries, total=len(found))

    async def show(self, request: RouteRequest) -> PartyEntry:
        """Return one party with everyone who is in it."""
        key = request.path["key"]
        party = self._parties().get(key)
        if party is None:
            raise RouteError(404, f"there is no party with the key '{key}': it may be over")

        return entry_of(party)


def is_active(party: Party) -> bool:
    """Return whether someone is in a party, or plays in it."""
    return not (party.is_empty or party.is_idle)


def select(
    parties: Iterable[Party], wanted: str | None = None, *, active: bool | None = None
) -> list[Party]:
    """Return parties, those that are active first, and of these what changed last.

    :param wanted: the id or the name of those that are meant
    :param active: whether to return only those that are, or only the others
    """
    found = [
        party
        for party in parties
        if (wanted is None or wanted == party.id or _fold(wanted) == _fold(party.name))
        and active in (None, is_active(party))
    ]
    return sorted(found, key=lambda party: (is_active(party), party.last_change), reverse=True)


def _fold(name: str | None) -> str | None:
    return name and name.strip().casefold()


def entry_of(party: Party, most: int | None = None) -> PartyEntry:
    """Return a party for an answer.

    :param most: how many members it has at most; None for all
    """
    return PartyEntry(
        key=party.key,
        id=party.id,
        name=name_or_none(party.name),
        host=name_or_none(party.host),
        active=is_active(party),
        since=party.since,
        size=party.size,
        members=[MemberEntry(name=cut(m.name), since=m.since) for m in party.members[:most]],
        peak=party.peak,
        visitors=party.visitors,
        game=name_or_none(party.game),
        game_since=party.game_since,
        players=[cut(name) for name in party.players[:most]],
        games=[GameEntry(name=cut(n), seconds=s, times=times) for n, s, times in party.games],
        loyal=[VisitorEntry(name=cut(name), seconds=seconds) for name, seconds in party.loyal],
        last_change=party.last_change,
    )


def name_or_none(name: str | None) -> str | None:
    """Return a name for an answer, if there is one."""
    return None if name is None else cut(name)


def cut(name: str) -> str:
    """Return a name for an answer, of which each character can be encoded."""
    name = name.encode(errors="replace").decode()
    return name if len(name) <= NAME_MAX_CHARACTERS else f"{name[: NAME_MAX_CHARACTERS - 1]}…"
