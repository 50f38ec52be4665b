"""Incidents: problems from their first sight until they are over, and when to report them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .._memory import from_wall, number, to_wall
from .problem import Problem, ProblemKind
from .report import Report

GATHER_SECONDS = 60.0
"""between two reports at least, and how long most problems must be gone before they are over"""
MAX_INCIDENTS = 1000
"""that are remembered at the same time; there are at most as many subjects"""

_Key = tuple[ProblemKind, str]


@dataclass(slots=True)
class Incident:
    """A problem from its first sight until it is over.

    Times are those of the event loop's clock, in seconds.
    """

    problem: Problem
    """as it was seen last, with the count of all its sights"""
    seen: float
    """when it was seen last"""
    is_open: bool = True
    """whether it lasts"""
    is_reported: bool = False
    """whether the last report about it says that it lasts"""
    reported: float = -math.inf
    """when a report last said that it has begun"""


@dataclass(slots=True)
class Incidents:
    """Decides which problems are reported, and when.

    The same problem is reported at most once within the cooldown, and a report that it is over follows
    each report that it has begun. A problem is over when it was not seen for
    :data:`GATHER_SECONDS`, one that recurs when it did not happen again within the cooldown, and a
    silence as soon as it is broken.

    Callers give the time, on a clock that does not go back.

    :param cooldown: seconds
    """

    cooldown: float
    _known: dict[_Key, Incident] = field(default_factory=dict)
    _reported: float = -math.inf
    """when something was reported last"""

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._known.values())

    def is_reported(self, kind: ProblemKind, subject: str) -> bool:
        """Whether the last report about a problem says that it lasts."""
        incident = self._known.get((kind, subject))
        return incident is not None and incident.is_reported

    @property
    def reported(self) -> list[Problem]:
        """The problems of which the last report says that they last."""
        return [incident.problem for incident in self._known.values() if incident.is_reported]

    def see(self, problems: Iterable[Problem], now: float) -> None:
        """Record what was found by looking, and what was not."""
        for problem in problems:
            incident = self._known.get(problem.key)
            if incident is None and len(self._known) < MAX_INCIDENTS:
                self._known[problem.key] = Incident(problem, now)
            elif incident is not None:
                self._see_again(incident, problem, now)

        for key, incident in list(self._known.items()):
            if incident.seen < now and now - incident.seen >= self._lasts(incident):
                incident.is_open = False

            is_cold = now - incident.reported >= self.cooldown
            if is_cold and not (incident.is_open or incident.is_reported):
                del self._known[key]

    @staticmethod
    def _see_again(incident: Incident, problem: Problem, now: float) -> None:
        before = incident.problem
        if incident.is_open or incident.is_reported:
            is_silence = problem.kind is ProblemKind.SILENT
            problem = replace(
                problem,
                detail=problem.detail or before.detail,
                count=before.count + problem.count,
                # An earlier silence may have been longer, but something has come since.
                seconds=problem.seconds if is_silence else max(before.seconds, problem.seconds),
            )

        incident.problem, incident.seen, incident.is_open = problem, now, True

    def _lasts(self, incident: Incident) -> float:
        """Return how long an incident lasts after its problem was seen last."""
        if incident.problem.kind is ProblemKind.SILENT:
            return 0.0

        recurs = incident.problem.kind.recurs
        return max(self.cooldown, GATHER_SECONDS) if recurs else GATHER_SECONDS

    def forget_unknown(self, is_known: Callable[[ProblemKind, str], bool]) -> None:
        """Forget the problems of what does not exist any more.

        :param is_known: whether there is the subject of a problem
        """
        for kind, subject in [key for key in self._known if not is_known(*key)]:
            del self._known[kind, subject]

    def due(self, now: float) -> Report | None:
        """Return what is to be reported now, None if nothing is.

        Call :meth:`report` with it when it was posted; until then it is due again.
        """
        if now - self._reported < GATHER_SECONDS:
            return None

        incidents = self._known.values()
        begun = [i.problem for i in incidents if self._is_to_report(i, now)]
        over = [i.problem for i in incidents if i.is_reported and not i.is_open]
        if not begun and not over:
            return None

        lasting = [i.problem for i in incidents if i.is_reported and i.is_open]
        return Report(tuple(begun), tuple(lasting), tuple(over))

    def _is_to_report(self, incident: Incident, now: float) -> bool:
        # What was gone before it could be reported is not worth it, unless something was lost.
        is_there = incident.is_open and (incident.problem.kind.happens or incident.seen == now)
        is_cold = now - incident.reported >= self.cooldown
        return is_there and is_cold and not incident.is_reported

    def report(self, report: Report, now: float) -> None:
        """Record that something was reported."""
        self._reported = now
        for problem in report.begun:
            incident = self._known[problem.key]
            incident.is_reported, incident.reported = True, now

        for problem in report.over:
            self._known[problem.key].is_reported = False

    # Over restarts

    def to_data(self, now: float, wall_now: float) -> dict[str, Any]:
        """Return everything as values for JSON, with times in seconds since 1970."""

        def write(time: float) -> float | None:
            return None if time == -math.inf else to_wall(time, now, wall_now)

        return {
            "reported": write(self._reported),
            "incidents": [
                {
                    "kind": incident.problem.kind.value,
                    "subject": incident.problem.subject,
                    "detail": incident.problem.detail,
                    "count": incident.problem.count,
                    "seconds": round(incident.problem.seconds, 3),
                    "seen": write(incident.seen),
                    "is_open": incident.is_open,
                    "is_reported": incident.is_reported,
                    "reported": write(incident.reported),
                }
                for incident in self._known.values()
            ],
        }

    def restore(self, data: Any, now: float, wall_now: float) -> None:
        """Continue with what :meth:`to_data` gave, perhaps long ago.

        What lasted may last still: it is over at the earliest :data:`GATHER_SECONDS` after now, except
        a silence, whose length is known.

        :raises Exception: if it is something else; nothing is changed then
        """

        def read(time: object) -> float:
            return -math.inf if time is None else from_wall(time, now, wall_now)

        known: dict[_Key, Incident] = {}
        for one in data["incidents"]:
            problem = Problem(
                ProblemKind(one["kind"]),
                str(one["subject"]),
                str(one["detail"]),
                max(0, int(number(one["count"]))),
                max(0.0, number(one["seconds"])),
            )
            is_reported = one["is_reported"] is True
            # What lasts and is not reported will be seen again.
            lasts = one["is_open"] is True and (is_reported or problem.kind.happens)
            incident = Incident(
                problem, read(one["seen"]), lasts, is_reported, read(one["reported"])
            )
            if problem.kind is not ProblemKind.SILENT:
                not_over_before = now - self._lasts(incident) + GATHER_SECONDS
                incident.seen = max(incident.seen, not_over_before)

            known[problem.key] = incident

        self._reported = read(data["reported"])
        self._known = dict(list(known.items())[:MAX_INCIDENTS])
