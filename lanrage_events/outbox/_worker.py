from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import anyio
from anyio import CancelScope, RunFinishedError, from_thread
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled, current_token

from ._store import Transaction

T = TypeVar("T")

_MAX_BATCH = 1000


class _Request:
    """Something for the thread to do, for which somebody waits: a transaction or a plain function."""

    __slots__ = ("done", "error", "function", "left", "transaction")

    def __init__(
        self, transaction: Transaction[Any] | None, function: Callable[[], object] | None
    ) -> None:
        self.transaction = transaction
        self.function = function
        self.done = anyio.Event()
        self.error: BaseException | None = None
        self.left = False
        """whether whoever waited was cancelled"""

    def call(self) -> None:
        """Call the plain function, if it is one."""
        if self.function is not None:
            try:
                self.function()
            except BaseException as error:  # noqa: BLE001 - re-raised to the caller
                self.error = error


class OutboxWorker:
    """Runs transactions one group after another: what comes in meanwhile is the next group.

    The thread is our own since ``anyio.to_thread`` costs half as much again for each transaction,
    and because it ends what it has begun whatever becomes of the task that asked for it: asyncio's
    own ``Task.cancel()`` goes through AnyIO's shields.

    :param execute: runs a group of transactions, and lets no error out
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
        """Run a transaction; cancelling is without effect on it once its group has begun."""
        if self._inline:
            await checkpoint()
            self._execute([transaction])
            self._after([transaction])
            return transaction.outcome()

        await checkpoint_if_cancelled()
        request = _Request(transaction, None)
        self._requests.put(request)
        try:
            await request.done.wait()
        except BaseException:
            request.left = True
            raise

        return transaction.outcome()

    async def call(self, function: Callable[[], object]) -> None:
        """Have a function called after all that came in before, and wait whatever cancels us."""
        if self._inline:
            function()
            return

        request = _Request(None, function)
        self._requests.put(request)
        cancelled = None
        with CancelScope(shield=True):
            while not request.done.is_set():
                try:
                    await request.done.wait()
                except anyio.get_cancelled_exc_class() as error:
                    cancelled = error

        if request.error is not None:
            raise request.error

        if cancelled is not None:
            raise cancelled

    def stop(self) -> None:
        """End the thread when it has done what came in before."""
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
            wanted = [request for request in batch if request is not None and not request.left]
            transactions = [
                request.transaction for request in wanted if request.transaction is not None
            ]
            try:
                if transactions:
                    self._execute(transactions)

                for request in wanted:
                    request.call()

                from_thread.run_sync(self._finish, wanted, transactions, token=self._token)
            except RunFinishedError:
                # The event loop died without leaving the outbox: nobody is left to serve.
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
