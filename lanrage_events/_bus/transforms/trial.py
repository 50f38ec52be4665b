"""What transforms make of an event that is only shown, and not published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..._events import Event
from ..._exceptions import EventNotTransformed
from ...abc import Instrument, Rules, Transform
from ..instrument import Instruments
from ..threads import LoopWatch
from .chain import DeclaredTransform, Events
from .discretion import undisclosed
from .transforms import Transforms


@dataclass(frozen=True, slots=True)
class Trial:
    """What the transforms of one plugin make of an event."""

    plugin: str
    outcome: str
    """in words, without a value of the event"""
    events: Events
    """what is left to publish"""
    is_known: bool = True
    """whether its transforms were called"""


class _Failures(Instrument):
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        self.errors.append(error)


@dataclass(frozen=True, slots=True)
class _Protection:
    """What events pass again that a plugin has changed, and not what they have passed before."""

    rules: Rules

    def protects(self, event_class: type[Event]) -> Sequence[Transform]:
        return self.rules.protects(event_class)

    def transforms(self, event_class: type[Event]) -> Sequence[Transform]:
        return ()


def attempt(
    events: Events,
    rules: Rules | None,
    plugin: str = "",
    transforms: tuple[DeclaredTransform, ...] = (),
    *,
    required: bool = False,
) -> tuple[Events, list[Exception]]:
    """Return what rules and a plugin make of events, and what they raise; nothing is counted.

    :returns: no events if one of them would not be published
    """
    failures = _Failures()
    trial = Transforms(Instruments([failures]), LoopWatch(None))
    trial.rules = rules
    trial.add(plugin, transforms, required=required, runs=True)
    try:
        return tuple(one for event in events for one in trial.events_of(event)), failures.errors
    except EventNotTransformed:
        return (), failures.errors


def explain(transforms: Transforms, event: Event, *, is_running: bool) -> Iterator[Trial]:
    """Yield what the plugins make of an event that the rules have passed.

    :param is_running: whether the bus runs; then no transform is called, since it may remember the
        event, which is not published
    """
    rules = None if transforms.rules is None else _Protection(transforms.rules)
    events: Events = (event,)
    for name, plugin in tuple(transforms.plugins.items()):
        classes = tuple(cls for one in plugin.transforms for cls in one.classes)
        if not any(isinstance(one, classes) for one in events):
            continue

        if is_running or not plugin.runs:
            why = "for what is only shown while the bus runs"
            outcome = f"is not called {why if is_running else 'before its plugin has started'}"
            yield Trial(name, outcome, events, is_known=False)
            continue

        before, required = events, plugin.required
        events, errors = attempt(before, rules, name, plugin.transforms, required=required)
        yield Trial(name, _outcome(before, events, errors), events)


def _outcome(before: Events, after: Events, errors: Sequence[Exception]) -> str:
    if errors:
        passes = ", and the event passes without it" if after else ", so the event is not published"
        return f"fails{passes}: {undisclosed(errors[0])}"

    if after == before:
        return "changes nothing"

    if not after:
        return "drops it"

    return "changes it" if len(after) == 1 else f"makes {len(after)} events of it"
