"""Settings that select an event in whose place a plugin now publishes another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from .._bus import EventBus, Registry
from .._events import Event
from .._reports import ConfigProblem
from ..yaml import KeyPath, Position, Problem
from ._event_filter import EventFilter
from ._event_types import EventTypes
from ._models import ConfiguredPlugin
from ._rules import ConfiguredRules
from ._where import Where


@dataclass(frozen=True, slots=True)
class _Selection:
    """A setting that selects events."""

    path: KeyPath
    types: EventTypes
    where: Where | None = None
    is_mapping: bool = False
    """whether the types are its keys"""

    def selects(self, event: Event) -> bool:
        return self.types.select(type(event)) and (not self.where or self.where.matches(event))

    def place(self, before: Event, now: Event) -> KeyPath:
        """Return the path of what selects one event and not another."""
        if self.types.select(type(now)):
            return (*self.path[:-1], "where")

        name = self.types.nearest(type(before)) or before.type
        return (*self.path, name if self.is_mapping else self.types.index(name))

    def warning(self, before: Event, now: Event, message: str) -> ConfigProblem:
        """Return a warning at that place."""
        place = self.place(before, now)
        return ConfigProblem(message, place, warning=True, about_key=self.is_mapping)


def replaced_settings(
    bus: EventBus, plugins: Iterable[ConfiguredPlugin], rules: ConfiguredRules
) -> Iterator[Problem]:
    """Yield a warning for each setting, rule and template that no longer gets what it was for.

    What selects the new event as well is right, and so is what has it beside it, in another item of the
    same list or mapping. Nothing is known of plugins that only publish and do not say what.

    :param bus: with the plugins, which need not run, and the folders of the user's templates
    """
    registry = bus.plugins
    declared: Mapping[str, Sequence[tuple[Event, Event]]] = bus.query("replaced_events")
    if not declared or not isinstance(registry, Registry):
        return

    if any(registry.is_source(name) and name not in declared for name in registry):
        return

    receiving = {name for name in registry if registry.handles_events(name)}
    settings = [(one, [*_selections(one.config)]) for one in plugins if one.name in receiving]
    of_rules = [*_selections(rules.configs, ("rules",))]
    files = {file for folder in bus.templates for file in folder.glob("*/*.yaml")}
    pairs = [(name, *pair) for name, published in declared.items() for pair in published]
    for name, before, now in pairs:
        if type(before) is type(now):
            continue

        kept = [one for _, one, same in pairs if type(one) is type(same) is type(before)]
        message = f"the plugin '{name}' now publishes {now.type} instead of {before.type}"
        remedy = f"write {now.type}, or both if something else publishes {before.type}"
        for plugin, selections in settings:
            for found in _outdated(selections, before, now, kept):
                yield plugin.problem(found.warning(before, now, f"{message}: {remedy}"))

        for found in _outdated(of_rules, before, now, kept):
            yield rules.problem(found.place(before, now), f"{message}: {remedy}")

        for file in () if kept else sorted(files):
            if file.stem == before.type and file.with_stem(now.type) not in files:
                text = f"{message}: copy it to {now.type}.yaml, and adapt the fields"
                yield Problem(Position(file=str(file)), text)


def _outdated(
    selections: Sequence[_Selection], before: Event, now: Event, kept: Sequence[Event]
) -> Iterator[_Selection]:
    """Yield what selects an event and neither the new one nor one that is still published."""
    known = {one.path[:1] for one in selections if now.type in one.types}
    for one in selections:
        is_right = one.path[:1] in known or any(map(one.selects, (now, *kept)))
        if one.selects(before) and not is_right:
            yield one


def _selections(value: object, path: KeyPath = ()) -> Iterator[_Selection]:
    """Yield what selects events by their types in a setting and in those below it."""
    children: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, EventTypes):
        yield _Selection(path, value)
    elif isinstance(value, BaseModel):
        children = [
            (info.alias or name, getattr(value, name))
            for name, info in type(value).model_fields.items()
            if name in value.model_fields_set  # defaults are not the user's
        ]
        if isinstance(value, EventFilter):
            yield _Selection((*path, "events"), value.events, value.where)
            children = [child for child in children if child[0] != "events"]

    elif isinstance(value, Mapping) and not isinstance(value, Where):
        children = [(key, child) for key, child in value.items() if isinstance(key, str)]
        yield _Selection(path, EventTypes(str(key) for key, _ in children), is_mapping=True)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        children = enumerate(value)

    for key, child in children:
        yield from _selections(child, (*path, key))
