"""The transforms that a plugin declares, each with the event classes that its annotation names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast

import pluggy

from ..._events import Event
from ..._exceptions import PluginHookError
from ...abc import TransformResult
from ..threads import TRANSFORM
from ..transforms import DeclaredTransform
from .annotations import parameter_classes

_ALL = (inspect.Parameter.empty, Any, object, "Any", "object")
"""annotations of a transform of all events"""


def declared(
    plugin: str, implementations: Iterable[pluggy.HookImpl]
) -> tuple[DeclaredTransform, ...]:
    """Return the transforms of a plugin.

    :param plugin: its name
    :raises PluginHookError: if one is not allowed; it says why
    """
    found = []
    for implementation in implementations:
        function = implementation.function
        problem = _problem_of(implementation)
        classes = () if problem else _classes(function)
        if problem is None and not all(issubclass(cls, Event) for cls in classes):
            names = " | ".join(getattr(cls, "__name__", repr(cls)) for cls in classes)
            problem = (
                f"has the annotation '{names}' of its event, which is no event class, or not known at "
                "run time: name one, or several as in 'PeerJoined | PeerLeft', and import it outside of "
                "'if TYPE_CHECKING'"
            )

        if problem is not None:
            raise PluginHookError(plugin, f"hook '{TRANSFORM}' {problem}")

        transform = cast(Callable[[Event], TransformResult], function)
        found.append(DeclaredTransform(transform, classes))

    return tuple(found)


def _problem_of(implementation: pluggy.HookImpl) -> str | None:
    """Return why the implementation of a transform is not allowed, None if it is."""
    if inspect.isgeneratorfunction(implementation.function):
        return "is a generator: return several events in a list instead of using 'yield'"

    if not implementation.argnames:
        return "does not take the event: give it the parameter 'event'"

    if any(getattr(implementation, o) for o in ("hookwrapper", "wrapper", "tryfirst", "trylast")):
        return (
            "is a wrapper, tryfirst or trylast: transforms run in the order of the plugins, so use a "
            "plain hookimpl"
        )

    return None


def _classes(function: Callable[..., Any]) -> tuple[type, ...]:
    parameter = inspect.signature(function).parameters.get("event")
    if parameter is None or parameter.annotation in _ALL:
        return (Event,)

    return parameter_classes(function)
