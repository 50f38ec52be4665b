from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from lanrage_events import (
    Event,
    EventNotTransformed,
    Notification,
    PeerJoined,
    PluginHookError,
    hookimpl,
)
from lanrage_events.testing import CheckedBus, RecordingPlugin, transformed


@dataclass(frozen=True, kw_only=True, slots=True)
class MapVoted(Event):
    """A player voted for a map."""

    map_name: str


class Voting:
    """Makes two votes of one, and hides players."""

    transform_required = False

    @hookimpl
    def register_events(self) -> list[type[Event]]:
        return [MapVoted]

    @hookimpl
    def transform(self, event: MapVoted | PeerJoined) -> list[Event] | Event | None:
        if isinstance(event, PeerJoined):
            if event.peer_name == "error":
                raise KeyError("error")

            return None if event.peer_name == "bot" else replace(event, peer_name="hidden")

        return [event, replace(event, map_name="again")]


def joined(name: str) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN")


def test_a_transform_is_called_as_on_a_bus() -> None:
    plugin = Voting()
    event = joined("Ann")
    assert transformed(plugin, event) == (replace(event, peer_name="hidden"),)
    assert transformed(plugin, joined("bot")) == ()
    vote, again = transformed(plugin, MapVoted(id="v", map_name="q3dm17"))
    assert (vote.id, again.id, again.parent_id) == ("v", "v.2", "v")
    other = Notification(title="", message="")
    assert transformed(plugin, other) == (other,)


def test_what_a_transform_raises_reaches_the_test() -> None:
    with pytest.raises(KeyError, match="error"):
        transformed(Voting(), joined("error"))


async def test_another_error_is_reported_beside_a_transform_that_failed() -> None:
    class Required(Voting):
        transform_required = True

    async def run() -> None:
        async with CheckedBus() as bus:
            bus.register(Required())
            bus.register(object())
            with pytest.raises(EventNotTransformed):
                await bus.publish_and_wait(joined("error"))

    with pytest.raises(AssertionError, match="implements no hook"):
        await run()


async def test_a_test_that_waits_knows_that_a_transform_failed(bus: CheckedBus) -> None:
    class Required(Voting):
        transform_required = True

    bus.register(Required())
    with pytest.raises(EventNotTransformed):
        await bus.publish_and_wait(joined("error"))

    [error] = await bus.publish_many_and_wait([joined("error")])
    assert isinstance(error, EventNotTransformed)
    assert bus.errors == ()
    async with bus.expecting(match="hook 'transform' failed"):
        with pytest.raises(EventNotTransformed):
            await bus.publish(joined("error"))


def test_a_plugin_without_a_transform_or_with_a_wrong_one_is_an_error() -> None:
    class Wrong:
        @hookimpl
        def transform(self, event: PeerJoined) -> object:
            return event.peer_name

    class NotAllowed:
        @hookimpl
        def transform(self) -> None: ...

    with pytest.raises(TypeError, match="has no hook 'transform'"):
        transformed(RecordingPlugin(), joined("Ann"))

    with pytest.raises(TypeError, match="must return an event, a list of events, or None, not str"):
        transformed(Wrong(), joined("Ann"))

    with pytest.raises(PluginHookError, match="give it the parameter 'event'"):
        transformed(NotAllowed(), joined("Ann"))
