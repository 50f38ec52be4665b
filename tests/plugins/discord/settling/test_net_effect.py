"""The net effect of joins and leaves: nothing is contradicted, and everything is done once."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events_discord import BatchConfig, DiscordConfig, FlappingConfig
from lanrage_events_discord._rendering import Effect, Reconnected, Unsteady
from lanrage_events_discord._settling.net_effect import (
    HELD_MAX,
    REMEMBERED_MAX,
    Change,
    Fate,
    NetEffect,
    Posted,
)
from lanrage_events_discord._settling.reconnects import COUNTED_SECONDS, Reconnects

OPPOSITE = {Effect.JOIN: Effect.LEAVE, Effect.LEAVE: Effect.JOIN}


def config(**values: Any) -> BatchConfig:
    return BatchConfig.model_validate(values)


class Channel:
    """A lane without a network: what is posted, and what the truth is."""

    def __init__(self, settings: BatchConfig) -> None:
        self.posted = Posted()
        self.net = NetEffect(settings, self.posted, "main")
        self.now = 1000.0
        self.truth: dict[str, Effect] = defaultdict(lambda: Effect.LEAVE)
        self.all: dict[int, tuple[str, Effect]] = {}
        self.batch: dict[int, None] = {}
        self.held: set[int] = set()
        self.done: list[int] = []
        self.lines: list[int] = []

    def change(self, subject: str, effect: Effect | None = None, at: float | None = None) -> None:
        effect = effect or OPPOSITE[self.truth[subject]]
        self.truth[subject] = effect
        number = len(self.all) + 1
        self.all[number] = subject, effect
        time = self.now if at is None else at
        fate = self.net.add(Change(number, subject, effect, time, subject), self.now)
        if fate is Fate.HELD:
            self.held.add(number)
        elif fate is Fate.GOES:
            self.batch[number] = None

        self.settle()

    def settle(self, *, everything: bool = False) -> None:
        released = self.net.release_all() if everything else self.net.release(self.now)
        self.held.difference_update(released)
        for number in sorted({*self.batch, *released}):
            self.batch.pop(number, None)
            self.batch[number] = None

        for number in self.net.take_cancelled():
            self.done.append(number)
            self.batch.pop(number, None)
            self.held.discard(number)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.net.due <= end:
            self.now = max(self.now, self.net.due)
            self.settle()

        self.now = end

    def send(self) -> None:
        for number in self.batch:
            self.posted.add("main", *self.all[number])

        self.lines += self.batch
        self.done += self.batch
        for number in self.batch:
            self.net.removed(number, self.all[number][0])

        self.batch.clear()

    def shown(self, subject: str) -> list[Effect]:
        return [self.all[n][1] for n in self.lines if self.all[n][0] == subject]


seconds = st.sampled_from((0.0, 2.0, 25.0, 60.0))
configs = st.builds(
    lambda leave, join, flapping: config(
        settle={"leave": leave, "join": join},
        flapping=flapping and {"times": 2, "within": 100.0, "quiet": 50.0},
    ),
    seconds,
    seconds,
    st.booleans(),
)
subjects = st.sampled_from("abcde")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), subjects),
        st.tuples(st.just("change"), subjects),
        st.tuples(st.just("wait"), st.sampled_from((0.1, 3.0, 20.0, 30.0, 130.0))),
        st.tuples(st.just("send"), st.none()),
    ),
    max_size=60,
)


def play(channel: Channel, script: list[Any]) -> None:
    for kind, value in script:
        match kind:
            case "change":
                channel.change(value)
            case "repeat":
                channel.change(value, channel.truth[value])
            case "wait":
                channel.wait(value)
            case _:
                channel.send()


def finish(channel: Channel, *, at_once: bool) -> None:
    if at_once:
        channel.settle(everything=True)
    else:
        channel.wait(10_000)

    channel.send()
    assert channel.net.due == math.inf
    assert not channel.held
    assert sorted(channel.done) == sorted(channel.all)
    assert channel.net.release_all() == []


@pytest.mark.slow
@settings(max_examples=500)
@given(configs, steps, st.booleans())
def test_the_lines_of_a_subject_alternate_and_end_with_the_truth(
    settings: BatchConfig, script: list[Any], at_once: bool
) -> None:
    channel = Channel(settings)
    play(channel, script)
    finish(channel, at_once=at_once)
    for subject in channel.truth:
        lines = channel.shown(subject)
        assert lines[::2] == [Effect.JOIN] * len(lines[::2])
        assert lines[1::2] == [Effect.LEAVE] * len(lines[1::2])
        assert (lines or [Effect.LEAVE])[-1] is channel.truth[subject]
        numbers = [n for n in channel.lines if channel.all[n][0] == subject]
        assert numbers == sorted(numbers)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    configs,
    st.lists(
        st.one_of(
            st.tuples(st.just("change"), subjects),
            st.tuples(st.just("repeat"), subjects),
            st.tuples(st.just("wait"), st.sampled_from((0.1, 20.0, 30.0, 130.0))),
            st.tuples(st.just("send"), st.none()),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_repeated_joins_and_leaves_do_not_make_the_last_line_wrong(
    settings: BatchConfig, script: list[Any], at_once: bool
) -> None:
    channel = Channel(settings)
    for subject in "abcde":
        channel.change(subject)

    channel.wait(300)
    channel.send()
    play(channel, script)
    finish(channel, at_once=at_once)
    for subject in channel.truth:
        assert channel.shown(subject)[-1] is channel.truth[subject]


def test_of_more_than_500_the_oldest_go_early() -> None:
    channel = Channel(config())
    for number in range(HELD_MAX + 1):
        channel.change(f"{number}", Effect.LEAVE)

    assert list(channel.batch) == [1]
    assert len(channel.held) == HELD_MAX
    channel.change("0", Effect.JOIN)
    assert not channel.batch


def test_a_change_that_is_old_news_is_not_held() -> None:
    channel = Channel(config())
    channel.change("a", Effect.LEAVE, at=channel.now - 26)
    channel.change("b", Effect.LEAVE, at=channel.now - 24)
    assert channel.batch == {1: None}
    assert channel.net.due == channel.now + 1


@pytest.mark.slow
def test_what_is_cancelled_leaves_nothing_behind_however_long_it_goes_on() -> None:
    channel = Channel(config(flapping=False))
    channel.change("b", Effect.LEAVE)
    for _ in range(2000):
        channel.change("a", Effect.LEAVE)
        channel.change("a", Effect.JOIN)

    assert len(channel.net._due) < 100
    assert channel.net.due == channel.now + 25


# Reconnects


def names(reconnects: Reconnects, now: float = 0.0) -> list[Reconnected | Unsteady]:
    report = reconnects.report(now)
    return [*report.unsteady, *report.counts]


def test_reconnects_are_counted_until_a_message_reports_them() -> None:
    reconnects = Reconnects(config())
    for at in (0.0, 10.0, 20.0):
        reconnects.add("1", "Bob", at - 5, at)

    reconnects.add("2", "Ann", 0.0, 5.0)
    assert names(reconnects) == [Reconnected("Bob", 3), Reconnected("Ann", 1)]
    assert not reconnects.is_message
    reconnects.reported()
    assert names(reconnects) == []
    assert reconnects.take_counts() == (4, 0)
    assert reconnects.take_counts() == (0, 0)


def test_a_count_that_no_message_reports_in_time_is_dropped_and_counted() -> None:
    reconnects = Reconnects(config())
    reconnects.add("1", "Bob", 0.0, 10.0)
    reconnects.add("1", "Bob", 20.0, 30.0)
    reconnects.add("2", "Ann", 40.0, 50.0)
    assert names(reconnects, COUNTED_SECONDS + 40) == [Reconnected("Ann", 1)]
    assert reconnects.take_counts() == (3, 2)


def test_an_unsteady_connection_is_reported_once_until_it_was_quiet() -> None:
    reconnects = Reconnects(config(flapping={"times": 3, "within": 60.0, "quiet": 100.0}))
    for at in (10.0, 20.0, 30.0, 40.0, 50.0):
        reconnects.add("1", "Bob", at - 5, at)

    assert names(reconnects) == [Unsteady("Bob", 3, 25.0)]
    assert reconnects.is_message
    reconnects.reported()
    assert reconnects.changed("1", 149.0)
    assert not reconnects.changed("1", 249.0)
    reconnects.add("1", "Bob", 249.0, 255.0)
    assert names(reconnects) == [Reconnected("Bob", 1)]


def test_reconnects_further_apart_than_within_are_steady() -> None:
    reconnects = Reconnects(config(flapping={"times": 2, "within": 30.0}))
    for at in (10.0, 41.0, 72.0):
        reconnects.add("1", "Bob", at - 5, at)

    assert names(reconnects) == [Reconnected("Bob", 3)]


def test_post_makes_a_message_and_omit_says_nothing() -> None:
    posted, omitted = Reconnects(config(reconnects="post")), Reconnects(config(reconnects="omit"))
    for reconnects in (posted, omitted):
        reconnects.add("1", "Bob", 0.0, 5.0)

    assert posted.is_message
    assert names(posted, 10_000) == [Reconnected("Bob", 1)]
    assert not omitted.is_message
    assert names(omitted) == []
    assert omitted.take_counts() == (1, 0)


@pytest.mark.slow
def test_what_is_remembered_is_bounded() -> None:
    reconnects = Reconnects(config())
    posted = Posted()
    for number in range(REMEMBERED_MAX + 5):
        reconnects.add(f"{number}", "Bob", 0.0, 1.0)
        posted.add("main", f"{number}", Effect.JOIN)

    assert len(reconnects.report(0.0).counts) == REMEMBERED_MAX
    assert reconnects.take_counts().unreported == 5
    assert not reconnects.is_empty(10.0)
    reconnects.reported()
    assert reconnects.is_empty(2000.0)
    assert posted.find("main", "4") is None
    assert posted.find("main", "5") is Effect.JOIN
    assert posted.find("other", "5") is None


def test_settings_that_never_report_an_unsteady_connection_are_an_error() -> None:
    with pytest.raises(ValueError, match="shorter than settle.leave") as error:
        config(settle={"leave": 60.0}, flapping={"within": 30.0})

    assert "longer than flapping.within" in str(error.value)
    assert config(settle={"leave": 60.0}, flapping=False).flapping is None


@pytest.mark.parametrize(
    ("max_age", "settle", "paths"),
    [
        ({"peer_left": 10.0}, {}, [("max_age", "peer_left")]),
        ({"peer_left": 26.0, "peer_joined": 1.0}, {}, []),
        (
            {"peer_left": 10.0, "peer_joined": 5.0},
            {"leave": 0.0, "join": 5.0},
            [("max_age", "peer_joined")],
        ),
    ],
)
def test_an_age_that_no_held_event_reaches_is_a_warning(
    max_age: Any, settle: Any, paths: list[Any]
) -> None:
    settings = DiscordConfig.model_validate({"max_age": max_age, "batch": {"settle": settle}})
    assert [path for path, _ in settings.warnings()] == paths


def test_true_and_false_stand_for_the_usual_settings_and_none() -> None:
    assert config(flapping=True).flapping == FlappingConfig()
    assert config(flapping=False).flapping is None
