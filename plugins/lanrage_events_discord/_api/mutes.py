"""The handlers of the operations that mute webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lanrage_events.http import Route, RouteError, RouteRequest

from . import models
from .runtime import RunningPlugin, Runtime

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
        with _errors():
            await runtime.lanes.mute(
                wanted.duration, wanted.webhook, why=wanted.why, by=wanted.by, then=wanted.then
            )

        return models.Mutes(mutes=mute_statuses(runtime))

    async def unmute(self, request: RouteRequest) -> models.Mutes:
        """End the mute of a webhook, or every mute; what was held is posted at once.

        Nothing happens if there is none. A webhook stays muted as long as all are.
        """
        runtime = self._runtime()
        with _errors():
            await runtime.lanes.unmute(request.query.webhook)

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

    left = runtime.lanes.quiet.seconds_left(webhook)
    return models.QuietStatus(
        then=found.loudness.word,
        until=found.until,
        seconds_left=None if found.until is None else round(left, 3),
        why=runtime.bus.redactor.redact(found.why),
        muted=found.mute is not None,
    )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except LookupError as error:
        raise RouteError(404, str(error)) from None
    except OSError as error:
        raise RouteError(503, f"it cannot be saved: {error.strerror}") from None
