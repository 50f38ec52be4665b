"""Settling: joins and leaves wait until they last, and those that come to nothing are cancelled.

``net_effect`` decides, ``reconnects`` counts who came back, and ``settling`` does it for a lane.
"""

from __future__ import annotations

from .net_effect import Fate, NetEffect, Posted
from .reconnects import Counts, Report
from .settling import Settling
