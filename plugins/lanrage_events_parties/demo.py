"""The recap in ``lanrage-events demo``: the plugin itself runs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lanrage_events import Event

from ._config import PartiesConfig
from ._plugin import PartiesPlugin


class Demo:
    """Run the plugin, so that leaves say how long someone was here, and the party has a recap."""

    def plugins(self) -> Mapping[str, object]:
        """Return the plugin by its name."""
        return {"parties": PartiesPlugin(PartiesConfig())}

    def scenes(self) -> Sequence[tuple[str, Sequence[Event]]]:
        """Return no scenes: it needs what happens anyway."""
        return ()

    def lines(self, events: Sequence[Event]) -> Sequence[str]:
        """Return no lines: what it publishes is posted."""
        return ()
