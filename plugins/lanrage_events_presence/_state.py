"""The view: which activity to show, by the events so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable

from lanrage_events import (
    ConfigProblem,
    Event,
    GameEnded,
    GameStarted,
    PartyCreated,
    PartyEvent,
)
from lanrage_events.abc import Person
from lanrage_events.templates import TemplateError, Templates

from ._activity import Activity
from ._config import PresenceConfig
from ._parties import Parties
from ._render import FILTERS, LEAVES, make_activity

KIND = "presence"
"""the subfolder of each template folder"""
MY_PARTY = "my_party"
"""the name of the shown party in templates"""


class PresenceView:
    """Work out from events what Rich Presence shows, without Discord.

    Subscribe :meth:`follow` to a bus, such as in a demonstration or a test.

    :param config: see :class:`PresenceConfig`; its ``client_id`` is not used
    :param folders: the template folders, the most important first, each with a subfolder
        ``presence`` with one file per event type; the bundled ones by default
    :param report: called once with each problem of a template; by default it is logged
    """

    def __init__(
        self,
        config: PresenceConfig | None = None,
        folders: Iterable[Traversable] | None = None,
        *,
        report: Callable[[TemplateError], object] | None = None,
    ) -> None:
        config = config or PresenceConfig()
        self._report = report
        self._parties = Parties(
            player=config.player,
            party=config.party,
            max_size=config.max_party_size,
            is_occasion=self._is_occasion,
        )
        self._context: Mapping[str, object] = {
            "invite": config.invite_url,
            "player": config.player,
            "large_image": config.large_image,
            "large_text": config.large_text,
        }
        self._activity: Activity | None = None
        self._is_stale = True
        self._found: Sequence[TemplateError] = ()
        """what was wrong with the templates when they were read last"""
        self.use_templates([files("lanrage_events_templates")] if folders is None else folders)

    @property
    def activity(self) -> Activity | None:
        """The activity to show, ``None`` for nothing."""
        if self._is_stale:
            self._activity = self._render()
            self._is_stale = False

        return self._activity

    @property
    def parties(self) -> int:
        """The number of known parties, shown or not."""
        return len(self._parties)

    def follow(self, event: PartyEvent) -> None:
        """Update the view by an event."""
        self._parties.follow(event)
        self._is_stale = True

    def forget(self, person: Person) -> int:
        """Remove a person from the parties, and return how many of them changed."""
        self._is_stale = True
        return self._parties.forget(person)

    def use_templates(self, folders: Iterable[Traversable]) -> None:
        """Use templates in other folders from now on.

        :param folders: the template folders, the most important first
        """
        self._folders = tuple(folders)
        self._templates = Templates(
            KIND,
            self._folders,
            LEAVES,
            filters=FILTERS,
            report=self._report,
            context=(*self._context, MY_PARTY),
        )
        self._occasions: dict[type[Event], bool] = {}
        self._is_stale = True

    def reload_templates(
        self, folders: Iterable[Traversable], types: Iterable[type[Event]]
    ) -> list[ConfigProblem]:
        """Read the templates again; a file with errors keeps the version that was read before.

        :param folders: the template folders from now on, the most important first
        :param types: as for :meth:`check`
        :return: all problems, of which those in the templates are reported, too
        """
        types = tuple(types)
        self._folders = tuple(folders)
        self._found = self._templates.reload(self._folders, types)
        self._occasions.clear()
        self._is_stale = True
        return self.problems(types)

    def check(self, types: Iterable[type[Event]]) -> list[ConfigProblem]:
        """Read and compile the templates now, not at the first event.

        :param types: all event types; a template of any other type is a problem
        :return: the problems besides those that are reported
        """
        types = tuple(types)
        self._templates.check(types)
        self._found = self._templates.problems
        return self._unused(types)

    def problems(self, types: Iterable[type[Event]]) -> list[ConfigProblem]:
        """Return all that was wrong with the templates when they were read last.

        :param types: as for :meth:`check`
        """
        return [*(error.as_problem() for error in self._found), *self._unused(types)]

    def _unused(self, types: Iterable[type[Event]]) -> list[ConfigProblem]:
        return [
            ConfigProblem(
                f"is not used: Rich Presence shows parties, and {cls.type} is not about a party",
                place=path,
            )
            for cls in types
            if not issubclass(cls, PartyEvent)
            for path in self._files(cls)
        ]

    def _render(self) -> Activity | None:
        shown = self._parties.shown()
        if shown is None:
            return None

        party, occasion = shown
        return make_activity(self._templates.render(occasion, {**self._context, MY_PARTY: party}))

    def _is_occasion(self, event: PartyEvent) -> bool:
        """Return whether an event's template renders the party from then on.

        This is true of events that begin or end something, and of types that have a template.
        """
        cls = type(event)
        if cls not in self._occasions:
            own = [base for base in cls.__mro__ if issubclass(base, PartyEvent)]
            own.remove(PartyEvent)
            self._occasions[cls] = issubclass(cls, (PartyCreated, GameStarted, GameEnded)) or any(
                self._files(base) for base in own
            )

        return self._occasions[cls]

    def _files(self, cls: type[Event]) -> list[str]:
        paths = [folder / KIND / f"{cls.type}.yaml" for folder in self._folders]
        return [str(path) for path in paths if path.is_file()]
