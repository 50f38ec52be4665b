"""The handlers of the operations that list, add, change and remove webhooks."""

from __future__ import annotations

from dataclasses import asdict

from lanrage_events.http import Route, RouteRequest

from .._delivery import LaneState
from .._setup import Change
from . import models
from .mutes import quiet_status
from .runtime import CANNOT_ASK, NOT_RUNNING, RunningPlugin, Runtime, count_pending, setup_errors

_CANNOT_SAVE = {
    422: "a value is not valid, or Discord says that the webhook does not work",
    **CANNOT_ASK,
}


class WebhooksAPI:
    """Answers requests about the webhooks.

    :param runtime: returns what exists while the plugin runs
    """

    def __init__(self, runtime: RunningPlugin) -> None:
        self._runtime = runtime

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        return (
            Route(
                method="GET",
                path="/webhooks",
                handler=self.webhooks,
                response=models.Webhooks,
                errors=NOT_RUNNING,
                scope="read",
            ),
            Route(
                method="POST",
                path="/webhooks",
                handler=self.add_webhook,
                request=models.NewWebhook,
                query=models.WebhookQuery,
                response=models.Webhooks,
                errors={**_CANNOT_SAVE, 409: "another webhook has the name"},
            ),
            Route(
                method="PATCH",
                path="/webhooks",
                handler=self.change_webhook,
                request=models.WebhookChange,
                query=models.NamedWebhookQuery,
                response=models.Webhooks,
                errors={
                    **_CANNOT_SAVE,
                    404: "no saved webhook has the name",
                    409: "the configuration has it, so it must be changed there, or another webhook "
                    "has the new name",
                },
            ),
            Route(
                method="DELETE",
                path="/webhooks",
                handler=self.remove_webhook,
                query=models.WebhookName,
                response=models.Webhooks,
                errors={
                    404: "no saved webhook has the name",
                    409: "the configuration has it, so it must be changed there",
                    503: "it cannot be saved, or the plugin is not running",
                },
            ),
        )

    async def webhooks(self, _: RouteRequest) -> models.Webhooks:
        """Return the webhooks: where each is set, and what it is named and where it posts in Discord.

        Discord is asked in the background, so that the answer never waits for it: ask again while an
        entry is ``pending``. What Discord said is remembered for ten minutes.
        """
        return await _webhooks(self._runtime())

    async def add_webhook(self, request: RouteRequest) -> models.Webhooks:
        """Save another webhook, which gets the chosen events from then on.

        It takes effect at once and is kept over restarts. Unless ``offline`` says otherwise,
        Discord is asked first whether the webhook exists; nothing is posted. What waits since a
        webhook of this name was removed is sent to it.
        """
        runtime, wanted = self._runtime(), request.body
        change = Change(None, wanted.webhook_url.get_secret_value(), wanted.events, wanted.style)
        with setup_errors():
            await runtime.setup.add_webhook(wanted.name, change, ask=not request.query.offline)

        return await _webhooks(runtime)

    async def change_webhook(self, request: RouteRequest) -> models.Webhooks:
        """Change a saved webhook: its name, its URL, its events or how it shows them.

        It takes effect at once and is kept over restarts. Unless ``offline`` says otherwise,
        Discord is asked first whether a new URL's webhook exists; nothing is posted. Under a new
        name, it sends what waited under the one before.
        """
        runtime, wanted, query = self._runtime(), request.body, request.query
        url = None if wanted.webhook_url is None else wanted.webhook_url.get_secret_value()
        change = Change(wanted.name, url, wanted.events, wanted.style)
        with setup_errors():
            await runtime.setup.change_webhook(query.name, change, ask=not query.offline)

        return await _webhooks(runtime)

    async def remove_webhook(self, request: RouteRequest) -> models.Webhooks:
        """Forget a saved webhook.

        Nothing more is sent to it. What waits is kept, and is sent when a webhook of the same name
        is saved again.
        """
        runtime = self._runtime()
        with setup_errors():
            await runtime.setup.remove_webhook(request.query.name)

        return await _webhooks(runtime)


async def _webhooks(runtime: Runtime) -> models.Webhooks:
    setup, lanes = runtime.setup, runtime.lanes
    pending = await count_pending(lanes)
    used = {name: lane.webhook for name, lane in lanes.items() if lane.webhook is not None}
    runtime.directory.look_up(used.values())
    waiting = [name for name, count in pending.items() if count]
    return models.Webhooks(
        webhooks=tuple(
            _webhook_entry(runtime, name, pending.get(name, 0))
            for name in dict.fromkeys([*used, *setup.saved, *waiting])
        ),
        routes_configured=setup.routes_origin.source is not None,
        routes_place=setup.routes_origin.place,
    )


def _webhook_entry(runtime: Runtime, name: str, pending: int) -> models.WebhookEntry:
    redact, setup = runtime.bus.redactor.redact, runtime.setup
    lane = runtime.lanes.get(name)
    found = runtime.directory.find(None if lane is None else lane.webhook)
    saved = setup.find(name)
    return models.WebhookEntry(
        name=name,
        **asdict(setup.origin_of(name)),
        state=(LaneState.UNCONFIGURED if lane is None else lane.shown_state).value,
        reason=redact(lane.reason if lane is not None else setup.why_unused(name)),
        quiet=None if lane is None else quiet_status(runtime, name),
        pending=pending,
        events=None if saved is None else saved.events,
        events_problem="; ".join(setup.unknown_types(name) if saved is not None else ()),
        style=setup.style_of(name),
        discord=found.answer.value,
        discord_reason=redact(found.reason),
        posts_as=found.name,
        channel_id=found.channel_id,
        channel_url=found.channel_url,
    )
