from __future__ import annotations

from lanrage_events import PartyCreated, hookimpl


@hookimpl
def party_created(event: PartyCreated) -> None:
    print(f"{event.host} opened {event.party_name} ({event.party_id})")
