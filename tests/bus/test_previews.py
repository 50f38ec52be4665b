"""The hook ``preview``: what plugins would send for an event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from lanrage_events import ConfigProblem, Event, EventBus, PeerJoined, Preview, hookimpl
from lanrage_events.config import explain_rules

EVENT = PeerJoined(peer_name="Ann", party_name="LAN")


def previews_of(function: Callable[..., Any]) -> list[Preview]:
    bus = EventBus()
    bus.register(type("Plugin", (), {"preview": hookimpl(function)})(), "odd")
    bus.register(type("Quiet", (), {})(), "quiet")
    [(name, previews)] = bus.plugins.preview(EVENT).items()
    assert name == "odd"
    return previews


def test_a_plugin_gets_the_event_and_the_bus() -> None:
    def preview(self: object, event: Event, bus: EventBus) -> Preview:
        return Preview(title=f"to {bus.plugins.name(self)}", json=event.to_dict())

    assert previews_of(preview) == [Preview(title="to odd", json=EVENT.to_dict())]


def test_a_plugin_names_the_arguments_that_it_needs_in_any_order() -> None:
    def only_bus(self: object, bus: EventBus) -> Preview:
        return Preview(text=type(bus).__name__)

    def turned(self: object, bus: EventBus, event: PeerJoined) -> Preview:
        return Preview(text=f"{event.peer_name} on {type(bus).__name__}")

    assert previews_of(only_bus) == [Preview(text="EventBus")]
    assert previews_of(turned) == [Preview(text="Ann on EventBus")]
    assert previews_of(lambda self: Preview(text="as always")) == [Preview(text="as always")]


def test_a_plugin_may_have_one_for_each_target_or_none() -> None:
    def preview(self: object, event: PeerJoined) -> Iterator[Preview]:
        yield Preview(title="one", text=event.peer_name)
        yield Preview(title="two", json=[event.peer_name])

    assert [one.title for one in previews_of(preview)] == ["one", "two"]
    assert previews_of(lambda self: []) == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "hook 'preview' must return a Preview or an iterable of them, not None"),
        ("text", "hook 'preview' must return a Preview or an iterable of them, not 'text'"),
        (["text"], "hook 'preview' must return a Preview or an iterable of them, not ['text']"),
    ],
)
def test_a_wrong_answer_is_a_problem_of_that_plugin_alone(answer: object, problem: str) -> None:
    assert previews_of(lambda self: answer) == [Preview(problems=[ConfigProblem(problem)])]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"title": 7}, "title: expected a text, not 7"),
        ({"text": None}, "text: expected a text, not None"),
        ({"json": {1, 2}}, "json: expected values for JSON: Object of type set is not JSON"),
        ({"json": float("nan")}, "json: expected values for JSON: Out of range"),
        ({"problems": "bad"}, "problems: expected a ConfigProblem, not 'b'"),
    ],
)
def test_a_preview_rejects_what_cannot_be_shown(parts: dict[str, Any], error: str) -> None:
    with pytest.raises(TypeError, match=error):
        Preview(**parts)

    [preview] = previews_of(lambda self: Preview(**parts))
    assert str(preview.problems[0]).startswith(f"hook 'preview' failed: TypeError: {error}")


async def test_what_runs_is_asked_like_what_does_not() -> None:
    class Running:
        @hookimpl
        def preview(self, event: PeerJoined) -> Preview:
            return Preview(text=event.peer_name)

    async with EventBus() as bus:
        bus.register(Running(), "running")
        assert bus.plugins.preview(EVENT) == {"running": [Preview(text="Ann")]}


class Showing:
    @hookimpl
    def preview(self, event: PeerJoined) -> Preview:
        return Preview(text=event.peer_name)


class Privacy:
    transform_required = True

    def __init__(self) -> None:
        self.calls = 0

    @hookimpl
    def transform(self, event: PeerJoined) -> PeerJoined | list[PeerJoined] | None:
        self.calls += 1
        match event.peer_name:
            case "Ann":
                return replace(event, peer_name="a player")
            case "Bot":
                return None
            case "Two":
                return [replace(event, peer_name="one"), replace(event, peer_name="two")]
            case "Secret":
                raise ValueError(event.peer_name)

        return event


class Living(Privacy):
    @hookimpl
    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        yield


class Details(Living):
    transform_fills_in = True


def shown(bus: EventBus, name: str) -> tuple[list[str], list[str]]:
    """Return the texts of the previews, and what the transforms of plugins do."""
    event = PeerJoined(peer_name=name, party_name="LAN")
    steps = [f"{step.place} {step.outcome}" for step in explain_rules(bus, event)]
    return [preview.text for preview in bus.plugins.preview(event)["showing"]], steps


@pytest.mark.parametrize(
    ("name", "texts", "outcome"),
    [
        ("Ann", ["a player"], "changes it"),
        ("Bot", [], "drops it"),
        ("Two", ["one", "two"], "makes 2 events of it"),
        ("Bob", ["Bob"], "changes nothing"),
        ("Secret", [], "fails, so the event is not published: ValueError at test_previews.py:"),
    ],
)
def test_what_is_shown_has_passed_the_transforms_of_plugins(
    name: str, texts: list[str], outcome: str
) -> None:
    bus = EventBus()
    bus.register(Privacy(), "privacy")
    bus.register(Showing(), "showing")
    found, [step] = shown(bus, name)
    assert found == texts
    assert step.startswith(f"plugin 'privacy' {outcome}")
    assert bus.statistics().transforms == {}


async def test_a_transform_that_is_not_called_is_named() -> None:
    plugin = Living()
    bus = EventBus()
    bus.register(plugin, "privacy")
    bus.register(Showing(), "showing")

    def check(why: str) -> None:
        texts, steps = shown(bus, "Ann")
        assert (texts, steps) == (["Ann"], [f"plugin 'privacy' is not called {why}"])
        [preview] = bus.plugins.preview(EVENT)["showing"]
        text = f"the transform of plugin 'privacy' is not called {why}"
        assert preview.problems == (ConfigProblem(text, warning=True),)

    check("before its plugin has started")
    async with bus:
        check("for what is only shown while the bus runs")

    assert plugin.calls == 0


async def test_a_preview_does_not_name_a_transform_that_only_fills_in() -> None:
    bus = EventBus()
    bus.register(Details(), "details")
    bus.register(Showing(), "showing")
    async with bus:
        [preview] = bus.plugins.preview(EVENT)["showing"]
        assert preview.problems == ()
        assert shown(bus, "Ann")[1] == [
            "plugin 'details' is not called for what is only shown while the bus runs"
        ]
        assert list(explain_rules(bus, EVENT, with_details=False)) == []
