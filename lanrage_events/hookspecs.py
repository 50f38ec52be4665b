"""The hooks of lanrage_events: what a plugin can implement.

Mark an implementation with :data:`lanrage_events.hookimpl`. Each event class has a hook of its
own, named after its event type, with the one argument ``event``; it receives events of the class
and of its subclasses. Implementations of event hooks may be sync or async; all other hooks are
sync.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import pluggy

from ._events import Event, check_event_classes, check_where
from ._hints import hinted

if TYPE_CHECKING:
    from ._events import (
        GameEnded,
        GameStarted,
        Notification,
        PartyCreated,
        PartyEnded,
        PartyEvent,
        PeerJoined,
        PeerLeft,
        ServerStarted,
        ServerStopped,
    )
    from ._reports import ConfigProblem, Health, Metric, Preview
    from .abc import Bus, HandlerDecorator, Person
    from .http import Page, Route
    from .outbox import Storage

EventT = TypeVar("EventT", bound=Event)
EventT2 = TypeVar("EventT2", bound=Event)
EventT3 = TypeVar("EventT3", bound=Event)
FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker("lanrage_events")


class HookimplMarker:
    """Marks the implementation of a hook: pluggy's marker, with one more option."""

    def __init__(self) -> None:
        self._mark = pluggy.HookimplMarker("lanrage_events")

    @overload
    def __call__(self, function: FunctionT) -> FunctionT: ...

    @overload
    def __call__(
        self,
        function: None = None,
        *,
        optionalhook: bool = False,
        threaded: bool = False,
        hookwrapper: bool = False,
        wrapper: bool = False,
        tryfirst: bool = False,
        trylast: bool = False,
        specname: str | None = None,
    ) -> Callable[[FunctionT], FunctionT]: ...

    @hinted
    def __call__(
        self,
        function: FunctionT | None = None,
        *,
        optionalhook: bool = False,
        threaded: bool = False,
        hookwrapper: bool = False,
        wrapper: bool = False,
        tryfirst: bool = False,
        trylast: bool = False,
        specname: str | None = None,
    ) -> FunctionT | Callable[[FunctionT], FunctionT]:
        """Mark a function, or return a decorator that does.

        :param optionalhook: whether the hook may be unknown, as that for an event of a plugin that may be
            absent
        :param threaded: whether the function, which must be sync, runs in a worker thread, so that it
            may wait as long as its ``hook_timeout``; only for events and ``event_batch``. The threaded
            hooks of a plugin are called in order, one at a time. There they publish with
            ``bus.publish_from_thread``. One that times out cannot be stopped: its event has failed, and
            its thread goes on until the function returns
        :param hookwrapper: as for pluggy; not for events
        :param wrapper: as for pluggy; not for events
        :param tryfirst: as for pluggy; not for events
        :param trylast: as for pluggy; not for events
        :param specname: the name of the hook, if the function has another one
        """

        def mark(function: FunctionT) -> FunctionT:
            if isinstance(function, property):
                remedy = "mark a method that returns it, written with 'def'"
                raise TypeError(f"hookimpl marks a function, not a property: {remedy}")

            marked = self._mark(
                function,
                optionalhook=optionalhook,
                hookwrapper=hookwrapper,
                wrapper=wrapper,
                tryfirst=tryfirst,
                trylast=trylast,
                specname=specname,
            )
            getattr(marked, f"{self._mark.project_name}_impl")["threaded"] = threaded
            return marked

        return mark if function is None else mark(function)


hookimpl: HookimplMarker = HookimplMarker()
"""Marks the implementation of a hook; a plugin's other functions are left alone.

Write ``@hookimpl``, or ``@hookimpl(optionalhook=True)`` for an event of a plugin that may be absent,
or ``@hookimpl(threaded=True)`` for a function that waits without ``await``.
"""


@overload
def on(
    event_class: tuple[type[EventT], type[EventT2]],
    *,
    where: Callable[[EventT | EventT2], object] | None = None,
    threaded: bool = False,
) -> HandlerDecorator[EventT | EventT2]: ...


@overload
def on(
    event_class: tuple[type[EventT], type[EventT2], type[EventT3]],
    *,
    where: Callable[[EventT | EventT2 | EventT3], object] | None = None,
    threaded: bool = False,
) -> HandlerDecorator[EventT | EventT2 | EventT3]: ...


@overload
def on(
    event_class: type[EventT] | tuple[type[EventT], ...],
    *,
    where: Callable[[EventT], object] | None = None,
    threaded: bool = False,
) -> HandlerDecorator[EventT]: ...


@hinted
def on(
    event_class: type[Event] | tuple[type[Event], ...],
    *,
    where: Callable[[Any], object] | None = None,
    threaded: bool = False,
) -> HandlerDecorator[Any]:
    """Return a decorator for a plugin's method that is called with the events of a class.

    It is like ``hookimpl`` with a name of its own: ``@on(PeerJoined)`` does what
    ``@hookimpl(specname="peer_joined")`` does, and type checkers check the method against the event.
    The class need not be registered.

    :param event_class: a class, or several of them as a tuple
    :param where: returns whether the method is called with an event; sync, and called where the method
        is. What it raises counts as raised by the method
    :param threaded: whether the method runs in a worker thread, as for :data:`hookimpl`
    :raises TypeError: if it is not an event class, or the method is marked already
    """
    attribute = f"{hookspec.project_name}_on"
    options = {
        "event_classes": check_event_classes(event_class),
        "where": where,
        "threaded": threaded,
    }
    check_where(where)

    def mark(function: Callable[..., object]) -> Any:
        if attribute in vars(function):
            raise TypeError("it is marked with 'on' already: name several classes as a tuple, once")

        setattr(function, attribute, options)
        return function

    return cast("HandlerDecorator[Any]", mark)


@hookspec
def event(event: Event) -> Any:
    """Called for every event, whatever its type, after the hooks of its own classes."""


@hookspec
def party_event(event: PartyEvent) -> Any:
    """Called for every event about a party: its peers, games, servers, and subclasses by plugins."""


@hookspec
def party_created(event: PartyCreated) -> Any:
    """Called when a player opened a party."""


@hookspec
def peer_joined(event: PeerJoined) -> Any:
    """Called when a player joined a party."""


@hookspec
def peer_left(event: PeerLeft) -> Any:
    """Called when a player left a party."""


@hookspec
def game_started(event: GameStarted) -> Any:
    """Called when a party started a game."""


@hookspec
def game_ended(event: GameEnded) -> Any:
    """Called when a game ended."""


@hookspec
def server_started(event: ServerStarted) -> Any:
    """Called when a game server started."""


@hookspec
def server_stopped(event: ServerStopped) -> Any:
    """Called when a game server stopped."""


@hookspec
def party_ended(event: PartyEnded) -> Any:
    """Called when a party ended, which the plugin ``parties`` finds out."""


@hookspec
def notification(event: Notification) -> Any:
    """Called for a message in free text, which has no event type of its own."""


@hookspec
def event_batch(events: Sequence[Event]) -> Any:
    """Called with all the events that wait, in order and at most 128, in place of event hooks.

    For plugins that handle many events at little more cost than one. It may be async. A plugin that
    implements it has no hooks for single events. It returns None if it has handled all events, or a
    mapping from the positions of failed events to exceptions. If it raises or times out, all events
    of the batch have failed.
    """


@hookspec
def transform(event: Event) -> Event | Sequence[Event] | None:
    """Called once for an event when it is published, before any plugin receives it.

    It returns the event itself, another one, several in a list or tuple, or None to drop it. The
    annotation of ``event`` limits it to event classes and their subclasses; without one it is called
    for all. It is sync, returns quickly, and publishes nothing. The transforms of the plugins are called
    in the order in which these were registered, which is that of the configuration.

    An event made with ``event.replace(…)`` keeps its id. Any other gets the id ``ID.N``, so that
    it is the same if the event is published again, and the ``parent_id`` of the event that it was
    made from; N is its position in what was returned.

    If it raises, the event passes without it. If the plugin declares ``transform_required = True``, the
    event is not published instead, and the publisher gets an :exc:`EventNotTransformed`; so it does
    before the lifespan of the plugin has started.
    """


@hookspec
def register_events() -> Iterable[type[Event]]:  # type: ignore[empty-body]
    """Called once when the plugin is registered; returns the event classes that it adds."""


@hookspec
def lifespan(bus: Bus) -> AbstractAsyncContextManager[object]:  # type: ignore[empty-body]
    """Called when the plugin starts; returns an async context manager that it runs in.

    It is entered before the plugin receives its first event and left after its last one, in one
    task. Start background tasks in a task group inside it. If it fails later, it is entered again
    after a pause; if it fails at the first start, the bus does not start.
    """


@hookspec
def health() -> Health:  # type: ignore[empty-body]
    """Called when the health of the plugin is queried; returns quickly, without waiting."""


@hookspec
def validate(bus: Bus) -> Iterable[str | ConfigProblem]:  # type: ignore[empty-body]
    """Called when a configuration is checked; returns the problems, such as errors in templates.

    A :class:`ConfigProblem` has the path of a setting, whose place in the file is then shown, and
    whether it is only a warning; a text is an error of the plugin as a whole. Each names the thing and
    the remedy in one line.

    All plugins are registered. ``lanrage-events check`` starts none; the daemon calls it once the
    plugin runs, to log the warnings. Before a reload, the daemon creates all plugins of the new
    configuration on a bus that does not start, and calls it in a thread: an error, except one of a
    template, rejects the configuration. Starting the plugin need not repeat the check.
    """


@hookspec
def check_online(bus: Bus) -> Awaitable[Mapping[str, Health]]:  # type: ignore[empty-body]
    """Called by ``lanrage-events check --online``; asks the services that the plugin will use.

    All plugins are registered, but not started. It is async, posts nothing, and returns the health of
    each service by a name for people, such as ``webhook 'default'``: ``failed`` if the configuration
    has to be changed, ``degraded`` if the service cannot be asked. It takes a minute at most.
    """


@hookspec
def forget(person: Person, bus: Bus) -> Mapping[str, int] | Awaitable[Mapping[str, int]]:  # type: ignore[empty-body]
    """Called by ``lanrage-events forget``; removes a person from everything that the plugin keeps.

    It may be async, and takes a minute at most. It returns what was removed by a plural, such as
    ``{"scores": 2}``; an empty mapping for nothing. The plugin runs, or was never started: then it
    changes its files in ``bus.state_folder``, which no other process uses meanwhile. What waits in its
    outbox is removed without this hook. Make sure that a file does not hold the name any more where it
    was deleted; of an SQLite database this needs ``VACUUM`` and ``PRAGMA wal_checkpoint(TRUNCATE)``.
    """


@hookspec
def template_folders() -> Iterable[Path]:  # type: ignore[empty-body]
    """Called when templates are looked up; returns the folders of the plugin's own templates.

    Each has a folder named after the consumer, such as ``discord``, with one file per event type.
    """


@hookspec
def templates_changed(bus: Bus) -> Iterable[str | ConfigProblem] | None:
    """Called when template files, their folders or the event types changed while the plugin runs.

    A plugin that renders templates reads them again, such as with ``Templates.reload``, and returns
    what is wrong with them, as for ``validate``. A plugin without this hook continues with those that
    it read at its start, also if the key ``templates`` of the configuration changes.
    """


@hookspec
def preview(event: Event, bus: Bus) -> Preview | Iterable[Preview]:  # type: ignore[empty-body]
    """Called when a user wants to see what the plugin would send for an event; it sends nothing.

    The command ``preview`` and the web page show what it returns: one :class:`Preview` for each place
    to which the plugin would send the event, an empty list if it would not send it. It is sync and
    returns quickly. The plugin may not have been started, so what it needs comes from its configuration and
    from the bus. Read files such as templates again: users call it to see what they just changed.
    """


@hookspec
def written_files() -> Iterable[Path | int]:  # type: ignore[empty-body]
    """Called before a file is read for events; returns the files to which the plugin writes events.

    Each is a path or a file descriptor. They are not read: what was read from them would be written
    to them again, without end.
    """


@hookspec
def replaced_events() -> Iterable[tuple[Event, Event]]:  # type: ignore[empty-body]
    """Called when a configuration is checked; returns pairs of an event and what has replaced it.

    The first of a pair is an event as earlier versions of the plugin published it, the second the one
    that is published in its place. Settings of other plugins, rules and the user's templates that select
    the first and not the second get a warning that names both. Twice the same event says that it is
    still published, so that what selects it is right.
    """


@hookspec
def http_routes() -> Iterable[Route]:  # type: ignore[empty-body]
    """Called when an HTTP API is served; returns the plugin's operations in it.

    It is called once for each plugin, and the handlers are called only while the plugin runs.
    """


@hookspec
def http_pages() -> Iterable[Page]:  # type: ignore[empty-body]
    """Called when a web page is served; returns the plugin's parts of it."""


@hookspec
def invite_url() -> str | None:
    """Called when people are invited, such as on a big screen; returns the URL of the invite.

    It leads to where people talk, such as a voice channel. It is no secret. None if there is none.
    """


@hookspec
def mention_player(player: str, event: Event) -> str | None:
    """Called when a message may mention a player; returns the id of the user in Discord, None if unknown.

    It is called where a template of Discord says so, for players that the configuration does not know,
    and returns quickly, without waiting. Names can be imitated: where the event has a ``peer_id``, rely on
    that.

    :param player: the name, as the template has it
    :param event: what the message is about
    """


@hookspec
def metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Called when the metrics are read; returns quickly, without waiting.

    Each sample gets the label ``plugin`` with the name of the plugin's instance.
    """


@hookspec
def outbox() -> Storage | None:
    """Called when the outboxes are inspected; returns the plugin's outbox, None if it is closed.

    Callers may read it, retry dead letters and drop entries, in the bus's event loop. What waits there
    counts as undelivered in the plugin's health, and a bus that closes waits for it before it leaves the
    plugin's lifespan.
    """
