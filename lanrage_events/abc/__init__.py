"""The interfaces of a bus, for plugins and for programs that run plugins."""

from __future__ import annotations

from ._bus import Bus as Bus
from ._instrument import HookCall as HookCall
from ._instrument import Instrument as Instrument
from ._options import DEFAULT_MAILBOX_SIZE as DEFAULT_MAILBOX_SIZE
from ._options import PluginOptions as PluginOptions
from ._options import WhenFull as WhenFull
from ._person import Person as Person
from ._plugins import PluginRegistry as PluginRegistry
from ._receiving import EventStream as EventStream
from ._receiving import HandlerDecorator as HandlerDecorator
from ._receiving import Receiver as Receiver
from ._receiving import StreamOptions as StreamOptions
from ._receiving import Subscription as Subscription
from ._receiving import SubscriptionOptions as SubscriptionOptions
from ._statistics import BusStatistics as BusStatistics
from ._statistics import PluginState as PluginState
from ._statistics import PluginStatistics as PluginStatistics
from ._statistics import TransformStatistics as TransformStatistics
from ._transforms import Rules as Rules
from ._transforms import Transform as Transform
from ._transforms import TransformResult as TransformResult

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
