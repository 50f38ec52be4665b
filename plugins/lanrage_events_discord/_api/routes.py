"""The handlers of the plugin's HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio

from lanrage_events import Metric
from lanrage_events.abc import Bus
from lanrage_events.delivery import History
from lanrage_events.events import utc_now
from lanrage_events.http import Route, RouteRequest

from .._alerts import Alerts
from .._cards import stopped_cards
from .._config import DEFAULT_WEBHOOK
from .._delivery import Lane, LaneState
from .._setup import (
    INVITE_HEADING,
    INVITE_STEPS,
    WEBHOOK_HEADING,
    WEBHOOK_STEPS,
)
from . import models
from .cards import CardsAPI
from .mutes import MutesAPI, mute_statuses, quiet_status
from .previews import Previews
from .runtime import CANNOT_ASK, NOT_RUNNING, RunningPlugin, Runtime, count_pending, setup_errors
from .webhooks import WebhooksAPI


class DiscordAPI:
    """Answers requests about the plugin.

    :param runtime: returns what exists while the plugin runs, None before and afterwards
    """

    def __init__(self, runtime: Callable[[], Runtime | None]) -> None:
        self._runtime = RunningPlugin(runtime)
        self._webhooks = WebhooksAPI(self._runtime)
        self._mutes = MutesAPI(self._runtime)
        self._cards = CardsAPI(self._runtime)

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        cannot_set = {
            409: "the configuration gives the value, so it must be changed there",
            503: "the value cannot be saved, or the plugin is not running",
        }
        previews = Previews(self._runtime)
        get = partial(Route, method="GET", errors=NOT_RUNNING, scope="read")
        post = partial(Route, method="POST")
        return (
            *self._webhooks.routes(),
            *self._mutes.routes(),
            *self._cards.routes(),
            post(
                path="/webhook",
                handler=self.set_webhook,
                request=models.WebhookRequest,
                query=models.WebhookQuery,
                response=models.Status,
                errors={
                    **cannot_set,
                    422: "it is not the URL of a webhook, or Discord says that it does not work",
                    **CANNOT_ASK,
                },
            ),
            post(
                path="/invite",
                handler=self.set_invite,
                request=models.InviteRequest,
                response=models.Status,
                errors={**cannot_set, 422: "it is not the URL of an invite"},
            ),
            get(path="/status", handler=self.status, response=models.Status),
            post(
                path="/test",
                handler=self.test,
                request=models.MessageTestRequest,
                response=models.MessageTestResult,
                errors={
                    **NOT_RUNNING,
                    404: "no webhook has the name",
                    409: "there is no webhook, or another test is under way",
                },
            ),
            get(
                path="/instructions",
                handler=self.instructions,
                response=models.Instructions,
                errors={},
            ),
            get(path="/history", handler=self.history, response=models.DeliveryHistory),
            get(path="/preview", handler=previews.samples, response=models.Samples),
            post(
                path="/preview",
                handler=previews.preview,
                scope="read",
                request=models.PreviewRequest,
                response=models.Preview,
                errors={**NOT_RUNNING, 422: "it is not a valid event"},
            ),
            post(
                path="/preview/digest",
                handler=previews.preview_digest,
                scope="read",
                request=models.DigestRequest,
                response=models.DigestPreview,
                errors={
                    **NOT_RUNNING,
                    422: "one of them is not a valid event, or there are too many",
                },
            ),
        )

    async def set_webhook(self, request: RouteRequest) -> models.Status:
        """Set the webhook that everything is sent to.

        It takes effect at once and is kept over restarts. Unless ``offline`` says otherwise,
        Discord is asked first whether the webhook exists; nothing is posted. An empty URL clears
        it: waiting events are kept, and sent once there is a webhook again.
        """
        runtime = self._runtime()
        url = request.body.webhook_url.get_secret_value()
        with setup_errors():
            await runtime.setup.set_webhook(url, ask=not request.query.offline)

        return await _status(runtime)

    async def set_invite(self, request: RouteRequest) -> models.Status:
        """Set the invite that messages about a new party show.

        It takes effect at once and is kept over restarts. An empty URL clears it.
        """
        runtime = self._runtime()
        with setup_errors():
            await runtime.setup.set_invite(request.body.invite_url)
            runtime.cards.refresh()

        return await _status(runtime)

    async def status(self, _: RouteRequest) -> models.Status:
        """Return how the plugin is set up, and how the delivery goes.

        The webhook's URL is a secret and never shown.
        """
        return await _status(self._runtime())

    async def test(self, request: RouteRequest) -> models.MessageTestResult:
        """Send one real message to a webhook, and return what became of it.

        It obeys Discord's limits and is not retried. Delivery to a webhook that was disabled enables
        it again.
        """
        return await self._runtime().message_test.send(request.body.webhook)

    async def instructions(self, _: RouteRequest) -> models.Instructions:
        """Return step by step how to create a webhook and an invite in Discord."""
        return models.Instructions(
            webhook=models.Steps(heading=WEBHOOK_HEADING, steps=WEBHOOK_STEPS),
            invite=models.Steps(heading=INVITE_HEADING, steps=INVITE_STEPS),
        )

    async def history(self, _: RouteRequest) -> models.DeliveryHistory:
        """Return what happened in each lane in the last minutes."""
        lanes = self._runtime().lanes
        await count_pending(lanes)
        now, now_utc = anyio.current_time(), utc_now()
        return models.DeliveryHistory(
            seconds_per_bucket=History.seconds_per_bucket,
            lanes=tuple(
                models.LaneHistory(
                    name=name, buckets=tuple(_buckets(lane.record.history, now, now_utc))
                )
                for name, lane in lanes.items()
            ),
        )


async def _status(runtime: Runtime) -> models.Status:
    setup, lanes = runtime.setup, runtime.lanes
    pending = await count_pending(lanes)
    redact = runtime.bus.redactor.redact
    default = lanes.get(DEFAULT_WEBHOOK)
    known = runtime.directory.find(None if default is None else default.webhook)
    statistics = [lane.statistics for lane in lanes.values()]
    errors = [lane.statistics.last_error for lane in (default, *lanes.values()) if lane]
    return models.Status(
        webhook=models.WebhookStatus(
            configured=setup.webhook_origin.source is not None,
            **asdict(setup.webhook_origin),
            name=known.name,
            channel_id=known.channel_id,
            channel_url=known.channel_url,
        ),
        invite=models.InviteStatus(
            configured=setup.invite_url is not None,
            **asdict(setup.invite_origin),
            url=setup.invite_url,
        ),
        state=(LaneState.UNCONFIGURED if default is None else default.shown_state).value,
        reason="" if default is None else redact(default.reason),
        pending=sum(pending.values()),
        sent=sum(one.sent for one in statistics),
        failed=sum(one.failed for one in statistics),
        last_error=redact(next(filter(None, errors), "")),
        lanes=tuple(
            _lane_status(runtime, lane, pending.get(name, 0)) for name, lane in lanes.items()
        ),
        unrouted=runtime.unrouted.total,
        unrouted_types=dict(runtime.unrouted.by_type),
        alerts=None if runtime.alerts is None else _alert_status(runtime.alerts),
        mutes=mute_statuses(runtime),
        cards_stopped=sum(map(len, stopped_cards(runtime.cards).values())),
        presence_connected=_presence_connected(runtime.bus),
    )


def _alert_status(alerts: Alerts) -> models.AlertStatus:
    return models.AlertStatus(
        webhook=alerts.config.webhook,
        sent=alerts.sent,
        problems=tuple(
            models.AlertProblem(kind=one.kind.value, subject=one.subject, detail=one.detail)
            for one in alerts.problems
        ),
    )


def _lane_status(runtime: Runtime, lane: Lane, pending: int) -> models.LaneStatus:
    redact = runtime.bus.redactor.redact
    figures: dict[str, Any] = asdict(lane.statistics)
    figures["last_error"] = redact(lane.statistics.last_error)
    return models.LaneStatus(
        name=lane.name,
        state=lane.shown_state.value,
        reason=redact(lane.reason),
        waits=None if lane.waits is None else round(lane.waits, 3),
        pending=pending,
        quiet=quiet_status(runtime, lane.name),
        **figures,
    )


def _buckets(history: History, now: float, now_utc: datetime) -> Iterator[models.BucketStatus]:
    for bucket in history.buckets(now):
        yield models.BucketStatus(
            start=now_utc - timedelta(seconds=now - bucket.start),
            sent=bucket.sent,
            failed=bucket.failed,
            rate_limited=bucket.rate_limited,
            waited=round(bucket.waited, 3),
            waiting=bucket.waiting,
        )


def _presence_connected(bus: Bus) -> bool | None:
    samples = [
        sample
        for metrics in bus.query("metrics").values()
        for metric in (metrics if isinstance(metrics, tuple) else ())
        if isinstance(metric, Metric) and metric.name == "presence_connected"
        for sample in metric.samples
    ]
    return any(sample.value > 0 for sample in samples) if samples else None
