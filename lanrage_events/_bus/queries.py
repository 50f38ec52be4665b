"""Queries to the plugins of one bus: declarations, health and validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import anyio

from .._exceptions import format_error
from .._reports import Health
from ..abc import Bus
from .containment import TaskGuard, UnexpectedCancellation, call
from .hooks import QUERIES, Hooks
from .instrument import Instruments
from .lingering import Lingering
from .supervisor import Supervisor
from .threads import LoopWatch

STARTING = "it is starting, and handles no events yet"


@dataclass(slots=True)
class _Outcome:
    """What came of a call, which did not run if it was cancelled before."""

    answer: Any = None
    error: BaseException | None = field(default_factory=lambda: UnexpectedCancellation())


class Queries:
    """Calls the hooks that return something; the failure of one plugin does not affect others.

    :param supervisors: by the names of the plugins
    :param lingering: what was cancelled and still runs
    :param instruments: called for each hook that fails
    :param watch: notices hooks that hold the event loop
    """

    def __init__(
        self,
        hooks: Hooks,
        supervisors: Mapping[str, Supervisor],
        lingering: Lingering,
        instruments: Instruments,
        watch: LoopWatch,
    ) -> None:
        self._hooks = hooks
        self._supervisors = supervisors
        self._lingering = lingering
        self._instruments = instruments
        self._watch = watch

    def query(self, hook_name: str) -> dict[str, Any]:
        """Call a hook that declares something, and return the answers by plugin."""
        if hook_name not in QUERIES:
            known = ", ".join(sorted(QUERIES))
            raise ValueError(f"'{hook_name}' is not a hook that can be queried, known are {known}")

        answers: dict[str, Any] = {}
        for name in self._supervisors:
            hook = self._hooks.implementation(name, hook_name)
            if hook is not None:
                try:
                    with self._watch.calls(name, hook_name):
                        answers[name] = call(_answer, hook)
                except Exception as error:
                    self._instruments.hook_failed(name, hook_name, None, error)

        return answers

    async def call(
        self, plugin: str, what: str, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        """Call a function that a plugin has declared, in a task of its own."""
        outcome = _Outcome()

        async def run() -> None:
            guard = TaskGuard()
            try:
                with self._watch.calls(plugin, what):
                    answer = call(function, *arguments)
                    outcome.answer = await answer if isawaitable(answer) else answer

                outcome.error = UnexpectedCancellation() if guard.is_hit else None
            except KeyboardInterrupt as error:
                outcome.error = error
            except BaseException as error:
                outcome.error = UnexpectedCancellation(error)
                outcome.error = guard.contain(error)

        async with anyio.create_task_group() as tg:
            tg.start_soon(run, name=f"{what} of plugin {plugin}")

        if outcome.error is not None:
            raise outcome.error

        return outcome.answer

    def validate(self, name: str, bus: Bus) -> list[str]:
        """Return the problems that a plugin finds in its configuration."""
        hook = self._hooks.implementation(name, "validate")
        if hook is None:
            return []

        try:
            with self._watch.calls(name, "validate"):
                return call(_problems, hook, bus)
        except Exception as error:
            return [f"hook 'validate' failed: {format_error(error)}"]

    def health(self, name: str) -> Health:
        """Return the health of a plugin: what it reports, unless it failed."""
        lingering = self._lingering.find(name)
        supervisor = self._supervisors.get(name) or lingering
        if supervisor is None:
            raise LookupError(f"no such plugin is registered: {name!r}")

        if supervisor.error is not None:
            return Health("failed", f"it failed: {format_error(supervisor.error)}")

        health = self._query_health(name)
        if supervisor.consumer.last_error is not None:
            error = format_error(supervisor.consumer.last_error)
            return Health("degraded", f"the last event failed: {error}", health.undelivered)

        detail = (
            STARTING
            if supervisor.is_starting
            else self._still_running(supervisor, lingering) or self._watch.blocks.health(name)
        )
        if detail is not None and health.status == "ok":
            return Health("degraded", detail, health.undelivered)

        return health

    @staticmethod
    def _still_running(supervisor: Supervisor, lingering: Supervisor | None) -> str | None:
        if lingering is not None:
            return "an earlier plugin of this name still runs, although it was cancelled"

        worker = supervisor.consumer.worker
        if worker is None or not worker.running:
            return None

        hooks = ", ".join(dict.fromkeys(f"'{hook}'" for hook in worker.running))
        return f"hook {hooks} still runs in a thread, though it timed out or was cancelled"

    def _query_health(self, name: str) -> Health:
        hook = self._hooks.implementation(name, "health")
        if hook is None:
            return Health()

        try:
            with self._watch.calls(name, "health"):
                health = call(hook)
        except Exception as error:
            return Health("failed", f"hook 'health' failed: {format_error(error)}")

        if not isinstance(health, Health):
            return Health("failed", f"hook 'health' must return a Health, not {health!r}")

        return health


def _answer(hook: Callable[[], object]) -> object:
    answer = hook()
    return tuple(answer) if isinstance(answer, Iterable) else answer


def _problems(hook: Callable[[Bus], Iterable[object]], bus: Bus) -> list[str]:
    return [str(problem) for problem in hook(bus)]
