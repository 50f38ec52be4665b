"""The log files scene of ``lanrage-events demo``: two lines of a Minecraft server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lanrage_events import Event
from lanrage_events.events import EventRegistry

from ._config import FileConfig
from ._parsing import Roster, Translator

LINES = (
    "[20:41:07] [Server thread/INFO]: Alex[/10.0.0.7:50000] logged in with entity id 1 at (0, 64, 0)",
    "[20:41:12] [Server thread/INFO]: <Alex> Bob[/10.0.0.8:50000] logged in with entity id 2 at (0)",
)
"""The second line is chat."""


class Demo:
    """Turn the lines of a game server's log into events."""

    def scenes(self) -> Iterator[tuple[str, Sequence[Event]]]:
        """Yield one scene: the lines and their events."""
        config = FileConfig(path=Path("latest.log"), preset="minecraft", party_name="Friday LAN")
        translator, roster = Translator(config, EventRegistry()), Roster()
        events = [
            event
            for number, line in enumerate(LINES, 1)
            for event in translator.translate(line, roster, f"demo-{number}").events
        ]
        log = "\n".join(f"    {line}" for line in LINES)
        yield f"a Minecraft server writes into its log\n{log}", events

    def lines(self, events: Sequence[Event]) -> Sequence[str]:
        """Return no lines: this demo only publishes."""
        return ()
