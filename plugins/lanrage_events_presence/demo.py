"""The Rich Presence lines of ``lanrage-events demo``, without the Discord client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lanrage_events import Event, PartyEvent

from ._config import PresenceConfig
from ._state import PresenceView

INVITE_URL = "https://discord.gg/lanrage"
PARTY_SIZE = 16


class Demo:
    """Show the activity that a member of the party would have in Discord."""

    def __init__(self) -> None:
        self._view = PresenceView(PresenceConfig(invite_url=INVITE_URL, max_party_size=PARTY_SIZE))
        self._shown = ""

    def scenes(self) -> Sequence[tuple[str, Sequence[Event]]]:
        """Return no scenes: this demo only shows activities."""
        return ()

    def lines(self, events: Sequence[Event]) -> Iterator[str]:
        """Yield the activity, if the events changed it."""
        for event in events:
            if isinstance(event, PartyEvent):
                self._view.follow(event)

        shown = str(self._view.activity or "")
        if shown != self._shown:
            self._shown = shown
            yield f"Rich Presence: {shown or 'nothing'}"
