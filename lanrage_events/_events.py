# No "from __future__ import annotations" here: the public __module__ of these classes would then
# keep TypeAdapter and get_type_hints from resolving their annotations.
import difflib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from ._exceptions import EventDecodeError, EventTypeConflict, FieldProblem, UnknownEventType

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

_RESERVED_FIELDS = frozenset({"type", "to_dict", "to_json"})


class _Ids:
    """Ids that no other process makes: a random prefix per process, and a counter."""

    def __init__(self) -> None:
        self.renew()
        # A forked child would otherwise go on with its parent's prefix and counter.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self._prefix = os.urandom(8).hex()
        self._counter = count(1)

    def __call__(self) -> str:
        return f"{self._prefix}-{next(self._counter):x}"


_new_id = _Ids()


def _now() -> datetime:
    return datetime.now(UTC)


def _snake_case(name: str) -> str:
    """Turn a class name such as ``LANPartyOpened`` into ``lan_party_opened``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base class of every event: a frozen record of something that happened.

    Derive from it with ``@dataclass(frozen=True, kw_only=True, slots=True)`` and name the class
    with a noun and a past participle. Values are not validated inside the process, only where
    they come in as JSON.
    """

    type: ClassVar[str] = "event"
    """the event type: the class name in snake case"""
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
        "hide_input_in_errors": True,
    }

    id: str = field(default_factory=_new_id)
    """unique across processes; whoever publishes an event twice keeps the id"""
    time: datetime = field(default_factory=_now)
    """when it happened, aware, in UTC"""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not super(): slots=True makes the class anew, and the old one's __class__ cell stays.
        super(Event, cls).__init_subclass__(**kwargs)
        cls.type = _snake_case(cls.__name__)

    def to_json(self) -> str:
        """Return the JSON form of the event in one line, ``type`` first.

        A float that is not finite becomes null and a lone surrogate a question mark, since JSON
        has neither.
        """
        adapter = _adapter(type(self))
        try:
            text = adapter.dump_json(self).decode()
        except ValueError:
            data = json.dumps(adapter.dump_python(self, mode="json"), ensure_ascii=False)
            clean = json.loads(data.encode("utf-8", "replace"), parse_constant=lambda _: None)
            text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))

        return f'{{"type":"{self.type}",{text[1:]}'

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the event as a dictionary of plain values, ``type`` first."""
        data: dict[str, Any] = json.loads(self.to_json())
        return data


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyEvent(Event):
    """Base class of every event about a party."""

    party_id: str | None = None
    """which party, as the publisher names it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyCreated(PartyEvent):
    """Somebody opened a party."""

    # Narrowed from optional: a party that was created has an id.
    party_id: str  # pyright: ignore[reportGeneralTypeIssues] - all fields are keyword-only
    party_name: str
    """what the party is called"""
    host: str
    """the name of the player who opened it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerJoined(PartyEvent):
    """A player joined a party."""

    peer_name: str
    """the player's name"""
    party_name: str
    """what the party is called"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerLeft(PartyEvent):
    """A player left a party."""

    peer_name: str
    """the player's name"""
    party_name: str
    """what the party is called"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GameStarted(PartyEvent):
    """A party started a game."""

    game_name: str
    """what the game is called"""
    players: tuple[str, ...]
    """the names of those who play"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GameEnded(PartyEvent):
    """A game ended."""

    game_name: str
    """what the game is called"""
    duration: float
    """how long it took, in seconds"""
    avg_latency: float | None = None
    """the players' mean latency in milliseconds, ``None`` if it was not measured"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification(Event):
    """A message in free text, for whatever has no event type of its own."""

    title: str
    """the headline"""
    message: str
    """the text below it"""
    color: int | None = None
    """0xRRGGBB, ``None`` for the consumer's default"""


BUILT_IN_EVENTS: tuple[type[Event], ...] = (
    PartyCreated,
    PeerJoined,
    PeerLeft,
    GameStarted,
    GameEnded,
    Notification,
)


_adapters: "WeakKeyDictionary[type[Event], TypeAdapter[Any]]" = WeakKeyDictionary()


def _adapter(cls: type[Event]) -> "TypeAdapter[Any]":
    adapter = _adapters.get(cls)
    if adapter is None:
        from pydantic import TypeAdapter  # costs 75 ms, which most programs need not pay

        adapter = _adapters[cls] = TypeAdapter(cls)

    return adapter


@dataclass(frozen=True, slots=True)
class _Registration:
    cls: type[Event]
    distribution: str | None


class EventRegistry:
    """The event types that a bus knows by name: JSON in, JSON Schema out.

    :param reserved: names of hooks that are not about events, so that no event type may take them
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._types: dict[str, _Registration] = {}
        for cls in BUILT_IN_EVENTS:
            self.register(cls, distribution="lanrage-events")

    def register(self, cls: type[Event], distribution: str | None = None) -> None:
        """Add an event class; adding it again does nothing.

        :param distribution: who brings it, for error messages
        :raises EventTypeConflict: if its type is taken, or is the name of another hook
        :raises TypeError: if it is not an event class
        """
        if not (isinstance(cls, type) and issubclass(cls, Event) and is_dataclass(cls)):
            raise TypeError(
                f"{cls!r} is not an event class: derive it from lanrage_events.Event and decorate "
                "it with @dataclass(frozen=True, kw_only=True, slots=True)"
            )

        name, module = cls.type, cls.__module__
        whose = f"{distribution or 'an unnamed plugin'} ({module}.{cls.__qualname__})"
        taken = {f.name for f in fields(cls)} & _RESERVED_FIELDS
        if taken:
            raise EventTypeConflict(
                f"event type {name!r} of {whose} has a field named {min(taken)!r}, which every "
                "event has for another purpose: rename the field"
            )

        if name in self._reserved or name in _BASE_TYPES:
            raise EventTypeConflict(
                f"event type {name!r} of {whose} would take the name of the hook {name!r}: "
                "rename the class"
            )

        known = self._types.get(name)
        if known is None:
            self._types[name] = _Registration(cls, distribution)
        elif known.cls is not cls:
            raise EventTypeConflict(
                f"event type {name!r} is defined twice: by {known.distribution or 'an unnamed plugin'} "
                f"({known.cls.__module__}.{known.cls.__qualname__}) and by {whose}: "
                "uninstall one of them or rename the class"
            )

    def types(self) -> tuple[type[Event], ...]:
        """Return the registered classes, the built-in ones first."""
        return tuple(registration.cls for registration in self._types.values())

    def get(self, event_type: str) -> type[Event]:
        """Return the class of an event type.

        :raises UnknownEventType: if there is none, with the nearest known types
        """
        try:
            return self._types[event_type].cls
        except KeyError:
            nearest = difflib.get_close_matches(event_type, self._types, n=3)
            raise UnknownEventType(event_type, nearest, tuple(self._types)) from None

    def distribution(self, event_type: str) -> str | None:
        """Return the name of the distribution that brings an event type, if it is known.

        :raises UnknownEventType: if there is no such type
        """
        self.get(event_type)
        return self._types[event_type].distribution

    def from_json(self, text: str | bytes) -> Event:
        """Make an event of its JSON form.

        :raises EventDecodeError: if it is not JSON or not an event, naming each wrong field
        :raises UnknownEventType: if its ``type`` is not registered
        """
        try:
            if not isinstance(text, str):
                text = text.decode(json.detect_encoding(text))

            data = _decode_json(text)
        except (ValueError, RecursionError) as error:
            raise EventDecodeError(None, [FieldProblem("", f"not valid JSON: {error}")]) from None

        return self.from_dict(data)

    def from_dict(self, data: Mapping[str, Any]) -> Event:
        """Make an event of the dictionary form of its JSON.

        :raises EventDecodeError: if it is not an event, naming each wrong field
        :raises UnknownEventType: if its ``type`` is not registered
        """
        if not isinstance(data, Mapping):
            problem = FieldProblem("", f"a JSON object was expected, not {_json_kind(data)}")
            raise EventDecodeError(None, [problem])

        event_type = data.get("type")
        if not isinstance(event_type, str):
            problem = "required" if event_type is None else "a string was expected"
            raise EventDecodeError(None, [FieldProblem("type", problem)])

        cls = self.get(event_type)
        return _decode(cls, {key: value for key, value in data.items() if key != "type"})

    def json_schema(self, event_type: str) -> dict[str, Any]:
        """Return the JSON Schema of an event type.

        :raises UnknownEventType: if there is no such type
        """
        cls = self.get(event_type)
        schema = _adapter(cls).json_schema()
        properties = {"type": {"const": event_type, "type": "string"}, **schema["properties"]}
        return {
            **schema,
            "properties": properties,
            "required": ["type", *schema.get("required", ())],
            "description": (cls.__doc__ or "").strip(),
        }


_BASE_TYPES = frozenset({Event.type, PartyEvent.type})


def _decode(cls: type[Event], data: dict[str, Any]) -> Event:
    try:
        # JSON mode is strict about types but takes lists for tuples and text for times.
        text = _encode(data)
        event: Event = _adapter(cls).validate_json(text, strict=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise EventDecodeError(cls.type, _decode_problems(cls, error)) from None

    if event.time.tzinfo is UTC:
        return event

    if event.time.tzinfo is None:
        message = "the offset from UTC is missing, such as 2026-01-31T20:15:00Z"
        raise EventDecodeError(cls.type, [FieldProblem("time", message)])

    return replace(event, time=event.time.astimezone(UTC)) if event.time.tzinfo != UTC else event


def _decode_problems(cls: type[Event], error: Exception) -> list[FieldProblem]:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return [FieldProblem("", f"cannot be written as JSON: {error}")]

    names = [f.name for f in fields(cls)]
    return [_field_problem(details, names) for details in error.errors(include_url=False)]


def _encode_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()

    raise TypeError(f"{type(value).__name__} is not a JSON value")


_encode = json.JSONEncoder(default=_encode_value).encode


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


_decode_json = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _field_problem(details: "ErrorDetails", names: list[str]) -> FieldProblem:
    path = ".".join(str(part) for part in details["loc"])
    message = details["msg"]
    match details["type"]:
        case "missing":
            message = "required"
        case "unexpected_keyword_argument":
            nearest = difflib.get_close_matches(path, names, n=1)
            hint = f"did you mean '{nearest[0]}'?" if nearest else "known are " + ", ".join(names)
            message = f"unknown field, {hint}"
        case _:
            message = message[0].lower() + message[1:]

    return FieldProblem(path, message)


def _json_kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"
