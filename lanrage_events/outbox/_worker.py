"""The thread that runs the transactions of an outbox in groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import anyio
from anyio import RunFinishedError, from_thread
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled, current_token

from .._containment import endure
from ._store import Transaction

T = TypeVar("T")

_MAX_BATCH = 1000


class _Request:
    """A transaction or a function for the thread to run, and the event that it is done."""

    __slots__ = ("abandoned", "done", "work")

    def __init__(self, work: Transaction[Any] | Callable[[], object]) -> None:
        self.work = work
        self.done = anyio.Event()
        self.abandoned = False
        """whether the waiting task was cancelled"""


class OutboxWorker:
    """Runs transactions one group after another: requests that arrive meanwhile are the next group.

    It has a thread of its own because ``anyio.to_thread`` takes half as long again for each
    transaction, and because the thread finishes what it has begun even if the waiting task is
    cancelled: asyncio's own ``Task.cancel()`` ignores AnyIO's shields.

    :param execute: runs a group of transactions, and raises nothing
    :param after: called with each group in the event loop, afterwards
    :param inline: whether to call ``execute`` in the event loop, without a thread
    """

    def __init__(
        self,
        execute: Callable[[Sequence[Transaction[Any]]], object],
        after: Callable[[Sequence[Transaction[Any]]], object],
        *,
        inline: bool,
    ) -> None:
        self._execute = execute
        self._after = after
        self._inline = inline
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        if not inline:
            self._token = current_token()
            threading.Thread(target=self._serve, name="lanrage-events outbox", daemon=True).start()

    async def run(self, transaction: Transaction[T]) -> T:
        """Run a transaction; once its group has begun, cancelling has no effect on it."""
        if self._inline:
            await checkpoint()
            self._execute([transaction])
            self._after([transaction])
            return transaction.outcome()

        await checkpoint_if_cancelled()
        request = _Request(transaction)
        self._requests.put(request)
        try:
            await request.done.wait()
        except BaseException:
            request.abandoned = True
            raise

        return transaction.outcome()

    async def call(self, function: Callable[[], object]) -> None:
        """Call a function after all earlier requests, and wait for it even when cancelled."""
        if self._inline:
            function()
            return

        failed: BaseException | None = None

        def work() -> None:
            nonlocal failed
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - re-raised to the caller
                failed = error

        request = _Request(work)
        self._requests.put(request)
        cancelled = await endure(request.done.wait, request.done.is_set)
        raised = failed or cancelled
        if raised is not None:
            raise raised

    def stop(self) -> None:
        """End the thread after all earlier requests."""
        self._requests.put(None)

    def _serve(self) -> None:
        requests = self._requests
        running = True
        while running:
            batch = [requests.get()]
            with suppress(Empty):
                while len(batch) < _MAX_BATCH:
                    batch.append(requests.get_nowait())

            running = None not in batch
            wanted = [request for request in batch if request and not request.abandoned]
            transactions = [item.work for item in wanted if isinstance(item.work, Transaction)]
            try:
                if transactions:
                    self._execute(transactions)

                for request in wanted:
                    if not isinstance(request.work, Transaction):
                        request.work()

                from_thread.run_sync(self._finish, wanted, transactions, token=self._token)
            except RunFinishedError:
                # The event loop ended without closing the outbox: no task waits any more.
                return

    def _finish(
        self, requests: Sequence[_Request], transactions: Sequence[Transaction[Any]]
    ) -> None:
        try:
            if transactions:
                self._after(transactions)

        finally:
            for request in requests:
                request.done.set()
