"""The waiter, which holds the first event that matches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any
from weakref import finalize, ref

import anyio
from anyio.lowlevel import checkpoint

from ..._events import Event
from ...abc import DEFAULT_MAILBOX_SIZE
from ..event_loop import CLOSED
from ..instrument import Instruments
from ..mailbox import Mailbox


class Waiter:
    """Waits for one event, from when its mailbox receives events.

    :param where: returns whether to wait for an event; what it raises is raised by :meth:`wait`
    """

    def __init__(
        self,
        event_classes: tuple[type[Event], ...],
        where: Callable[[Any], object] | None,
        instruments: Instruments,
    ) -> None:
        self._names = " or ".join(cls.__name__ for cls in event_classes)
        self._found = _FirstMatch(where)
        # It holds one event at most, so it is never full.
        name, size = f"wait_for {self._names}", DEFAULT_MAILBOX_SIZE
        self.mailbox = Mailbox(name, size, "drop_newest", instruments)
        self.mailbox.items = self._found
        self._finalizer: finalize[..., Any] | None = None

    def start(
        self,
        timeout: float | None,
        forget: Callable[[], None],
        post: Callable[[Callable[[], None]], None],
    ) -> Coroutine[Any, Any, Event]:
        """Return what waits for the event once it is awaited.

        :param timeout: seconds to wait, None to wait without limit
        :param forget: called at the end, so that the mailbox receives nothing more
        :param post: calls a function soon in the event loop, from any thread
        """
        waiting = self._wait(timeout, forget)
        # One that never begins, such as in a task that is cancelled before, has no end of its own.
        self._finalizer = finalize(waiting, post, forget)
        self._finalizer.atexit = False
        self._found.reader = ref(waiting)
        return waiting

    async def _wait(self, timeout: float | None, forget: Callable[[], None]) -> Event:
        try:
            with anyio.move_on_after(timeout):
                await checkpoint()
                while not self._found and self._found.error is None and not self.mailbox.closed:
                    await self.mailbox.wait()
        finally:
            forget()
            if self._finalizer is not None:
                self._finalizer.detach()

        if self._found.error is not None:
            raise self._found.error

        if self._found:
            return self._found.popleft()

        if self.mailbox.closed:
            raise anyio.ClosedResourceError(f"no {self._names} came, and {CLOSED}")

        raise TimeoutError(
            f"no {self._names} was published within {timeout:g} seconds: wait longer, or check what "
            "publishes it and what 'where' lets through"
        )


def _goes_on(reader: Coroutine[Any, Any, Event] | None) -> bool:
    return reader is not None and getattr(reader, "cr_frame", None) is not None


class _FirstMatch(deque[Event]):
    """The items of a mailbox that keeps only the first event that matches."""

    def __init__(self, where: Callable[[Any], object] | None) -> None:
        super().__init__()
        self._where = where
        self.error: Exception | None = None
        self.reader: Callable[[], Coroutine[Any, Any, Event] | None] = lambda: None
        """returns what waits for the event, None if that is gone"""

    def append(self, event: Event) -> None:
        reader = self.reader()
        if self or self.error is not None or not _goes_on(reader):
            return

        try:
            matches = self._where is None or self._where(event)
        except Exception as error:  # noqa: BLE001 - raised to the caller that waits, not to the publisher
            self.error = error
        else:
            if matches:
                super().append(event)
