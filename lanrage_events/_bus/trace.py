"""Prints each call of a hook, for the author of a plugin who wants to see what happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from inspect import isawaitable
from time import perf_counter
from types import TracebackType
from typing import Any

from .._events import Event
from .._redaction import Redactor, escape_controls

TRACE_VARIABLE = "LANRAGE_EVENTS_TRACE"
"""the environment variable that has each call of a hook printed, unless it is empty or 0"""


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for it."""
    return environment.get(TRACE_VARIABLE, "").strip() not in ("", "0")


class Tracer:
    """Writes a line to stderr for each call of the hooks that it was given.

    :param redactor: knows the values that must not be shown
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def traced(self, plugin: str, hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and tells of it.

        :param plugin: the name of the plugin
        :param hook: the name of the hook
        """

        @wraps(function)
        def call(*arguments: Any) -> Any:
            what = f"{plugin}.{hook}{_subject(arguments)}"
            began = perf_counter()
            try:
                answer = function(*arguments)
            except BaseException as error:
                self._write(what, began, error)
                raise

            if isinstance(answer, AbstractAsyncContextManager) and hook == "lifespan":
                return _TracedLifespan(self, what, answer)

            if isawaitable(answer):
                return wait(answer, what, began)

            self._write(what, began)
            return answer

        async def wait(answer: Any, what: str, began: float) -> Any:
            try:
                result = await answer
            except BaseException as error:
                self._write(what, began, error)
                raise

            self._write(what, began)
            return result

        return call

    def _write(self, what: str, began: float, error: BaseException | None = None) -> None:
        took = f"{(perf_counter() - began) * 1000:.3f} ms"
        outcome = "ok" if error is None else f"{type(error).__name__}: {error}".rstrip(": ")
        line = self._redactor.redact(f"trace: {what} {took} {outcome}")
        sys.stderr.write(f"{escape_controls(line)}\n")


class _TracedLifespan(AbstractAsyncContextManager[object]):
    def __init__(
        self, tracer: Tracer, what: str, lifespan: AbstractAsyncContextManager[object]
    ) -> None:
        self._tracer = tracer
        self._what = what
        self._lifespan = lifespan

    async def __aenter__(self) -> object:
        began = perf_counter()
        try:
            result = await self._lifespan.__aenter__()
        except BaseException as error:
            self._tracer._write(f"{self._what} start", began, error)
            raise

        self._tracer._write(f"{self._what} start", began)
        return result

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        began = perf_counter()
        try:
            result = await self._lifespan.__aexit__(exc_type, exc_value, traceback)
        except BaseException as error:
            self._tracer._write(f"{self._what} end", began, error)
            raise

        self._tracer._write(f"{self._what} end", began)
        return result


def _subject(arguments: tuple[Any, ...]) -> str:
    match arguments:
        case (Event() as event,):
            return f" {event.type} {event.id}"
        case (list() | tuple() as events,):
            return f" {len(events)} events"
        case _:
            return ""
