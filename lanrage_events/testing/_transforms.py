"""Calling the transforms of a plugin."""

from __future__ import annotations

from .. import _bus
from .._events import Event


def transformed(plugin: object, event: Event) -> tuple[Event, ...]:
    """Return what the transforms of a plugin turn an event into, as on a bus, but without one.

    The lifespan of the plugin is not entered. To see what other plugins receive, register it on a bus
    beside a :class:`RecordingPlugin` instead.

    :param plugin: an object or a module with the hook ``transform``
    :param event: an event; one of a class that it does not transform is returned as it is
    :returns: the events that are published instead, with their ids; empty if it is dropped
    :raises PluginHookError: if the transform is not allowed, such as an async one
    :raises TypeError: if the plugin has no transform, or it returns no event
    :raises Exception: what the transform raises
    """
    return _bus.transformed(plugin, event)
