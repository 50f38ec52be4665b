"""The event classes, the base classes and the built-in events, and the clock of their times."""

# No "from __future__ import annotations" here: the public __module__ of these classes would then
# keep TypeAdapter and get_type_hints from resolving their annotations.
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import wraps
from hashlib import blake2b
from inspect import get_annotations, getattr_static, iscoroutinefunction, signature
from itertools import count
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, TypeAlias
from weakref import WeakKeyDictionary

from ._construction import construct_quickly

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def _make_ids() -> Callable[[], str]:
    """Return what makes ids that are unique across processes: a random prefix of each and a counter."""
    prefix, numbers = "", count(1)

    def reset() -> None:
        nonlocal prefix, numbers
        prefix, numbers = os.urandom(8).hex(), count(1)

    def new_id() -> str:
        return f"{prefix}-{next(numbers):x}"

    reset()
    # A forked child would otherwise continue with its parent's prefix and counter.
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)

    return new_id


_new_id = _make_ids()
_clocks: list[Callable[[], datetime]] = []
"""those that are used instead of the machine's; the last one counts"""

ID_MAX_CHARACTERS = 64
"""of the ids of events that arrive as JSON, and so of those that we make"""


def shortened_id(id: str) -> str:
    """Return an id as it is, or its beginning and a hash of it if it is too long."""
    if len(id) <= ID_MAX_CHARACTERS:
        return id

    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{id[: ID_MAX_CHARACTERS - 1 - len(digest)]}.{digest}"


def derived_id(id: str, number: int) -> str:
    """Return the id of an event that was made from another one, the same each time.

    :param number: which one of those that were made from it
    """
    return shortened_id(f"{id}.{number}")


class Hook(Protocol):
    """A hook, or the handler of a subscription, that handles an event now."""

    def event_id(self) -> str | None:
        """Return the id of the event, None if this is called by another task."""
        ...


current_hook: ContextVar[Hook | None] = ContextVar("current_hook", default=None)
"""set by whatever calls hooks with events"""


def _parent_id() -> str | None:
    hook = current_hook.get()
    return None if hook is None else hook.event_id()


COMMON_FIELDS = frozenset({"type", "id", "time", "parent_id"})
"""what the JSON form of every event may have, beside the fields of its type"""


def utc_now() -> datetime:
    """Return the current time in UTC, by the machine's clock.

    In the virtual time of :mod:`lanrage_events.testing` it moves with that, also in worker threads.
    """
    return _clocks[-1]() if _clocks else datetime.now(UTC)


@contextmanager
def use_clock(clock: Callable[[], datetime]) -> Iterator[None]:
    """Let :func:`utc_now` return the time of another clock within a ``with`` block."""
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.remove(clock)


def snake_case(name: str) -> str:
    """Turn a class name such as ``LANPartyOpened`` into ``lan_party_opened``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Base class of every event: a frozen record of something that happened.

    Derive from it with ``@dataclass(frozen=True, kw_only=True, slots=True)`` and name the class
    with a noun and a past participle. Values are validated only when they arrive as JSON, not
    inside the process.
    """

    type: ClassVar[str] = "event"
    """the event type: the class name in snake case"""
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
        "hide_input_in_errors": True,
    }

    id: str = field(default_factory=_new_id)
    """unique across processes, of 1 to 64 characters without control characters; keep it to publish
    the same event a second time"""
    time: datetime = field(default_factory=utc_now)
    """when it happened, aware, in UTC"""
    parent_id: str | None = field(default_factory=_parent_id)
    """the id of the event from which a transform made it, or in whose hook it was created"""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not super(): slots=True creates a second class, and the __class__ cell keeps the first.
        super(Event, cls).__init_subclass__(**kwargs)
        cls.type = snake_case(cls.__name__)
        construct_quickly(cls, Event)

    def replace(self, **changes: Any) -> Self:
        """Return the event with other values of some fields; everything else stays, also its id.

        It does what :func:`dataclasses.replace` does, in a fifth of the time.

        :raises TypeError: if the event has no field of a name
        """
        return replace(self, **changes)

    def to_json(self) -> str:
        """Return the JSON form of the event in one line, ``type`` first, ``parent_id`` only if it has one.

        A float that is not finite becomes null and a lone surrogate a question mark, since JSON
        has neither.
        """
        adapter = type_adapter(type(self))
        try:
            text = adapter.dump_json(self).decode()
        except ValueError:
            data = json.dumps(adapter.dump_python(self, mode="json"), ensure_ascii=False)
            clean = json.loads(data.encode("utf-8", "replace"), parse_constant=lambda _: None)
            text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))

        if self.parent_id is None:  # so that nothing that reads events has to know it
            text = text.replace(',"parent_id":null', "", 1)

        return f'{{"type":"{self.type}",{text[1:]}'

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of the event as a dictionary of plain values, ``type`` first."""
        data: dict[str, Any] = json.loads(self.to_json())
        return data


def lineage(event_class: type[Event]) -> list[type[Event]]:
    """Return an event class and its base classes that are event classes, most specific first."""
    return [cls for cls in event_class.__mro__ if issubclass(cls, Event)]


def type_names(event_class: type[Event]) -> list[str]:
    """Return the event type of a class and those of its base classes, most specific first."""
    return list(dict.fromkeys(cls.type for cls in lineage(event_class)))


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


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyEvent(Event):
    """Base class of every event about a party."""

    party_id: str | None = None
    """which party, as the publisher names it"""


class _PlayerNameMark:
    def __repr__(self) -> str:
        return "PlayerName"


PLAYER_NAME = _PlayerNameMark()
PlayerName: TypeAlias = Annotated[str, PLAYER_NAME]
"""The type of a field that holds the name of a player, which the rules of a configuration can hide.

To type checkers and in JSON it is a text. Lists and the like may hold it, too, such as
``tuple[PlayerName, ...]``.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyCreated(PartyEvent):
    """A player opened a party."""

    # Narrowed from optional: a party that was created has an id.
    party_id: str  # pyright: ignore[reportGeneralTypeIssues] - all fields are keyword-only
    party_name: str
    """what the party is called"""
    host: PlayerName
    """the name of the player who opened it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerJoined(PartyEvent):
    """A player joined a party."""

    peer_name: PlayerName
    """the player's name"""
    party_name: str
    """what the party is called"""
    peer_id: str | None = None
    """which player, as the source knows it, such as a Steam id; the same in joins and leaves,
    ``None`` in both where there is none"""
    first_time: bool | None = None
    """whether the player was in no party before; ``None`` if unknown, as without the plugin
    ``parties``"""
    count: int | None = None
    """how many members the party has now; ``None`` if unknown, as without the plugin ``parties``"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerLeft(PartyEvent):
    """A player left a party."""

    peer_name: PlayerName
    """the player's name"""
    party_name: str
    """what the party is called"""
    peer_id: str | None = None
    """which player, as the source knows it, such as a Steam id; the same in joins and leaves,
    ``None`` in both where there is none"""
    duration: float | None = None
    """how long the player was in the party, in seconds; ``None`` if unknown, as without the plugin
    ``parties``"""
    count: int | None = None
    """how many members the party still has; ``None`` if unknown, as without the plugin ``parties``"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GameStarted(PartyEvent):
    """A party started a game."""

    game_name: str
    """what the game is called"""
    players: tuple[PlayerName, ...]
    """the names of the players"""


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
class ServerStarted(PartyEvent):
    """A game server started, and nobody is on it yet.

    Its party is that of the party id or, without one, the party that is called as the server is.
    """

    server_name: str
    """what the server is called, which is the name of its party"""
    game_name: str
    """what is played on it, until it stops"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStopped(PartyEvent):
    """A game server stopped, and everyone on it is gone.

    Its party is that of the party id or, without one, the party that is called as the server is.
    """

    server_name: str
    """what the server is called, which is the name of its party"""
    game_name: str
    """what was played on it"""
    reason: Literal["stopped", "crashed", "restarted", "unknown"] = "unknown"
    """why; ``restarted`` if it starts at once, ``unknown`` if it does not answer any more"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PartyEnded(PartyEvent):
    """A party ended: how long it took, who came and what they played.

    The plugin parties publishes it when a party was empty for a while.
    """

    party_name: str
    """what the party is called"""
    since: datetime
    """when it began, aware"""
    duration: float
    """how long it took, in seconds"""
    peak: int
    """how many members it had at most at the same time"""
    visitors: int
    """how many different players were in it"""
    players: tuple[PlayerName, ...]
    """the names of those who were in it longest, the longest first"""
    games: tuple[str, ...]
    """what was played, the longest first"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification(Event):
    """A message in free text, which has no event type of its own."""

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
    ServerStarted,
    ServerStopped,
    PartyEnded,
    Notification,
)


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


_adapters: "WeakKeyDictionary[type[Event], TypeAdapter[Any]]" = WeakKeyDictionary()


def type_adapter(cls: type[Event]) -> "TypeAdapter[Any]":
    """Return the cached adapter that validates and serializes events of a class."""
    adapter = _adapters.get(cls)
    if adapter is None:
        from pydantic import TypeAdapter  # takes 75 ms, and most programs do not need it

        adapter = _adapters[cls] = TypeAdapter(cls)

    return adapter
