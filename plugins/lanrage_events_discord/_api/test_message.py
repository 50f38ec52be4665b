"""The test message: one real message to a webhook, to see whether it arrives."""

from __future__ import annotations

import anyio

from lanrage_events.http import RouteError

from .._client import Limits, Outcome, OutcomeKind, WebhookClient, WebhookURL
from .._config import DEFAULT_WEBHOOK
from .._delivery import Lane, Lanes, in_words
from .._embeds import Message
from .._rendering import Renderer, compose_test_message
from .._setup import TURN_MAX_SECONDS, RejectionCache
from .models import MessageTestResult


class MessageTest:
    """Sends test messages: one at a time, past the outbox, and within the limits of the lane.

    :param client: sends them, and stays open
    :param rejections: what Discord must not be asked again right now
    :param renderer: makes the message by the templates
    """

    def __init__(
        self,
        lanes: Lanes,
        client: WebhookClient,
        rejections: RejectionCache,
        renderer: Renderer,
    ) -> None:
        self._lanes = lanes
        self._client = client
        self._rejections = rejections
        self._renderer = renderer
        self._is_busy = False

    async def send(self, name: str | None = None) -> MessageTestResult:
        """Send one message, once, and return what became of it.

        :param name: the webhook's name; None for the default one, or else the first one
        :raises RouteError: if there is no such webhook, or another test is under way
        """
        lane = self._find(name)
        webhook = None if lane is None else lane.webhook
        if lane is None or webhook is None:
            raise RouteError(409, "there is no webhook to test: set its URL first")

        if self._is_busy:
            raise RouteError(409, "another test is under way: wait for its result")

        self._is_busy = True
        try:
            return await self._send(lane, webhook)
        finally:
            self._is_busy = False

    def _find(self, name: str | None) -> Lane | None:
        configured = self._lanes.configured
        if name is None and DEFAULT_WEBHOOK not in configured:
            name = next(iter(configured), None)

        wanted = name or DEFAULT_WEBHOOK
        if wanted != DEFAULT_WEBHOOK and wanted not in configured:
            known = ", ".join(configured) or "none"
            raise RouteError(404, f"no webhook is named '{wanted}', known: {known}")

        return self._lanes.get(wanted)

    async def _send(self, lane: Lane, webhook: WebhookURL) -> MessageTestResult:
        rejection = self._rejections.find(webhook)
        if rejection is not None:
            return _not_sent(str(rejection), retry_after=rejection.seconds_left)

        limits = lane.limits
        if limits.turn().at - anyio.current_time() <= TURN_MAX_SECONDS:
            with anyio.move_on_after(TURN_MAX_SECONDS):
                # _take_turn() gives back what is counted here.
                await limits.wait()
                return await self._take_turn(lane, webhook, limits)

        turn = limits.turn()
        seconds = turn.at - anyio.current_time()
        if seconds <= 0:
            return _not_sent("other messages to this webhook are under way: try again", 1.0)

        reason = f"it has to wait {in_words(seconds)} because {turn.reason}"
        return _not_sent(reason, retry_after=seconds)

    async def _take_turn(
        self, lane: Lane, webhook: WebhookURL, limits: Limits
    ) -> MessageTestResult:
        answer: Outcome | None = None
        try:
            async with lane.pacing.turn:
                message = compose_test_message(self._renderer)
                message = lane.envelope.wrap(message, [], webhook.id, is_backlog=True)
                message = await self._renderer.pictures.attach(message)
                if wait := lane.envelope.begin(message, webhook.id):
                    return _not_sent(wait.reason, retry_after=wait.seconds)

                try:
                    answer = outcome = await self._execute(lane, webhook, message)
                finally:
                    lane.envelope.answered(message, answer, webhook.id)

                return self._handle_outcome(lane, webhook, message, outcome)
        finally:
            limits.observe(answer)

    async def _execute(self, lane: Lane, webhook: WebhookURL, message: Message) -> Outcome:
        """Post the message; once the request has begun, wait for its outcome."""
        thread_id = message.thread_id or None
        lane.statistics.requests += 1
        outcomes: list[Outcome] = []
        with anyio.CancelScope(shield=True):
            outcomes.append(
                await self._client.execute(
                    webhook, message.body(), files=message.files, thread_id=thread_id
                )
            )

        return outcomes[0]

    def _handle_outcome(
        self, lane: Lane, webhook: WebhookURL, message: Message, outcome: Outcome
    ) -> MessageTestResult:
        reason = outcome.reason
        lane.record.answered(outcome)
        if outcome.kind is OutcomeKind.DELIVERED:
            lane.record.delivered(0)
            lane.envelope.delivered(message, webhook.id, outcome.channel_id)
            lane.mark_healthy(webhook)
        elif lane.envelope.avoid_thread(message, outcome, webhook.id):
            reason = f"{reason}; the next message goes elsewhere or waits"
        elif outcome.kind is OutcomeKind.LANE_DEAD:
            if lane.handle_gone(outcome, webhook, message.thread_id):
                self._rejections.add(webhook, reason)
            else:
                reason = f"{reason}; the next message creates it again"

        return MessageTestResult(
            delivered=outcome.kind is OutcomeKind.DELIVERED,
            message_id=outcome.message_id,
            reason=reason,
            status=outcome.status,
            retry_after=outcome.retry_after,
        )


def _not_sent(reason: str, retry_after: float) -> MessageTestResult:
    return MessageTestResult(
        delivered=False, message_id=None, reason=reason, status=None, retry_after=retry_after
    )
