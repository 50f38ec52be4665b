"""The databases of plugins: state that is too large to be written as a whole each time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
from anyio import from_thread
from anyio.lowlevel import checkpoint, current_token

from .._threads import is_in_virtual_time

if TYPE_CHECKING:
    import sqlite3

    from ._database_file import DatabaseFile

logger: logging.Logger = logging.getLogger("lanrage_events.state")

T = TypeVar("T")

CLOSE_SECONDS = 5.0
"""how long what was begun may take when a database is left"""


class Database:
    """An SQLite file in a state folder that one plugin keeps, readable only for its owner.

    Enter it with ``async with`` in the plugin's ``lifespan``. What :meth:`run` has written survives the
    end of the process, whatever ends it; a power loss may cost the last transactions. A damaged file
    is moved aside, which is logged, and a new one is begun. Only one process at a time can enter it.

    If it is beside the plugin's outbox, such as ``discord.cards`` beside ``discord.outbox``, and has a view
    named ``outbox_list``, ``lanrage-events outbox list`` shows the rows of that view.

    :param path: the file; None to keep nothing over the end of the process
    :param schema: SQL statements that make the tables, each run once for a file. Later versions add
        statements at the end
    :raises OSError: on entering, if the file cannot be used, such as since another process does
    """

    def __init__(self, path: Path | None, schema: Sequence[str]) -> None:
        self.path = path
        self._schema = schema
        self._inline = False
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._file: DatabaseFile | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path or 'in memory'}>"

    @property
    def losses(self) -> int:
        """How often a new file was begun while this was open: then write everything to it."""
        return 0 if self._file is None else self._file.losses

    async def __aenter__(self) -> Self:
        from ._database_file import DatabaseFile  # not every program needs SQLite

        self._file = file = DatabaseFile(self.path, self._schema)
        self._inline = is_in_virtual_time()
        if not self._inline:
            name = f"lanrage-events {self.path and self.path.name}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()

        try:
            await self._call(file.open)
        except BaseException:
            self._calls.put(file.close)
            self._end()
            raise

        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True) as scope:
            try:
                await self._call(self._opened.close)
            finally:
                self._end()

        if scope.cancelled_caught:
            logger.error("%s does not answer, and is left to the system", self.path)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in a transaction, in a worker thread, and return what it returns.

        Transactions are run one after another in the order of the calls. Cancelling the caller has no
        effect on one. In the virtual time of :mod:`lanrage_events.testing` it runs in the event loop.

        :param work: called with the connection, in another thread
        :raises OSError: if it could not be written; nothing of it was. If :attr:`losses` has grown, the
            file was damaged or removed
        """
        return await self._call(lambda: self._opened.transact(work))

    async def compact(self) -> None:
        """Overwrite what was deleted, so that it cannot be found in the file any more.

        :raises OSError: if it could not be done
        """
        await self._call(self._opened.compact)

    @staticmethod
    def reading(path: Path) -> AbstractContextManager[sqlite3.Connection]:
        """Open the file of a database to read it, beside a process that may keep it.

        :raises OSError: if it does not exist, or cannot be read
        """
        from ._database_file import reading

        return reading(path)

    @property
    def _opened(self) -> DatabaseFile:
        if self._file is None:
            raise RuntimeError("the database is used outside of its 'async with': enter it first")

        return self._file

    # The thread

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def _end(self) -> None:
        self._calls.put(None)

    async def _call(self, function: Callable[[], T]) -> T:
        if self._inline:
            await checkpoint()
            return function()

        results: list[T] = []
        errors: list[BaseException] = []
        done, token = anyio.Event(), current_token()

        def call() -> None:
            try:
                results.append(function())
            except BaseException as error:  # noqa: BLE001 - raised to the caller
                errors.append(error)

            with suppress(anyio.RunFinishedError):
                from_thread.run_sync(done.set, token=token)

        self._calls.put(call)
        await done.wait()
        if errors:
            raise errors[0]

        return results[0]
