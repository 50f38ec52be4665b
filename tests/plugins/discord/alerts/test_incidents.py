"""Which problems are reported, and when: at most once within the cooldown, and when they are over."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lanrage_events_discord._alerts import (
    GATHER_SECONDS,
    Incidents,
    Problem,
    ProblemKind,
    Report,
)

COOLDOWN = 1800.0
LOOK = 5.0
DEAD = Problem(ProblemKind.WEBHOOK, "games", "the webhook was deleted")
LATE = Problem(ProblemKind.LATE, "games", seconds=400)
CRASH = Problem(ProblemKind.PLUGIN, "logfile", "OSError", 1)
REJECTED = Problem(ProblemKind.REJECTED, "games", "an invalid form body", 2)


class Evening:
    """Incidents that are looked for every few seconds, and reports that are posted."""

    def __init__(self, cooldown: float = COOLDOWN) -> None:
        self.cooldown = cooldown
        self.incidents = Incidents(cooldown)
        self.now = 1000.0
        self.posted: list[tuple[float, Report]] = []

    def look(self, *problems: Problem, posts: bool = True) -> Report | None:
        self.incidents.see(problems, self.now)
        report = self.incidents.due(self.now)
        if report is not None and posts:
            self.incidents.report(report, self.now)
            self.posted.append((self.now, report))

        return report

    def wait(self, seconds: float, *problems: Problem, posts: bool = True) -> list[Report]:
        """Look every few seconds, and return what was reported."""
        before = len(self.posted)
        for _ in range(math.ceil(seconds / LOOK)):
            self.now += LOOK
            self.look(*problems, posts=posts)

        return [report for _, report in self.posted[before:]]

    def restart(self, pause: float = 0.0, clock_error: float = 0.0) -> None:
        """Continue in another process, whose clocks show something else."""
        wall_now = 1_700_000_000.0
        data = json.loads(json.dumps(self.incidents.to_data(self.now, wall_now)))
        self.now += pause
        self.incidents = Incidents(self.cooldown)
        self.incidents.restore(data, self.now, wall_now + pause + clock_error)


def test_problem_is_reported_once_and_when_it_is_over() -> None:
    evening = Evening()
    assert evening.wait(7200, DEAD) == [Report(begun=(DEAD,))]
    (over,) = evening.wait(7200)
    assert over == Report(over=(DEAD,))
    assert evening.posted[0][0] == 1005
    assert evening.posted[1][0] == 1000 + 7200 + GATHER_SECONDS


def test_what_comes_within_a_minute_is_one_report() -> None:
    evening = Evening()
    evening.look(DEAD)
    many = [Problem(ProblemKind.WEBHOOK, f"w{number}") for number in range(24)]
    for count in range(1, 25):
        evening.wait(LOOK, DEAD, *many[:count])

    first, second, third = (report for _, report in evening.posted)
    assert first == Report(begun=(DEAD,))
    assert second == Report(begun=tuple(many[:12]), lasting=(DEAD,))
    assert third == Report(begun=tuple(many[12:]), lasting=(DEAD, *many[:12]))


def test_flapping_gives_one_pair_within_the_cooldown() -> None:
    evening = Evening()
    for _ in range(36):
        evening.wait(300, DEAD)
        evening.wait(300)

    hours = 36 * 600 / COOLDOWN
    assert len(evening.posted) <= 2 * hours + 2
    kinds = ["begun" if report.begun else "over" for _, report in evening.posted]
    assert kinds == ["begun", "over"] * (len(kinds) // 2)


def test_what_lasts_after_the_cooldown_is_reported_then() -> None:
    evening = Evening()
    evening.wait(60, DEAD)
    evening.wait(120)
    began = evening.now
    assert evening.wait(COOLDOWN * 2, DEAD) == [Report(begun=(DEAD,))]
    assert evening.posted[0][0] + COOLDOWN == evening.posted[-1][0] > began


def test_lasting_problem_that_was_over_before_its_report_is_not_reported() -> None:
    evening = Evening()
    evening.look(DEAD)
    evening.wait(10, DEAD, LATE)
    assert evening.wait(50, DEAD) == []
    assert evening.wait(600, DEAD) == []


def test_failure_that_was_over_before_its_report_is_reported() -> None:
    evening = Evening()
    evening.look(DEAD)
    evening.wait(5, DEAD, CRASH)
    begun, over = evening.wait(600, DEAD)
    assert begun == Report(begun=(CRASH,), lasting=(DEAD,))
    assert over == Report(lasting=(DEAD,), over=(CRASH,))


def test_what_recurs_is_counted_until_it_did_not_happen_within_the_cooldown() -> None:
    evening = Evening()
    for _ in range(10):
        evening.wait(LOOK, REJECTED)
        evening.wait(COOLDOWN - 2 * LOOK)

    assert [report for _, report in evening.posted] == [Report(begun=(REJECTED,))]
    (over,) = evening.wait(2 * COOLDOWN)
    (problem,) = over.over
    assert problem.count == 20


@pytest.mark.parametrize("is_restarted", [False, True])
def test_silence_is_over_as_soon_as_something_comes(is_restarted: bool) -> None:
    def silence(seconds: float) -> Problem:
        return Problem(ProblemKind.SILENT, "logfile", seconds=seconds)

    evening = Evening()
    evening.wait(90, silence(150))
    if is_restarted:
        evening.restart()

    (over,) = evening.wait(LOOK)
    assert over == Report(over=(silence(150),))
    # The next one within the cooldown is part of the same report, but has a length of its own.
    evening.wait(COOLDOWN, silence(61))
    evening.wait(LOOK, silence(62))
    assert evening.incidents.reported == [silence(62)]


def test_what_cannot_be_posted_is_due_until_it_was_posted_or_is_over() -> None:
    evening = Evening()
    assert evening.wait(600, DEAD, posts=False) == []
    assert evening.wait(60, DEAD) == [Report(begun=(DEAD,))]
    assert evening.wait(600, posts=False) == []
    assert evening.wait(60) == [Report(over=(DEAD,))]
    evening.wait(COOLDOWN)
    evening.wait(600, DEAD, posts=False)
    assert evening.wait(600) == []


@pytest.mark.parametrize("pause", [0, 86_400])
def test_restart_repeats_nothing_and_says_that_it_is_over(pause: float) -> None:
    evening = Evening()
    assert len(evening.wait(60, DEAD, LATE)) == 1
    evening.restart(pause)
    assert evening.wait(3600, DEAD, LATE) == []
    evening.restart(pause)
    (over,) = evening.wait(3600, LATE)
    assert over == Report(lasting=(LATE,), over=(DEAD,))
    # It may take a moment until it is known again that something does not work.
    evening.restart(pause)
    assert evening.wait(30) == []
    assert evening.wait(600, LATE) == []


def test_restart_reports_what_happened_right_before_it() -> None:
    evening = Evening()
    evening.look(DEAD)
    evening.wait(LOOK, DEAD, REJECTED)
    evening.restart()
    assert evening.wait(120, DEAD)[0].begun == (REJECTED,)


@pytest.mark.parametrize("clock_error", [-1e9, 1e9])
def test_clock_that_was_set_does_not_hold_reports_back_for_ever(clock_error: float) -> None:
    evening = Evening()
    evening.wait(60, DEAD)
    evening.wait(300)
    evening.restart(clock_error=clock_error)
    assert evening.wait(COOLDOWN + 60, DEAD)[-1].begun == (DEAD,)


def test_of_what_does_not_exist_any_more_nothing_is_reported() -> None:
    evening = Evening()
    evening.wait(60, DEAD, LATE)
    evening.incidents.forget_unknown(lambda kind, _: kind is ProblemKind.LATE)
    assert evening.wait(600, LATE) == []
    assert evening.incidents.reported == [LATE]


@pytest.mark.parametrize(
    "data", [None, 1, [], {}, {"incidents": [{}], "reported": None}, {"incidents": []}]
)
def test_anything_else_is_not_restored(data: Any) -> None:
    incidents = Incidents(COOLDOWN)
    with pytest.raises((TypeError, KeyError, AttributeError, ValueError)):
        incidents.restore(data, 0.0, 0.0)

    assert incidents.reported == []


KEYS = (
    (ProblemKind.WEBHOOK, "games"),
    (ProblemKind.LATE, "games"),
    (ProblemKind.SILENT, "logfile"),
    (ProblemKind.PLUGIN, "logfile"),
    (ProblemKind.REJECTED, "games"),
    (ProblemKind.DROPPED, "log"),
)
ONCE = (3, 4, 5)
"""what happens, rather than lasts"""


class AlertsMachine(RuleBasedStateMachine):
    """Problems come and go, the process is restarted, and the webhook does not always work."""

    def __init__(self) -> None:
        super().__init__()
        self.evening = Evening(cooldown=300.0)
        self.lasting: set[int] = set()
        self.posts = True

    def problems(self, *numbers: int) -> list[Problem]:
        return [Problem(*KEYS[n], "why", int(n in ONCE)) for n in (*sorted(self.lasting), *numbers)]

    @rule(number=st.sampled_from(range(4)))
    def begins(self, number: int) -> None:
        self.lasting.add(number)

    @precondition(lambda self: self.lasting)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        self.lasting.discard(data.draw(st.sampled_from(sorted(self.lasting))))

    @rule(number=st.sampled_from(ONCE))
    def happens(self, number: int) -> None:
        self.evening.now += LOOK
        self.evening.look(*self.problems(number), posts=self.posts)

    @rule(seconds=st.sampled_from([5, 30, 60, 90, 299, 600]))
    def time_passes(self, seconds: float) -> None:
        self.evening.wait(seconds, *self.problems(), posts=self.posts)

    @rule()
    def webhook_fails_or_works(self) -> None:
        self.posts = not self.posts

    @rule(pause=st.sampled_from([0.0, 1.0, 100.0, 100_000.0]))
    def restart(self, pause: float) -> None:
        self.evening.restart(pause)

    @rule()
    def in_the_end_what_was_reported_is_what_is(self) -> None:
        self.evening.wait(2 * self.evening.cooldown + 2 * GATHER_SECONDS, *self.problems())
        reported = {problem.key for problem in self.evening.incidents.reported}
        assert reported == {KEYS[number] for number in self.lasting}

    @invariant()
    def reports_are_a_minute_apart(self) -> None:
        times = [time for time, _ in self.evening.posted]
        assert all(b - a >= GATHER_SECONDS for a, b in itertools.pairwise(times))

    @invariant()
    def each_problem_begins_and_ends_in_turn_and_begins_once_in_a_cooldown(self) -> None:
        for key in KEYS:
            last_begun, is_on = -math.inf, False
            for time, report in self.evening.posted:
                begun = key in {problem.key for problem in report.begun}
                over = key in {problem.key for problem in report.over}
                lasts = key in {problem.key for problem in report.lasting}
                assert begun + over + lasts <= 1
                assert begun <= (not is_on)
                assert over <= is_on
                assert lasts == (is_on and not over)
                if begun:
                    assert time - last_begun >= self.evening.cooldown
                    last_begun, is_on = time, True
                elif over:
                    is_on = False

    @invariant()
    def no_report_is_empty(self) -> None:
        assert all(report.begun or report.over for _, report in self.evening.posted)


TestIncidents = pytest.mark.slow(AlertsMachine.TestCase)
TestIncidents.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
