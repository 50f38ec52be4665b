"""The lanes of all webhooks, and how entries get into them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import anyio
from anyio.abc import TaskGroup

from lanrage_events import Redactor
from lanrage_events.cli import counted, did_you_mean
from lanrage_events.delivery import LaneState
from lanrage_events.outbox import Outbox, OutboxError, OutboxFull, OutboxItem, OutboxLane

from .._client import RateLimits, WebhookClient
from .._config import DiscordConfig, WebhookConfig
from .._embeds import Pictures
from .._quiet import Loudness, Mute, Quiet, Then, check_length, clock_time, make_calendar
from .._rendering import Entry, NamedThread, Wording
from .._settling import Posted
from .envelope import Envelope
from .expired import ExpiredCounts
from .gone import GoneWebhooks
from .lane import Lane, LaneChange
from .mentions import Mentions
from .threads import Threads

logger = logging.getLogger("lanrage_events.discord")


# Not frozen, which would take three times as long: there is one for each event.
@dataclass(slots=True)
class OutgoingEntry:
    """An entry to put into a lane."""

    position: int
    """of its event in the batch"""
    lane: str
    entry: Entry
    body: str
    """the entry's JSON form"""
    expires: datetime | None


class Lanes(Mapping[str, Lane]):
    """The lanes by their names, the webhooks'.

    :param outbox: keeps what waits
    :param client: sends, and stays open
    :param task_group: runs the lanes
    :param limits: Discord's limits as far as they are known
    :param threads: remembers the threads that were created
    :param own_thread: returns the thread to create for what a webhook posts in no other, by its name
        and its settings; that of the configuration by default
    :param mentions: remembers whom messages mentioned
    :param quiet: says how quiet each webhook is
    :param gone: remembers which webhooks do not exist
    :param expired: counts what expired and was not reported yet
    :param wording: the texts of messages besides the entries
    :param pictures: reads those that messages show
    :param put_together: entries that are put in one transaction, during which no lane can send
    """

    def __init__(
        self,
        config: DiscordConfig,
        *,
        outbox: Outbox,
        client: WebhookClient,
        task_group: TaskGroup,
        redactor: Redactor,
        limits: RateLimits,
        threads: Threads,
        mentions: Mentions,
        quiet: Quiet,
        gone: GoneWebhooks,
        expired: ExpiredCounts,
        wording: Wording,
        pictures: Pictures,
        own_thread: Callable[[str, WebhookConfig], NamedThread] | None = None,
        put_together: int = 1000,
    ) -> None:
        self._own_thread = own_thread
        self.limits = limits
        self.on_change: Callable[[str, LaneChange], None] = ignore_change
        """called with the name of a lane and what has changed there"""
        self._config = config
        self._outbox = outbox
        self._client = client
        self._task_group = task_group
        self._redactor = redactor
        self._mentions = mentions
        self.quiet = quiet
        self._gone = gone
        self._expired = expired
        self._posted = Posted()
        self._wording = wording
        self.pictures = pictures
        self.threads = threads
        """the threads that were created"""
        self._put_together = put_together
        self._lanes: dict[str, Lane] = {}
        self._configured: tuple[str, ...] | None = None
        """None if it must be computed again"""
        self._failing: set[str] = set()
        """the names of the lanes that get server errors now"""
        self._waiting: dict[str, int] | None = None
        """entries that waited in the outbox at the last look, by lane"""
        self._renamed: dict[str, str] = {}
        """the present names of lanes that had other names"""
        self._putting = anyio.Lock(fast_acquire=True)
        """held while entries come under the name of a lane, which must not change meanwhile"""

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lanes)

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def configured(self) -> tuple[str, ...]:
        """The names of the lanes that have a webhook, whether it works or not."""
        if self._configured is None:
            self._configured = tuple(
                name for name, lane in self.items() if lane.state is not LaneState.UNCONFIGURED
            )

        return self._configured

    def open(self, name: str, webhook: WebhookConfig) -> None:
        """Make the lane of a webhook, or give an existing lane another URL, and send.

        Of an existing lane, only the URL and the style of messages change. Nothing is sent before :meth:`begin`, which then
        starts the lanes that have work, and not thousands that have none.
        """
        address = self._config.address(webhook)
        self._configured = None
        self._renamed.pop(name, None)
        own = webhook.quiet
        self.quiet.use(name, None if own is None else make_calendar(own))
        # The token first, by which the others are found.
        for secret in reversed(address.secrets()):
            self._redactor.add(secret)

        if (lane := self._lanes.get(name)) is not None:
            lane.compose_like(webhook.batch or self._config.batch)
            lane.use(address)
            return

        lane = Lane(
            name,
            address,
            webhook.batch or self._config.batch,
            outbox=self._outbox,
            client=self._client,
            limits=self.limits,
            task_group=self._task_group,
            envelope=Envelope(
                webhook,
                self._mentions,
                self.threads,
                partial(self.quiet.at, name),
                self._own_thread and partial(self._own_thread, name, webhook),
            ),
            quiet=self.quiet,
            gone=self._gone,
            expired=self._expired,
            posted=self._posted,
            failing=self._failing,
            wording=self._wording,
            changed=self._changed,
            pictures=self.pictures,
        )
        self._lanes[name] = lane
        if self._waiting is not None:
            lane.record.recount(self._waiting.get(name, 0))
            lane.wake()

        self._changed(name, LaneChange.USABLE)

    def _changed(self, name: str, change: LaneChange) -> None:
        self.on_change(name, change)

    def disconnect(self, name: str) -> None:
        """Remove the URL of a lane, see :meth:`Lane.disconnect`."""
        self._configured = None
        self._lanes[name].disconnect()

    def restyle(self, name: str, webhook: WebhookConfig) -> None:
        """Compose the messages of a lane as its webhook says now; all else goes on."""
        self._lanes[name].compose_like(webhook.batch or self._config.batch)

    @asynccontextmanager
    async def hold(self, name: str, seconds: float) -> AsyncIterator[None]:
        """Let a lane send nothing inside the context; what is under way has been answered then.

        :param seconds: how long to wait for that at most
        :raises TimeoutError: if it takes longer
        """
        turn = self._lanes[name].pacing.turn
        with anyio.fail_after(seconds):
            await turn.acquire()

        try:
            yield
        finally:
            turn.release()

    async def rename(self, name: str, to: str, webhook: WebhookConfig) -> None:
        """Give a lane another name, under which it sends what waits, in the same order.

        The caller holds it, see :meth:`hold`. New entries come under the other name at once.

        :param to: a name that no lane with a webhook has; what waits under it is sent, too
        :raises OutboxError: if the outbox cannot be written: what waited then stays there under the
            old name, and is not sent
        """
        old = self._lanes.pop(name)
        old.disconnect()
        old.close()
        if (former := self._lanes.pop(to, None)) is not None:
            former.close()

        self.open(to, webhook)
        self._renamed = {one: to if now == name else now for one, now in self._renamed.items()}
        self._renamed[name] = to
        new = self._lanes[to]
        new.record, old.record = old.record, new.record
        # What it reads before is not all of it.
        async with new.pacing.turn, self._putting:
            await self._outbox.rename_lane(name, to)
            self._expired.rename(name, to)
            with suppress(OSError):
                await self.quiet.mutes.rename(name, to)

        new.reload()

    async def begin(self) -> list[OutboxLane]:
        """Start sending what an earlier process left in the outbox, and return how much it is."""
        found = await self.count()
        waiting = {lane.name for lane in found if lane.pending}
        for name in self.keys() - waiting:
            self[name].queue.mark_empty()
            if self._expired.of(name):
                self[name].wake()

        return found

    async def count(self) -> list[OutboxLane]:
        """Count in the outbox how much waits in each lane, and let those lanes send."""
        found = await self._outbox.lanes()
        waiting = {lane.name: lane.pending for lane in found}
        self._waiting = waiting
        for name, lane in self.items():
            lane.record.recount(waiting.get(name, 0))
            if waiting.get(name):
                lane.wake()

        return found

    async def put(self, outgoing: Sequence[OutgoingEntry]) -> dict[int, Exception]:
        """Put entries into the outbox and then into their lanes, as many as there is room for.

        What quiet hours and mutes drop is not put, and is counted.

        :return: what kept an entry from being put, by the position of its event
        """
        failures: dict[int, Exception] = {}
        async with self._putting:
            for one in outgoing if self._renamed else ():
                one.lane = self._renamed.get(one.lane, one.lane)

            outgoing = [one for one in outgoing if not self._drops(one)]
            for begin in range(0, len(outgoing), self._put_together):
                await self._put(outgoing[begin : begin + self._put_together], failures)

        return failures

    def _drops(self, outgoing: OutgoingEntry) -> bool:
        """Return whether an entry is not to be posted, and count it then."""
        entry, quietness = outgoing.entry, self.quiet.at(outgoing.lane)
        if quietness.loudness is not Loudness.DROP or entry.is_important:
            return False

        if (lane := self._lanes.get(outgoing.lane)) is not None:
            lane.statistics.dropped += 1

        logger.debug(
            "webhook '%s': %s %s is dropped: %s",
            outgoing.lane,
            entry.type,
            entry.event_id,
            quietness.why,
        )
        return True

    async def _put(self, outgoing: Sequence[OutgoingEntry], failures: dict[int, Exception]) -> None:
        by_lane: dict[str, list[int]] = {}
        for index, one in enumerate(outgoing):
            by_lane.setdefault(one.lane, []).append(index)

        items = [OutboxItem(one.lane, one.body, one.entry.type, one.expires) for one in outgoing]
        try:
            numbers = await self._outbox.put_many(items)
        except anyio.get_cancelled_exc_class():
            # They may be in the outbox all the same.
            for name in by_lane.keys() & self._lanes.keys():
                self._lanes[name].invalidate()

            raise
        except Exception as error:  # noqa: BLE001 - a bad entry does not fail the others
            is_disk = isinstance(error, OutboxError) and not isinstance(error, OutboxFull)
            if is_disk or len(outgoing) == 1:
                for one in outgoing:
                    failures.setdefault(one.position, error)

                return

            # A transaction puts all or none, but perhaps only one lane is full or one entry is bad.
            parts = by_lane.values() if len(by_lane) > 1 else ([i] for i in range(len(outgoing)))
            for part in parts:
                await self._put([outgoing[i] for i in part], failures)
        else:
            for name, indexes in by_lane.items():
                # If it got another name meanwhile, rename() moves them there and lets it read them.
                if (lane := self._lanes.get(name)) is not None:
                    lane.append(
                        (numbers[i], outgoing[i].entry, outgoing[i].expires) for i in indexes
                    )

    async def mute(
        self, seconds: float, webhook: str | None, *, why: str, by: str, then: Then
    ) -> None:
        """Let a webhook, or all, post nothing for a while.

        :raises LookupError: if no webhook has the name
        :raises ValueError: if it is too short or too long
        :raises OSError: if it cannot be kept; nothing has changed then
        """
        check_length(seconds)
        self._check_name(webhook, self.configured)
        mutes = self.quiet.mutes
        before, mute = mutes.all(), Mute.starting(mutes.now(), seconds, by=by, why=why, then=then)
        await mutes.add(webhook, mute)
        self._mutes_changed(before)

    async def unmute(self, webhook: str | None) -> None:
        """End the mute of a webhook, or every mute; what was held is posted at once.

        :raises LookupError: if no webhook has the name
        :raises OSError: if it cannot be kept; nothing has changed then
        """
        # One that is muted may have been removed since.
        before = self.quiet.mutes.all()
        self._check_name(webhook, (*self.configured, *filter(None, before)))
        await self.quiet.mutes.remove(webhook)
        self._mutes_changed(before)

    def reload(self) -> None:
        """Read again what another process may have changed: the mutes, and what waits."""
        before = self.quiet.mutes.all()
        self.quiet.mutes.reload()
        self._mutes_changed(before)
        for lane in self.values():
            lane.reload()

    @staticmethod
    def _check_name(webhook: str | None, known: Collection[str]) -> None:
        if webhook is not None and webhook not in known:
            hint = did_you_mean(webhook, known) or f", known: {', '.join(known) or 'none'}"
            raise LookupError(f"no webhook is named '{webhook}'{hint}")

    def _mutes_changed(self, before: Mapping[str | None, Mute]) -> None:
        """Log what is muted now and was not before, or not any more, and let the lanes notice it."""
        after, now = self.quiet.mutes.all(), self.quiet.mutes.now()
        for name, mute in after.items():
            if mute != before.get(name):
                what = "all webhooks are" if name is None else f"webhook '{name}' is"
                logger.info("%s muted until %s%s", what, clock_time(mute.until, now), mute.reason)

        if ended := before.keys() - after.keys():
            names = sorted("all webhooks" if one is None else f"webhook '{one}'" for one in ended)
            logger.info("not muted any more: %s", ", ".join(names))

        for lane in self.values():
            lane.quiet_changed()

    @property
    def quiet_reason(self) -> str:
        """Which webhooks are quiet, until when and why, in one line; empty if none is."""
        named: dict[str, list[str]] = {}
        for name in self.configured:
            if why := self.quiet.at(name).why:
                named.setdefault(why, []).append(f"webhook '{name}'")

        if len(named) == 1 and len(self.configured) == len(*named.values()):
            reason = next(iter(named))
        else:
            reason = "; ".join(f"{', '.join(names)}: {why}" for why, names in named.items())

        held = (lane.record.waiting for lane in self.values() if lane.state is LaneState.HOLDING)
        waiting = sum(held)
        return self._redactor.redact(
            f"{reason}, {counted(waiting, 'event')} held" if waiting else reason
        )

    @property
    def threads_reason(self) -> str:
        """Which webhooks post in other threads than their events ask for, empty if none does."""
        reasons = {
            name: lane.envelope.elsewhere_reason(lane.webhook.id)
            for name, lane in self.items()
            if lane.webhook is not None
        }
        return "; ".join(f"webhook '{name}': {why}" for name, why in reasons.items() if why)

    def forget_mentions(self, parties: Collection[str]) -> None:
        """Let parties that are over mention everyone again, see :meth:`Mentions.forget_parties`."""
        self._mentions.forget_parties(parties)

    def finish(self, give_up_at: float, *, hold: bool) -> None:
        """Send what waits without gathering more, see :meth:`Lane.finish`."""
        for lane in self.values():
            lane.finish(give_up_at, hold=hold)

    def hand_over(self) -> None:
        """Leave what waits to another plugin, see :meth:`Lane.hand_over`."""
        for lane in self.values():
            lane.hand_over()

    def close(self) -> None:
        """Free what the lanes hold; what waits stays in the outbox."""
        for lane in self.values():
            lane.close()

        self._mentions.save()


def ignore_change(name: str, change: LaneChange) -> None:
    """Do nothing about a change of a lane."""
