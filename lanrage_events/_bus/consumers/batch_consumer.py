"""The consumer of a plugin that handles its events in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from inspect import isawaitable
from time import perf_counter
from typing import Any

from anyio.lowlevel import checkpoint

from ..._containment import UnexpectedCancellation
from ..._events import Event
from ..instrument import Instruments
from ..mailbox import Acknowledgement, Mailbox
from ..threads import LoopWatch, Worker
from .consumer import EVENTS_BETWEEN_CHECKPOINTS, Consumer
from .watchdog import Watchdog

BatchHook = Callable[[Sequence[Event]], Any]


class BatchConsumer(Consumer):
    """Handles all the events that wait in one mailbox by one call of a hook.

    An interrupted batch fails as a whole.

    :param handle: the plugin's hook ``event_batch``; the other parameters are those of
        :class:`Consumer`
    """

    __slots__ = ("_batch", "_handle")

    def __init__(
        self,
        mailbox: Mailbox,
        handle: BatchHook,
        watchdog: Watchdog,
        waiting: Sized,
        admit: Callable[[], None],
        instruments: Instruments,
        watch: LoopWatch,
        worker: Worker | None = None,
    ) -> None:
        super().__init__(
            mailbox, lambda _: (), watchdog, waiting, admit, instruments, watch, worker
        )
        self._handle = handle
        self._batch: list[tuple[Event, Acknowledgement | None]] = []
        """the current events"""

    async def _handle_events(self) -> None:
        mailbox = self._mailbox
        while not self._stopping:
            if not mailbox.items:
                if mailbox.closed or not self._is_watched:
                    return

                await mailbox.wait()
                continue

            if self._watch.quiet:
                self._watch.stir()

            if not self._is_watched:
                self._have_watched()

            self._began = perf_counter()
            self._take()
            self._finish_batch(await self._call([event for event, _ in self._batch]))
            self._count_time()
            if self._timed_out:
                return

            await self._restore_task()

            if mailbox.items:
                await checkpoint()

    def _take(self) -> None:
        mailbox = self._mailbox
        for _ in range(min(len(mailbox.items), EVENTS_BETWEEN_CHECKPOINTS)):
            event = mailbox.items.popleft()
            mailbox.taken += 1
            ack = mailbox.take_ack() if mailbox.acks else None
            self._batch.append((event, ack))

        mailbox.busy = len(self._batch)
        if self._waiting:
            self._admit()

    async def _call(self, events: Sequence[Event]) -> Mapping[int, Exception]:
        """Call the hook, and return the errors by position."""
        try:
            answer = self._handle(events)
            if answer is not None and isawaitable(answer):
                self._running = answer
                answer = await answer
                self._running = None
                if self._timed_out:
                    raise self._timeout(self._handle)

            if self._guard.is_hit:
                raise UnexpectedCancellation

            return _checked(answer, len(events))
        except Exception as error:
            return dict.fromkeys(range(len(events)), error)
        except BaseException as error:
            timed_out = self._timed_out
            if timed_out:
                self._finish_batch(dict.fromkeys(range(len(events)), self._timeout(self._handle)))

            contained = self._guard.contain(error, is_cancelled=timed_out)
            return dict.fromkeys(range(len(events)), contained)

    def _finish_batch(self, errors: Mapping[int, Exception]) -> None:
        """Count, report and acknowledge the current events."""
        batch, self._batch, self._running = self._batch, [], None
        mailbox = self._mailbox
        mailbox.busy = 0
        for position, (event, ack) in enumerate(batch):
            error = errors.get(position)
            if error is not None:
                self._failed(self._handle, event, error, None)

            if error is not None or ack is not None:
                self._finish(ack, None if error is None else [error])

        if mailbox.drains and mailbox.taken >= mailbox.look_at:
            mailbox.complete_drains()

    def _give_up(self) -> None:
        for event, ack in self._batch:
            self._drop(event, ack)

        self._batch = []
        super()._give_up()


def _checked(answer: object, count: int) -> Mapping[int, Exception]:
    if answer is None:
        return {}

    if isinstance(answer, Mapping) and all(
        isinstance(position, int) and 0 <= position < count and isinstance(error, Exception)
        for position, error in answer.items()
    ):
        return answer

    raise TypeError(
        "hook 'event_batch' must return None or a mapping from positions to exceptions, "
        f"not {type(answer).__name__}"
    )
