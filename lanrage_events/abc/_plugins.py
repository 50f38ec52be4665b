"""The plugins of a bus, for programs that run plugins."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Unpack

from ._options import PluginOptions
from ._person import Person

if TYPE_CHECKING:
    from .._events import Event
    from .._reports import ConfigProblem, Health, Preview


class PluginRegistry(Mapping[str, object]):
    """The plugins of a bus by name, for programs that run plugins.

    Add plugins with :meth:`lanrage_events.EventBus.register`.
    """

    @property
    @abstractmethod
    def drain_timeout(self) -> float:
        """Seconds that leaving the bus may take; if set meanwhile, they count from then."""

    @drain_timeout.setter
    @abstractmethod
    def drain_timeout(self, seconds: float) -> None: ...

    @abstractmethod
    def name(self, plugin: object) -> str:
        """Return the name of a plugin.

        :raises LookupError: if it is not registered
        """

    @abstractmethod
    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin to a running bus and wait until it has started.

        If it cannot start, or if the caller is cancelled, it is not registered, and neither are its
        event types. The parameters are those of :meth:`lanrage_events.EventBus.register`, which also
        describes the other errors.

        :raises PluginStartError: if its lifespan fails or does not start within its ``start_timeout``,
            or if an earlier plugin of its name was cancelled and still runs
        :raises anyio.ClosedResourceError: if it is unregistered or the bus is closed meanwhile
        """

    @abstractmethod
    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        """Replace a running plugin; the new one takes over its mailbox with the pending events.

        The old plugin handles its current event and ends; meanwhile events wait in the mailbox. If
        the new one cannot start, or if the caller is cancelled before it has, the old one is started
        again; if that fails, it is restarted like any plugin that failed. Changes of one plugin are
        made one after another.

        If the old plugin ignores that it is cancelled, it is not replaced, and started again once it
        has ended.

        :param name: the name of the old plugin
        :param plugin: the new plugin
        :param timeout: seconds that the old plugin may take to end; the default is the drain timeout
        :raises LookupError: if no plugin has this name
        :raises PluginReplaceError: if the new plugin cannot start, for whatever reason, or the old one
            does not end
        :raises anyio.ClosedResourceError: if the plugin is unregistered or the bus is closed meanwhile
        :raises RuntimeError: inside a hook of this plugin
        """

    @abstractmethod
    def validate(self, *, hooks_only: bool = False) -> list[tuple[str, str]]:
        """Check the hooks of every plugin and call its hook ``validate``, without starting any.

        :param hooks_only: whether to skip the hook ``validate``, as entering the bus does
        :returns: for each problem the name of the plugin and the problem, without the warnings
        """

    @abstractmethod
    def reload_templates(self, *, skip: Collection[str] = ()) -> dict[str, list[ConfigProblem]]:
        """Call the hook ``templates_changed`` of every running plugin.

        A plugin that fails is logged, and goes on with what it has read before.

        :param skip: the names of plugins that have just read them
        :returns: for each plugin that read its templates again what is wrong with them
        """

    @abstractmethod
    def problems(self, plugin: object) -> list[ConfigProblem]:
        """Call the hook ``validate`` of a plugin and return what it finds, the warnings included.

        :param plugin: the plugin or its name
        :raises LookupError: if it is not registered
        """

    @abstractmethod
    def preview(self, event: Event) -> dict[str, list[Preview]]:
        """Call the hook ``preview`` of every plugin that has it, and return the answers by plugin.

        Nothing is sent, and the plugins need not run. What is wrong with an answer is a problem in it. The
        hooks get the event as the rules leave it and, while the bus does not run, the transforms of
        plugins; none is called if one of these drops it. A warning names a transform that is not called.

        :param event: the event, which is not published
        """

    @abstractmethod
    async def check_online(self, plugin: object) -> dict[str, Health]:
        """Call the hook ``check_online`` of a plugin, for a minute at most, and return its answer.

        :param plugin: the plugin or its name
        :returns: the health of each service; empty if the plugin does not have the hook
        :raises LookupError: if it is not registered
        """

    @abstractmethod
    async def forget(self, plugin: object, person: Person) -> dict[str, int] | None:
        """Call the hook ``forget`` of a plugin, for a minute at most, and return what it removed.

        :func:`lanrage_events.forgetting.forget` does this with all plugins, and more.

        :param plugin: the plugin or its name
        :returns: counts by what they are of; None if the plugin does not have the hook
        :raises LookupError: if it is not registered
        :raises PluginError: if the hook fails or takes too long
        """

    @abstractmethod
    def sort(self, names: Iterable[str]) -> None:
        """Put the plugins into the order in which their transforms are called.

        :param names: of plugins; those that are not named come last
        """

    @abstractmethod
    def source_location(self, plugin: object, key: str) -> str | None:
        """Return the location of a configuration key, as ``file:line:column``.

        :param plugin: the plugin or its name
        :param key: the keys and list indices below the plugin's name, such as ``routes.0.events``
        :returns: None if the key is in no file
        :raises LookupError: if the plugin is not registered
        """

    @abstractmethod
    def update_locations(self, name: str, locations: Mapping[str, str]) -> None:
        """Set the locations of a plugin's configuration keys.

        :param name: the name of the plugin
        :param locations: by key, as ``file:line:column``
        :raises LookupError: if the plugin is not registered
        """
