"""The plugin that the bus runs: it puts events into lanes, one for each target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from logging import getLogger

import anyio
import httpx

from lanrage_events import ConfigProblem, Event, Health, Metric, Preview, hookimpl
from lanrage_events.abc import Bus
from lanrage_events.cli import did_you_mean
from lanrage_events.config import ConfigError, secrets_of
from lanrage_events.delivery import HTTP_LOGGERS, Delivery, Entry, Outcome, open_http_client
from lanrage_events.outbox import Storage
from lanrage_events.templates import Templates

from ._body import RENDERED, Body
from ._config import RouteConfig, WebhookConfig
from ._sender import Sender

logger = getLogger("lanrage_events.webhook")


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
        self._rendered: Templates | None = None
        self._bodies: Mapping[str, Body] = {}
        self._senders: Mapping[str, Sender] = {}
        self._delivery = Delivery(
            self._send,
            batch_size={name: target.batch or 1 for name, target in config.targets.items()},
            send_timeout=90.0,  # longer than that of any target
            lanes=config.targets,
            receivers={name: target.receiver for name, target in config.targets.items()},
            what="target",
            max_entries=max_waiting,
            max_entries_per_lane=max_waiting // 2,
        )

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        """Put events into the outbox, once for each target that they go to."""
        return await self._delivery.put_events(events, self._targets)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep the outbox open and the lanes running."""
        if errors := [str(found) for found in self._route_problems(bus) if not found.warning]:
            raise ConfigError(errors)

        self._rendered = Templates("webhook", bus.template_folders(), RENDERED)
        await self._rendered.prepare(bus.events.types())
        self._bodies = self._make_bodies(bus, self._rendered, logger.warning)
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
        rendered = self._rendered
        if rendered is None:  # the start has checked them, which takes a while
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
        name, events = entries[0].lane, self._delivery.read_events(entries)
        return await self._senders[name].send(events, *self._bodies[name].content(events))

    def _targets(self, event: Event) -> list[str]:
        """Return the names of the targets that an event goes to."""
        found: dict[str, None] = {}
        for route in self._routes:
            if route.matches(event):
                found |= dict.fromkeys(route.names(self.config.targets))
                if route.stop:
                    break

        return list(found)

    def _route_problems(self, bus: Bus) -> Iterator[ConfigProblem]:
        for number, route in enumerate(self.config.routes):
            for found in route.problems(bus.events):
                yield replace(found, path=("routes", number, *found.path))

            for index, name in enumerate(route.target or ()):
                if name not in self.config.targets:
                    known = ", ".join(self.config.targets)
                    hint = did_you_mean(name, self.config.targets) or f", known: {known}"
                    path = ("routes", number, "target", index)
                    yield ConfigProblem(f"no target is named '{name}'{hint}", path)

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
        for value in secrets_of(self.config):
            bus.redactor.add(value)
            bus.redactor.add(value.rpartition(" ")[2])  # without "Basic"

        with bus.redactor.redacting((*HTTP_LOGGERS, "lanrage_events")):
            async with open_http_client(self._http) as http:
                targets = self.config.targets.items()
                yield {name: Sender(item, http, bus.redactor) for name, item in targets}
