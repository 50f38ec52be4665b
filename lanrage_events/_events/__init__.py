"""The event classes, the base classes and the built-in events, and the clock of their times."""

from __future__ import annotations

from .built_in import BUILT_IN_EVENTS as BUILT_IN_EVENTS
from .built_in import PLAYER_NAME as PLAYER_NAME
from .built_in import GameEnded as GameEnded
from .built_in import GameStarted as GameStarted
from .built_in import Notification as Notification
from .built_in import PartyCreated as PartyCreated
from .built_in import PartyEnded as PartyEnded
from .built_in import PeerJoined as PeerJoined
from .built_in import PeerLeft as PeerLeft
from .built_in import PlayerName as PlayerName
from .built_in import ServerStarted as ServerStarted
from .built_in import ServerStopped as ServerStopped
from .checks import check_event as check_event
from .checks import check_event_class as check_event_class
from .checks import check_event_classes as check_event_classes
from .checks import check_where as check_where
from .clock import use_clock as use_clock
from .clock import utc_now as utc_now
from .event import COMMON_FIELDS as COMMON_FIELDS
from .event import Event as Event
from .event import PartyEvent as PartyEvent
from .event import lineage as lineage
from .event import snake_case as snake_case
from .event import type_adapter as type_adapter
from .event import type_names as type_names
from .ids import ID_MAX_CHARACTERS as ID_MAX_CHARACTERS
from .ids import derived_id as derived_id
from .ids import shortened_id as shortened_id
from .origin import Hook as Hook
from .origin import current_hook as current_hook
