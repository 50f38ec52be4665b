"""An event bus for gaming communities and LAN parties: typed events in, plugins that act on them."""

from __future__ import annotations

# Nothing is imported until it is used, as AnyIO does it: a program that only asks for the version,
# or names a hook, need not pay for the bus. What the bus needs is imported all at once.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._bus.bus import EventBus as EventBus
    from ._bus.statistics import BusStatistics as BusStatistics
    from ._bus.statistics import PluginStatistics as PluginStatistics
    from ._bus.subscription import EventStream as EventStream
    from ._bus.subscription import Subscription as Subscription
    from ._event_fields import parse_event_fields as parse_event_fields
    from ._event_fields import resolve_schema as resolve_schema
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
    from ._metrics import Metric as Metric
    from ._metrics import Sample as Sample
    from ._redaction.escape import escape_controls as escape_controls
    from ._redaction.redactor import Redactor as Redactor
    from ._reports import Health as Health
    from .hookspecs import hookimpl as hookimpl
    from .http import Page as Page
    from .http import Route as Route
    from .http import RouteError as RouteError
    from .http import RouteRequest as RouteRequest

if TYPE_CHECKING:  # what needs pydantic, jinja2 or yaml, which most programs need not import
    from .config._build import load_bus as load_bus
    from .config._types import ConfigModel as ConfigModel
    from .config._types import ConfigPath as ConfigPath
    from .config._types import Duration as Duration
    from .outbox._admin import OutboxAdmin as OutboxAdmin
    from .outbox._outbox import Outbox as Outbox
    from .outbox._records import UNTIL_RESUMED as UNTIL_RESUMED
    from .outbox._records import DeadLetter as DeadLetter
    from .outbox._records import OutboxEntry as OutboxEntry
    from .outbox._records import OutboxExpiry as OutboxExpiry
    from .outbox._records import OutboxItem as OutboxItem
    from .outbox._records import OutboxLane as OutboxLane
    from .outbox._records import OutboxStatistics as OutboxStatistics
    from .templates._leaf import TemplateFilter as TemplateFilter
    from .templates._leaf import TemplateLeaf as TemplateLeaf
    from .templates._leaf import Verbatim as Verbatim
    from .templates._templates import Templates as Templates

_CORE = {
    "BusStatistics": "_bus.statistics",
    "ConfigError": "_exceptions",
    "Event": "_events",
    "EventBus": "_bus.bus",
    "EventDecodeError": "_exceptions",
    "EventDropped": "_exceptions",
    "EventError": "_exceptions",
    "EventRegistry": "_events",
    "EventStream": "_bus.subscription",
    "EventTypeConflict": "_exceptions",
    "FieldProblem": "_exceptions",
    "GameEnded": "_events",
    "GameStarted": "_events",
    "Health": "_reports",
    "HookTimeout": "_exceptions",
    "LanrageEventsError": "_exceptions",
    "Metric": "_metrics",
    "Notification": "_events",
    "OutboxError": "_exceptions",
    "OutboxFull": "_exceptions",
    "OutboxInUse": "_exceptions",
    "OutboxUnreadable": "_exceptions",
    "Page": "http",
    "PartyCreated": "_events",
    "PartyEvent": "_events",
    "PeerJoined": "_events",
    "PeerLeft": "_events",
    "PluginError": "_exceptions",
    "PluginHookError": "_exceptions",
    "PluginLoadError": "_exceptions",
    "PluginNotFound": "_exceptions",
    "PluginStartError": "_exceptions",
    "PluginStatistics": "_bus.statistics",
    "Redactor": "_redaction.redactor",
    "Route": "http",
    "RouteError": "http",
    "RouteRequest": "http",
    "Sample": "_metrics",
    "Subscription": "_bus.subscription",
    "TemplateError": "_exceptions",
    "UnknownEventType": "_exceptions",
    "escape_controls": "_redaction.escape",
    "hookimpl": "hookspecs",
    "parse_event_fields": "_event_fields",
    "resolve_schema": "_event_fields",
}
_HEAVY = {
    "ConfigModel": "config._types",
    "ConfigPath": "config._types",
    "DeadLetter": "outbox._records",
    "Duration": "config._types",
    "Outbox": "outbox._outbox",
    "OutboxAdmin": "outbox._admin",
    "OutboxEntry": "outbox._records",
    "OutboxExpiry": "outbox._records",
    "OutboxItem": "outbox._records",
    "OutboxLane": "outbox._records",
    "OutboxStatistics": "outbox._records",
    "TemplateFilter": "templates._leaf",
    "TemplateLeaf": "templates._leaf",
    "Templates": "templates._templates",
    "UNTIL_RESUMED": "outbox._records",
    "Verbatim": "templates._leaf",
    "load_bus": "config._build",
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
