from __future__ import annotations

from collections import Counter

from lanrage_events import GameStarted, hookimpl
from lanrage_events.abc import Person

games: Counter[str] = Counter()


@hookimpl
def game_started(event: GameStarted) -> None:
    games.update(event.players)


@hookimpl
def forget(person: Person) -> dict[str, int]:
    names = [name for name in games if person.is_called(name)]
    for name in names:
        del games[name]

    return {"counts of games": len(names)}
