"""What other plugins add to the demo, each by an entry point, so that none has to know another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from lanrage_events import Event

GROUP = "lanrage_events.demo"
"""the group of the entry points; each leads to a class without arguments, see :class:`DemoPart`"""


class DemoPart(Protocol):
    """What one plugin adds to the demo."""

    def scenes(self) -> Iterable[tuple[str, Sequence[Event]]]:
        """Return more to happen in the evening: captions, with the events that they tell of."""
        ...

    def lines(self, events: Sequence[Event]) -> Iterable[str]:
        """Return what the plugin shows after the events of a scene, nothing if it shows nothing."""
        ...


def load_parts(
    report: Callable[[str], object], found: Iterable[EntryPoint] | None = None
) -> Iterator[DemoPart]:
    """Yield the parts of the plugins that are installed.

    :param report: called with a line about each one that cannot be used
    :param found: the entry points; by default all that are installed
    """
    for entry_point in sorted(found or entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            part: DemoPart = entry_point.load()()
        except Exception as error:  # noqa: BLE001 - one broken plugin spares the others
            report(f"the part of {entry_point.name} is left out: {type(error).__name__}: {error}")
        else:
            yield part
