"""The event bus, which delivers each published event to the hooks of every plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

import anyio
from anyio import TaskInfo
from anyio.abc import TaskGroup, TaskStatus
from anyio.lowlevel import checkpoint

from .._events import Event, utc_now
from .._exceptions import PluginHookError
from .._hints import hinted
from .._redaction import Redactor
from .._reports import Health
from .._threads import is_in_virtual_time
from .._times import check_seconds
from ..abc import (
    Bus,
    BusStatistics,
    Instrument,
    PluginOptions,
    PluginRegistry,
    PluginStatistics,
    Receiver,
    Rules,
)
from ..events import EventRegistry
from .changes import Job
from .event_loop import EventLoop
from .fanout import NO_ROUTE, FanOut
from .instrument import Instruments
from .lifecycle import Lifecycle
from .logs import ErrorLog, Tracer, is_wanted
from .options import check_places
from .outcomes import Outcomes
from .receiving import BusReceiver
from .registry import Registry
from .threads import LoopWatch, current_post
from .transforms import Diverted, Transforms

if TYPE_CHECKING:
    from datetime import datetime
    from importlib.resources.abc import Traversable

    from ..state import Store

EventT = TypeVar("EventT", bound=Event)


class EventBus(Bus):
    """Delivers each published event to every plugin; each plugin has a bounded mailbox of its own.

    Register plugins, then enter it with ``async with``; leaving it handles pending events first. A
    bus can be entered only once, and belongs to the task and the thread that entered it.

    :param drain_timeout: seconds that leaving may take, for mailboxes and lifespans together;
        ``math.inf`` waits without limit
    :param hook_timeout: seconds after which a hook is cancelled, unless its plugin sets another timeout
    :param start_timeout: seconds after which the lifespan of a plugin is cancelled while it starts,
        unless the plugin sets another timeout
    :param blocked_after: seconds after which a hook that holds the event loop is reported in the log
        and by its plugin's health; None and ``math.inf`` do not watch, and start no thread
    :param templates: the user's own template folders, searched before all others; a built-in set
        among them is searched after the rest
    :param state_folder: where plugins may keep files, None to keep nothing
    :param redactor: knows the secrets, which must not be shown
    :param trace: whether to print each hook call to stderr, with plugin, duration and outcome; the
        default is whether the environment variable ``LANRAGE_EVENTS_TRACE`` is set
    :param instruments: called when something happens on the bus
    :param rules: transform events before the plugins do, see :attr:`rules`
    """

    @hinted
    def __init__(
        self,
        *,
        drain_timeout: float = 10.0,
        hook_timeout: float = 60.0,
        start_timeout: float = 30.0,
        blocked_after: float | None = 0.1,
        templates: Sequence[Path] = (),
        state_folder: Path | None = None,
        redactor: Redactor | None = None,
        trace: bool | None = None,
        instruments: Sequence[Instrument] = (),
        rules: Rules | None = None,
    ) -> None:
        check_seconds("drain_timeout", drain_timeout, may_be_zero=True)
        check_seconds("hook_timeout", hook_timeout)
        check_seconds("start_timeout", start_timeout)
        check_seconds("blocked_after", blocked_after, may_be_none=True)
        check_places(templates, state_folder, instruments)
        self.state_folder = state_folder
        self.redactor: Redactor = redactor or Redactor()
        self.templates: tuple[Path, ...] = tuple(templates)
        """the user's own template folders; a change applies to plugins that start after it"""
        if is_wanted() if trace is None else trace:
            instruments = (Tracer(self.redactor), *instruments)

        self._watch = LoopWatch(blocked_after)
        own = self._own_instruments()
        self._instruments = Instruments((*own, *instruments), self._watch)
        self._transforms = Transforms(self._instruments, self._watch)
        self._transforms.rules = rules
        self._fanout = FanOut(self._transforms)
        self._loop = EventLoop()
        self._lifecycle = Lifecycle(
            self._loop,
            self._fanout,
            self._instruments,
            self._watch,
            hook_timeout,
            start_timeout,
            drain_timeout,
        )
        self._outcomes = Outcomes(self._loop, self._fanout, self._lifecycle)
        self._receiving = BusReceiver(self._loop, self._fanout, self._lifecycle, self._instruments)
        self._registry = Registry(
            self,
            self._fanout,
            self._lifecycle,
            self._transforms,
            self._instruments,
            self._watch,
        )
        self._task_group: TaskGroup | None = None
        self._owner: TaskInfo | None = None
        """the task that has entered it and not left it"""
        self._redacted_logs = ExitStack()
        self._inputs: dict[str, float] = {}
        """when each source last took something in, in the time of the event loop"""

    def _own_instruments(self) -> tuple[Instrument, ...]:
        return (ErrorLog(),)

    @property
    def events(self) -> EventRegistry:
        return self._registry.hooks.events

    @property
    def plugins(self) -> PluginRegistry:
        return self._registry

    @property
    def rules(self) -> Rules | None:
        """What transforms events before the plugins do; a change applies to what is published then."""
        return self._transforms.rules

    @rules.setter
    def rules(self, rules: Rules | None) -> None:
        self._loop.check_thread()
        self._transforms.rules = rules

    @property
    def closing(self) -> bool:
        return self._lifecycle.is_stopping

    # Entering and leaving

    async def __aenter__(self) -> Self:
        if self._task_group is not None:
            raise RuntimeError("an EventBus can be entered only once: create another one")

        for name, problem in self.plugins.validate(hooks_only=True):
            raise PluginHookError(name, problem)

        self._task_group = task_group = await anyio.create_task_group().__aenter__()
        self._owner = anyio.get_current_task()
        self._loop.enter(task_group)
        self._fanout.thread = self._loop.thread
        self._transforms.enter_loop()
        self._watch.start()
        # What plugins raise is logged with a traceback, whose text may contain secrets.
        self._redacted_logs.enter_context(self.redactor.redacting(["lanrage_events"]))
        try:
            await self._lifecycle.start_all(task_group)
        except BaseException as error:
            self._lifecycle.drain_timeout = 0
            await self._close(task_group, error)
            raise

        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task_group = self._task_group
        if task_group is None or self._owner is None:  # not entered, or left before
            return

        if self._loop.thread != get_ident() or anyio.get_current_task() != self._owner:
            raise RuntimeError(
                "a bus can only be left by the task that entered it: leave its 'async with' there"
            )

        await self._close(task_group, exc_value)

    async def serve(self, *, task_status: TaskStatus[EventBus] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run the bus until it is cancelled: ``bus = await task_group.start(EventBus().serve)``.

        It enters the bus, and leaves it when it is cancelled, handling pending events first.

        :param task_status: gets the bus when it runs
        :raises PluginStartError: if a plugin cannot start; all else that entering a bus raises, too
        """
        async with self:
            task_status.started(self)
            await anyio.sleep_forever()

    async def _close(self, task_group: TaskGroup, error: BaseException | None) -> None:
        """Stop everything, and raise the cancellation that came meanwhile unless there is an error.

        The error is not given to the task group, so that it propagates as it is and not in a group.
        """
        cancelled_class = anyio.get_cancelled_exc_class()
        task_group.cancel_scope.shield = True
        job = Job(self._lifecycle.stop)
        job.start(task_group, "closing the bus")
        cancelled: BaseException | None = None
        try:
            await job.outlast()
        except BaseException as cancellation:  # noqa: BLE001 - raised by the task group
            cancelled = cancellation

        self._registry.stores.end()
        try:
            traceback = None if cancelled is None else cancelled.__traceback__
            await task_group.__aexit__(type(cancelled) if cancelled else None, cancelled, traceback)
        except cancelled_class:
            if error is None or isinstance(error, cancelled_class):
                raise
        finally:
            self._watch.stop()
            self._transforms.leave_loop()
            self._loop.leave()
            self._owner = self._fanout.thread = None
            self._redacted_logs.close()

    # Plugins

    def register(
        self, plugin: object, name: str | None = None, **options: Unpack[PluginOptions]
    ) -> str:
        """Add a plugin: an object or a module with hook implementations.

        On a running bus the plugin starts at once; if that fails, it is restarted later.

        :param name: unique on this bus; the default is the name of the class or module
        :param options: see :class:`lanrage_events.abc.PluginOptions`
        :returns: its name
        :raises PluginHookError: if it implements a hook in a way that is not allowed or, on a running
            bus, implements an unknown hook
        :raises EventTypeConflict: if it adds an event type whose name is taken
        :raises ValueError: if the name or the plugin is already registered
        :raises PluginStartError: if an earlier plugin of this name was cancelled and still runs
        :raises anyio.ClosedResourceError: if the bus is closed
        :raises RuntimeError: on a running bus, outside of its event loop
        """
        return self._registry.register(plugin, name, options)

    async def unregister(self, plugin: object, timeout: float | None = None) -> tuple[Event, ...]:
        """Remove a plugin; its pending events are handled first.

        It is removed even if the caller is cancelled, but then without waiting for them. What else is
        being done to the plugin, such as replacing it, is undone. If it ignores for a second that it is
        cancelled, the bus goes on without it, and logs its name until it has ended.

        :param plugin: the plugin or its name
        :param timeout: seconds that its pending events and the end of its lifespan may take; the
            default is the bus's drain timeout
        :returns: the events that it did not handle in time; their number is also logged
        :raises LookupError: if it is not registered
        :raises RuntimeError: inside a hook of this plugin
        """
        return await self._registry.unregister(plugin, timeout)

    # Publishing

    # The next two are the most frequent calls, so fanout.try_put() and the check of the thread are
    # inlined.

    def publish_nowait(self, event: Event) -> None:
        fanout = self._fanout
        if get_ident() != fanout.thread:
            self._loop.check_running()

        try:
            route = fanout.routes[event.__class__]
        except KeyError:
            # What comes of it is raised outside of this block, and so without the KeyError.
            route, capacity = NO_ROUTE, 0
        else:
            capacity = fanout.capacity

        if not capacity:
            fanout.put_nowait(event)
            return

        fanout.capacity = capacity - 1
        try:
            for append in route.appends:
                append(event)
        except Diverted as error:
            events = error.events
        else:
            if route.woken_at != fanout.sleep_count:
                fanout.wake(route)

            return

        fanout.put_nowait(event, events)

    async def publish(self, event: Event) -> None:
        fanout = self._fanout
        if get_ident() != fanout.thread:
            self._loop.check_running()

        try:
            route = fanout.routes[event.__class__]
        except KeyError:
            route, capacity = NO_ROUTE, 0
        else:
            capacity = fanout.capacity

        if not capacity:
            await fanout.put(event)
            return

        fanout.capacity = capacity - 1
        try:
            for append in route.appends:
                append(event)
        except Diverted as error:
            events = error.events
        else:
            if route.woken_at != fanout.sleep_count:
                fanout.wake(route)

            return

        await fanout.put(event, events=events)

    async def publish_and_wait(
        self, event: Event, plugins: Literal["all", "durable"] = "all"
    ) -> None:
        await self._outcomes.of(event, plugins)

    async def publish_many_and_wait(
        self, events: Iterable[Event], plugins: Literal["all", "durable"] = "all"
    ) -> list[Exception | None]:
        return await self._outcomes.of_many(events, plugins)

    def publish_from_thread(self, event: Event) -> None:
        if self._loop.thread == get_ident():
            self._transforms.check_idle()

        self._loop.call(partial(self.publish, event))

    def now(self) -> datetime:
        return utc_now()

    def store(self, plugin: object) -> Store:
        name = self._registry.name(plugin)
        self._loop.check()
        if self._task_group is None or self._owner is None:
            raise RuntimeError(
                "a store needs a running bus: ask for it in the lifespan of the plugin"
            )

        is_virtual = is_in_virtual_time()
        return self._registry.stores.open(
            name, self.state_folder, self._task_group, current_post(), inline=is_virtual
        )

    # Receiving

    @property
    def _receiver(self) -> Receiver:
        return self._receiving

    async def drain(self) -> None:
        self._loop.check_thread()
        self._fanout.check_outside_hook("drain", "let it return instead")
        await checkpoint()
        await self._lifecycle.drain()

    # Watching

    def record_input(self, source: str) -> None:
        self._inputs[source] = anyio.current_time()

    # Querying

    def query(self, hook: str, *arguments: object) -> dict[str, Any]:
        self._loop.check_thread()
        return self._registry.queries.query(hook, *arguments)

    async def call(
        self, plugin: str, what: str, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        self._loop.check_thread()
        return await self._registry.queries.call(plugin, what, function, *arguments)

    def writer_of(self, file: Path | int) -> str | None:
        self._loop.check_thread()
        return self._registry.queries.writer_of(file)

    def template_folders(self) -> tuple[Traversable, ...]:
        from importlib.resources import files  # slow to import, and not every program has templates

        bundled = files("lanrage_events_templates")
        # A set in another language is beside the bundled one, and replaces less than what is named.
        root = Path(str(bundled))
        own = sorted(self.templates, key=lambda folder: folder.is_relative_to(root))
        return (*own, *chain(*self.query("template_folders").values()), bundled)

    def health(self) -> dict[str, Health]:
        self._loop.check_thread()
        health = self._registry.queries.health(self._lifecycle.named())
        return {
            name: replace(h, detail=self.redactor.redact(h.detail)) for name, h in health.items()
        }

    def statistics(self) -> BusStatistics:
        self._loop.check_thread()
        blocks = self._watch.blocks
        plugins = {
            name: blocks.added_to(name, self._redacted(s.statistics()))
            for name, s in self._lifecycle.named().items()
        }
        # Outside of its event loop there is no time.
        now = anyio.current_time() if self._inputs and self._owner is not None else None
        ages = {} if now is None else {source: now - at for source, at in self._inputs.items()}
        return BusStatistics(
            waiting=len(self._fanout.waiting),
            plugins={**plugins, **self._receiving.statistics()},
            seconds_since_input=ages,
            transforms=self._transforms.statistics(),
        )

    def _redacted(self, statistics: PluginStatistics) -> PluginStatistics:
        if not statistics.last_failure:
            return statistics

        return replace(statistics, last_failure=self.redactor.redact(statistics.last_failure))
