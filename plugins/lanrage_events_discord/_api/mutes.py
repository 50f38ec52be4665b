"""The handlers of the operations that mute webhooks."""

from __future__ import annotations

import logging
from datetime import timedelta

from lanrage_events.cli import did_you_mean
from lanrage_events.http import Route, RouteError, RouteRequest

from .._quiet import Loudness, Mute, clock_time, one_line
from . import models
from .runtime import RunningPlugin, Runtime

logger = logging.getLogger("lanrage_events.discord")

_ERRORS = {
    404: "no webhook has the name",
    503: "it cannot be saved, or the plugin is not running",
}


class MutesAPI:
    """Answers requests about mutes.

    :param runtime: returns what exists while the plugin runs
    """

    def __init__(self, runtime: RunningPlugin) -> None:
        self._runtime = runtime

    def routes(self) -> tuple[Route, ...]:
        """Return the operations."""
        return (
            Route(
                method="POST",
                path="/mute",
                handler=self.mute,
                request=models.MuteRequest,
                response=models.Mutes,
                errors={**_ERRORS, 422: "the duration is none, or not from 1 ms to 31 days"},
            ),
            Route(
                method="DELETE",
                path="/mute",
                handler=self.unmute,
                query=models.MuteQuery,
                response=models.Mutes,
                errors=_ERRORS,
            ),
        )

    async def mute(self, request: RouteRequest) -> models.Mutes:
        """Let a webhook, or all, post nothing for a while.

        It takes effect at once, and is kept over restarts. A mute of the same webhook that lasts is
        replaced. Events of routes that are ``important`` are posted all the same, and so are alerts.
        """
        runtime, wanted = self._runtime(), request.body
        webhook = _check_name(runtime, wanted.webhook)
        mutes = runtime.lanes.quiet.mutes
        now = mutes.now()
        mute = Mute(
            now,
            now + timedelta(seconds=wanted.duration),
            one_line(wanted.by),
            one_line(wanted.why),
            Loudness[wanted.then.upper()],
        )
        try:
            await mutes.add(webhook, mute)
        except OSError as error:
            raise _cannot_save(error) from None

        what = "all webhooks are" if webhook is None else f"webhook '{webhook}' is"
        by, why = mute.by and f" by {mute.by}", mute.why and f" ({mute.why})"
        logger.info("%s muted until %s%s%s", what, clock_time(mute.until, now), by, why)
        runtime.lanes.quiet_changed()
        return models.Mutes(mutes=mute_statuses(runtime))

    async def unmute(self, request: RouteRequest) -> models.Mutes:
        """End the mute of a webhook, or every mute; what was held is posted at once.

        Nothing happens if there is none. A webhook stays muted as long as all are.
        """
        runtime = self._runtime()
        mutes = runtime.lanes.quiet.mutes
        webhook = request.query.webhook
        # One that is muted may have been removed since.
        if webhook not in mutes.all():
            _check_name(runtime, webhook)

        try:
            ended = await mutes.remove(webhook)
        except OSError as error:
            raise _cannot_save(error) from None

        if ended:
            names = ("all webhooks" if one is None else f"webhook '{one}'" for one in ended)
            logger.info("not muted any more: %s", ", ".join(names))
            runtime.lanes.quiet_changed()

        return models.Mutes(mutes=mute_statuses(runtime))


def mute_statuses(runtime: Runtime) -> tuple[models.MuteStatus, ...]:
    """Return the mutes that last."""
    mutes, redact = runtime.lanes.quiet.mutes, runtime.bus.redactor.redact
    now = mutes.now()
    return tuple(
        models.MuteStatus(
            webhook=webhook,
            since=mute.since,
            until=mute.until,
            seconds_left=round((mute.until - now).total_seconds(), 3),
            by=redact(mute.by),
            why=redact(mute.why),
            then=mute.then.word,
        )
        for webhook, mute in mutes.all().items()
    )


def quiet_status(runtime: Runtime, webhook: str) -> models.QuietStatus | None:
    """Return that a webhook is quiet, None if it is not."""
    found = runtime.lanes.quiet.at(webhook)
    if not found.loudness:
        return None

    left = runtime.lanes.quiet.of(webhook).seconds_left
    return models.QuietStatus(
        then=found.loudness.word,
        until=found.until,
        seconds_left=None if found.until is None else round(left, 3),
        why=runtime.bus.redactor.redact(found.why),
        muted=found.mute is not None,
    )


def _check_name(runtime: Runtime, webhook: str | None) -> str | None:
    known = runtime.lanes.configured
    if webhook is None or webhook in known:
        return webhook

    hint = did_you_mean(webhook, known) or f", known: {', '.join(known) or 'none'}"
    raise RouteError(404, f"no webhook is named '{webhook}'{hint}")


def _cannot_save(error: OSError) -> RouteError:
    return RouteError(503, f"it cannot be saved: {error.strerror}")
