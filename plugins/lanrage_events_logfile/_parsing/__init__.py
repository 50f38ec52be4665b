"""Turning log lines into events."""

from __future__ import annotations

from .roster import Roster
from .times import Written
from .translator import Translator
