"""The stores of plugins: small state by key, each in a file of its own."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar, overload

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from ._file import StateFile

logger: logging.Logger = logging.getLogger("lanrage_events.state")

T = TypeVar("T")

STORE_MAX_BYTES = 1_000_000
"""of keys and values together, as JSON: each write replaces the whole file"""
SECONDS_BETWEEN_WRITES = 1.0
SECONDS_BEFORE_RETRY = 10.0
CLOSE_SECONDS = 5.0
"""how long the last changes may take when the bus is left"""

_SUFFIX = ".store.json"
_FILE_NAME = re.compile(r"[\w.-]+")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "keys with values",
}


class Store:
    """The small state of one plugin: values of JSON by key, kept over restarts.

    Get it from :meth:`lanrage_events.abc.Bus.store`. A change counts at once, and is written to the
    disk by a worker thread, at most once a second; what is changed without an ``await`` in between
    is written together. The last changes are written when the plugin or the bus ends. A crash may
    cost what was changed in the last second, unless :meth:`flush` has returned. A file that cannot
    be written is logged and tried again.

    Every method but :meth:`flush` may be called from any thread, and blocks nothing.
    """

    def __init__(
        self, plugin: str, path: Path | None, wake: Callable[[Callable[[], object]], object]
    ) -> None:
        self._plugin = plugin
        self._file = StateFile(path)
        self._wake = wake
        self._lock = Lock()
        self._texts: dict[str, str] = {}
        self._size = 0
        self._version = self._saved = 0
        """how often it was changed, and how many of these changes the disk has"""
        self._error: OSError | None = None
        self._warned: set[str] = set()
        self._is_ending = self._is_closed = False
        self._scope = anyio.CancelScope(shield=True)
        self._changed, self._hurried, self._tried = anyio.Event(), anyio.Event(), anyio.Event()
        self._read()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of '{self._plugin}' {self.path or 'in memory'}>"

    @property
    def path(self) -> Path | None:
        """The file; None if the bus has no state folder, so that nothing outlives the process."""
        return self._file.path

    @overload
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, default: T) -> T: ...
    def get(self, key: str, default: object = None) -> object:
        """Return a copy of a value.

        :param default: what to return if there is no value. If it is not None, it has the type that
            the value must have: another value, such as one of an earlier version of the plugin,
            counts as none, and is logged. A whole number is converted where the default is a float
        :raises TypeError: if the default is nothing that a store can hold
        """
        if default is not None and type(default) not in _KINDS:
            raise TypeError(
                f"a store holds no {type(default).__name__}, so it cannot be the default of "
                f"'{key}': give a value of JSON"
            )

        text = self._texts.get(key)
        value = None if text is None else json.loads(text)
        if default is None or value is None:
            return default if value is None else value

        if type(value) is int and type(default) is float:
            return float(value)

        if type(value) is type(default):
            return value

        if key not in self._warned:
            self._warned.add(key)
            logger.warning(
                "the store of plugin '%s' has %s for '%s' where the plugin expects %s: its default "
                "is used",
                self._plugin,
                _KINDS[type(value)],
                key,
                _KINDS[type(default)],
            )

        return default

    def set(self, key: str, value: object) -> None:
        """Set a value.

        :param key: any text
        :param value: what JSON can hold and gives back unchanged: None, a bool, a number, a text, or
            a list or a dictionary of these whose keys are texts; it is copied
        :raises TypeError: if it is anything else
        :raises ValueError: if the store would hold more than 1 MB; it keeps the old value then
        :raises anyio.ClosedResourceError: if the plugin or the bus has ended
        """
        if not isinstance(key, str):
            raise TypeError(f"the key of a value in a store must be a text, not {key!r}")

        self._change(key, _to_json(key, value))

    def delete(self, key: str) -> None:
        """Delete a value, if there is one.

        :raises anyio.ClosedResourceError: if the plugin or the bus has ended
        """
        self._change(key, None)

    def items(self) -> list[tuple[str, Any]]:
        """Return the keys with copies of their values, in the order in which they were first set."""
        return [(key, json.loads(text)) for key, text in self._texts.copy().items()]

    async def flush(self) -> None:
        """Wait until the disk has every change that was made before the call.

        :raises OSError: if the file cannot be written
        :raises anyio.ClosedResourceError: if the plugin or the bus has ended, and they were not written
        """
        version = self._version
        while self._saved < version:
            self._check_open()
            tried = self._tried
            self._changed.set()
            self._hurried.set()
            await tried.wait()
            if self._saved < version and self._error is not None:
                raise OSError(*self._error.args, self._error.filename)

        await checkpoint()

    def _check_open(self) -> None:
        if self._is_closed:
            raise anyio.ClosedResourceError(
                f"plugin '{self._plugin}' has ended, and so has its store: ask the bus for it in each "
                "'lifespan'"
            )

    def _change(self, key: str, text: str | None) -> None:
        with self._lock:
            self._check_open()
            old = self._texts.get(key)
            if text == old:
                return

            size = self._size - _size(key, old) + _size(key, text)
            if size > max(STORE_MAX_BYTES, self._size):
                raise ValueError(
                    f"the store of plugin '{self._plugin}' would hold {size:,} bytes with '{key}', at "
                    f"most {STORE_MAX_BYTES:,}: delete keys, or keep what is large in an Outbox or "
                    "in a file of your own in the state folder"
                )

            self._size = size
            if text is None:
                del self._texts[key]
            else:
                self._texts[key] = text

            if self.path is not None:
                self._version += 1
                self._wake(lambda: self._changed.set())

    # The file

    def _read(self) -> None:
        try:
            data = self._file.read({})
            if not isinstance(data, dict):
                raise TypeError("it is damaged")

            self._texts = {key: _to_json(key, value) for key, value in data.items()}
        except (TypeError, ValueError):
            logger.warning(
                "%s is damaged, so the store of plugin '%s' is empty; it is %s now",
                self.path,
                self._plugin,
                self._file.move_aside(),
            )

        self._size = sum(_size(key, text) for key, text in self._texts.items())

    async def _run(self, *, inline: bool) -> None:
        """Write what changes, until it ends; afterwards it cannot be changed.

        :param inline: whether to write in the event loop, for tests in virtual time
        """
        try:
            with self._scope:
                await self._keep(inline=inline)
        finally:
            with self._lock:
                self._is_closed = True

            self._tried.set()
            if self._saved < self._version:
                logger.error(
                    "the store of plugin '%s' has ended, and its last changes are lost, since %s "
                    "could not be written",
                    self._plugin,
                    self.path,
                )

    async def _keep(self, *, inline: bool) -> None:
        while not (self._is_ending and self._saved == self._version):
            if self._saved == self._version:
                await self._changed.wait()
                self._changed = anyio.Event()
                continue

            await self._write(inline=inline)
            if self._is_ending and self._error is not None:
                return

            pause = SECONDS_BETWEEN_WRITES if self._error is None else SECONDS_BEFORE_RETRY
            with anyio.move_on_after(pause):
                await self._hurried.wait()

            self._hurried = anyio.Event()

    async def _write(self, *, inline: bool) -> None:
        with self._lock:
            version, texts = self._version, self._texts.copy()

        try:
            if inline:
                self._replace(texts)
            else:
                await anyio.to_thread.run_sync(self._replace, texts, abandon_on_cancel=True)
        except Exception as error:  # noqa: BLE001 - it must not end the bus
            reason = getattr(error, "strerror", None) or type(error).__name__
            if self._error is None:
                logger.warning(
                    "the store of plugin '%s' cannot be written, and is tried again: %s: %s",
                    self._plugin,
                    self.path,
                    reason,
                )

            self._error = OSError(getattr(error, "errno", None), reason, str(self.path))
        else:
            self._error, self._saved = None, version
        finally:
            tried, self._tried = self._tried, anyio.Event()
            tried.set()

    def _replace(self, texts: dict[str, str]) -> None:
        self._file.write({key: json.loads(text) for key, text in texts.items()})

    def _end(self) -> None:
        """Let :meth:`_run` write the last changes, and return after 5 seconds at the latest."""
        self._is_ending = True
        self._scope.deadline = anyio.current_time() + CLOSE_SECONDS
        self._changed.set()
        self._hurried.set()

    def _go_on(self) -> None:
        """Undo :meth:`_end`, if it still runs."""
        self._is_ending = False
        self._scope.deadline = math.inf


class Stores:
    """The open stores of one bus, by the names of their plugins."""

    def __init__(self) -> None:
        self._stores: dict[str, Store] = {}

    def open(
        self,
        name: str,
        folder: Path | None,
        tasks: TaskGroup,
        wake: Callable[[Callable[[], object]], object],
        *,
        inline: bool,
    ) -> Store:
        """Return the store of a plugin, the same one as long as the plugin is on the bus.

        :param folder: the state folder, None to keep nothing
        :param wake: lets the event loop call something, from any thread
        :raises ValueError: if its name can name no file of its own
        """
        store = self._stores.get(name)
        if store is not None:
            store._go_on()
            return store

        if not _FILE_NAME.fullmatch(name):
            raise ValueError(
                f"the plugin '{name}' cannot have a store, since its file is named after it: register "
                "it by a name of letters, digits, '_', '-' and '.'"
            )

        # Not every file system distinguishes them.
        alike = next((one for one in self._stores if one.casefold() == name.casefold()), None)
        if alike is not None:
            raise ValueError(
                f"the plugins '{name}' and '{alike}' would share the file of a store: rename one"
            )

        path = None if folder is None else folder / f"{name}{_SUFFIX}"
        if path is None:
            logger.info(
                "there is no state folder, so the store of plugin '%s' is only in memory", name
            )

        store = self._stores[name] = Store(name, path, wake)
        tasks.start_soon(self._run, name, store, inline, name=f"store of {name}")
        return store

    async def _run(self, name: str, store: Store, inline: bool) -> None:
        try:
            await store._run(inline=inline)
        finally:
            del self._stores[name]

    def release(self, name: str) -> None:
        """Let the store of a plugin that is gone write its last changes and end."""
        if name in self._stores:
            self._stores[name]._end()

    def end(self) -> None:
        """Let all stores write their last changes and end."""
        for store in self._stores.values():
            store._end()


def _to_json(key: str, value: object) -> str:
    """Return the text of a value.

    :raises TypeError: if JSON cannot hold it
    """
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if json.loads(text) == value:
            return text
    except (RecursionError, TypeError, ValueError):
        pass

    raise TypeError(
        f"the value of '{key}' is not one that JSON gives back unchanged: use None, a bool, a finite "
        "number, a text, or a list or a dictionary of these whose keys are texts, not "
        f"{type(value).__name__}"
    )


def _size(key: str, text: str | None) -> int:
    return 0 if text is None else len(json.dumps(key)) + len(text)
