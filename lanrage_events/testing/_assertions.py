"""Assertions that compare the received events with the expected ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .._events import Event
from .._hints import did_you_mean
from ._alignment import Match, align, pair
from ._describe import describe_event, fields_of, format_arguments
from ._recorder import RecordingPlugin, hint


class Like:
    """Matches any event of a class in which some fields have certain values.

    :param event_class: the class; events of its subclasses match, too
    :raises TypeError: if the class has no such field
    """

    def __init__(self, event_class: type[Event], fields: Mapping[str, Any]) -> None:
        check_names(event_class, fields)
        self.event_class = event_class
        self.fields: dict[str, Any] = dict(fields)

    def __repr__(self) -> str:
        if not self.fields:
            return f"any {self.event_class.__name__}"

        return f"like({', '.join((self.event_class.__name__, *format_arguments(self.fields)))})"


def like(event_class: type[Event], /, **fields: Any) -> Like:
    """Match any event of a class in which these fields have these values.

    :param event_class: the class; events of its subclasses match, too
    :raises TypeError: if the class has no such field
    """
    return Like(event_class, fields)


Expected = Event | type[Event] | Like


def assert_delivered(
    got: RecordingPlugin | Iterable[Event],
    *expected: Expected,
    in_order: bool = True,
    only: bool = True,
) -> None:
    """Fail unless the expected events arrived; the message lists missing, wrong and extra events.

    Events are compared by class and fields, without ``id`` and ``time``. A class matches any event
    of it, and :func:`like` those with some values. Handle pending events first, such as with
    ``await bus.drain()``.

    :param got: a recording plugin, or events
    :param expected: the events that should have arrived; none at all if it is empty
    :param in_order: whether the order matters
    :param only: whether no other events may have arrived
    :raises AssertionError: if the events differ
    """
    __tracebackhide__ = True
    events = _events(got)
    wanted = [_as_wanted(item) for item in expected]
    matches = align(wanted, events, _fits, in_order=in_order)
    if not _is_good(matches, only):
        raise AssertionError(_difference(matches, wanted, events, in_order, only) + _hint(got))


def assert_not_delivered(got: RecordingPlugin | Iterable[Event], *unexpected: Expected) -> None:
    """Fail if one of these events arrived.

    :param got: a recording plugin, or events
    :param unexpected: events, classes or :func:`like`, as for :func:`assert_delivered`
    :raises AssertionError: if one of them arrived
    """
    __tracebackhide__ = True
    if not unexpected:
        raise TypeError("name what must not arrive; use assert_delivered(got) for no events at all")

    wanted = [_as_wanted(item) for item in unexpected]
    lines = [
        f"  {number}. {describe_event(event)}"
        for number, event in enumerate(_events(got), 1)
        if any(_fits(item, event) for item in wanted)
    ]
    if lines:
        raise AssertionError("\n".join(["these events should not have arrived:", *lines]))


def check_names(event_class: type[Event], names: Iterable[str]) -> None:
    """Raise a :exc:`TypeError` if an event class lacks one of these fields."""
    known = [field.name for field in fields(event_class)]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known)}"
            raise TypeError(f"{event_class.__name__} has no field '{name}'{hint}")


def _events(got: RecordingPlugin | Iterable[Event]) -> list[Event]:
    return list(got.events if isinstance(got, RecordingPlugin) else got)


def _as_wanted(item: Expected) -> Like:
    if isinstance(item, Like):
        return item

    if isinstance(item, type) and issubclass(item, Event):
        return Like(item, {})

    if isinstance(item, Event):
        return _Same(item)

    raise TypeError(f"expected an event, an event class or like(…), not {item!r}")


class _Same(Like):
    """Matches events that equal another one apart from id and time."""

    def __init__(self, event: Event) -> None:
        self.event_class = type(event)
        self.fields = fields_of(event)
        self._text = describe_event(event)

    def __repr__(self) -> str:
        return self._text


def _is_of_class(wanted: Like, event: Event) -> bool:
    if isinstance(wanted, _Same):
        return type(event) is wanted.event_class

    return isinstance(event, wanted.event_class)


def _fits(wanted: Like, event: Event) -> bool:
    return _is_of_class(wanted, event) and all(
        getattr(event, name) == value for name, value in wanted.fields.items()
    )


def _differences(wanted: Like, event: Event) -> Iterator[str]:
    for name, value in wanted.fields.items():
        found = getattr(event, name)
        if found != value:
            yield f"{name}: expected {value!r}, got {found!r}"


def _is_good(matches: Sequence[Match], only: bool) -> bool:
    return all(match.fits or (match.wanted is None and not only) for match in matches)


def _difference(
    matches: Sequence[Match],
    wanted: Sequence[Like],
    events: Sequence[Event],
    in_order: bool,
    only: bool,
) -> str:
    if in_order and _is_good(align(wanted, events, _fits, in_order=False), only):
        return "\n".join(
            ["the right events arrived, but in another order:", *_orders(wanted, events)]
        )

    return "\n".join(
        [
            f"{len(events)} arrived, {len(wanted)} expected:",
            *_lines(pair(matches, wanted, events, _is_of_class), wanted, events, only),
        ]
    )


def _orders(wanted: Sequence[Like], events: Sequence[Event]) -> Iterator[str]:
    yield "  expected:"
    yield from (f"    {number}. {item!r}" for number, item in enumerate(wanted, 1))
    yield "  got:"
    yield from (f"    {number}. {describe_event(event)}" for number, event in enumerate(events, 1))


def _lines(
    matches: Sequence[Match], wanted: Sequence[Like], events: Sequence[Event], only: bool
) -> Iterator[str]:
    for match in matches:
        if match.got is None:
            yield _line("-", "missing", repr(wanted[match.wanted or 0]))
            continue

        event = events[match.got]
        text = describe_event(event)
        if match.wanted is None:
            yield _line("+", "unexpected", text) if only else _line(" ", "another", text)
        elif match.fits:
            yield _line(" ", "as expected", text)
        else:
            yield _line("!", "different", text)
            for difference in _differences(wanted[match.wanted], event):
                yield _line(" ", "", f"  {difference}")


def _line(mark: str, what: str, text: str) -> str:
    label = f"{what}:" if what else ""
    return f"{mark} {label:13}{text}"


def _hint(got: object) -> str:
    return hint(got) if isinstance(got, RecordingPlugin) else ""
