"""The plugin that the bus runs: it puts events into lanes, one for each target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from logging import getLogger

import anyio
import httpx
from anyio import to_thread

from lanrage_events import ConfigProblem, Event, EventError, Health, Metric, Preview, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.cli import did_you_mean
from lanrage_events.config import ConfigError
from lanrage_events.delivery import Delivery, Entry, Item, Outcome, Selection
from lanrage_events.events import EventRegistry
from lanrage_events.outbox import OutboxFull, Storage
from lanrage_events.templates import Templates

from ._body import RENDERED, Body
from ._config import RouteConfig, WebhookConfig, secret
from ._sender import Sender

logger = getLogger("lanrage_events.webhook")

# HTTP libraries log addresses, which may hold secrets.
_HTTP = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy", "httpcore.socks")


class WebhookPlugin:
    """Posts events to HTTP addresses.

    :param config: see :class:`WebhookConfig`
    :param http: the client to send with, which stays open; one of its own by default
    :param max_waiting: how many events may wait, half of them for one target
    """

    Config = WebhookConfig
    durable = True
    when_full = "block"

    def __init__(
        self,
        config: WebhookConfig,
        *,
        http: httpx.AsyncClient | None = None,
        max_waiting: int = 100_000,
    ) -> None:
        self.config = config
        self._http = http
        self._routes = config.routes or (RouteConfig(),)
        self._events = EventRegistry()
        self._rendered: Templates | None = None
        self._bodies: Mapping[str, Body] = {}
        self._senders: Mapping[str, Sender] = {}
        self._sizes = {name: target.batch or 1 for name, target in config.targets.items()}
        self._delivery = Delivery(
            self._send,
            batch_size=max(self._sizes.values(), default=1),
            select=self._select,
            send_timeout=90.0,  # longer than that of any target
            lanes=config.targets,
            what="target",
            max_entries=max_waiting,
            max_entries_per_lane=max_waiting // 2,
        )

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        """Put events into the outbox, once for each target that they go to."""
        found = [[Item(event, name) for name in self._targets(event)] for event in events]
        with suppress(OutboxFull):
            await self._delivery.put_many([item for items in found for item in items])
            return {}

        # One target that takes nothing does not keep the others from getting what fits.
        failures: dict[int, Exception] = {}
        for position, item in ((at, item) for at, items in enumerate(found) for item in items):
            try:
                await self._delivery.put_many([item])
            except OutboxFull as error:
                failures[position] = error

        return failures

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep the outbox open and the lanes running."""
        if errors := [str(found) for found in self._route_problems(bus) if not found.warning]:
            raise ConfigError(errors)

        self._events = bus.events
        self._rendered = Templates("webhook", bus.template_folders(), RENDERED)
        await self._rendered.prepare(bus.events.types())
        self._bodies = self._make_bodies(bus, self._rendered, logger.warning)
        with bus.redactor.redacting((*_HTTP, "lanrage_events")):
            async with self._sending(bus) as self._senders, self._delivery.running(bus, self):
                yield

    @hookimpl
    def templates_changed(self, bus: Bus) -> list[ConfigProblem]:
        """Read the templates again, by which all that waits is sent."""
        if self._rendered is None:
            return []

        problems = self._rendered.reload(bus.template_folders(), bus.events.types())
        self._bodies = self._make_bodies(bus, self._rendered, logger.warning)
        return [problem.as_problem() for problem in problems]

    @hookimpl
    def validate(self, bus: Bus) -> list[ConfigProblem]:
        """Report errors in routes and templates, and names that some events do not have."""
        problems = [*self._route_problems(bus)]
        types = bus.events.types()
        rendered = self._read_templates(bus)
        rendered.check(types)
        problems += [problem.as_problem() for problem in rendered.problems]
        for name, body in self._make_bodies(bus, rendered, problems.append).items():
            routes = [one for one in self._routes if name in one.names(self.config.targets)]
            body.check(
                bus.events, (cls for cls in types if any(one.events.select(cls) for one in routes))
            )
            if not routes:
                message = "no route names this target, so nothing is sent to it"
                problems.append(ConfigProblem(message, ("targets", name), warning=True))

        return problems

    @hookimpl
    def preview(self, event: Event, bus: Bus) -> Iterator[Preview]:
        """Show what each target would get."""
        found: list[ConfigProblem] = []
        rendered = self._read_templates(bus)
        bodies = self._make_bodies(bus, rendered, found.append)
        for name in self._targets(event):
            data = bodies[name].render(event)
            shown = {"text": data} if isinstance(data, str) else {"json": data}
            problems = [one for one in found if one.path[:2] == ("targets", name)]
            yield Preview(title=f"target '{name}'", problems=problems, **shown)

    @hookimpl
    async def check_online(self, bus: Bus) -> Mapping[str, Health]:
        """Ask those targets that can be asked without sending anything."""
        health: dict[str, Health] = {}

        async def look(name: str, sender: Sender) -> None:
            if (found := await sender.look()) is not None:
                health[f"target '{name}'"] = found

        async with self._sending(bus) as senders, anyio.create_task_group() as tasks:
            for name, sender in senders.items():
                tasks.start_soon(look, name, sender)

        return health

    @hookimpl
    def health(self) -> Health:
        """Report the health of the lanes."""
        return self._delivery.health()

    @hookimpl
    def metrics(self) -> Sequence[Metric]:
        """Report what the lanes did."""
        return self._delivery.metrics()

    @hookimpl
    def outbox(self) -> Storage | None:
        """Return what keeps the events until they are sent."""
        return self._delivery.outbox

    async def _send(self, entries: Sequence[Entry]) -> Outcome:
        events: list[Event] = []
        for entry in entries:
            try:
                events.append(self._events.from_dict(entry.data))
            except EventError as error:
                return Outcome.dead(f"it is no event any more: {error}", [entry])

        name = entries[0].lane
        return await self._senders[name].send(events, *self._bodies[name].content(events))

    def _select(self, entries: Sequence[Entry], now: datetime) -> Selection:
        return Selection(entries[: self._sizes[entries[0].lane]] if entries else ())

    def _targets(self, event: Event) -> list[str]:
        """Return the names of the targets that an event goes to."""
        found: dict[str, None] = {}
        for route in self._routes:
            if route.events.select(type(event)) and route.where.matches(event):
                found |= dict.fromkeys(route.names(self.config.targets))
                if route.stop:
                    break

        return list(found)

    def _route_problems(self, bus: Bus) -> Iterator[ConfigProblem]:
        for number, route in enumerate(self.config.routes):
            for index, message in route.events.unknown(bus.events):
                yield ConfigProblem(message, ("routes", number, "events", index))

            for index, name in enumerate(route.target or ()):
                if name not in self.config.targets:
                    known = ", ".join(self.config.targets)
                    hint = did_you_mean(name, self.config.targets) or f", known: {known}"
                    path = ("routes", number, "target", index)
                    yield ConfigProblem(f"no target is named '{name}'{hint}", path)

            types = [cls for cls in bus.events.types() if route.events.select(cls)]
            for found in route.where.problems(types):
                yield replace(found, path=("routes", number, "where", *found.path))

    @staticmethod
    def _read_templates(bus: Bus) -> Templates:
        return Templates("webhook", bus.template_folders(), RENDERED, report=lambda _: None)

    def _make_bodies(
        self, bus: Bus, rendered: Templates, report: Callable[[ConfigProblem], object]
    ) -> Mapping[str, Body]:
        folders = bus.template_folders()
        return {
            name: Body(name, target, rendered, folders, report)
            for name, target in self.config.targets.items()
        }

    @asynccontextmanager
    async def _sending(self, bus: Bus) -> AsyncIterator[Mapping[str, Sender]]:
        """Open the client, after which all secrets are masked."""
        targets = self.config.targets
        for target in targets.values():
            for value in (target.url, target.token, target.sign, *target.headers.values()):
                bus.redactor.add(secret(value).rpartition(" ")[2])  # without "Basic"

        # To read the certificates takes long.
        http = self._http
        client = await to_thread.run_sync(_make_client) if http is None else nullcontext(http)
        async with client as opened:
            yield {name: Sender(item, opened, bus.redactor) for name, item in targets.items()}


def _make_client() -> httpx.AsyncClient:
    # A target that hangs keeps no connection from another one, and none sets cookies.
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncClient(cookies=cookies, limits=limits, timeout=60)
