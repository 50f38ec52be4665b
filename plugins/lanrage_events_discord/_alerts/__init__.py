"""Alerts: messages that something does not work, and that it works again.

``watch`` looks for problems, ``incidents`` decides which of them are reported and when, the
``reporter`` puts the reports into a lane, and ``alerts`` remembers them over restarts.
"""

from __future__ import annotations

from .alerts import Alerts
from .incidents import GATHER_SECONDS, Incidents
from .metrics import alert_metrics
from .problem import Problem, ProblemKind
from .report import Report, render_report
from .reporter import LOOK_SECONDS
from .watch import unknown_sources
