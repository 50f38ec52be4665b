"""Queries to the plugins of one bus: declarations, health and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import isawaitable
from pathlib import Path
from typing import Any, TypeVar

import anyio

from .._containment import TaskGuard, UnexpectedCancellation, call
from .._events import Event
from .._exceptions import PluginError, format_error
from .._files import is_same_file
from .._reports import ConfigProblem, Health, Preview
from ..abc import Bus, Person
from .hooks import (
    ASKED,
    QUERIES,
    Hooks,
    WrongAnswer,
    checked_answer,
    checked_counts,
    checked_event_classes,
    checked_health,
    checked_previews,
    checked_problems,
    checked_services,
    declaration_problems,
    field_type_problem,
)
from .instrument import Instruments
from .lingering import Lingering
from .outboxes import Outboxes
from .supervisor import Supervisor
from .threads import LoopWatch

ONLINE_SECONDS = 60.0
_DECLARED_IN = frozenset({"lanrage_events._reports", "lanrage_events.http"})
"""the modules of the classes of what hooks declare"""
FORGET_SECONDS = 60.0
T = TypeVar("T")

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
    :param outboxes: what the plugins have not delivered
    :param instruments: called for each hook that fails
    :param watch: notices hooks that hold the event loop
    """

    def __init__(
        self,
        hooks: Hooks,
        supervisors: Mapping[str, Supervisor],
        lingering: Lingering,
        outboxes: Outboxes,
        instruments: Instruments,
        watch: LoopWatch,
    ) -> None:
        self._hooks = hooks
        self._supervisors = supervisors
        self._lingering = lingering
        self._outboxes = outboxes
        self._instruments = instruments
        self._watch = watch

    def query(self, hook_name: str, *arguments: object) -> dict[str, Any]:
        """Call a hook that declares or knows something, and return the answers by plugin."""
        if hook_name not in (ASKED if arguments else QUERIES):
            known = ", ".join(sorted(QUERIES | ASKED))
            raise ValueError(f"'{hook_name}' is not a hook that can be queried, known are {known}")

        answers: dict[str, Any] = {}
        # A hook may register or subscribe something meanwhile.
        for name in tuple(self._supervisors):
            hook = self._hooks.implementation(name, hook_name)
            if hook is not None:
                try:
                    with self._watch.calls(name, hook_name):
                        asked = partial(hook, *arguments)
                        answers[name] = call(checked_answer, hook_name, asked)
                except Exception as error:
                    self._instruments.hook_failed(name, hook_name, None, error)

        return answers

    def writer_of(self, file: Path | int) -> str | None:
        """Return the name of a plugin that writes events to a file, None if there is none."""
        for name, written in self.query("written_files").items():
            if any(is_same_file(file, other) for other in written):
                return name

        return None

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

    def validate(self, name: str, bus: Bus) -> list[ConfigProblem]:
        """Return the problems that a plugin finds in its configuration, and those of its hooks."""
        problems = [ConfigProblem(text, warning=True) for text in self._hooks.warnings(name)]
        for declaring in (*sorted(QUERIES), "health"):
            declares = self._hooks.implementation(name, declaring)
            if declares is not None:
                try:
                    with self._watch.calls(name, declaring):
                        problems += call(list, declaration_problems(declaring, declares))
                except Exception as error:
                    if _is_of_argument(error):
                        text = f"hook '{declaring}' failed: {format_error(error)}"
                        problems.append(ConfigProblem(text))

        registers = self._hooks.implementation(name, "register_events")
        if registers is not None:
            with suppress(Exception), self._watch.calls(name, "register_events"):
                for cls in call(checked_event_classes, call(registers)):
                    if problem := field_type_problem(cls):
                        problems.append(ConfigProblem(problem, warning=True))

        return [*problems, *self._validate(name, bus)]

    def _validate(self, name: str, bus: Bus) -> list[ConfigProblem]:
        found, failure = self._ask(name, "validate", lambda a: checked_problems(a, "validate"), bus)
        return [ConfigProblem(failure)] if failure else found or []

    def _ask(
        self, name: str, hook_name: str, checked: Callable[[object], T], *arguments: object
    ) -> tuple[T | None, str]:
        """Call a hook; return its answer, None if a plugin does not have it, and how it failed."""
        hook = self._hooks.implementation(name, hook_name)
        if hook is None:
            return None, ""

        try:
            with self._watch.calls(name, hook_name):
                return call(checked, call(hook, *arguments)), ""
        except Exception as error:
            return None, _failure(hook_name, error)

    def templates_changed(self, name: str, bus: Bus) -> list[ConfigProblem] | None:
        """Have a plugin read its templates again; return what is wrong, None if it does not."""
        hook = self._hooks.implementation(name, "templates_changed")
        if hook is None:
            return None

        try:
            with self._watch.calls(name, "templates_changed"):
                answer = call(hook, bus)
                if answer is None:
                    return []

                return call(checked_problems, answer, "templates_changed")
        except Exception as error:
            self._instruments.hook_failed(name, "templates_changed", None, error)
            return None

    def preview(self, event: Event | None, bus: Bus) -> dict[str, list[Preview]]:
        """Return what each plugin that has the hook would send for an event, nothing for None."""
        found: dict[str, list[Preview]] = {}
        for name in tuple(self._supervisors):
            if self._hooks.implementation(name, "preview") is None:
                continue

            found[name] = []
            if event is not None:
                previews, failure = self._ask(name, "preview", checked_previews, event, bus)
                failed = [Preview(problems=[ConfigProblem(failure)])]
                found[name] = failed if failure else previews or []

        return found

    async def check_online(self, name: str, bus: Bus) -> dict[str, Health]:
        """Return what a plugin says of the services that it will use, for a minute at most."""
        hook = self._hooks.implementation(name, "check_online")
        if hook is None:
            return {}

        try:
            with anyio.fail_after(ONLINE_SECONDS):
                return checked_services(await self.call(name, "check_online", hook, bus))
        except TimeoutError:
            return {name: Health("degraded", f"no answer within {ONLINE_SECONDS:g} seconds")}
        except Exception as error:
            return {name: Health("failed", _failure("check_online", error))}

    async def forget(self, name: str, person: Person, bus: Bus) -> dict[str, int] | None:
        """Let a plugin remove a person; return what it removed, None if it has no hook for that.

        :raises PluginError: if it fails
        """
        hook = self._hooks.implementation(name, "forget")
        if hook is None:
            return None

        try:
            with anyio.fail_after(FORGET_SECONDS):
                return checked_counts(await self.call(name, "forget", hook, person, bus))
        except TimeoutError:
            raise PluginError(name, f"has not ended within {FORGET_SECONDS:g} seconds") from None
        except Exception as error:
            self._instruments.hook_failed(name, "forget", None, error)
            raise PluginError(name, f"hook 'forget' failed: {format_error(error)}") from error

    def health(self, supervisors: Mapping[str, Supervisor]) -> dict[str, Health]:
        """Return the health of each plugin: what it reports, unless it failed.

        :param supervisors: by name, also those that were removed and still run; a hook may add or remove
            others meanwhile
        """
        return {name: self._health_with_outbox(name, one) for name, one in supervisors.items()}

    def _health_with_outbox(self, name: str, supervisor: Supervisor) -> Health:
        health = self._health(name, supervisor)
        pending = self._outboxes.pending(name)
        # What a plugin reports may include that, or not.
        return replace(health, undelivered=pending) if pending > health.undelivered else health

    def _health(self, name: str, supervisor: Supervisor) -> Health:
        lingering = self._lingering.find(name)
        if supervisor.error is not None:
            return Health("failed", f"it failed: {format_error(supervisor.error)}")

        health = self._query_health(name)
        if supervisor.consumer.last_error is not None:
            error = format_error(supervisor.consumer.last_error)
            return Health("degraded", f"the last event failed: {error}", health.undelivered)

        detail = (
            STARTING
            if supervisor.is_starting
            else self._still_running(supervisor, lingering)
            or _drops(supervisor)
            or self._watch.blocks.health(name)
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
        health, failure = self._ask(name, "health", checked_health)
        return Health("failed", failure) if failure else health or Health()


def _failure(hook: str, error: Exception) -> str:
    return (
        str(error)
        if isinstance(error, WrongAnswer)
        else f"hook '{hook}' failed: {format_error(error)}"
    )


def _is_of_argument(error: Exception) -> bool:
    """Whether a class of ours rejects what it is made of, such as the name of a metric."""
    found = error.__traceback__
    while found is not None and found.tb_next is not None:
        found = found.tb_next

    made_in = "" if found is None else found.tb_frame.f_globals.get("__name__", "")
    return isinstance(error, TypeError | ValueError) and made_in in _DECLARED_IN


def _drops(supervisor: Supervisor) -> str | None:
    mailbox = supervisor.mailbox
    count = mailbox.recent_drops()
    if not count:
        return None

    plural = "" if count == 1 else "s"
    remedy = "raise its mailbox_size, set its when_full to block, or make its hooks faster"
    return (
        f"it dropped {count} event{plural}, the last less than a minute ago, from its mailbox of "
        f"{mailbox.size}: {remedy}"
    )
