"""The plugin that the bus runs: it takes events in and posts messages to Discord."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import anyio
import httpx
from anyio.abc import TaskGroup

from lanrage_events import ConfigProblem, Event, Health, Metric, Preview, hookimpl
from lanrage_events.abc import Bus, Person
from lanrage_events.cli import counted
from lanrage_events.config import ConfigError
from lanrage_events.delivery import HTTP_LOGGERS
from lanrage_events.http import Page, Route
from lanrage_events.outbox import Outbox

from ._alerts import Alerts, alert_metrics, render_report, unknown_sources
from ._api import DiscordAPI, MessageTest, Runtime
from ._cards import (
    Cards,
    card_metrics,
    cards_problem,
    forget_person,
    opened_store,
    stopped_cards,
)
from ._client import LimitMemory, RateLimits, WebhookClient, shared_address
from ._config import DEFAULT_WEBHOOK, DiscordConfig
from ._delivery import (
    EarlierEntries,
    ExpiredCounts,
    GoneWebhooks,
    Lane,
    Lanes,
    LaneState,
    LaneStatistics,
    Mentions,
    Threads,
    lane_metrics,
    outbox_metrics,
)
from ._health import (
    NO_DEFAULT_WEBHOOK,
    NO_WEBHOOK,
    count_events,
    count_rejected,
    delivery_health,
)
from ._intake import Intake
from ._memory import Memory, wall_time
from ._preview import CardSample, preview_event, shown_event
from ._quiet import Mutes, Quiet, Then, make_calendar
from ._rendering import Players, Renderer
from ._routing import (
    ThreadNames,
    check,
    check_event,
    thread_of,
    thread_problems,
    uncounted,
    unknown_types,
)
from ._setup import (
    RejectionCache,
    Settings,
    Setup,
    WebhookDirectory,
    ask_for_webhooks,
    find_webhook_ids,
    find_webhooks,
    state_file,
)

logger = logging.getLogger("lanrage_events.discord")

# HTTP libraries log webhook URLs, which hold the token; our own tracebacks may hold anything.
REDACTED_LOGGERS = (*HTTP_LOGGERS, "lanrage_events")
# What is sent later may be cut off before the answer, and is sent again by the next start.
LAST_REQUEST_SECONDS = 1.0


class DiscordPlugin:
    """Posts events in Discord channels.

    Its hook returns when the events are in the outbox, which is a file below the bus's state folder,
    or in memory if there is none. The default webhook and the invite may come from the
    configuration, or be set and changed through the HTTP API while it runs.

    :param config: see :class:`DiscordConfig`
    :param http: the client to send with, which stays open; a client of its own by default
    """

    Config = DiscordConfig
    durable = True
    when_full = "block"
    _max_pending = 100_000
    """entries that the outbox holds"""
    _wall_clock = staticmethod(wall_time)

    def __init__(self, config: DiscordConfig, *, http: httpx.AsyncClient | None = None) -> None:
        self.config = config
        self._http = http
        self._renderer: Renderer | None = None
        self._intake = Intake(config, self._wall_clock)
        self._outbox: Outbox | None = None
        self._lanes: Mapping[str, Lane] = {}
        self._setup: Setup | None = None
        self._runtime: Runtime | None = None
        self._api = DiscordAPI(lambda: self._runtime)
        self._alerts: Alerts | None = None
        """what reports problems, through all restarts of the plugin; None without the setting"""
        self._mutes: Mutes | None = None
        """what is muted, through all restarts of the plugin; None before the first start"""

    @property
    def pending(self) -> int:
        """Events that Discord has not accepted yet."""
        return self._outbox.statistics().pending if self._outbox is not None else 0

    @property
    def lanes(self) -> dict[str, LaneStatistics]:
        """The counts of each lane, by the webhook's name."""
        return {name: lane.statistics for name, lane in self._lanes.items()}

    async def mute(
        self,
        seconds: float,
        webhook: str | None = None,
        *,
        why: str = "",
        by: str = "",
        then: Then = "hold",
    ) -> None:
        """Let a webhook, or all, post nothing for a while, also over restarts.

        It takes effect at once. An earlier mute of the same webhook ends. Events of routes that are
        ``important``, and alerts, are posted all the same.

        :param seconds: for how long; at most 31 days
        :param webhook: its name; None for all
        :param why: the reason, in a short line, which health and the page show
        :param by: who mutes it, likewise
        :param then: what happens to messages meanwhile: ``hold`` posts them at the end, ``silent``
            posts them without a notification, ``drop`` does not post them at all
        :raises LookupError: if no webhook has the name
        :raises ValueError: if it is too short or too long
        :raises OSError: if it cannot be kept; nothing has changed then
        :raises RuntimeError: if the plugin is not running
        """
        await self._running_lanes().mute(seconds, webhook, why=why, by=by, then=then)

    async def unmute(self, webhook: str | None = None) -> None:
        """End the mute of a webhook, or every mute; what was held is posted at once.

        Nothing happens if there is none. A webhook stays muted as long as all are.

        :param webhook: its name; None to end every mute
        :raises LookupError: if no webhook has the name
        :raises OSError: if it cannot be kept; nothing has changed then
        :raises RuntimeError: if the plugin is not running
        """
        await self._running_lanes().unmute(webhook)

    def _running_lanes(self) -> Lanes:
        if self._runtime is None:
            raise RuntimeError("the plugin is not running: call this inside 'async with bus'")

        return self._runtime.lanes

    @hookimpl
    async def event_batch(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        """Put events into the outbox, once for each webhook that posts them."""
        return await self._intake.put(events, self._runtime)

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, bus: Bus) -> AsyncIterator[None]:
        """Keep the outbox open and the lanes running."""
        self._close_earlier_run()
        self._intake.thread_names = names = ThreadNames(self.config, bus, logger.warning)
        wrong = [*unknown_types(self.config, bus.events), *uncounted(self.config, bus)]
        if wrong := [*wrong, *names.errors]:
            raise ConfigError([str(problem) for problem in wrong])

        settings = self._make_settings(bus)
        webhooks = {DEFAULT_WEBHOOK, *self.config.webhooks, *settings.webhooks}
        with bus.redactor.redacting(REDACTED_LOGGERS):
            async with (
                WebhookClient(self._http) as client,
                self._make_outbox(bus, len(webhooks)) as self._outbox,
                opened_store(
                    self._state_file(bus, "cards"),
                    self.config.cards,
                    find_webhook_ids(self.config, settings),
                    self._wall_clock,
                ) as store,
                anyio.create_task_group() as background,
            ):
                self._outbox.drains = True
                background.start_soon(self._outbox.listen, self._reload)
                with ExitStack() as ending:
                    ending.callback(self._report_waiting, bus)
                    async with anyio.create_task_group() as tasks:
                        limits = RateLimits(shared_address(self._http))
                        memory = self._memory(bus, "limits", "the waits that Discord asked for")
                        ending.callback(LimitMemory(memory, limits).close)
                        self._renderer = renderer = await self._make_renderer(bus)
                        lanes = self._make_lanes(bus, self._outbox, client, tasks, limits, renderer)
                        ending.callback(lanes.close)
                        cards = Cards(store, lanes, renderer, client, tasks)
                        self._runtime = runtime = await self._begin(
                            bus, settings, self._outbox, client, background, lanes, renderer, cards
                        )
                        async with self._watching(runtime, renderer):
                            yield

                        self._runtime = None
                        self._finish(bus, self._outbox, lanes, cards)

                background.cancel_scope.cancel()

    def _watching(
        self, runtime: Runtime, renderer: Renderer
    ) -> AbstractAsyncContextManager[object]:
        """Report problems, if the configuration says where."""
        if runtime.alerts is None:
            return nullcontext()

        name, render = runtime.bus.plugins.name(self), partial(render_report, renderer)
        lanes, outbox = runtime.lanes, runtime.outbox
        stopped = partial(stopped_cards, runtime.cards)
        return runtime.alerts.watching(runtime.bus, name, lanes, outbox, render, stopped)

    @staticmethod
    def _finish(bus: Bus, outbox: Outbox, lanes: Lanes, cards: Cards) -> None:
        """Let the lanes send what they can, or leave it to the plugin that takes over."""
        seconds = bus.plugins.drain_timeout
        if not bus.closing and outbox.path is not None:
            lanes.hand_over()
            cards.hand_over()
            return

        hold = False
        if outbox.path is not None:
            # Without a limit, the bus ends once everything is delivered.
            hold = seconds < float("inf")
            seconds -= min(LAST_REQUEST_SECONDS, seconds / 2)

        lanes.finish(anyio.current_time() + seconds, hold=hold)
        cards.finish(anyio.current_time() + seconds)

    def _make_lanes(
        self,
        bus: Bus,
        outbox: Outbox,
        client: WebhookClient,
        tasks: TaskGroup,
        limits: RateLimits,
        renderer: Renderer,
    ) -> Lanes:
        names = self._intake.thread_names
        self._lanes = lanes = Lanes(
            self.config,
            outbox=outbox,
            client=client,
            task_group=tasks,
            redactor=bus.redactor,
            limits=limits,
            threads=self._make_threads(bus),
            own_thread=None if names is None else names.own,
            mentions=Mentions(self._memory(bus, "mentions", "the cooldowns of mentions")),
            quiet=self._make_quiet(bus),
            gone=GoneWebhooks(self._memory(bus, "gone", "the webhooks that do not exist")),
            expired=ExpiredCounts(self._memory(bus, "expired", "the counts of what expired")),
            wording=renderer.wording,
            pictures=renderer.pictures,
        )
        return lanes

    async def _begin(
        self,
        bus: Bus,
        settings: Settings,
        outbox: Outbox,
        client: WebhookClient,
        background: TaskGroup,
        lanes: Lanes,
        renderer: Renderer,
        cards: Cards,
    ) -> Runtime:
        """Create what lives as long as the lifespan, and start the lanes."""
        self._intake.earlier = await EarlierEntries.read(outbox)
        rejections = RejectionCache()
        directory = WebhookDirectory(lanes.limits, client, background)
        self._setup = setup = Setup(
            self.config,
            settings,
            partial(bus.plugins.source_location, self),
            lanes=lanes,
            directory=directory,
            redactor=bus.redactor,
            rejections=rejections,
            events=bus.events,
        )
        await self._open_lanes(bus, setup, lanes)
        cards.begin()
        if self._alerts is None and self.config.alerts is not None:
            memory = self._memory(bus, "alerts", "the alerts that were posted")
            self._alerts = Alerts(self.config.alerts, memory)

        message_test = MessageTest(lanes, client, rejections, renderer)
        return Runtime(
            bus,
            setup,
            directory,
            lanes,
            outbox,
            message_test,
            self._intake.unrouted,
            renderer,
            cards,
            self._alerts,
            lambda event: thread_of(event, self.config, bus),
        )

    def _players(self, bus: Bus) -> Players:
        return Players(self.config.players, partial(bus.query, "mention_player"))

    async def _make_renderer(self, bus: Bus) -> Renderer:
        # The lanes need it before there is a setup, which needs the lanes.
        self._setup = None
        players = self._players(bus)
        renderer = Renderer(bus.template_folders(), invite_url=self.invite_url, players=players)
        await renderer.prepare(bus.events.types())
        return renderer

    @hookimpl
    def invite_url(self) -> str | None:
        """Return the invite to the voice channel, from the configuration or the setup page."""
        return self.config.invite_url if self._setup is None else self._setup.invite_url

    async def _open_lanes(self, bus: Bus, setup: Setup, lanes: Lanes) -> None:
        setup.open_lanes()
        waiting = await lanes.begin()
        if not lanes or self._lacks_default_webhook(lanes):
            logger.warning(
                "plugin '%s': %s; set it in the configuration, or on the setup page that the plugin"
                " 'http' serves",
                bus.plugins.name(self),
                NO_DEFAULT_WEBHOOK if lanes else NO_WEBHOOK,
            )

        for lane in waiting:
            if lane.name not in lanes and lane.pending:
                logger.warning(
                    "the outbox keeps %s for webhook '%s', which is not configured",
                    counted(lane.pending, "event"),
                    lane.name,
                )

    def _lacks_default_webhook(self, configured: Iterable[str]) -> bool:
        """Whether a route or a card names the default webhook although there is none."""
        routes = [route.webhook or () for route in self.config.routes]
        cards = [card.webhook for card in self.config.cards]
        named = any(DEFAULT_WEBHOOK in names for names in (*routes, *cards))
        return named and DEFAULT_WEBHOOK not in set(configured)

    def _close_earlier_run(self) -> None:
        outbox, self._outbox = self._outbox, None
        if outbox is not None:
            statistics = outbox.statistics()
            in_memory = outbox.path is None
            self._intake.unsent += count_rejected(statistics) + (
                statistics.pending if in_memory else 0
            )

    def _make_threads(self, bus: Bus) -> Threads:
        created = self._memory(bus, "thread_times", "when threads were created")
        return Threads(self._memory(bus, "threads", "the ids of threads", True), created)

    def _make_outbox(self, bus: Bus, lanes: int) -> Outbox:
        return Outbox(
            self._state_file(bus, "outbox"),
            max_entries=self._max_pending,
            # A lane whose webhook is dead must leave room for the others.
            max_entries_per_lane=self._max_pending if lanes == 1 else self._max_pending // 2,
        )

    def _make_quiet(self, bus: Bus) -> Quiet:
        self._mutes = mutes = self._mutes or self._open_mutes(bus)
        mutes.reload()
        return Quiet(make_calendar(self.config.quiet), mutes)

    def _open_mutes(self, bus: Bus) -> Mutes:
        return Mutes(self._memory(bus, "mutes", "the mutes", True))

    def _make_settings(self, bus: Bus) -> Settings:
        return Settings(self._state_file(bus, "settings.json"))

    def _memory(self, bus: Bus, name: str, what: str, survives_power_loss: bool = False) -> Memory:
        return Memory(
            self._state_file(bus, f"{name}.json"),
            what,
            survives_power_loss=survives_power_loss,
            wall_clock=self._wall_clock,
        )

    def _state_file(self, bus: Bus, suffix: str) -> Path | None:
        return state_file(bus, self, suffix)

    def _reload(self) -> None:
        if isinstance(self._lanes, Lanes):
            self._lanes.reload()

    def _report_waiting(self, bus: Bus) -> None:
        self._runtime = None
        if not self.pending or self._outbox is None:
            return

        if self._outbox.path is None:
            logger.error("%s lost: they were kept in memory only", count_events(self.pending))
        elif bus.closing:
            logger.warning("%s kept in the outbox for the next start", count_events(self.pending))
        else:
            logger.info("%s handed over in the outbox", count_events(self.pending))

    @hookimpl
    def http_routes(self) -> Iterable[Route]:
        """Return the operations of the HTTP API."""
        return self._api.routes()

    @hookimpl
    async def forget(self, person: Person, bus: Bus) -> dict[str, int]:
        """Remove a person from mutes, cards and what is to be reported; the core searches the outbox."""
        if (runtime := self._runtime) is not None:
            lanes = runtime.lanes.values()
            reports = sum(lane.queue.settling.forget(person) for lane in lanes)
            cards = await runtime.cards.forget(person)
        else:
            reports, cards = 0, await forget_person(self._state_file(bus, "cards"), person)

        mutes = await (self._mutes or self._open_mutes(bus)).forget(person)
        threads = self._make_threads(bus) if runtime is None else runtime.lanes.threads
        names = threads.forget_person(person)
        if self._intake.thread_names is not None:
            self._intake.thread_names.forget(person)

        return {
            "texts of mutes": mutes,
            "reports of reconnects": reports,
            "parties of cards": cards,
            "names of threads": names,
        }

    @hookimpl
    def http_pages(self) -> Iterable[Page]:
        """Return the setup page."""
        return [Page(title="Discord", folder=files("lanrage_events_discord") / "page")]

    @hookimpl
    def metrics(self) -> Iterable[Metric]:
        """Return the counts of the lanes and of the outbox."""
        runtime, intake = self._runtime, self._intake
        running = (
            []
            if runtime is None
            else [*card_metrics(runtime.cards), *outbox_metrics(runtime.outbox, intake.earlier)]
        )
        return [
            *lane_metrics(self._lanes),
            intake.unrouted.metric(),
            *running,
            *alert_metrics(self._alerts),
        ]

    @hookimpl
    def outbox(self) -> Outbox | None:
        """Return the outbox, None while the plugin is not running."""
        return None if self._runtime is None else self._runtime.outbox

    @hookimpl
    def preview(self, event: Event, bus: Bus) -> Preview:
        """Return the message that would report an event, by the templates as they are now."""
        saved = self._setup or Settings(state_file(bus, self, "settings.json"), read_only=True)
        thread = thread_of(shown_event(event), self.config, bus)
        players, invite = self._players(bus), self.config.invite_url or saved.invite_url
        preview = preview_event(event, bus, invite, thread, players)
        unposted = () if isinstance(event, CardSample) else check_event(event, self.config)
        return replace(preview, problems=(*unposted, *preview.problems))

    @hookimpl
    def validate(self, bus: Bus) -> list[ConfigProblem]:
        """Report errors in templates, event types that do not exist, and routes without effect."""
        renderer = self._renderer
        if (
            self._runtime is None or renderer is None
        ):  # the start has checked them, which takes a while
            renderer = Renderer(
                bus.template_folders(),
                invite_url=lambda: self.config.invite_url,
                report=lambda _: None,
            )
            renderer.check(bus.events.types())

        problems = [error.as_problem() for error in renderer.problems]
        if self.config.alerts is not None:
            unknown = unknown_sources(self.config.alerts, bus)
            problems += (ConfigProblem(text, path, warning=True) for path, text in unknown)

        place = partial(bus.plugins.source_location, self)
        return [*problems, *thread_problems(self.config, bus), *check(self.config, bus, place)]

    @hookimpl
    def templates_changed(self, bus: Bus) -> list[ConfigProblem]:
        """Read the templates again; what waits in the outbox stays as it was rendered, and cards do not."""
        if self._renderer is None:
            return []

        if self._intake.thread_names is not None:
            self._intake.thread_names.reload()

        errors = self._renderer.reload(bus.template_folders(), bus.events.types())
        if self._runtime is not None:
            self._runtime.cards.refresh()

        return [error.as_problem() for error in errors]

    @hookimpl
    async def check_online(self, bus: Bus) -> Mapping[str, Health]:
        """Ask Discord for each webhook, those of the setup page included."""
        settings = Settings(self._state_file(bus, "settings.json"), read_only=True)
        webhooks = find_webhooks(self.config, settings)
        if not webhooks:
            return {"webhook": Health("degraded", NO_WEBHOOK)}

        with bus.redactor.redacting(REDACTED_LOGGERS):
            async with WebhookClient(self._http) as client:
                found = await ask_for_webhooks(self.config, webhooks, client)

        return {f"webhook '{name}'": health for name, health in found.items()}

    @hookimpl
    def health(self) -> Health:
        """Report delivery health."""
        runtime, intake = self._runtime, self._intake
        lacks_default = self._lacks_default_webhook(
            name for name, lane in self._lanes.items() if lane.state is not LaneState.UNCONFIGURED
        )
        notes = (
            [] if runtime is None else [runtime.lanes.quiet_reason, runtime.lanes.threads_reason]
        )
        return delivery_health(
            self._outbox,
            self._lanes.values(),
            lacks_default=lacks_default,
            cards="" if runtime is None else cards_problem(runtime.cards),
            alerts="" if self._alerts is None else self._alerts.summary,
            notes=[*notes, intake.unrouted.detail],
            unsent=intake.unsent,
        )
