"""The events that presets gave until servers had types of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lanrage_events import (
    ConfigProblem,
    Event,
    GameEnded,
    GameStarted,
    ServerStarted,
    ServerStopped,
)

from ._config import FileConfig
from ._presets import with_preset

_SERVER_TYPES = {GameStarted.type: ServerStarted.type, GameEnded.type: ServerStopped.type}
_BEFORE: Mapping[str | None, frozenset[str]] = {
    "factorio": frozenset(_SERVER_TYPES),
    "minecraft": frozenset(_SERVER_TYPES),
    "valheim": frozenset({GameStarted.type}),
}
"""by preset, the event types that are those of servers now"""


def replaced_events(files: Iterable[FileConfig]) -> Iterator[tuple[Event, Event]]:
    """Yield what presets gave with what they give now, and the games that files still have."""
    for file in map(with_preset, files):
        party_id, game, server = file.party_id, file.game, file.party
        started: Event = GameStarted(party_id=party_id, game_name=game, players=())
        ended: Event = GameEnded(party_id=party_id, game_name=game, duration=0.0)
        now = (
            ServerStarted(party_id=party_id, game_name=game, server_name=server),
            ServerStopped(party_id=party_id, game_name=game, server_name=server),
        )
        for before, replacement in zip((started, ended), now, strict=True):
            if file.patterns.get(before.type):
                yield before, before
            elif before.type in _BEFORE.get(file.preset, ()):
                yield before, replacement


def outdated_settings(file: FileConfig) -> Iterator[ConfigProblem]:
    """Yield a warning for each key that was for such an event of the file's preset."""
    for before, now in _SERVER_TYPES.items():
        if before not in _BEFORE.get(file.preset, frozenset()) or file.patterns.get(before):
            continue

        for key, types in (("patterns", file.patterns), ("fields", file.fields)):
            if before in types and now not in types:
                message = f"the preset '{file.preset}' gives {now} instead: write {now}"
                yield ConfigProblem(message, (key, before), warning=True, about_key=True)
