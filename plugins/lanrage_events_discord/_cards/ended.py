"""Parties that are over, as text, and without someone who is forgotten."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from lanrage_events import Member, Party
from lanrage_events.abc import Person

_TIMES = ("since", "game_since", "last_change", "ended")


def dump_party(party: Party) -> str:
    """Return a party as JSON in one line, for :func:`load_party`."""
    return json.dumps(asdict(party), default=datetime.isoformat, separators=(",", ":"))


def load_party(text: str) -> Party:
    """Return a party from its text.

    :raises ValueError: if it is not one
    """
    try:
        data: dict[str, Any] = json.loads(text)
        data |= {name: datetime.fromisoformat(data[name]) for name in _TIMES if data[name]}
        data |= {name: tuple(map(tuple, data[name])) for name in ("games", "loyal")}
        data["players"] = tuple(data["players"])
        data["members"] = tuple(
            Member(name=one["name"], since=datetime.fromisoformat(one["since"]))
            for one in data["members"]
        )
        return Party(**data)
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no party: {error!r}") from None


def without(party: Party, person: Person) -> Party:
    """Return a party without the names of a person; how many there were stays known."""
    is_meant = person.is_called
    return replace(
        party,
        host=None if is_meant(party.host) else party.host,
        members=tuple(one for one in party.members if not is_meant(one.name)),
        players=tuple(name for name in party.players if not is_meant(name)),
        loyal=tuple(one for one in party.loyal if not is_meant(one[0])),
    )
