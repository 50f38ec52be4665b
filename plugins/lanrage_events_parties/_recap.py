"""The recap: the event that says what a party was that is over."""

from __future__ import annotations

from datetime import datetime

from lanrage_events import Party, PartyEnded
from lanrage_events.cli import safe_text
from lanrage_events.events import shortened_id


def recap(party: Party, time: datetime) -> PartyEnded:
    """Return the event of the end of a party; it has the same id each time.

    :param party: a party that has ended
    :param time: when that was known
    """
    ended = party.ended or party.last_change
    return PartyEnded(
        id=shortened_id(safe_text(f"{party.key}.{party.since.isoformat()}.ended")),
        time=time,
        parent_id=None,
        party_id=party.id,
        party_name=party.name or party.id or "",
        since=party.since,
        duration=max(0.0, (ended - party.since).total_seconds()),
        peak=party.peak,
        visitors=party.visitors,
        players=tuple(name for name, _ in party.loyal),
        games=tuple(name for name, _, _ in party.games),
    )
