"""What the plugins of one bus are asked: what they declare, how they are, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .._reports import Health
from .hooks import QUESTIONS, Hooks
from .supervisor import Supervisor, describe

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from .bus import EventBus


class Questions:
    """Calls the hooks that answer something; a plugin that fails at it troubles nobody else.

    :param hooks: the hooks of the plugins
    :param supervisors: who runs them, by their names
    """

    def __init__(self, hooks: Hooks, supervisors: Mapping[str, Supervisor]) -> None:
        self._hooks = hooks
        self._supervisors = supervisors

    def ask(self, question: str) -> dict[str, Any]:
        """Call a hook that declares something, and return the answers by the plugins' names."""
        if question not in QUESTIONS:
            known = ", ".join(sorted(QUESTIONS))
            raise ValueError(f"'{question}' is no hook that can be asked, known are {known}")

        answers: dict[str, Any] = {}
        for name, supervisor in self._supervisors.items():
            hook = self._hooks.implementation(name, question)
            if hook is not None:
                try:
                    answer = hook()
                    answers[name] = tuple(answer) if isinstance(answer, Iterable) else answer
                except Exception as error:
                    supervisor.log(f"hook '{question}' failed", error)

        return answers

    def template_folders(self) -> list[Traversable]:
        """Return the folders of templates that plugins bring."""
        return [folder for folders in self.ask("template_folders").values() for folder in folders]

    def problems(self, name: str, bus: EventBus) -> list[str]:
        """Ask a plugin what is wrong with its configuration."""
        hook = self._hooks.implementation(name, "check")
        if hook is None:
            return []

        try:
            return [str(problem) for problem in hook(bus)]
        except Exception as error:
            return [f"hook 'check' failed: {describe(error)}"]

    def health(self, name: str) -> Health:
        """Return how a plugin is: what it says, unless it failed."""
        supervisor = self._supervisors[name]
        if supervisor.error is not None:
            return Health("failed", f"it died: {describe(supervisor.error)}")

        health = self._ask_health(name)
        if supervisor.consumer.last_error is not None:
            error = describe(supervisor.consumer.last_error)
            return Health("degraded", f"the last event failed: {error}", health.undelivered)

        return health

    def _ask_health(self, name: str) -> Health:
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
