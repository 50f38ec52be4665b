"""Queries to the plugins of one bus: what they declare, their health, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._exceptions import describe
from .._reports import Health
from ..abc import Bus
from .hooks import QUERIES, Hooks
from .supervisor import Supervisor

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


class Queries:
    """Calls the hooks that answer something; a plugin that fails at it affects no other.

    :param hooks: the hooks of the plugins
    :param supervisors: what runs them, by their names
    """

    def __init__(self, hooks: Hooks, supervisors: Mapping[str, Supervisor]) -> None:
        self._hooks = hooks
        self._supervisors = supervisors

    def query(self, hook_name: str) -> dict[str, Any]:
        """Call a hook that declares something, and return the answers by the plugins' names."""
        if hook_name not in QUERIES:
            known = ", ".join(sorted(QUERIES))
            raise ValueError(f"'{hook_name}' is no hook that can be queried, known are {known}")

        answers: dict[str, Any] = {}
        for name, supervisor in self._supervisors.items():
            hook = self._hooks.implementation(name, hook_name)
            if hook is not None:
                try:
                    answer = hook()
                    answers[name] = tuple(answer) if isinstance(answer, Iterable) else answer
                except Exception as error:
                    supervisor.log(f"hook '{hook_name}' failed", error)

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
            return [f"hook 'validate' failed: {describe(error)}"]

    def health(self, name: str) -> Health:
        """Return how a plugin is: what it says, unless it failed."""
        supervisor = self._supervisors[name]
        if supervisor.error is not None:
            return Health("failed", f"it died: {describe(supervisor.error)}")

        health = self._query_health(name)
        if supervisor.consumer.last_error is not None:
            error = describe(supervisor.consumer.last_error)
            return Health("degraded", f"the last event failed: {error}", health.undelivered)

        return health

    def _query_health(self, name: str) -> Health:
        hook = self._hooks.implementation(name, "health")
        if hook is None:
            return Health()

        try:
            health = hook()
        except Exception as error:
            return Health("failed", f"hook 'health' failed: {describe(error)}")

        if not isinstance(health, Health):
            return Health("failed", f"hook 'health' must return a Health, not {health!r}")

        return health
