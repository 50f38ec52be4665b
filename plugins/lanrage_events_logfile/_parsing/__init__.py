"""From lines to events."""

from __future__ import annotations

from .roster import Roster as Roster
from .translator import Translator as Translator
