"""A report: what an alert says, and the message that says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lanrage_events.templates import utf16_units

from .. import limits
from .._rendering import Alert, Entry, Presentation, Renderer, Wording
from .problem import Problem

DETAIL_MAX_CHARACTERS = 200
"""of the reason of a problem"""
_MORE_MAX_CHARACTERS = 100
_AT_ONCE = Presentation(immediate=True)
# What a reason has that is the same in each language.
_STATUS = re.compile(r"HTTP [0-9]{3}")


@dataclass(frozen=True, slots=True)
class Report:
    """What has begun, what lasts and what is over since the last report."""

    begun: tuple[Problem, ...] = ()
    lasting: tuple[Problem, ...] = ()
    """what earlier reports have said and is not over"""
    over: tuple[Problem, ...] = ()


def render_report(renderer: Renderer, report: Report) -> Entry:
    """Return a report as an entry of a lane, in the words of the templates."""
    wording = renderer.wording
    lines = [_line(wording, "begun", problem) for problem in report.begun]
    lines += [_line(wording, "over", problem) for problem in report.over]
    if report.lasting:
        lines.append(wording.alert_line("still"))
        lines += [_line(wording, "begun", problem) for problem in report.lasting]

    begun, lasting, over = map(len, (report.begun, report.lasting, report.over))
    entry = renderer.render(Alert(begun=begun, lasting=lasting, over=over))
    embed = replace(entry.embed, description=_description(wording, list(filter(None, lines))))
    return replace(entry, embed=embed, presentation=_AT_ONCE, is_alert=True)


def _line(wording: Wording, part: str, problem: Problem) -> str:
    detail = " ".join(problem.detail.split())
    if len(detail) > DETAIL_MAX_CHARACTERS:
        detail = f"{detail[: DETAIL_MAX_CHARACTERS - 1]}…"

    return wording.alert_line(
        f"{part}.{problem.kind.value}",
        name=problem.subject,
        detail=detail,
        status=status[0] if (status := _STATUS.search(detail)) else "",
        count=problem.count,
        seconds=problem.seconds,
    )


def _description(wording: Wording, lines: list[str]) -> str:
    """Return the lines that fit, and how many there are more."""
    room = limits.DESCRIPTION_MAX_CHARACTERS - _MORE_MAX_CHARACTERS
    shown: list[str] = []
    for line in lines:
        room -= utf16_units(line) + 1
        if room < 0:
            more = wording.alert_line("more", count=len(lines) - len(shown))
            return "\n".join([*shown, more[:_MORE_MAX_CHARACTERS]])

        shown.append(line)

    return "\n".join(shown)
