"""Sample events, whose required fields are made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from .._events import Event, check_event_class, type_adapter
from ..events import sample_event_fields
from ..events._registry import field_problems
from ._assertions import check_names

if TYPE_CHECKING:
    from pydantic import ValidationError

EventT = TypeVar("EventT", bound=Event)


def sample(event_class: type[EventT], /, **fields: Any) -> EventT:
    """Return an event whose required fields are made up, except for the given ones.

    :param event_class: a built-in event class, or one of a plugin
    :param fields: the ones that matter to the test; they are validated
    :raises TypeError: if the class has no such field, or a value for one cannot be made up
    :raises ValueError: if a given value is not allowed
    """
    return _sample(event_class, fields, 0)


def samples(event_class: type[EventT], count: int, /, **fields: Any) -> list[EventT]:
    """Return several events of a class, such as the arrival of twelve different players.

    :param event_class: a built-in event class, or one of a plugin
    :param count: how many
    :param fields: the ones that are the same in all events
    :raises TypeError: as :func:`sample`
    :raises ValueError: as :func:`sample`
    """
    return [_sample(event_class, fields, number) for number in range(count)]


def _sample(event_class: type[EventT], given: Mapping[str, Any], number: int) -> EventT:
    from pydantic import ValidationError

    check_event_class(event_class)
    check_names(event_class, given)
    adapter = type_adapter(event_class)
    fields = sample_event_fields(adapter.json_schema(), number)
    made = {name: value for name, value in fields.items() if name not in given}
    try:
        event: EventT = adapter.validate_python({**made, **given})
    except ValidationError as error:
        raise _explained(event_class, made, error) from None

    return event


def _explained(
    event_class: type[Event], made: Mapping[str, object], error: ValidationError
) -> Exception:
    wrong = {str(details["loc"][0]) for details in error.errors(include_url=False)}
    unknown = sorted(wrong & made.keys())
    if unknown:
        examples = ", ".join(f"{name}=…" for name in unknown)
        return TypeError(
            f"no value for {' and '.join(map(repr, unknown))} of {event_class.__name__} could be "
            f"made up: write sample({event_class.__name__}, {examples})"
        )

    problems = "; ".join(map(str, field_problems(event_class, error)))
    return ValueError(f"{event_class.__name__}: {problems}")
