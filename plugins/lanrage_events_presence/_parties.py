"""The known parties: who is in them and what they play.

Everything follows from the events alone, without a clock, Discord or templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from lanrage_events import GameEnded, GameStarted, PartyCreated, PartyEvent, PeerJoined, PeerLeft

# Names come from outside, so their number is limited; no evening has as many.
MAX_PARTIES = 64
MAX_MEMBERS = 1_000

_NAMELESS = "?"


@dataclass(slots=True, eq=False)
class _Party:
    since: datetime
    id: str | None = None
    name: str = ""
    host: str = ""
    members: dict[str, str] = field(default_factory=dict)
    """who joined and has not left, by the key for comparison"""
    game: str = ""
    players: dict[str, str] = field(default_factory=dict)
    """who plays the game, by the key for comparison"""
    game_since: datetime | None = None
    occasion: PartyEvent | None = None
    """the event whose template renders the party"""
    created_by: str = ""
    """the id of the event that created it"""

    def has(self, player: str) -> bool:
        key = _key(player)
        return key in self.members or key in self.players


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The party to show: ``my_party`` in templates."""

    id: str | None
    name: str
    """empty if no event named it; a question mark if one named it by an empty text"""
    host: str
    """who created it; empty if unknown"""
    members: tuple[str, ...]
    """the names of its members, in the order in which they joined"""
    max: int
    """the maximum number of members; never less than its size"""
    game: str
    """the current game; empty if there is none"""
    players: tuple[str, ...]
    """the names of those who play it"""
    since: datetime
    """when the game began or, without a game, when the party began"""

    @property
    def size(self) -> int:
        """The number of members, at least one."""
        return max(1, len(self.members))


class Parties:
    """Follow parties by their events, and pick the one to show.

    :param player: show only parties that this player is in; all parties by default
    :param party: the id or the name of the only party to show
    :param max_size: the maximum number of members of a party
    :param is_occasion: returns whether the party is rendered by an event's template from then on
    """

    def __init__(
        self,
        *,
        player: str | None = None,
        party: str | None = None,
        max_size: int = 8,
        is_occasion: Callable[[PartyEvent], bool] = lambda event: True,
    ) -> None:
        self._player = player
        self._party = party
        self._max_size = max_size
        self._is_occasion = is_occasion
        self._parties: list[_Party] = []
        """in the order in which they began, or were last entered by the player"""

    def __len__(self) -> int:
        return len(self._parties)

    def follow(self, event: PartyEvent) -> None:
        """Update the parties by an event."""
        party: _Party | None
        if isinstance(event, PartyCreated):
            party = self._create(event)
        elif isinstance(event, PeerJoined):
            party = self._join(event)
        elif isinstance(event, PeerLeft):
            party = self._leave(event)
        elif isinstance(event, GameStarted):
            party = self._start_game(event)
        elif isinstance(event, GameEnded):
            party = self._end_game(event)
        else:
            party = self._find_any(event)

        if party is None:
            return

        if party.occasion is None or self._is_occasion(event):
            party.occasion = event

    def shown(self) -> tuple[Party, PartyEvent] | None:
        """Return the party to show and the event whose template renders it, or None."""
        party = self._shown()
        if party is None or party.occasion is None:
            return None

        members = party.members | party.players
        return (
            Party(
                id=party.id,
                name=party.name or (_NAMELESS if party.members or party.created_by else ""),
                host=party.host or (_NAMELESS if party.created_by else ""),
                members=tuple(members.values()),
                max=max(self._max_size, len(members)),
                game=party.game or (_NAMELESS if party.game_since else ""),
                players=tuple(party.players.values()),
                since=party.game_since or party.since,
            ),
            party.occasion,
        )

    def _shown(self) -> _Party | None:
        for party in reversed(self._parties):
            if self._is_chosen(party) and (self._player is None or party.has(self._player)):
                return party

        return None

    def _is_chosen(self, party: _Party) -> bool:
        wanted = self._party
        return wanted is None or wanted == party.id or _key(wanted) == _key(party.name)

    def _create(self, event: PartyCreated) -> _Party:
        party = self._find(event.party_id, event.party_name)
        if party is not None and party.created_by == event.id:
            return party  # the same event, published again

        if party is not None and party.created_by:
            self._parties.remove(party)
            party = None

        if party is None:
            party = self._begin(event)

        party.name = event.party_name
        party.host = event.host
        party.created_by = event.id
        self._enter(party, event.host)
        return party

    def _join(self, event: PeerJoined) -> _Party:
        party = self._find(event.party_id, event.party_name) or self._begin(event)
        party.name = party.name or event.party_name
        self._enter(party, event.peer_name)
        return party

    def _leave(self, event: PeerLeft) -> _Party | None:
        party = self._find(event.party_id, event.party_name)
        if party is None or not party.has(event.peer_name):
            return party

        party.members.pop(_key(event.peer_name), None)
        party.players.pop(_key(event.peer_name), None)
        if party.members or party.players:
            return party

        self._parties.remove(party)
        return None

    def _start_game(self, event: GameStarted) -> _Party:
        party = self._find(event.party_id, None)
        if party is None and event.party_id is None:
            party = self._find_players(event.players)
            # Strangers who play are not the player's party.
            if party is None and (self._player is None or not event.players):
                party = self._shown()

        party = party or self._begin(event)
        party.game = event.game_name
        party.game_since = event.time
        party.players = {_key(name): name for name in event.players[:MAX_MEMBERS]}
        if self._player is not None and _key(self._player) in party.players:
            self._move_to_end(party)

        return party

    def _end_game(self, event: GameEnded) -> _Party | None:
        party = self._find(event.party_id, None)
        if party is None and event.party_id is None:
            parties = reversed(self._parties)
            party = next((p for p in parties if _key(p.game) == _key(event.game_name)), None)

        # The end of a game may be published after the start of the next one.
        if party is None or _key(party.game) != _key(event.game_name):
            return None

        party.game = ""
        party.game_since = None
        party.players = {}
        if party.members or party.created_by:
            return party

        # It was only known by its game.
        self._parties.remove(party)
        return None

    def _find_any(self, event: PartyEvent) -> _Party | None:
        """Find the party of a plugin's own event, which changes no members."""
        name = getattr(event, "party_name", None)
        if event.party_id is None and not isinstance(name, str):
            return self._shown()

        return self._find(event.party_id, name if isinstance(name, str) else None)

    def _find(self, party_id: str | None, name: str | None) -> _Party | None:
        parties = self._parties[::-1]
        if party_id is None:
            return next((p for p in parties if name and _key(p.name) == _key(name)), None)

        for party in parties:
            if party.id == party_id:
                return party

        # Its id may have been unknown until now.
        for party in parties:
            if party.id is None and name and _key(party.name) == _key(name):
                party.id = party_id
                return party

        return None

    def _find_players(self, players: Iterable[str]) -> _Party | None:
        """Find the party with most of the players."""
        keys = {_key(player) for player in players}
        best, most = None, 0
        for party in self._parties:
            count = len(keys & party.members.keys())
            if count and count >= most:
                best, most = party, count

        return best

    def _begin(self, event: PartyEvent) -> _Party:
        party = _Party(since=event.time, id=event.party_id)
        self._parties.append(party)
        if len(self._parties) > MAX_PARTIES:
            del self._parties[0]

        return party

    def _enter(self, party: _Party, name: str) -> None:
        key = _key(name)
        if key and (key in party.members or len(party.members) < MAX_MEMBERS):
            party.members[key] = name

        if self._player is not None and key == _key(self._player):
            self._move_to_end(party)

    def _move_to_end(self, party: _Party) -> None:
        self._parties.remove(party)
        self._parties.append(party)


def _key(name: str) -> str:
    """Return the form of a name for comparison, which ignores case."""
    return str(name).strip().casefold()
