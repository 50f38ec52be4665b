"""The scenes of the demo: our own, and those that other plugins add by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, time
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    Parties,
    PartyCreated,
    PeerJoined,
    PeerLeft,
    ServerStarted,
    ServerStopped,
)
from lanrage_events.cli import error_text

GROUP = "lanrage_events.demo"
"""the group of the entry points; each leads to a class without arguments, see :class:`DemoPart`"""

Scene = tuple[str, Sequence[Event]]
"""what happens at once: a caption, and its events"""

BEGIN = time(19, 30, tzinfo=UTC)
"""when the evening begins"""
QUIET = "23:00", "08:00"
"""from when to when the channel is quiet"""

_PARTY_ID = "lan-42"
PARTY = "Friday LAN"
"""what the party is called"""
_GAME = "Quake III Arena"
_REGULARS = ("Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lou", "Mia")
_SHAKY = _REGULARS[1]
_SERVER = "Survival"
# A hostile name, which must neither notify everyone nor become a link.
_PRANKSTER = "**@everyone** [free skins](https://evil.example)"


@dataclass(frozen=True, slots=True)
class Moment:
    """A scene, and when it is."""

    minute: float
    """of the evening"""
    caption: str
    events: Sequence[Event] = ()
    shows_card: bool = False
    """whether the card of the party is played, from its first state to the last"""


class DemoPart(Protocol):
    """What one plugin adds to the demo.

    It may also have ``plugins()``, which returns plugins that run in the demo, by name.
    """

    def scenes(self) -> Iterable[Scene]:
        """Return more scenes for the evening."""
        ...

    def lines(self, events: Sequence[Event]) -> Iterable[str]:
        """Return what the plugin shows after the events of a scene, nothing if it shows nothing."""
        ...


def load_parts(
    report: Callable[[str], object], found: Iterable[EntryPoint] | None = None
) -> Iterator[DemoPart]:
    """Yield the parts of the plugins that are installed.

    :param report: called with a line about each one that cannot be used
    :param found: the entry points; by default all that are installed
    """
    for entry_point in sorted(found or entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            part: DemoPart = entry_point.load()()
        except Exception as error:  # noqa: BLE001 - one broken plugin does not stop the others
            report(
                f"the part of {entry_point.name} is left out: {type(error).__name__}: {error_text(error)}"
            )
        else:
            yield part


def plugins_of(parts: Iterable[DemoPart]) -> Mapping[str, object]:
    """Return the plugins that run in the demo, by name."""
    return {
        name: plugin
        for part in parts
        for name, plugin in getattr(part, "plugins", dict[str, object])().items()
    }


def has_card(parts: Iterable[DemoPart]) -> bool:
    """Return whether the party has a card, which needs the plugin that ends parties."""
    return "parties" in plugins_of(parts)


def evening(parts: Iterable[DemoPart] = ()) -> Iterator[Moment]:
    """Yield what happens from the first guest to the next morning.

    :param parts: what plugins add, while the game is played
    """
    parties, parts = Parties(), tuple(parts)
    for moment in (*_arrival(), *_others(parts), *_departure()):
        for event in moment.events:
            parties.follow(event)

        yield moment

    here = [
        PeerLeft(party_id=party.id, peer_name=member.name, party_name=party.name or PARTY)
        for party in parties
        for member in party.members
    ]
    yield Moment(180, "the last ones go home", here)
    if has_card(parts):
        caption = "the party is over: in the lobby, one message has shown all of it"
        yield Moment(192, caption, shows_card=True)

    yield from _night()


def _arrival() -> list[Moment]:
    return [
        Moment(
            0,
            "Ann opens a party",
            [PartyCreated(party_id=_PARTY_ID, party_name=PARTY, host="Ann")],
        ),
        Moment(
            10,
            f"{len(_REGULARS)} friends come through the door, all at once",
            [_joined(name) for name in _REGULARS],
        ),
        Moment(15, "someone with a funny name joins", [_joined(_PRANKSTER)]),
        Moment(
            30,
            "a game starts",
            [GameStarted(party_id=_PARTY_ID, game_name=_GAME, players=("Ann", *_REGULARS[:7]))],
        ),
    ]


def _others(parts: Iterable[DemoPart]) -> Iterator[Moment]:
    scenes = (scene for part in parts for scene in part.scenes())
    for minute, (caption, events) in enumerate(scenes, 71):
        yield Moment(minute, caption, events)


def _departure() -> list[Moment]:
    return [
        Moment(80, f"{_SHAKY}'s connection breaks", [_left(_SHAKY)]),
        Moment(80.2, f"12 seconds later {_SHAKY} is back: no message", [_joined(_SHAKY)]),
        Moment(
            91,
            "the game ends",
            [GameEnded(party_id=_PARTY_ID, game_name=_GAME, duration=3_661.0, avg_latency=23.4)],
        ),
        Moment(
            100,
            "pizza arrives, and nine have to go home",
            [
                Notification(title="🍕 Pizza is here", message="Kitchen, while it is **hot**."),
                *(_left(name) for name in _REGULARS[:9]),
            ],
        ),
    ]


def _night() -> list[Moment]:
    crash = ServerStopped(server_name=_SERVER, game_name="Minecraft", reason="crashed")
    return [
        Moment(
            450,
            f"the channel is quiet from {QUIET[0]} to {QUIET[1]}: a server crashes, no message",
            [crash, ServerStarted(server_name=_SERVER, game_name="Minecraft")],
        ),
        Moment(540, "someone cannot sleep: no message", [_joined(_REGULARS[0], _SERVER)]),
        # Just before, so that the message stands below.
        Moment(749.9, "the quiet hours end: one message says what happened"),
    ]


def _left(name: str) -> PeerLeft:
    return PeerLeft(party_id=_PARTY_ID, peer_name=name, party_name=PARTY)


def _joined(name: str, server: str | None = None) -> PeerJoined:
    if server is not None:
        return PeerJoined(peer_name=name, party_name=server)

    return PeerJoined(party_id=_PARTY_ID, peer_name=name, party_name=PARTY)
