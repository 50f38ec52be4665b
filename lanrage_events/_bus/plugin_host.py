"""The plugins' side of a bus: who is registered, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import anyio
from anyio.abc import TaskGroup

from .._events import Event
from .._redaction import Redactor
from .._reports import Health
from .fanout import Doors, FanOut
from .registry import PluginOptions, PluginSet

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from .bus import EventBus


class PluginHost:
    """What an :class:`EventBus` does with plugins."""

    redactor: Redactor
    templates: tuple[Path, ...]
    _fanout: FanOut
    _plugins: PluginSet
    _task_group: TaskGroup | None = None
    _drain_timeout: float

    @property
    def drain_timeout(self) -> float:
        """Seconds that leaving may take; one that is set while the bus is left counts from then."""
        return self._drain_timeout

    @drain_timeout.setter
    def drain_timeout(self, seconds: float) -> None:
        self._drain_timeout = seconds
        self._plugins.limit_stop(seconds)

    def register(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin: an object or a module with hook implementations.

        The options that are not given are taken from the plugin's attributes of the same name, and
        else are a mailbox of 1024 events that drops the oldest, and the bus's hook timeout. On a
        running bus the plugin starts at once, and is started again if that fails.

        :param name: unique on this bus; the default is the name of its class or module
        :param mailbox_size: events that its mailbox holds
        :param when_full: ``block``, ``drop_oldest`` or ``drop_newest``
        :param hook_timeout: seconds after which one of its hooks is cancelled
        :param distribution: who brings it, for error messages
        :param places: where the keys of its configuration stand, for :meth:`place`
        :returns: its name
        :raises PluginHookError: if it implements a hook in a way that is not allowed; on a running
            bus also if there is no such hook
        :raises EventTypeConflict: if it brings an event type whose name is taken
        :raises ValueError: if the name or the plugin is registered
        :raises anyio.ClosedResourceError: if the bus is closed
        """
        self._refuse_closed()
        supervisor = self._plugins.add(plugin, name, options, cast("EventBus", self))
        self._plugins.start(supervisor, first_start_must_succeed=False)
        return supervisor.name

    async def register_and_wait(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin to a running bus and wait until it has started.

        The parameters are those of :meth:`register`.

        :raises PluginStartError: if its lifespan fails; it is not registered then
        """
        if self._task_group is None:
            raise RuntimeError("register_and_wait needs a running bus: use register")

        self._refuse_closed()
        supervisor = self._plugins.add(plugin, name, options, cast("EventBus", self))
        self._plugins.start(supervisor, first_start_must_succeed=True)
        try:
            await supervisor.started.wait()
            error = supervisor.start_error()
            if error is not None:
                raise error
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._plugins.remove(supervisor, timeout=0)

            raise

        return supervisor.name

    async def unregister(self, plugin: object, timeout: float | None = None) -> tuple[Event, ...]:
        """Remove a plugin, given it or its name; what is pending is handled first.

        :param timeout: seconds that handling what is pending and ending its lifespan may take; the
            default is the bus's drain timeout
        :returns: the events that it did not handle in time, which are also logged
        :raises LookupError: if it is not registered
        :raises RuntimeError: inside a hook of this plugin
        """
        supervisor = self._plugins.find(plugin)
        if supervisor.is_current():
            raise RuntimeError(f"plugin '{supervisor.name}' cannot unregister itself inside a hook")

        return await self._plugins.remove(
            supervisor, self.drain_timeout if timeout is None else timeout
        )

    async def replace(
        self,
        name: str,
        plugin: object,
        timeout: float | None = None,
        **options: Unpack[PluginOptions],
    ) -> None:
        """Put a plugin into the place of a running one, which keeps its mailbox and what is in it.

        The old one handles the event in hand and ends; meanwhile events gather in the mailbox. The
        options are those of :meth:`register`.

        :param name: of the plugin that goes
        :param plugin: the one that comes
        :param timeout: seconds that ending the old one may take; the default is the bus's drain
            timeout
        :raises LookupError: if there is no plugin of that name
        :raises PluginError: if the new one cannot be started; the old one is started again then
        """
        self._refuse_closed()
        supervisor = self._plugins.find(name)
        if self._task_group is None:
            raise RuntimeError("replace needs a running bus: use unregister and register")

        if supervisor.is_current():
            raise RuntimeError(f"plugin '{name}' cannot replace itself inside a hook")

        await self._plugins.replace(
            supervisor,
            plugin,
            options,
            cast("EventBus", self),
            self.drain_timeout if timeout is None else timeout,
        )

    def check_plugins(self) -> None:
        """Check that every hook that a plugin implements exists; entering the bus does it too.

        :raises PluginHookError: if one does not, with the nearest that does
        """
        hooks = self._plugins.hooks
        hooks.check(name for name in self._plugins.supervisors if hooks.plugin(name) is not None)

    def problems(self) -> list[tuple[str, str]]:
        """Ask every plugin what is wrong with its configuration, and return names and problems."""
        return [
            (name, problem)
            for name in self._plugins.supervisors
            for problem in self._plugins.questions.problems(name, cast("EventBus", self))
        ]

    def name(self, plugin: object) -> str:
        """Return the name under which a plugin is registered.

        :raises LookupError: if it is not registered
        """
        return self._plugins.find(plugin).name

    def plugins(self) -> dict[str, object]:
        """Return the registered plugins by name."""
        hooks = self._plugins.hooks
        found = ((name, hooks.plugin(name)) for name in self._plugins.supervisors)
        return {name: plugin for name, plugin in found if plugin is not None}

    def ask(self, hook: str) -> dict[str, Any]:
        """Call a hook by which plugins declare something, and return the answers by name.

        What can be iterated over is returned as a tuple. A plugin whose hook fails is left out,
        which is logged.

        :param hook: ``http_pages``, ``http_routes``, ``metrics``, ``outbox`` or
            ``template_folders``
        :raises ValueError: if it is another one
        """
        return self._plugins.questions.ask(hook)

    def place(self, plugin: object, key: str) -> str | None:
        """Return where a key of a plugin's configuration stands, as ``file:line:column``.

        :param plugin: the plugin or its name
        :param key: one of the keys right below the plugin's name
        :returns: None if no file gives it
        :raises LookupError: if the plugin is not registered
        """
        return self._plugins.place(self._plugins.find(plugin).name, key)

    def relocate(self, name: str, places: Mapping[str, str]) -> None:
        """Note that the keys of a plugin's configuration stand somewhere else now.

        :param name: of the plugin
        :param places: each key with its place, as ``file:line:column``
        :raises LookupError: if the plugin is not registered
        """
        self._plugins.relocate(self._plugins.find(name).name, places)

    def template_folders(self) -> tuple[Traversable, ...]:
        """Return where templates are, in search order: the user's, plugins', those that came along."""
        from importlib.resources import files  # which imports much, for programs without templates

        bundled = files("lanrage_events_templates")
        return (*self.templates, *self._plugins.questions.template_folders(), bundled)

    def health(self) -> dict[str, Health]:
        """Return how each plugin is, by name: what it says, unless it failed."""
        health = {name: self._plugins.questions.health(name) for name in self._plugins.supervisors}
        return {
            name: replace(h, detail=self.redactor.redact(h.detail)) for name, h in health.items()
        }

    def _refuse_closed(self) -> None:
        if self._fanout.doors is not Doors.OPEN:
            raise anyio.ClosedResourceError
