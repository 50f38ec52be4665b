"""Quiet hours: the times of the week at which something is quiet.

``calendar`` knows the times, and ``config`` reads them.
"""

from __future__ import annotations

from .calendar import Calendar as Calendar
from .calendar import Loudness as Loudness
from .calendar import QuietTimes as QuietTimes
from .config import QuietTimesConfig as QuietTimesConfig
from .config import make_calendar as make_calendar
