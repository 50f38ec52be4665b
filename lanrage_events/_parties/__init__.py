"""Parties: who is together, since when, and what they play, as events say."""

from __future__ import annotations

from .parties import Parties as Parties
from .party import Member as Member
from .party import Party as Party
