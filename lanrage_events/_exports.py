"""The public names of ``lanrage_events``, which imports this module when one is first used."""

from __future__ import annotations

from ._bus import BusRunner as BusRunner
from ._bus import BusThread as BusThread
from ._bus import EventBus as EventBus
from ._bus import run_in_thread as run_in_thread
from ._events import Event as Event
from ._events import GameEnded as GameEnded
from ._events import GameStarted as GameStarted
from ._events import Notification as Notification
from ._events import PartyCreated as PartyCreated
from ._events import PartyEnded as PartyEnded
from ._events import PartyEvent as PartyEvent
from ._events import PeerJoined as PeerJoined
from ._events import PeerLeft as PeerLeft
from ._events import PlayerName as PlayerName
from ._events import ServerStarted as ServerStarted
from ._events import ServerStopped as ServerStopped
from ._exceptions import EventDecodeError as EventDecodeError
from ._exceptions import EventDropped as EventDropped
from ._exceptions import EventError as EventError
from ._exceptions import EventNotTransformed as EventNotTransformed
from ._exceptions import EventTypeConflict as EventTypeConflict
from ._exceptions import HookTimeout as HookTimeout
from ._exceptions import LanrageEventsError as LanrageEventsError
from ._exceptions import PluginError as PluginError
from ._exceptions import PluginHookError as PluginHookError
from ._exceptions import PluginLoadError as PluginLoadError
from ._exceptions import PluginNotFound as PluginNotFound
from ._exceptions import PluginReplaceError as PluginReplaceError
from ._exceptions import PluginStartError as PluginStartError
from ._exceptions import StateInUse as StateInUse
from ._exceptions import UnknownEventType as UnknownEventType
from ._parties import Member as Member
from ._parties import Parties as Parties
from ._parties import Party as Party
from ._redaction import Redactor as Redactor
from ._reports import ConfigProblem as ConfigProblem
from ._reports import Health as Health
from ._reports import Metric as Metric
from ._reports import Preview as Preview
from ._reports import Sample as Sample
from ._rules import replace_names as replace_names
from .hookspecs import hookimpl as hookimpl
from .hookspecs import on as on

for _value in tuple(globals().values()):
    # Let tracebacks, documentation and pickles show the module that a user would write.
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = "lanrage_events"
