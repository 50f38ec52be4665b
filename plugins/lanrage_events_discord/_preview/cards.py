"""Made-up parties, to preview the card and the recap of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from lanrage_events import Event, Member, Party
from lanrage_events.events import EventRegistry, utc_now

from .. import _rendering

MEMBERS_MAX = 1_000
"""of a made-up party, as of a real one"""
_GAME = "Quake III Arena"
_NAMES = ("Ann", "Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lou")
_LASTED = timedelta(hours=2, minutes=10)
_BETWEEN_JOINS = timedelta(minutes=7)


@dataclass(frozen=True, kw_only=True, slots=True)
class CardSample(Event):
    """A party to make up."""

    party_name: str | None = "Friday LAN"
    """what it is called"""


# Each has the name of what it stands for, as which it is rendered.
@dataclass(frozen=True, kw_only=True, slots=True)
class PartyCard(CardSample):
    """The message that shows a party and is edited when something changes."""

    members: tuple[str, ...] = _NAMES[:4]
    """who is there"""
    count: Annotated[int, Field(ge=0, le=MEMBERS_MAX)] | None = None
    """how many are there: names that are missing are made up"""
    game_name: str | None = _GAME
    """what is played"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyRecap(CardSample):
    """What the card of a party becomes when the party is over."""

    duration: Annotated[float, Field(ge=0, le=31_536_000)] = 19_620.0
    """for how many seconds it lasted"""
    peak: Annotated[int, Field(ge=0)] = 9
    """how many were there at once, at most"""
    visitors: Annotated[int, Field(ge=0)] = 14
    """how many different players there were"""
    players: tuple[str, ...] = _NAMES[:3]
    """who was there longest"""
    games: tuple[str, ...] = (_GAME, "Trackmania", "Factorio")
    """what was played, the longest first"""


CARD_SAMPLES: tuple[type[CardSample], ...] = (PartyCard, PartyRecap)


@cache
def card_registry() -> EventRegistry:
    """Return the event types that stand for cards in previews, beside the built-in ones."""
    registry = EventRegistry()
    for cls in CARD_SAMPLES:
        registry.register(cls)

    return registry


def shown_event(event: Event) -> Event:
    """Return what is rendered to preview an event: of a made-up party its card, else the event."""
    if isinstance(event, PartyCard):
        return _rendering.PartyCard(party=_lasting(event))

    return _rendering.PartyRecap(party=_over(event)) if isinstance(event, PartyRecap) else event


def _lasting(sample: PartyCard) -> Party:
    names = _names(sample)
    now = utc_now()
    since = now - _LASTED
    step = min(_BETWEEN_JOINS, _LASTED / max(1, len(names)))
    return _party(
        sample,
        since,
        now,
        members=tuple(Member(name=name, since=since + step * at) for at, name in enumerate(names)),
        game=sample.game_name or None,
        game_since=now - _LASTED / 3 if sample.game_name else None,
    )


def _names(sample: PartyCard) -> Sequence[str]:
    if sample.count is None:
        return sample.members

    rounds = range(MEMBERS_MAX // len(_NAMES) + 1)
    made_up = (f"{name}{number + 1 if number else ''}" for number in rounds for name in _NAMES)
    return list(dict.fromkeys((*sample.members, *made_up)))[: sample.count]


def _over(sample: PartyRecap) -> Party:
    now, length = utc_now(), sample.duration
    return _party(
        sample,
        now - timedelta(seconds=length),
        now,
        games=tuple((game, length / (at + 2), 1) for at, game in enumerate(sample.games)),
        loyal=tuple((name, length / (at + 1)) for at, name in enumerate(sample.players[:3])),
        peak=sample.peak,
        visitors=sample.visitors,
        ended=now,
    )


def _party(sample: CardSample, since: datetime, last_change: datetime, **known: Any) -> Party:
    members = known.get("members", ())
    return Party(
        **{
            "key": sample.type,
            "id": None,
            "name": sample.party_name or None,
            "host": members[0].name if members else None,
            "since": since,
            "members": (),
            "peak": len(members),
            "game": None,
            "game_since": None,
            "players": (),
            "games": (),
            "visitors": len(members),
            "loyal": (),
            "last_change": last_change,
            "is_empty": not members,
            "is_idle": False,
            **known,
        }
    )
