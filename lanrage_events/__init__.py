"""An event bus for gaming communities and LAN parties: typed events in, plugins that act on them."""

from __future__ import annotations

# Nothing is imported until it is used, as AnyIO does it: a program that only asks for the version,
# or names a hook, need not pay for the bus. What the bus needs is imported all at once.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bus import EventBus as EventBus
    from ._escape import escape_controls as escape_controls
    from ._event_words import parse_event_fields as parse_event_fields
    from ._event_words import resolve_schema as resolve_schema
    from ._events import Event as Event
    from ._events import EventRegistry as EventRegistry
    from ._events import GameEnded as GameEnded
    from ._events import GameStarted as GameStarted
    from ._events import Notification as Notification
    from ._events import PartyCreated as PartyCreated
    from ._events import PartyEvent as PartyEvent
    from ._events import PeerJoined as PeerJoined
    from ._events import PeerLeft as PeerLeft
    from ._exceptions import ConfigError as ConfigError
    from ._exceptions import EventDecodeError as EventDecodeError
    from ._exceptions import EventDropped as EventDropped
    from ._exceptions import EventError as EventError
    from ._exceptions import EventTypeConflict as EventTypeConflict
    from ._exceptions import FieldProblem as FieldProblem
    from ._exceptions import HookTimeout as HookTimeout
    from ._exceptions import LanrageEventsError as LanrageEventsError
    from ._exceptions import OutboxError as OutboxError
    from ._exceptions import OutboxFull as OutboxFull
    from ._exceptions import OutboxInUse as OutboxInUse
    from ._exceptions import OutboxUnreadable as OutboxUnreadable
    from ._exceptions import PluginError as PluginError
    from ._exceptions import PluginHookError as PluginHookError
    from ._exceptions import PluginLoadError as PluginLoadError
    from ._exceptions import PluginNotFound as PluginNotFound
    from ._exceptions import PluginStartError as PluginStartError
    from ._exceptions import TemplateError as TemplateError
    from ._exceptions import UnknownEventType as UnknownEventType
    from ._health import Health as Health
    from ._http import Page as Page
    from ._http import Route as Route
    from ._http import RouteError as RouteError
    from ._http import RouteRequest as RouteRequest
    from ._metrics import Metric as Metric
    from ._metrics import Sample as Sample
    from ._secrets import Redactor as Redactor
    from ._statistics import BusStatistics as BusStatistics
    from ._statistics import PluginStatistics as PluginStatistics
    from ._subscription import EventStream as EventStream
    from ._subscription import Subscription as Subscription
    from .hookspecs import hookimpl as hookimpl

if TYPE_CHECKING:  # what needs pydantic, jinja2 or yaml, which most programs need not import
    from ._config_types import ConfigModel as ConfigModel
    from ._config_types import ConfigPath as ConfigPath
    from ._config_types import Duration as Duration
    from ._load_bus import load_bus as load_bus
    from ._outbox import Outbox as Outbox
    from ._outbox_admin import OutboxAdmin as OutboxAdmin
    from ._outbox_records import UNTIL_RESUMED as UNTIL_RESUMED
    from ._outbox_records import DeadLetter as DeadLetter
    from ._outbox_records import OutboxEntry as OutboxEntry
    from ._outbox_records import OutboxExpiry as OutboxExpiry
    from ._outbox_records import OutboxItem as OutboxItem
    from ._outbox_records import OutboxLane as OutboxLane
    from ._outbox_records import OutboxStatistics as OutboxStatistics
    from ._template_leaf import TemplateFilter as TemplateFilter
    from ._template_leaf import TemplateLeaf as TemplateLeaf
    from ._template_leaf import Verbatim as Verbatim
    from ._templates import Templates as Templates

_CORE = {
    "BusStatistics": "_statistics",
    "ConfigError": "_exceptions",
    "Event": "_events",
    "EventBus": "_bus",
    "EventDecodeError": "_exceptions",
    "EventDropped": "_exceptions",
    "EventError": "_exceptions",
    "EventRegistry": "_events",
    "EventStream": "_subscription",
    "EventTypeConflict": "_exceptions",
    "FieldProblem": "_exceptions",
    "GameEnded": "_events",
    "GameStarted": "_events",
    "Health": "_health",
    "HookTimeout": "_exceptions",
    "LanrageEventsError": "_exceptions",
    "Metric": "_metrics",
    "Notification": "_events",
    "OutboxError": "_exceptions",
    "OutboxFull": "_exceptions",
    "OutboxInUse": "_exceptions",
    "OutboxUnreadable": "_exceptions",
    "Page": "_http",
    "PartyCreated": "_events",
    "PartyEvent": "_events",
    "PeerJoined": "_events",
    "PeerLeft": "_events",
    "PluginError": "_exceptions",
    "PluginHookError": "_exceptions",
    "PluginLoadError": "_exceptions",
    "PluginNotFound": "_exceptions",
    "PluginStartError": "_exceptions",
    "PluginStatistics": "_statistics",
    "Redactor": "_secrets",
    "Route": "_http",
    "RouteError": "_http",
    "RouteRequest": "_http",
    "Sample": "_metrics",
    "Subscription": "_subscription",
    "TemplateError": "_exceptions",
    "UnknownEventType": "_exceptions",
    "escape_controls": "_escape",
    "hookimpl": "hookspecs",
    "parse_event_fields": "_event_words",
    "resolve_schema": "_event_words",
}
_HEAVY = {
    "ConfigModel": "_config_types",
    "ConfigPath": "_config_types",
    "DeadLetter": "_outbox_records",
    "Duration": "_config_types",
    "Outbox": "_outbox",
    "OutboxAdmin": "_outbox_admin",
    "OutboxEntry": "_outbox_records",
    "OutboxExpiry": "_outbox_records",
    "OutboxItem": "_outbox_records",
    "OutboxLane": "_outbox_records",
    "OutboxStatistics": "_outbox_records",
    "TemplateFilter": "_template_leaf",
    "TemplateLeaf": "_template_leaf",
    "Templates": "_templates",
    "UNTIL_RESUMED": "_outbox_records",
    "Verbatim": "_template_leaf",
    "load_bus": "_load_bus",
}

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> object:
        if name in _HEAVY:
            return _load(name, _HEAVY[name])

        if name not in _CORE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        for core_name, module in _CORE.items():
            _load(core_name, module)

        return globals()[name]


def _load(name: str, module: str) -> object:
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    # Let tracebacks, documentation and pickles show the module that a user would write.
    if getattr(value, "__module__", "").startswith(f"{__name__}."):
        value.__module__ = __name__

    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_CORE, *_HEAVY})
