"""The trial of a plugin's transforms, without a bus."""

from __future__ import annotations

from ..._events import Event
from ...abc import Instrument
from ..instrument import Instruments
from ..threads import LoopWatch
from ..transforms import Transforms
from .hooks import Hooks


class _Failures(Instrument):
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def hook_failed(self, plugin: str, hook: str, event: Event | None, error: Exception) -> None:
        self.errors.append(error)


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

    failures = _Failures()
    transforms = Transforms(Instruments([failures]), LoopWatch(None))
    transforms.add(name, declared, required=False, runs=True)
    chain = transforms.chain(type(event))
    if chain is None:
        return (event,)

    result = transforms.apply(chain, event)
    for error in failures.errors:
        raise error

    return result if isinstance(result, tuple) else (result,)
