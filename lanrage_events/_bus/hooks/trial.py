"""The trial of a plugin's transforms, without a bus."""

from __future__ import annotations

from ..._events import Event
from ..transforms import attempt
from .hooks import Hooks


def transformed(plugin: object, event: Event) -> tuple[Event, ...]:
    """Return what the transforms of a plugin turn an event into.

    :raises PluginHookError: if a transform is not allowed
    :raises TypeError: if the plugin has none
    :raises Exception: what a transform raises
    """
    hooks = Hooks()
    name = hooks.register(plugin, None, None)
    hooks.add_events(name)
    declared = hooks.transforms(name)
    if not declared:
        raise TypeError(f"'{name}' has no hook 'transform': is @hookimpl missing?")

    events, errors = attempt((event,), None, name, declared)
    for error in errors:
        raise error

    return events
