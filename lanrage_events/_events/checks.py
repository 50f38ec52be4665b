"""What may be published, subscribed to and asked."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from inspect import get_annotations, getattr_static, iscoroutinefunction, signature
from types import FunctionType, UnionType
from typing import Any

from .event import Event, PartyEvent


def check_event_class(cls: object) -> type[Event]:
    """Return an event class.

    :raises TypeError: if it is none; it says what to give instead
    """
    decorator = "@dataclass(frozen=True, kw_only=True, slots=True)"
    if isinstance(cls, type) and issubclass(cls, Event):
        if "__dataclass_fields__" in vars(cls) or not _has_own_fields(cls):
            return cls

        raise TypeError(f"{cls.__name__} is not an event class yet: put {decorator} above it")

    if isinstance(cls, Event):
        name = type(cls).__name__
        raise TypeError(f"an event of {name} is not an event class: give {name} itself")

    if isinstance(cls, UnionType | list | set):
        raise TypeError(f"{cls} is not an event class: give a tuple of classes, as to isinstance")

    remedy = f"derive it from lanrage_events.Event and decorate it with {decorator}"
    if isinstance(cls, FunctionType):
        remedy = "name the class first, such as in @on(PeerJoined)"
    elif isinstance(cls, str):
        remedy = "give the class, which bus.events.get(…) returns for an event type"

    raise TypeError(f"{cls!r} is not an event class: {remedy}")


def check_event_classes(event_class: object) -> tuple[type[Event], ...]:
    """Return the event classes that a caller gave: one, or a tuple of them.

    :raises TypeError: if it is anything else
    """
    given: tuple[object, ...] = event_class if isinstance(event_class, tuple) else (event_class,)
    if not given:
        raise TypeError("an event class is needed, and the tuple is empty: name at least one")

    return tuple(check_event_class(one) for one in given)


def check_where(where: object) -> None:
    """Check that something can be asked whether an event is wanted.

    :raises TypeError: if not
    """
    if where is None:
        return

    if not callable(where):
        raise TypeError(f"where must be a function of the event, such as a lambda, not {where!r}")

    if iscoroutinefunction(where) or iscoroutinefunction(getattr_static(type(where), "__call__")):
        raise TypeError("where is async, and nothing would await it: make it a plain 'def'")

    with suppress(ValueError, NameError):  # a builtin may have none; annotations may be unknown
        try:
            signature(where).bind(object())
        except TypeError as error:
            raise TypeError(
                f"where is called with one argument, the event, but cannot be: {error}"
            ) from None


def _has_own_fields(cls: type[Event]) -> bool:
    own = get_annotations(cls).values()
    return any("ClassVar" not in str(annotation) for annotation in own)


def check_event(event: object) -> None:
    """Check that something can be published.

    :raises TypeError: if it is no event; it says what to publish instead
    """
    if isinstance(event, Event):
        check_event_class(event.__class__)  # not type(): a mock of an event has the class of one
    elif isinstance(event, type) and issubclass(event, Event):
        name = event.__name__
        raise TypeError(f"an Event was expected, not the class {name}: publish {name}(…)")
    else:
        remedy = "create one of its class"
        if isinstance(event, dict | str | bytes):
            remedy = "bus.events.from_dict and from_json create one"
        elif isinstance(event, list | tuple):
            remedy = "publish its events one by one, or with publish_many_and_wait"

        is_shown = event is None or isinstance(event, str)
        found = repr(event) if is_shown else f"a {type(event).__name__}"
        raise TypeError(f"an Event was expected, not {found}: {remedy}")


def _explain_missing_decorator(cls: type[Event]) -> None:
    """Let an event class that was not decorated say so when it is created.

    Only its base class can: a decorated class has an ``__init__`` of its own.
    """
    init: Any = cls.__init__

    @wraps(init)
    def explain(self: Event, *args: Any, **fields: Any) -> None:
        check_event_class(type(self))
        init(self, *args, **fields)

    cls.__init__ = explain  # type: ignore[method-assign]


for _base in (Event, PartyEvent):
    _explain_missing_decorator(_base)
