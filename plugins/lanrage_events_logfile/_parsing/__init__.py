"""Turning log lines into events."""

from __future__ import annotations

from .roster import Roster
from .translator import Translator
