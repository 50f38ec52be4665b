from __future__ import annotations

from lanrage_events import PartyEvent, hookimpl

last_seen: dict[str, str] = {}


@hookimpl
def party_event(event: PartyEvent) -> None:
    if event.party_id is not None:
        last_seen[event.party_id] = f"{event.type} at {event.time:%H:%M}"
