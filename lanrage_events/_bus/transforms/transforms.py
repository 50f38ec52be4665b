"""The transforms of a bus, which an event passes before it enters a mailbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from ..._containment import Shield, UnexpectedCancellation, contained
from ..._events import Event
from ..._exceptions import EventNotTransformed, UndisclosedError
from ...abc import Rules, Transform, TransformResult, TransformStatistics
from ..instrument import Instruments
from ..threads import TRANSFORM as HOOK
from ..threads import LoopWatch
from .chain import MOST_EVENTS, Chain, DeclaredTransform, Events, Step, made_of, too_many
from .discretion import undisclosed, undisclosing

MOST_KEPT = 1024
"""events that could not enter a mailbox yet, of which it is known what they were turned into"""
MOST_RULES = 1_000_000
"""the positions of the rules, which come before the plugins"""
RULES = "rules"
"""stands for a plugin in the messages about rules"""


@dataclass(slots=True)
class _Plugin:
    """A plugin with transforms."""

    transforms: tuple[DeclaredTransform, ...]
    required: bool
    runs: bool
    """whether its lifespan has started once: from then on it serves, also while it is restarted"""


@dataclass(slots=True)
class _Counts:
    dropped: int = 0
    failed: int = 0
    rejected: int = 0


NO_ROUTES: dict[type[Event], Any] = {}
"""the routes while an event is transformed: publishing finds none, and has to ask"""


class FanOut(Protocol):
    """What has events transformed."""

    routes: dict[type[Event], Any]
    """by which events are published without asking"""

    def forget_routes(self) -> None:
        """Find out again what becomes of the events of a class."""


class _NoFanOut:
    routes: dict[type[Event], Any] = NO_ROUTES

    def forget_routes(self) -> None:
        pass


class Transforms:
    """The transforms of one bus: those of its rules, then those of the plugins in their order.

    :param instruments: called for each transform that fails, and for each event that is dropped
    :param watch: notices transforms that hold the event loop
    """

    def __init__(self, instruments: Instruments, watch: LoopWatch) -> None:
        self._instruments = instruments
        self._watch = watch
        self._rules: Rules | None = None
        self.plugins: dict[str, _Plugin] = {}
        """those that may have transforms, by name, in their order"""
        self._chains: dict[type[Event], Chain | None] = {}
        self._counts: dict[str, _Counts] = {}
        self.kept: dict[int, tuple[Event, Events]] = {}
        """what events were turned into that could not enter a mailbox yet, by the ``id()`` of each"""
        self.fanout: FanOut = _NoFanOut()
        """what has the events transformed"""
        self.running: Step | None = None
        """what transforms an event now"""
        watch.watch_transforms(
            Transforms.apply.__code__, lambda: None if self.running is None else self.running.name
        )
        self._shield = Shield()
        self._stand_in = self._shield.stand_in

    # What there is

    @property
    def rules(self) -> Rules | None:
        """Those that come first."""
        return self._rules

    @rules.setter
    def rules(self, rules: Rules | None) -> None:
        self._rules = rules
        self._forget()

    def add(
        self,
        plugin: str,
        transforms: tuple[DeclaredTransform, ...],
        *,
        required: bool,
        runs: bool,
    ) -> None:
        """Let a plugin transform events, in place of an earlier one of its name that serves until then.

        :param required: whether an event is not published rather than passing without it
        :param runs: whether it has started; one that has not is in the way of an event only if it is
            required, and replaces no other one
        """
        old = self.plugins.get(plugin)
        if old is None or runs or not old.runs:
            self.plugins[plugin] = _Plugin(transforms, required, runs)
            if transforms or (old is not None and old.transforms):
                self._forget()

    def remove(self, plugin: str) -> None:
        """Let a plugin transform nothing any more."""
        removed = self.plugins.pop(plugin, None)
        self._counts.pop(plugin, None)
        if removed is not None and removed.transforms:
            self._forget()

    def sort(self, plugins: Iterable[str]) -> None:
        """Put plugins into another order; those that are not named come last."""
        names = dict.fromkeys((*plugins, *self.plugins))
        if tuple(names) != tuple(self.plugins):
            self.plugins = {name: self.plugins[name] for name in names if name in self.plugins}
            self._forget()

    def _forget(self) -> None:
        self._chains.clear()
        self.kept.clear()
        self.fanout.forget_routes()

    def chain(self, event_class: type[Event]) -> Chain | None:
        """Return what the events of a class pass, None if it is nothing."""
        try:
            return self._chains[event_class]
        except KeyError:
            chain = self._chains[event_class] = self._find(event_class)
            return chain

    def _find(self, event_class: type[Event]) -> Chain | None:
        steps: list[Step] = []
        protects: list[Step] = []
        if self._rules is not None:
            steps += map(self._rule, count(), self._rules.transforms(event_class))
            protects += map(self._rule, count(), self._rules.protects(event_class))

        position = MOST_RULES
        for name, plugin in self.plugins.items():
            for transform in plugin.transforms:
                position += 1
                if issubclass(event_class, transform.classes) and (plugin.runs or plugin.required):
                    function = transform.function if plugin.runs else _not_started
                    if self._instruments.watches_calls:
                        shown = undisclosing(function) if plugin.required else function
                        function = self._instruments.watched(name, HOOK, shown)

                    steps.append(Step(function, name, position, plugin.required))

        return Chain(event_class, (*steps,), (*protects,)) if steps or protects else None

    def _rule(self, position: int, rule: Transform) -> Step:
        function = rule.function
        if self._instruments.watches_calls:
            function = self._instruments.watched(
                RULES, rule.name, undisclosing(function), self._hidden
            )

        return Step(function, rule.name, position, rule.required, is_rule=True)

    def _hidden(self, event: Event) -> Event:
        """Return an event as instruments and the log may show it, also before the rules have run."""
        try:
            for rule in () if self._rules is None else self._rules.protects(event.__class__):
                result = rule.function(event)
                event = result if isinstance(result, Event) else event
        except Exception:  # noqa: BLE001 - the rule is counted where it runs
            shown = object.__new__(event.__class__)  # of its type, and with nothing that it says
            for name, value in (("id", "hidden"), ("time", event.time), ("parent_id", None)):
                object.__setattr__(shown, name, value)

            return shown

        return event

    def statistics(self) -> dict[str, TransformStatistics]:
        """Return the figures by the names of plugins and rules."""
        return {
            name: TransformStatistics(counts.dropped, counts.failed, counts.rejected)
            for name, counts in self._counts.items()
        }

    # What becomes of an event

    def enter_loop(self) -> None:
        """Belong to the current event loop."""
        self._shield.enter_loop()

    def leave_loop(self) -> None:
        """Belong to no event loop."""
        self._shield.leave_loop()

    def check_idle(self) -> None:
        """Raise a :exc:`RuntimeError` if a transform runs, which must not publish."""
        if self.running is not None:
            raise RuntimeError(
                f"the transform of '{self.running.name}' publishes an event, which would be transformed "
                "in turn: return it, beside the other one as in '[event, another]'"
            )

    def events_of(self, event: Event) -> Events:
        """Return the events that an event is turned into."""
        chain = self.chain(event.__class__)
        result = event if chain is None else self.apply(chain, event)
        return result if isinstance(result, tuple) else (result,)

    def keep(self, event: Event, events: Events) -> None:
        """Remember what an event was turned into, for when it is published again."""
        if self.chain(event.__class__) is None:
            return

        self.kept[id(event)] = event, events
        if len(self.kept) > MOST_KEPT:
            del self.kept[next(iter(self.kept))]

    def apply(
        self, chain: Chain, event: Event, steps: Sequence[Step] | None = None, taken: int = 0
    ) -> Event | Events:
        """Return what an event is turned into: one event, or several or none.

        :param steps: those that are left; None for all
        :param taken: see :func:`made_of`
        :raises EventNotTransformed: if a required transform fails or does not run
        """
        # The hot path: an event that is returned as it is, or changed.
        if self.kept and steps is None and (kept := self.kept.pop(id(event), None)) is not None:
            return kept[1]

        if self._watch.quiet:
            self._watch.stir()

        shield, stand_in = self._shield, self._stand_in
        tasks, loop = shield.tasks, shield.loop
        task = tasks.get(loop)
        if task is stand_in:  # what another transform has made
            task = None
        elif task is not None:
            stand_in.task = task
            tasks[loop] = stand_in

        fanout = self.fanout
        routes, fanout.routes = fanout.routes, NO_ROUTES
        try:
            for step in chain.steps if steps is None else steps:
                self.running = step
                try:
                    result: Any = step.function(event)
                    if result is event and not stand_in.hits:
                        continue

                    if stand_in.hits:
                        raise UnexpectedCancellation

                    made: Events | None = None
                    if result.__class__ is not chain.event_class or (
                        result.id != event.id and not step.is_rule
                    ):
                        made = made_of(step, event, result, taken)
                except BaseException as error:  # noqa: BLE001 - contained, or raised again
                    self._fail(step, event, contained(error))
                    continue

                if made is None:  # it has only changed
                    if step.is_rule or not chain.protects:
                        event = result
                        continue

                    made = (result,)

                if not made:
                    self._count(step).dropped += 1
                    if self._instruments.watches_filters:
                        self._instruments.event_filtered(step.name, self._hidden(event))

                passed = self._continue(step, event.id, made, taken)
                if len(passed) <= MOST_EVENTS:
                    return passed

                self._fail(step, event, too_many(len(passed)))
        finally:
            self.running = None
            if fanout.routes is NO_ROUTES:  # not if something was registered meanwhile
                fanout.routes = routes

            if task is not None:
                tasks[loop] = task

        return event

    def _continue(self, step: Step, id: str, events: Events, taken: int) -> Events:
        """Return what becomes of the events that a transform has changed or made.

        :param id: that of the event of which it has made them
        """
        if len(events) > 1:
            taken += len(events)

        passed: list[Event] = []
        for event in events:
            chain = self.chain(event.__class__)
            if chain is None:
                passed.append(event)
                continue

            later = [other for other in chain.steps if other.position > step.position]
            protects = () if step.is_rule else chain.protects
            result = self.apply(chain, event, (*protects, *later), taken if event.id == id else 0)
            passed += result if isinstance(result, tuple) else (result,)

        return (*passed,)

    def _fail(self, step: Step, event: Event, error: Exception) -> None:
        self._shield.stand_in.hits = 0
        owner, hook = (RULES, step.name) if step.is_rule else (step.name, HOOK)
        if step.is_rule or step.required:
            error = undisclosed(error)

        self._instruments.hook_failed(owner, hook, self._hidden(event), error)
        if not step.required:
            self._count(step).failed += 1
            return

        self._count(step).rejected += 1
        what = step.name if step.is_rule else f"the transform of plugin '{step.name}'"
        raise EventNotTransformed(
            event,
            step.name,
            f"{what}, which is required, failed: {error}",
            failed=not isinstance(error, _NotStarted),
        ) from error

    def _count(self, step: Step) -> _Counts:
        return self._counts.setdefault(step.name, _Counts())


class _NotStarted(UndisclosedError):
    pass


def _not_started(event: Event) -> TransformResult:
    raise _NotStarted("its plugin has not started yet")
