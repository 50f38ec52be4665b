"""Assignments: other values for the fields of an event, computed from its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from .._events import COMMON_FIELDS, Event
from .._exceptions import RuleError
from .._hints import did_you_mean
from .fields import field_names, field_types

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.runtime import Context
    from pydantic import TypeAdapter

Compute: TypeAlias = Callable[[dict[str, Any]], object]
_ALWAYS_KNOWN = ("event", "type")
_RESULT = "result"
_REMEDY = "'lanrage-events check --event' shows why"


class AssignmentProblem(NamedTuple):
    """What is wrong with the value of a field."""

    field: str
    message: str
    line: int = 0
    """the line of a template in which it is, from 0"""
    about_key: bool = False


class Assignment:
    """Other values for the fields of events.

    :param values: by field, a Jinja template that sees the event's fields, or a value
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._computed: dict[str, Compute] = {}
        self._names: dict[str, frozenset[str]] = {}
        """what each template names"""
        self._errors: list[AssignmentProblem] = []
        for name, value in values.items():
            if isinstance(value, str) and ("{{" in value or "{%" in value or "{#" in value):
                self._compile(name, value)

    def _compile(self, name: str, text: str) -> None:
        from jinja2 import TemplateSyntaxError, meta

        try:
            tree = _environment().parse(text)
            self._computed[name] = _compiled(text)
            self._names[name] = frozenset(meta.find_undeclared_variables(tree))
        except TemplateSyntaxError as error:
            message = f"the template cannot be read: {error.message}"
            self._errors.append(AssignmentProblem(name, message, (error.lineno or 1) - 1))

    def problems(self, types: Sequence[type[Event]]) -> Iterator[AssignmentProblem]:
        """Yield what can never work with events of some classes."""
        yield from self._errors
        unreadable = {problem.field for problem in self._errors}
        known = field_names(types)
        for name, value in self._values.items():
            having = [cls for cls in types if name in field_types(cls)]
            if name in COMMON_FIELDS:
                message = "a rule cannot change which event it is, and when it happened"
                yield AssignmentProblem(name, message, about_key=True)
            elif not having:
                hint = did_you_mean(name, set(known) - COMMON_FIELDS)
                message = f"no event type that the rule is for has this field{hint}"
                yield AssignmentProblem(name, message, about_key=True)
            elif name in self._computed:
                yield from self._unknown_names(name, {*known, *_ALWAYS_KNOWN})
            elif name not in unreadable:
                yield from self._wrong_constant(name, value, having)

    def _unknown_names(self, name: str, known: set[str]) -> Iterator[AssignmentProblem]:
        for unknown in sorted(self._names[name] - known - {*_environment().globals}):
            hint = did_you_mean(unknown, known)
            message = f"no event type that the rule is for has a field '{unknown}'{hint}"
            yield AssignmentProblem(name, message)

    @staticmethod
    def _wrong_constant(
        name: str, value: object, having: Sequence[type[Event]]
    ) -> Iterator[AssignmentProblem]:
        for cls in having:
            try:
                _converted(_adapter(cls, name), value)
            except ValueError as error:
                yield AssignmentProblem(name, f"not a value of this field: {_reason(error)}")
                return

    def __call__(self, cls: type[Event]) -> Callable[[Event], Event] | None:
        """Return what assigns the values to events of a class, None if it has none of the fields."""
        computes = self._computes(cls)
        if not computes:
            return None

        def assign(event: Event) -> Event:
            values = _values(event)
            changes: dict[str, Any] = {}
            for name, compute in computes.items():
                try:
                    changes[name] = compute(values)
                except Exception as error:  # noqa: BLE001 - a template may raise anything
                    # Not its text: it may have a name that a rule below hides.
                    kind = type(error).__name__
                    raise RuleError(f"{name}: {kind}; {_REMEDY}") from None

            if all(changes[name] == values[name] for name in changes):
                return event

            return event.replace(**changes)

        return assign

    def explain(self, event: Event) -> str:
        """Return why the values cannot be assigned to an event, with values of it."""
        for name, compute in self._computes(type(event)).items():
            try:
                compute(_values(event))
            except Exception as error:  # noqa: BLE001 - as above
                return f"{name}: {_reason(error)}"

        return ""

    def misfits(self, event: Event) -> Iterator[AssignmentProblem]:
        """Yield what templates make of an event that is no value of its field."""
        values = _values(event)
        for name, compute in self._computed.items():
            if name not in field_types(type(event)):
                continue

            try:
                made = compute(values)
            except Exception:  # noqa: BLE001, S112 - it may work with other values
                continue

            try:
                _converted(_adapter(type(event), name), made)
            except ValueError as error:
                example = f"such as {made!r} for a {event.type}, which stays as it was"
                message = f"it gives no value of this field, {example}: {_reason(error)}"
                yield AssignmentProblem(name, message)

    def _computes(self, cls: type[Event]) -> dict[str, Compute]:
        """Return what computes the values of fields of a class."""
        names = [name for name in self._values if name in field_types(cls)]
        return {name: self._compute(cls, name) for name in names}

    def _compute(self, cls: type[Event], name: str) -> Compute:
        adapter, compute = _adapter(cls, name), self._computed.get(name)
        if compute is None:
            return lambda values: _converted(adapter, self._values[name])

        return lambda values: _converted(adapter, compute(values))


def _values(event: Event) -> dict[str, Any]:
    """Return what the templates see of an event."""
    values = {name: getattr(event, name) for name in field_types(type(event))}
    return values | {"type": event.type, "event": event}


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined)


def _compiled(text: str) -> Compute:
    """Compile a template; of a single expression, the result is its value rather than text."""
    from jinja2 import Undefined, nodes

    environment = _environment()
    body = environment.parse(text.strip()).body
    output = body[0] if len(body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        whole = environment.from_string(text)
        return lambda values: "".join(whole.root_render_func(_context(whole, values)))

    result = nodes.Assign(nodes.Name(_RESULT, "store"), output.nodes[0], lineno=1)
    template = environment.from_string(nodes.Template([result], lineno=1))

    def compute(values: dict[str, Any]) -> object:
        context = _context(template, values)
        for _ in template.root_render_func(context):
            continue

        found = context.vars[_RESULT]
        return str(found) if isinstance(found, Undefined) else found  # raises what is missing

    return compute


def _context(template: Template, values: dict[str, Any]) -> Context:
    # What new_context() does else takes as long as the rest of the template.
    return template.new_context({**_environment().globals, **values}, shared=True)


def _adapter(cls: type[Event], name: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    kind = field_types(cls)[name]
    return TypeAdapter(Any if kind is None else kind)


def _converted(adapter: TypeAdapter[Any], value: object) -> Any:
    try:
        return adapter.validate_python(value)
    except ValueError:
        # A party may be called 2026.
        if isinstance(value, int | float) and not isinstance(value, bool):
            return adapter.validate_python(str(value))

        raise


def _reason(error: Exception) -> str:
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return "; ".join(item["msg"] for item in error.errors(include_url=False))

    return f"{type(error).__name__}: {error}"
