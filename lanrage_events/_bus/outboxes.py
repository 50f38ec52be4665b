"""The outboxes of plugins: what they hold, and what they leave behind when the bus stops."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from .._containment import call
from .hooks import Hooks, delivery_of, is_storage

if TYPE_CHECKING:
    from ..outbox import Storage

logger = logging.getLogger(__name__)

STALLED_SECONDS = 10.0
"""how long a stop waits while nothing leaves an outbox"""
_LOOK_SECONDS = 0.02


@dataclass(slots=True)
class _Held:
    """What an outbox held when that changed last."""

    pending: int
    since: float


class Outboxes:
    """Knows what the plugins have not delivered, by their hook ``outbox`` or their deliveries.

    :param hooks: the plugins' hooks
    """

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._last: dict[str, Storage] = {}
        """the outboxes that were open when the bus began to stop"""
        self.awaited: dict[str, _Held] = {}
        """what a stop waits for, by plugin"""

    def pending(self, plugin: str) -> int:
        """Return how many entries wait in a plugin's outbox; after its end, what is left there."""
        storage = self._find(plugin) or self._last.get(plugin)
        return 0 if storage is None else _pending(storage)

    def holds(self, plugin: str) -> bool:
        """Whether a plugin has something that it has not delivered, in an outbox or by its health."""
        if self._find(plugin) is not None:
            return bool(self.pending(plugin))

        hook = self._hooks.implementation(plugin, "health")
        try:
            return hook is not None and bool(call(hook).undelivered)
        except Exception:  # noqa: BLE001 - a query of the hook reports that
            return False

    def _find(self, plugin: str) -> Storage | None:
        hook = self._hooks.implementation(plugin, "outbox")
        try:
            answer = self._undeclared(plugin) if hook is None else call(hook)
            # What a hook returns may be anything.
            return answer if call(is_storage, answer) else None
        except Exception:  # noqa: BLE001 - a query of the hook reports that
            return None

    def _undeclared(self, plugin: str) -> Storage | None:
        """Return the outbox of a delivery that a plugin without the hook has."""
        delivery = delivery_of(self._hooks.plugin(plugin))
        return None if delivery is None else delivery.outbox

    def watch(self, plugins: Iterable[str]) -> None:
        """Remember the outboxes that are open now, since the plugins are about to stop."""
        for plugin in plugins:
            if (storage := self._find(plugin)) is not None:
                self._last[plugin] = storage

    async def stop(self, plugins: Iterable[str], stop: Callable[[str], object]) -> None:
        """Stop plugins, each as soon as its outbox is empty, unless it empties that at its end.

        One is not waited for any longer once nothing has left its outbox for some seconds.

        :param stop: stops one
        """
        holding = self.awaited
        for plugin in plugins:
            storage = self._last.get(plugin)
            if storage is None or _is(storage, "drains") or not _pending(storage):
                stop(plugin)
            else:
                holding[plugin] = _Held(_pending(storage), anyio.current_time())

        try:
            while holding:
                await anyio.sleep(_LOOK_SECONDS)
                for plugin, held in tuple(holding.items()):
                    pending, now = _pending(self._last[plugin]), anyio.current_time()
                    if pending != held.pending:
                        holding[plugin] = _Held(pending, now)

                    if not pending or now - held.since >= STALLED_SECONDS:
                        del holding[plugin]
                        stop(plugin)
        finally:
            for plugin in holding:
                stop(plugin)

            holding.clear()

    def report(self) -> None:
        """Log what plugins that have ended left in their outboxes, unless they do so on their own."""
        for plugin, storage in self._last.items():
            pending = _pending(storage)
            if not pending or _is(storage, "drains"):
                continue

            what = "1 entry is" if pending == 1 else f"{pending:,} entries are"
            if _is(storage, "durable"):
                logger.warning(
                    "plugin '%s': %s kept in its outbox for the next start", plugin, what
                )
            else:
                logger.error("plugin '%s': %s lost: its outbox was in memory only", plugin, what)


def _pending(storage: Storage) -> int:
    try:
        return int(call(lambda: storage.statistics().pending))
    except Exception:  # noqa: BLE001 - it is not open yet, or no outbox at all
        return 0


def _is(storage: Storage, name: str) -> bool:
    try:
        return bool(call(getattr, storage, name))
    except Exception:  # noqa: BLE001 - it is no outbox at all
        return False
