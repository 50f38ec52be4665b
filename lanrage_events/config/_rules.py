"""The rules of a configuration, as they are written in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .._bus import Registry
from .._events import Event
from .._rules import (
    PSEUDONYM,
    Action,
    Assignment,
    Effect,
    Hiding,
    HidingKey,
    Rule,
    RuleSet,
    RuleStep,
    drop,
    fold,
    has_field,
    hide,
    redact,
    without_addresses,
)
from ..abc import Bus
from ..events import EventRegistry, sample_event_fields
from ..yaml import Document, KeyPath, Position, Problem, with_path
from ._event_filter import EventFilter
from ._types import one_is_a_list

_Value: TypeAlias = str | int | float | bool | None
_ACTIONS: tuple[Action, ...] = ("drop", "set", "hide", "redact")


def _check_name(name: str) -> str:
    if not fold(name):
        raise ValueError("a name is expected, and there is nothing to see in it")

    return name


_Name = Annotated[str, Field(min_length=1), AfterValidator(_check_name)]
_Kind = Literal["addresses", "names"]


class RuleConfig(EventFilter):
    """What happens to some events before any plugin receives them."""

    drop: bool = False
    """whether no plugin receives the event"""
    set: Annotated[dict[str, _Value | list[_Value]] | None, Field(min_length=1)] = None
    """other values for fields: a Jinja template that sees the event's fields, or a value"""
    hide: Annotated[
        tuple[_Name, ...] | None,
        Field(min_length=1),
        BeforeValidator(one_is_a_list, json_schema_input_type=_Name | tuple[_Name, ...] | None),
    ] = None
    """names of people, in which ``*`` stands for any characters, that are replaced wherever an
    event names people; case does not matter"""
    shown: _Name = Field(default="a player", alias="as")
    """what is shown instead of a hidden name; ``pseudonym`` for the name of an animal, which is
    always the same for one person"""
    redact: Annotated[
        tuple[_Kind, ...] | None,
        Field(min_length=1),
        BeforeValidator(one_is_a_list, json_schema_input_type=_Kind | tuple[_Kind, ...] | None),
    ] = None
    """what is removed from all texts: IP addresses, and the names that rules hide"""

    @model_validator(mode="after")
    def _check_action(self) -> Self:
        given = [name for name in _ACTIONS if getattr(self, name) not in (None, False)]
        if not given:
            raise ValueError("it does nothing: give one of drop, set, hide and redact")

        if len(given) > 1:
            raise ValueError(f"at most one of {' and '.join(given)}: write a rule for each")

        if "shown" in self.model_fields_set and self.hide is None:
            raise ValueError("'as' is for rules with 'hide'")

        if fold(self.shown) in map(fold, self.hide or ()):
            raise ValueError("'as' is one of the names to hide")

        return self

    @property
    def action(self) -> Action:
        """What it does."""
        return next(name for name in _ACTIONS if getattr(self, name) not in (None, False))


NO_RULE = RuleConfig.model_validate({"hide": ["\0"], "as": PSEUDONYM})
"""stands for one that has errors while the others are checked, and has none of its own"""


@dataclass(frozen=True, slots=True)
class ConfiguredRules:
    """The rules of one file. Equal ones do the same."""

    configs: tuple[RuleConfig, ...] = ()
    document: Document = field(default_factory=Document, compare=False, repr=False)
    """the file, for the positions"""

    def open_key(self, state_folder: Path, *, is_kept: bool = True) -> None:
        """Create the key by which people are hidden, if the rules need one and there is none.

        :param is_kept: whether it is written; otherwise an existing one is only tried
        :raises ConfigError: if that is not possible
        """
        if any(config.hide or config.redact for config in self.configs):
            HidingKey(state_folder, is_kept=is_kept).open()

    def make(self, key: HidingKey) -> RuleSet | None:
        """Return the rules for a bus, None if there are none."""
        if not self.configs:
            return None

        hidings = self._hidings(key)
        return RuleSet(
            [
                Rule(
                    number=index + 1,
                    place=str(self.document.position(("rules", index))),
                    action=config.action,
                    is_for=config.events.select,
                    where=config.where,
                    effect=_make_effect(config, hidings.get(index), [*hidings.values()], key),
                )
                for index, config in enumerate(self.configs)
            ]
        )

    def _hidings(self, key: HidingKey) -> dict[int, Hiding]:
        return {
            index: Hiding(config.hide, config.shown, key)
            for index, config in enumerate(self.configs)
            if config.hide
        }

    def problems(self, events: EventRegistry) -> Iterator[tuple[Problem, bool]]:
        """Yield what is wrong with the rules, and whether it is only a likely mistake.

        :param events: the event types of all plugins
        """
        dropped: dict[type[Event], int] = {}
        for index, config in enumerate(self.configs):
            path = ("rules", index)
            unknown = list(config.events.unknown(events))
            for item, message in unknown:
                yield self.problem((*path, "events", item), message), False

            types = tuple(filter(config.events.select, events.types()))
            if unknown:
                continue

            yield from self._problems_of_values(path, config, types)
            yield from self._problems_of_results(path, config, types, events)
            if types and all(cls in dropped for cls in types):
                by = max(dropped[cls] for cls in types)
                message = f"no event comes here, since rule {by} drops all that it is for"
                yield self.problem(path, message), True
            elif config.drop and not config.where:
                dropped |= dict.fromkeys(types, index + 1)

        yield from self._problems_of_names()

    def _problems_of_values(
        self, path: KeyPath, config: RuleConfig, types: Sequence[type[Event]]
    ) -> Iterator[tuple[Problem, bool]]:
        for found in config.where.problems(types, "no event matches"):
            where = (*path, "where", *found.path)
            yield self.problem(where, found.message, key=found.about_key), not found.about_key

        for wrong in Assignment(config.set or {}).problems(types):
            where = (*path, "set", wrong.field)
            text = self.document.text(where)
            position = self.document.position(where, key=wrong.about_key)
            if wrong.line:
                position = Position(text.line + wrong.line, 1, position.file)

            yield Problem(position, with_path(where, wrong.message)), False

    def _problems_of_results(
        self,
        path: KeyPath,
        config: RuleConfig,
        types: Sequence[type[Event]],
        events: EventRegistry,
    ) -> Iterator[tuple[Problem, bool]]:
        """Yield for which fields the templates of ``set`` give no value, as far as samples show."""
        if not config.set:
            return

        found: dict[str, str] = {}
        fitting: set[str] = set()
        assignment = Assignment(config.set)
        for cls in types:
            sample = _sample(cls, events)
            wrong = (
                {} if sample is None else {m.field: m.message for m in assignment.misfits(sample)}
            )
            found |= wrong
            fitting |= {n for n in config.set if has_field(cls, n) and n not in wrong}

        for name in found.keys() - fitting:
            yield self.problem((*path, "set", name), found[name]), True

    def _problems_of_names(self) -> Iterator[tuple[Problem, bool]]:
        hidings = self._hidings(HidingKey())
        for index in hidings:
            if "{{" in self.configs[index].shown or "{%" in self.configs[index].shown:
                message = "it is no template, so it is shown as it is: use 'set' for one"
                yield self.problem(("rules", index, "as"), message), True

        for index, config in enumerate(self.configs):
            if "names" not in (config.redact or ()):
                continue

            if not hidings:
                message = "no rule hides names, so there are none to redact: add one with 'hide'"
                yield self.problem(("rules", index, "redact"), message), True

            for other in hidings:
                shown = self.configs[other].shown
                if shown != PSEUDONYM and any(
                    h.replace_in(shown) != shown for h in hidings.values()
                ):
                    message = "it has one of the names that are to be hidden"
                    yield self.problem(("rules", other, "as"), message), False

            return

    def problem(self, path: KeyPath, message: str, *, key: bool = False) -> Problem:
        """Return what is wrong with a rule, with its position in the file."""
        return Problem(self.document.position(path, key=key), with_path(path, message))


def explain_rules(bus: Bus, event: Event, *, with_details: bool = True) -> Iterator[RuleStep]:
    """Yield what each rule of a bus does with an event, until one drops it, and then each transform.

    The transforms of plugins come after the rules, with the place ``plugin 'NAME'``. If one makes several
    events, the step has the first. A transform is not called if its plugin needs a lifespan that has not
    started, or if the bus runs: its outcome says so, and the event of the step is without it.

    :param bus: from :func:`load_bus`; one with rules of another kind has none to explain
    :param with_details: whether to name transforms that are not called and only fill in fields
    """
    rules = getattr(bus, "rules", None)
    if isinstance(rules, RuleSet):
        for step in rules.explain(event):
            yield step
            if step.event is None:
                return

            event = step.event

    if isinstance(bus.plugins, Registry):
        for trial in bus.plugins.explain(event, with_details=with_details):
            left = trial.events[0] if trial.events else None
            yield RuleStep(f"plugin '{trial.plugin}'", "transform", trial.outcome, left)


def _sample(cls: type[Event], events: EventRegistry) -> Event | None:
    """Return an event with made-up values, None if they cannot be made up."""
    try:
        fields = sample_event_fields(events.json_schema(cls.type), optional=True)
        return events.from_dict({"type": cls.type, **fields})
    except Exception:  # noqa: BLE001 - a class of a plugin may have any field
        return None


def _make_effect(
    config: RuleConfig, hiding: Hiding | None, hidings: Sequence[Hiding], key: HidingKey
) -> Effect:
    if config.set is not None:
        return Assignment(config.set)

    if hiding is not None:
        return hide(hiding, key)

    if config.redact is None:
        return drop

    replaces: list[Any] = []
    if "names" in config.redact:
        replaces += [one.replace_in for one in hidings]

    if "addresses" in config.redact:
        replaces.append(without_addresses)

    return redact(replaces, key)
