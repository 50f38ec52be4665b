"""Quiet hours and mutes: when a webhook posts silently, later, or not at all.

``calendar`` knows the times of the week, ``config`` reads them, and ``mutes`` keeps what someone
muted for a while. ``quiet`` says what both make of a webhook at a time; the lanes ask it.
"""

from __future__ import annotations

from .calendar import Calendar as Calendar
from .calendar import Loudness as Loudness
from .calendar import QuietTimes as QuietTimes
from .config import MuteLength as MuteLength
from .config import QuietConfig as QuietConfig
from .config import QuietTimesConfig as QuietTimesConfig
from .config import Then as Then
from .config import make_calendar as make_calendar
from .mutes import LONGEST_DAYS as LONGEST_DAYS
from .mutes import Mute as Mute
from .mutes import Mutes as Mutes
from .mutes import check_length as check_length
from .quiet import Quiet as Quiet
from .quiet import Quietness as Quietness
from .quiet import clock_time as clock_time
from .time_zone import find_time_zone as find_time_zone
