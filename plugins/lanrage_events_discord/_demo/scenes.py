"""The scenes of the demo: our own, and those that other plugins add by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from lanrage_events import (
    Event,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.cli import error_text

GROUP = "lanrage_events.demo"
"""the group of the entry points; each leads to a class without arguments, see :class:`DemoPart`"""

Scene = tuple[str, Sequence[Event]]
"""what happens at once: a caption, and its events"""

NIGHT = "the others sleep, so Discord is muted: two who play on wake nobody"
MORNING = "in the morning it is unmuted, and one message says what happened"
_PARTY_ID = "lan-42"
_PARTY = "Friday LAN"
_GAME = "Quake III Arena"
_REGULARS = ("Ben", "Cleo", "Dara", "Eli", "Fay", "Gus", "Hana", "Ivo", "Juno", "Kai", "Lou", "Mia")
_SHAKY = _REGULARS[1]
# A hostile name, which must neither notify everyone nor become a link.
_PRANKSTER = "**@everyone** [free skins](https://evil.example)"


class DemoPart(Protocol):
    """What one plugin adds to the demo."""

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


def own_scenes() -> list[Scene]:
    """Return what happens in the evening without other plugins."""
    return [
        (
            "Ann opens a party",
            [PartyCreated(party_id=_PARTY_ID, party_name=_PARTY, host="Ann")],
        ),
        (
            f"{len(_REGULARS)} friends come through the door, all at once",
            [_joined(name) for name in _REGULARS],
        ),
        ("someone with a funny name joins", [_joined(_PRANKSTER)]),
        (
            "a game starts",
            [GameStarted(party_id=_PARTY_ID, game_name=_GAME, players=("Ann", *_REGULARS[:7]))],
        ),
        (f"{_SHAKY} drops out and is back at once", [_left(_SHAKY), _joined(_SHAKY)]),
        (
            "the game ends",
            [GameEnded(party_id=_PARTY_ID, game_name=_GAME, duration=3_661.0, avg_latency=23.4)],
        ),
        (
            "pizza arrives, and nine have to go home",
            [
                Notification(title="🍕 Pizza is here", message="Kitchen, while it is **hot**."),
                *(_left(name) for name in _REGULARS[:9]),
            ],
        ),
        (NIGHT, [_joined("Owl"), _joined("Bat")]),
        (MORNING, []),
    ]


def evening(parts: Iterable[DemoPart]) -> Iterator[Scene]:
    """Yield the scenes, with those of other plugins before the party breaks up."""
    *earlier, last, night, morning = own_scenes()
    yield from earlier
    for part in parts:
        yield from part.scenes()

    yield from (last, night, morning)


def _left(name: str) -> PeerLeft:
    return PeerLeft(party_id=_PARTY_ID, peer_name=name, party_name=_PARTY)


def _joined(name: str) -> PeerJoined:
    return PeerJoined(party_id=_PARTY_ID, peer_name=name, party_name=_PARTY)
