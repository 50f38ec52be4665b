"""Fan-out: each event goes into every mailbox that wants it, or into none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from itertools import chain
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from .._events import Event, check_event
from .mailbox import Acknowledgement, Mailbox, MailboxGroup
from .supervisor import inside_hook
from .transforms import Chain, Diverted, Events, Transforms

HOOKS_MAY_EXCEED_TIMES = 2
"""how many times its size a ``block`` mailbox may hold when hooks publish, which must not wait"""
CHECKPOINTS_BEFORE_DROPPING = 16
"""turns that a consumer gets to take something; one that does not is stuck, and gets no more turns
until it has. Trio runs ready tasks in any order, and a hook may need several turns"""
EVENTS_UNTIL_CHECKPOINT = 127
"""together with the event that is a checkpoint, as many as a consumer handles at once"""


class BusState(Enum):
    """Whether a bus accepts events: from everyone, from hooks only, or not at all."""

    OPEN = "open"
    HOOKS_ONLY = "closing: publish before its 'async with' ends; from then on, only hooks may"
    CLOSED = "closed: publish before its 'async with' ends, or enter another bus"


class _Publisher:
    """A publisher that waits for capacity."""

    __slots__ = ("ack", "admitted", "done", "events", "wanted")

    def __init__(
        self, events: Events, ack: Acknowledgement | None, wanted: Callable[[Mailbox], bool] | None
    ) -> None:
        self.events = events
        self.ack = ack
        self.wanted = wanted
        self.admitted = False
        self.done = anyio.Event()


class Route:
    """The mailboxes that receive the events of one class."""

    __slots__ = ("appends", "mailboxes", "woken_at")

    def __init__(self, mailboxes: Iterable[Mailbox]) -> None:
        self.mailboxes = dict.fromkeys(mailboxes).keys()
        self.appends = tuple(
            mailbox.append_or_drop if mailbox.stuck else mailbox.items.append
            for mailbox in self.mailboxes
        )
        self.woken_at = -1
        """the group's ``sleep_count`` when all of the mailboxes were woken last"""


NO_ROUTE = Route(())


class FanOut(MailboxGroup):
    """The mailboxes of one bus, and the publishers that wait for capacity in them.

    :param transforms: change events before they enter the mailboxes
    """

    def __init__(self, transforms: Transforms) -> None:
        super().__init__()
        self._transforms = transforms
        transforms.fanout = self
        self.state = BusState.OPEN
        self.thread: int | None = None
        """the thread in which the bus runs, None if it does not run"""
        self.waiting: deque[_Publisher] = deque()
        self._wants: dict[Mailbox, Callable[[type[Event]], object]] = {}
        self._plain_routes: dict[type[Event], Route] = {}
        """those of the events that enter mailboxes"""
        self._routes: dict[type[Event], Route] = {}
        """those of the events that are published, which may be transformed first"""
        self.routes = self._routes
        """the routes into which events fit while there is capacity, which is 0 if the bus is not
        open or a publisher waits: those without a mailbox that is full, unless it is stuck"""
        self._stuck: set[Mailbox] = set()
        """the mailboxes that were stuck when capacity was found last"""
        self._found = 0
        """capacity found since the last checkpoint"""

    def add(self, mailbox: Mailbox, wants: Callable[[type[Event]], object]) -> None:
        """Deliver the event classes that a mailbox wants to it."""
        mailbox.group = self
        self.awake.add(mailbox)
        self._wants[mailbox] = wants
        self.forget_routes()

    def remove(self, mailbox: Mailbox) -> None:
        """Stop delivering events to a mailbox."""
        if self._wants.pop(mailbox, None) is not None:
            mailbox.group = MailboxGroup()
            self.awake.discard(mailbox)
            self._stuck.discard(mailbox)

        self.forget_routes()
        self.admit()

    def forget_routes(self) -> None:
        """Find out again which mailboxes want an event class."""
        self._plain_routes.clear()
        self._routes.clear()
        self.routes = self._routes
        self.capacity = 0

    def close(self, state: BusState) -> None:
        """Reject publishers from now on, also those that wait."""
        self.state = state
        self.capacity = 0
        while self.waiting:
            self.waiting.popleft().done.set()

    def _try_put(self, events: Events, route: Route) -> bool:
        """Put an event into its mailboxes if capacity was found before; return whether it was."""
        capacity = self.capacity
        if not capacity or len(events) != 1:
            return False

        (event,) = events
        if event.__class__ not in self.routes:
            return False

        self.capacity = capacity - 1  # before the appends, which may set it to 0
        for append in route.appends:
            append(event)

        if route.woken_at != self.sleep_count:
            self.wake(route)

        return True

    def wake(self, route: Route) -> None:
        """Wake the consumers of a route that sleep."""
        route.woken_at = self.sleep_count
        for mailbox in route.mailboxes:
            if mailbox not in self.awake:
                mailbox.wake()

    def _find_capacity(self) -> None:
        """Find out which routes are open, and how many events fit into all of them."""
        if self.state is not BusState.OPEN or self.waiting:
            return

        self._release_stuck()
        capacity = EVENTS_UNTIL_CHECKPOINT
        full: list[Mailbox] = []
        for mailbox in self.awake:
            free = mailbox.size - len(mailbox.items)
            if free <= 0:
                if not mailbox.stuck:
                    full.append(mailbox)
            elif free < capacity:
                capacity = free

        self.routes = self._routes
        if full:
            plain, routes = self._plain_routes, self._routes.items()
            self.routes = {cls: r for cls, r in routes if plain[cls].mailboxes.isdisjoint(full)}

        self._found += capacity
        self.capacity = capacity

    def _set_stuck(self, mailbox: Mailbox) -> None:
        mailbox.stuck_at = mailbox.taken
        self._stuck.add(mailbox)
        self._rebuild_routes(mailbox)

    def _release_stuck(self) -> None:
        """Let the mailboxes from which something was taken get turns again before they drop."""
        for mailbox in tuple(self._stuck):
            if not mailbox.stuck:
                self._stuck.discard(mailbox)
                self._rebuild_routes(mailbox)

    def _rebuild_routes(self, mailbox: Mailbox) -> None:
        self.capacity = 0
        for event_class, route in self._plain_routes.items():
            if mailbox in route.mailboxes:
                self._add_route(event_class, Route(route.mailboxes))

    def put_nowait(self, event: Event, events: Events | None = None) -> None:
        """Put an event into its mailboxes by their policies, without waiting.

        :param events: what it was turned into; None if it is yet to be transformed
        :raises anyio.WouldBlock: if a ``block`` mailbox is full or publishers wait
        """
        if self._transforms.running is not None:
            self._transforms.check_idle()

        if not self.capacity:
            self._find_capacity()

        events, route = self._resolve(event, events)
        try:
            if self._try_put(events, route) or self._enter_from_hook(events, route):
                return

            self.check_open()
            if self._must_wait(route):
                raise self._would_block(route)
        except anyio.WouldBlock:
            self._transforms.keep(event, events)
            raise

        self._enter(events, route)

    async def put(
        self,
        event: Event,
        ack: Acknowledgement | None = None,
        wanted: Callable[[Mailbox], bool] | None = None,
        events: Events | None = None,
    ) -> None:
        """Put an event into its mailboxes, waiting for capacity in ``block`` mailboxes.

        If it is cancelled, the event is in all of them or in none.

        :param ack: is done once the mailboxes that are wanted are done with the event
        :param events: what it was turned into; None if it is yet to be transformed
        """
        if self._transforms.running is not None:
            self._transforms.check_idle()

        if not self.capacity:
            if ack is None and self._found >= EVENTS_UNTIL_CHECKPOINT:
                self._found = 0
                await checkpoint()

            self._find_capacity()

        events, route = self._resolve(event, events)
        try:
            if ack is None and (
                self._try_put(events, route) or self._enter_from_hook(events, route)
            ):
                return

            self.check_open()
            if not events or self._has_capacity(route):
                self._enter(events, route, ack, wanted)
            else:
                await self._wait_and_enter(events, route, ack, wanted)
        except BaseException:
            self._transforms.keep(event, events)
            raise

    async def _wait_and_enter(
        self,
        events: Events,
        route: Route,
        ack: Acknowledgement | None,
        wanted: Callable[[Mailbox], bool] | None,
    ) -> None:
        for _ in range(CHECKPOINTS_BEFORE_DROPPING):
            if self._must_wait(route) or self._has_capacity(route):
                break

            await checkpoint()
            self.check_open()
            route = self._route_of(events)

        if not self._must_wait(route):
            for mailbox in route.mailboxes:
                if mailbox.full and not mailbox.stuck:
                    self._set_stuck(mailbox)

            self._enter(events, route, ack, wanted)
            return

        publisher = _Publisher(events, ack, wanted)
        self.waiting.append(publisher)
        self.capacity = 0
        try:
            await publisher.done.wait()
        except BaseException:
            if not publisher.admitted and publisher in self.waiting:
                self.waiting.remove(publisher)
                self.admit()

            raise

        if not publisher.admitted:
            raise anyio.ClosedResourceError(f"the bus is {self.state.value}")

    def admit(self) -> None:
        """Admit waiting publishers in their order, as far as there is capacity."""
        while self.waiting:
            publisher = self.waiting[0]
            route = self._route_of(publisher.events)
            if any(mailbox.blocks and mailbox.full for mailbox in route.mailboxes):
                return

            self.waiting.popleft()
            self._enter(publisher.events, route, publisher.ack, publisher.wanted)
            publisher.admitted = True
            publisher.done.set()

    # Transforming

    def _resolve(self, event: Event, events: Events | None) -> tuple[Events, Route]:
        """Return what an event is turned into, and the mailboxes that receive something of it."""
        if events is None:
            event_class = event.__class__
            route = self._plain_routes.get(event_class) or self._find_route(event)
            is_plain = route is self._routes[event_class]
            if is_plain or (self.state is not BusState.OPEN and not self._accepts_from_hook()):
                return (event,), route

            events = self._transforms.events_of(event)

        return events, self._route_of(events)

    def _route_of(self, events: Events) -> Route:
        """Return the mailboxes that receive one of some events."""
        if len(events) == 1:
            return self._find_route(events[0])

        return Route(chain.from_iterable(self._find_route(event).mailboxes for event in events))

    def _find_route(self, event: Event) -> Route:
        event_class = event.__class__
        route = self._plain_routes.get(event_class)
        if route is None:
            check_event(event)
            route = Route(mailbox for mailbox, wants in self._wants.items() if wants(event_class))
            self._add_route(event_class, route)

        return route

    def _add_route(self, event_class: type[Event], route: Route) -> None:
        self._plain_routes[event_class] = self._routes[event_class] = route
        transforms = self._transforms.chain(event_class)
        if transforms is not None:
            self._routes[event_class] = self._transforming_route(transforms, route)

    def _transforming_route(self, transforms: Chain, route: Route) -> Route:
        """Return the route of events that are transformed before they enter mailboxes.

        :param route: that of the events of the class which they have then
        """
        # What is called for each event has no attribute to look up.
        apply, event_class, appends = self._transforms.apply, transforms.event_class, route.appends

        def transform_and_append(event: Event) -> None:
            result: Any = apply(transforms, event)
            if result.__class__ is event_class:
                for append in appends:
                    append(result)  # pyright: ignore[reportArgumentType] - of that class

                if route.woken_at != self.sleep_count:
                    self.wake(route)
            elif result != ():
                raise Diverted(result if isinstance(result, tuple) else (result,))

        transforming = Route(())  # so that an event that is dropped wakes nobody
        transforming.appends = (transform_and_append,)
        return transforming

    def _has_capacity(self, route: Route) -> bool:
        for mailbox in route.mailboxes:
            if mailbox.full and not mailbox.stuck:
                return False

        return not self.waiting

    def _would_block(self, route: Route) -> anyio.WouldBlock:
        remedy = "use publish, which waits, or drop the event"
        for mailbox in route.mailboxes:
            if mailbox.blocks and mailbox.full:
                what = f"the mailbox of '{mailbox.owner}' is full (size {mailbox.size})"
                return anyio.WouldBlock(f"{what}: {remedy}")

        return anyio.WouldBlock(
            f"other publishers wait for room in a mailbox, and come first: {remedy}"
        )

    def _must_wait(self, route: Route) -> bool:
        return bool(self.waiting) or any(
            mailbox.blocks and mailbox.full for mailbox in route.mailboxes
        )

    def check_open(self) -> None:
        """Raise :exc:`anyio.ClosedResourceError` unless the bus is open."""
        if self.state is not BusState.OPEN:
            raise anyio.ClosedResourceError(f"the bus is {self.state.value}")

    def inside_hook(self) -> bool:
        """Return whether this task runs a hook of this bus, or was started by one."""
        supervisor = inside_hook.get()
        return supervisor is not None and supervisor.mailbox in self._wants

    def check_outside_hook(self, method: str, instead: str) -> None:
        """Raise a :exc:`RuntimeError` inside a hook, which would wait for itself.

        :param instead: what to call there
        """
        if self.inside_hook():
            raise RuntimeError(f"{method} inside a hook would wait for the hook itself: {instead}")

    def _accepts_from_hook(self) -> bool:
        return self.state is not BusState.CLOSED and self.inside_hook()

    def _enter_from_hook(self, events: Events, route: Route) -> bool:
        """Put in events that a hook published, which must not wait: it could wait for itself."""
        if not self._accepts_from_hook():
            return False

        for mailbox in route.mailboxes:
            if mailbox.blocks and len(mailbox.items) >= HOOKS_MAY_EXCEED_TIMES * mailbox.size:
                raise anyio.WouldBlock(
                    f"the mailbox of '{mailbox.owner}' holds {HOOKS_MAY_EXCEED_TIMES} times its size "
                    f"of {mailbox.size}, and a hook must not wait: publish less, or make the mailbox "
                    "larger"
                )

        self._enter(events, route)
        return True

    def _enter(
        self,
        events: Events,
        route: Route,
        ack: Acknowledgement | None = None,
        wanted: Callable[[Mailbox], bool] | None = None,
    ) -> None:
        self._release_stuck()
        self.capacity = max(self.capacity - 1, 0)
        if len(events) != 1:
            for one in events:
                self._enter((one,), self._find_route(one), ack, wanted)

            return

        for mailbox in route.mailboxes:
            mailbox.put(events[0], ack if wanted is not None and wanted(mailbox) else None)
