"""The trial of a plugin's transforms, without a bus."""

from __future__ import annotations

from ..._events import Event
from ..._exceptions import EventNotTransformed
from ..instrument import Instruments
from ..threads import LoopWatch
from ..transforms import Transforms
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

    transforms = Transforms(Instruments(), LoopWatch(None))
    transforms.add(name, declared, required=True, runs=True)
    chain = transforms.chain(type(event))
    if chain is None:
        return (event,)

    try:
        result = transforms.apply(chain, event)
    except EventNotTransformed as error:
        raise error.__cause__ or error from None

    return result if isinstance(result, tuple) else (result,)
