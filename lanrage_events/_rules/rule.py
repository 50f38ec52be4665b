"""The rules of a configuration: which events each is for, and what they do with them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, Protocol, TypeAlias

from .._events import Event
from ..abc import Transform
from .assignment import Assignment
from .conditions import Condition
from .effects import Effect, Step

Action: TypeAlias = Literal["drop", "set", "hide", "redact"]


class Values(Protocol):
    """Which values the fields of an event must have."""

    def tests(self, cls: type[Event], /) -> Sequence[tuple[str, Condition]] | None:
        """Return the fields with their conditions, None if events of a class lack one of them."""

    def mismatch(self, event: Event, /) -> tuple[str, str] | None:
        """Return the field for which an event does not match, and why; None if it matches."""


@dataclass(frozen=True, slots=True)
class RuleStep:
    """What one rule does with an event."""

    place: str
    """where the rule stands, as ``file:line:column``"""
    rule: str
    """its name and what it does, such as ``rule 2 (drop)``"""
    outcome: str
    """what becomes of the event, with its values"""
    event: Event | None
    """the event as it is after the rule, None if it is dropped"""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    :param number: from 1, in the order of the file
    :param place: where it stands, as ``file:line:column``
    :param is_for: returns whether it is for the events of a class
    :param effect: what it does with the events that it is for
    """

    number: int
    place: str
    action: Action
    is_for: Callable[[type[Event]], bool]
    where: Values
    effect: Effect

    @property
    def required(self) -> bool:
        """Whether an event must not go on without it."""
        return self.action in ("hide", "redact")

    @property
    def name(self) -> str:
        """Its name in statistics and messages."""
        return f"rule {self.number}"

    def transform(self, cls: type[Event]) -> Transform | None:
        """Return what it does with the events of a class, None if it does nothing."""
        tests = self.where.tests(cls) if self.is_for(cls) else None
        step = None if tests is None else self.effect(cls)
        if tests is None or step is None:
            return None

        return Transform(self.name, _conditional(tests, step), self.required)

    def explain(self, event: Event) -> RuleStep:
        """Return what it does with an event."""
        outcome, result = self._explain(event)
        return RuleStep(self.place, f"{self.name} ({self.action})", outcome, result)

    def _explain(self, event: Event) -> tuple[str, Event | None]:
        if not self.is_for(type(event)):
            return f"is not for {event.type}", event

        mismatch = self.where.mismatch(event)
        if mismatch is not None:
            return f"is not for this event: {mismatch[1]}", event

        transform = self.transform(type(event))
        if transform is None:
            return f"changes nothing: {event.type} has none of its fields", event

        try:
            result = transform.function(event)
        except Exception as error:  # noqa: BLE001 - a template may raise anything
            if not isinstance(self.effect, Assignment):
                return f"fails, so the event is not published: {error}", None

            return f"fails, so the event stays as it is: {self.effect.explain(event)}", event

        if not isinstance(result, Event):
            return "drops it", None

        return _describe_changes(event, result), result


class RuleSet:
    """The rules of a configuration, for a bus: ``EventBus(rules=…)``.

    :param rules: in the order of the file
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def transforms(self, event_class: type[Event]) -> Sequence[Transform]:
        """Return what the rules do with the events of a class, in order."""
        return self._of(event_class, self._rules)

    def protects(self, event_class: type[Event]) -> Sequence[Transform]:
        """Return what hides people in the events of a class."""
        return self._of(event_class, [rule for rule in self._rules if rule.required])

    def explain(self, event: Event) -> Iterator[RuleStep]:
        """Yield what each rule does with an event, until one drops it."""
        for rule in self._rules:
            step = rule.explain(event)
            yield step
            if step.event is None:
                return

            event = step.event

    @staticmethod
    def _of(event_class: type[Event], rules: Sequence[Rule]) -> tuple[Transform, ...]:
        found = (rule.transform(event_class) for rule in rules)
        return tuple(transform for transform in found if transform is not None)


def _conditional(tests: Sequence[tuple[str, Condition]], step: Step) -> Step:
    """Return a step that only events whose fields have the values take."""
    if not tests:
        return step

    if len(tests) == 1:
        [(name, test)] = tests

        def take_if(event: Event) -> Event | None:
            return step(event) if test(getattr(event, name)) else event

        return take_if

    def take_if_all(event: Event) -> Event | None:
        for name, test in tests:
            if not test(getattr(event, name)):
                return event

        return step(event)

    return take_if_all


def _describe_changes(before: Event, after: Event) -> str:
    changed = [
        f"{field.name} from {getattr(before, field.name)!r} to {getattr(after, field.name)!r}"
        for field in fields(before)
        if getattr(before, field.name) != getattr(after, field.name)
    ]
    return f"changes {', '.join(changed)}" if changed else "changes nothing"
