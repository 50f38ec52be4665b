"""Queries to the plugins of one bus: what they declare, their health, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._exceptions import format_error
from .._reports import Health
from ..abc import Bus
from .hooks import QUERIES, Hooks
from .instrument import Instruments
from .supervisor import Supervisor

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class Queries:
    """Calls the hooks that answer something; a plugin that fails at it affects no other.

    :param hooks: the hooks of the plugins
    :param supervisors: what runs them, by their names
    :param instruments: are called for each hook that fails
    """

    def __init__(
        self, hooks: Hooks, supervisors: Mapping[str, Supervisor], instruments: Instruments
    ) -> None:
        self._hooks = hooks
        self._supervisors = supervisors
        self._instruments = instruments

    def query(self, hook_name: str) -> dict[str, Any]:
        """Call a hook that declares something, and return the answers by the plugins' names."""
        if hook_name not in QUERIES:
            known = ", ".join(sorted(QUERIES))
            raise ValueError(f"'{hook_name}' is no hook that can be queried, known are {known}")

        answers: dict[str, Any] = {}
        for name in self._supervisors:
            hook = self._hooks.implementation(name, hook_name)
            if hook is not None:
                try:
                    answer = hook()
                    answers[name] = tuple(answer) if isinstance(answer, Iterable) else answer
                except Exception as error:
                    self._instruments.hook_failed(name, hook_name, None, error)

        return answers

    def template_folders(self) -> list[Traversable]:
        """Return the folders of templates that plugins bring."""
        return [folder for folders in self.query("template_folders").values() for folder in folders]

    def validate(self, name: str, bus: Bus) -> list[str]:
        """Return what a plugin finds wrong with its configuration."""
        hook = self._hooks.implementation(name, "validate")
        if hook is None:
            return []

        try:
            return [str(problem) for problem in hook(bus)]
        except Exception as error:
            return [f"hook 'validate' failed: {format_error(error)}"]

    def health(self, name: str) -> Health:
        """Return how a plugin is: what it says, unless it failed."""
        supervisor = self._supervisors[name]
        if supervisor.error is not None:
            return Health("failed", f"it died: {format_error(supervisor.error)}")

        health = self._query_health(name)
        if supervisor.consumer.last_error is not None:
            error = format_error(supervisor.consumer.last_error)
            return Health("degraded", f"the last event failed: {error}", health.undelivered)

        return health

    def _query_health(self, name: str) -> Health:
        hook = self._hooks.implementation(name, "health")
        if hook is None:
            return Health()

        try:
            health = hook()
        except Exception as error:
            return Health("failed", f"hook 'health' failed: {format_error(error)}")

        if not isinstance(health, Health):
            return Health("failed", f"hook 'health' must return a Health, not {health!r}")

        return health
