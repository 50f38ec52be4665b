"""Discretion: what a transform raises that protects names may contain one, so it is not shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import PurePath
from typing import Any

from ..._containment import contained
from ..._exceptions import RuleError, UndisclosedError
from ...abc import TransformResult
from .chain import WrongResult

TransformFunction = Callable[[Any], TransformResult]


def undisclosed(error: Exception) -> Exception:
    """Return what to show in place of an error."""
    if isinstance(error, UndisclosedError | WrongResult | RuleError):
        return error

    place, traceback = "", error.__traceback__
    while traceback is not None:
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        place, traceback = f" at {PurePath(code.co_filename).name}:{line}", traceback.tb_next

    shown = UndisclosedError(f"{type(error).__name__}{place}")
    shown.kind = type(error)
    return shown


def undisclosing(function: TransformFunction) -> TransformFunction:
    """Wrap a transform so that it raises what may be shown."""

    @wraps(function)
    def call(event: Any) -> TransformResult:
        try:
            return function(event)
        except BaseException as error:  # noqa: BLE001 - contained, or raised again
            shown = undisclosed(contained(error))

        raise shown

    return call
