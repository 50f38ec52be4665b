from __future__ import annotations

from lanrage_events import PartyEnded, hookimpl


@hookimpl
def party_ended(event: PartyEnded) -> None:
    hours = event.duration / 3600
    print(f"{event.party_name}: {event.visitors} players in {hours:.1f} h, {event.peak} at once")
