from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable

from lanrage_events import Event, PartyEvent, TemplateError

from ._activity import Activity
from ._config import PresenceConfig
from ._parties import Parties
from ._render import Renderer


class PresenceView:
    """Works out from events what Rich Presence shows, without Discord.

    Subscribe :meth:`follow` to a bus to look at it, such as in a demonstration or a test.

    :param config: see :class:`PresenceConfig`; its ``client_id`` does not matter here
    :param folders: where to look for templates, the most important first; those that came along by
        default
    :param report: is told what is wrong with a template, each fault once; by default it is logged
    """

    def __init__(
        self,
        config: PresenceConfig | None = None,
        folders: Iterable[Traversable] | None = None,
        *,
        report: Callable[[TemplateError], object] | None = None,
    ) -> None:
        self._config = config or PresenceConfig()
        self._report = report
        self._parties = Parties(
            player=self._config.player,
            party=self._config.party,
            max_size=self._config.max_party_size,
            is_occasion=lambda event: self._renderer.is_occasion(event),
        )
        self._activity: Activity | None = None
        self._is_stale = False
        self.use_templates([files("lanrage_events_templates")] if folders is None else folders)

    @property
    def activity(self) -> Activity | None:
        """What is shown, ``None`` if nothing is."""
        if self._is_stale:
            shown = self._parties.shown()
            self._activity = self._renderer.render(*shown) if shown is not None else None
            self._is_stale = False

        return self._activity

    @property
    def parties(self) -> int:
        """How many parties are known, whether shown or not."""
        return len(self._parties)

    def follow(self, event: PartyEvent) -> None:
        """Learn from an event."""
        self._parties.follow(event)
        self._is_stale = True

    def use_templates(self, folders: Iterable[Traversable]) -> None:
        """Look for templates in other folders from now on.

        :param folders: the most important first
        """
        self._renderer = Renderer(folders, self._config, report=self._report)
        self._is_stale = True

    def check(self, types: Iterable[type[Event]]) -> list[str]:
        """Read and compile the templates of event types now.

        :param types: all event types that there are
        :return: what is wrong besides what is reported
        """
        return self._renderer.check(types)
