from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from lanrage_events import (
    EventBus,
    GameEnded,
    GameStarted,
    Metric,
    Notification,
    PartyCreated,
    PeerJoined,
    PeerLeft,
)
from lanrage_events.forgetting import Forgotten, forget
from lanrage_events_presence import (
    Activity,
    ActivityRejected,
    Connection,
    DiscordUnreachable,
    PresenceConfig,
    PresencePlugin,
)

CLIENT_ID = "123456789012345678"
PARTY = PartyCreated(party_id="1", party_name="Friday LAN", host="Ann")
LOGGER = "lanrage_events.presence"


class Client:
    """Discord, as far as the plugin sees it."""

    def __init__(self) -> None:
        self.problem: DiscordUnreachable | None = None
        self.rejection = ""
        self.shown: list[Activity | None] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        if self.problem is not None:
            raise self.problem

        try:
            yield self
        finally:
            self.shown.append(None)

    async def show(self, activity: Activity | None) -> None:
        if self.rejection:
            raise ActivityRejected(self.rejection)

        self.shown.append(activity)

    async def wait_closed(self) -> DiscordUnreachable:
        await anyio.sleep_forever()
        raise AssertionError("unreachable")


@pytest.fixture
def client() -> Client:
    return Client()


def make(client: Client, config: PresenceConfig | None = None) -> PresencePlugin:
    return PresencePlugin(config or PresenceConfig(client_id=CLIENT_ID), connect=client.connect)


@contextmanager
def removed(file: Path) -> Iterator[None]:
    text = file.read_bytes()
    file.unlink()
    try:
        yield
    finally:
        file.write_bytes(text)


def lines(activities: list[Activity | None]) -> list[str]:
    return [str(activity and activity.details) for activity in activities]


def values(metrics: list[Metric]) -> dict[str, float]:
    return {metric.name: metric.samples[0].value for metric in metrics}


async def test_an_evening_is_shown_and_taken_back_in_the_end(client: Client) -> None:
    async with EventBus() as bus:
        bus.register(make(client))
        for event in (
            PARTY,
            PeerJoined(party_id="1", peer_name="Ben", party_name="Friday LAN"),
            GameStarted(party_id="1", game_name="Quake", players=("Ann", "Ben")),
            Notification(title="Pizza", message="is here"),
            GameEnded(party_id="1", game_name="Quake", duration=60.0),
        ):
            await bus.publish_and_wait(event)
            await anyio.sleep(20)

    assert lines(client.shown) == ["Friday LAN", "Friday LAN", "Quake", "Friday LAN", "None"]
    assert [a.party_size for a in client.shown if a is not None] == [(1, 8), (2, 8), (2, 8), (2, 8)]


async def test_a_burst_of_events_is_one_update(client: Client) -> None:
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(make(client))
        await anyio.wait_all_tasks_blocked()
        await bus.publish_and_wait(PARTY)
        for number in range(100):
            await bus.publish_and_wait(PeerJoined(peer_name=str(number), party_name="Friday LAN"))

        await anyio.sleep(60)
        sizes = [a.party_size for a in client.shown if a is not None]

    assert sizes == [(101, 101)]


async def test_it_is_taken_back_when_the_player_leaves(client: Client) -> None:
    config = PresenceConfig(client_id=CLIENT_ID, player="Ben")
    async with EventBus() as bus:
        plugin = make(client, config)
        bus.register(plugin, "presence")
        await bus.publish_and_wait(PARTY)
        assert bus.health()["presence"].detail == (
            "nothing to show: no party is known that 'Ben' is in"
        )
        await bus.publish(PeerJoined(peer_name="Ben", party_name="Friday LAN"))
        await anyio.sleep(20)
        assert plugin.activity is not None
        await bus.publish(PeerLeft(peer_name="Ben", party_name="Friday LAN"))
        await anyio.sleep(20)
        assert plugin.activity is None
        assert lines(client.shown) == ["Friday LAN", "None"]


async def test_health_reports_whether_it_is_shown(client: Client) -> None:
    config = PresenceConfig(client_id=CLIENT_ID, party="1")
    plugin = make(client, config)
    assert plugin.health().status == "ok"
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(plugin, "presence")
        health = bus.health
        assert (health()["presence"].status, health()["presence"].detail) == (
            "ok",
            "nothing to show",
        )
        await bus.publish_and_wait(PartyCreated(party_id="2", party_name="Other", host="Dan"))
        assert health()["presence"].detail == "nothing to show: no party called '1' is known"
        await bus.publish_and_wait(PARTY)
        await anyio.sleep(20)
        assert health()["presence"].status == "ok"
        assert health()["presence"].detail.startswith("shown: Friday LAN · In Party (1 of 8)")

        client.rejection = "too short"
        await bus.publish_and_wait(PeerJoined(peer_name="Ben", party_name="Friday LAN"))
        await anyio.sleep(20)
        assert health()["presence"].status == "degraded"
        assert health()["presence"].detail == "Discord rejected it: too short"


async def test_health_reports_that_discord_is_not_there(client: Client) -> None:
    client.problem = DiscordUnreachable("Discord is not running")
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(make(client), "presence")
        await anyio.sleep(1)
        assert bus.health()["presence"].status == "ok"
        await bus.publish_and_wait(PARTY)
        health = bus.health()["presence"]
        assert health.status == "degraded"
        assert health.detail.startswith("Discord is not running, so it does not show: Friday LAN")


async def test_metrics_count_what_happened(client: Client) -> None:
    plugin = make(client)
    assert set(values(plugin.metrics()).values()) == {0}
    async with EventBus() as bus:
        bus.register(plugin, "presence")
        await bus.publish_and_wait(PARTY)
        await anyio.sleep(20)
        assert values(plugin.metrics()) == {
            "presence_connected": 1,
            "presence_updates": 1,
            "presence_refused": 0,
            "presence_connections": 1,
        }
        client.rejection = "too short"
        await bus.publish_and_wait(PeerJoined(peer_name="Ben", party_name="Friday LAN"))
        await anyio.sleep(20)

    assert values(plugin.metrics()) == {
        "presence_connected": 0,
        "presence_updates": 1,
        "presence_refused": 1,
        "presence_connections": 1,
    }


async def test_a_missing_client_id_is_logged_in_one_line_and_affects_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = make(Client())
    async with EventBus() as bus:
        await bus.plugins.register_and_wait(PresencePlugin(PresenceConfig()), "presence")
        await bus.plugins.register_and_wait(other, "other")
        await bus.publish_and_wait(PARTY)
        await anyio.sleep(3600)
        health = bus.health()

    assert health["presence"].status == "failed"
    assert "Application ID" in health["presence"].detail
    assert health["other"].status == "ok"
    [line] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert line.startswith("plugin 'presence' shows nothing: ")
    assert "Application ID" in line


async def test_validation_reports_templates_and_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "presence"
    folder.mkdir()
    (folder / "peer_joined.yaml").write_text('state: "{{ peer_name }"\n', encoding="utf-8")
    (folder / "notification.yaml").write_text("state: Hello\n", encoding="utf-8")
    bus = EventBus(templates=[tmp_path])
    good, bad = (
        PresencePlugin(PresenceConfig(client_id=CLIENT_ID)),
        PresencePlugin(PresenceConfig()),
    )

    problems = [str(problem) for problem in bad.validate(bus)]

    assert len(problems) == 3
    assert "peer_joined.yaml:1: state: " in problems[0]
    assert "notification.yaml: is not used" in problems[1]
    assert "no client_id is set" in problems[2]
    assert good.validate(EventBus()) == []


@pytest.mark.slow
async def test_validation_of_one_that_runs_does_not_read_the_templates_again(
    client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "presence"
    folder.mkdir()
    broken = folder / "peer_joined.yaml"
    broken.write_text('state: "{{ peer_name }"\n', encoding="utf-8")
    (folder / "notification.yaml").write_text("state: Hello\n", encoding="utf-8")
    for plugin in (make(client), PresencePlugin(PresenceConfig())):
        bus = EventBus(templates=[tmp_path])
        bus.register(plugin, "presence")
        before = bus.plugins.problems("presence")
        assert "peer_joined.yaml:1: state: " in str(before[0])
        assert "notification.yaml: is not used" in str(before[1])
        async with bus:
            with removed(broken):
                assert bus.plugins.problems("presence") == before
                assert bus.plugins.reload_templates() == {"presence": before[1:2]}
                assert bus.plugins.problems("presence") == before[1:]

        assert bus.plugins.problems("presence") == before


async def test_a_users_template_is_used_and_its_errors_are_logged_at_the_start(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "presence"
    folder.mkdir()
    text = 'details: "Fragging"\nstate: "{{ game_name }"\n'
    (folder / "game_started.yaml").write_text(text, encoding="utf-8")
    (folder / "notification.yaml").write_text("state: Hello\n", encoding="utf-8")
    async with EventBus(templates=[tmp_path]) as bus:
        await bus.plugins.register_and_wait(make(client))
        assert [record.getMessage().rpartition("/")[2][:19] for record in caplog.records] == [
            "game_started.yaml:2",
            "notification.yaml: ",
        ]
        await bus.publish(GameStarted(game_name="Quake", players=("Ann",)))
        await anyio.sleep(20)

    assert client.shown[0] is not None
    assert (client.shown[0].details, client.shown[0].state) == ("Fragging", "In Party")
    assert len(caplog.records) == 2


async def test_what_it_knows_survives_a_life_of_its_own(client: Client) -> None:
    plugin = make(client)
    for name in ("Friday LAN", "Other"):
        async with EventBus() as bus:
            bus.register(plugin, "presence")
            await bus.publish_and_wait(PartyCreated(party_id=name, party_name=name, host="Ann"))
            await anyio.sleep(20)

    assert lines(client.shown) == ["Friday LAN", "None", "Other", "None"]
    assert values(plugin.metrics())["presence_connections"] == 2


async def test_a_template_that_changes_while_it_runs_is_shown(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "presence"
    folder.mkdir()
    (folder / "party_event.yaml").write_text("details: one", encoding="utf-8")
    async with EventBus(templates=[tmp_path]) as bus:
        bus.register(make(client), "presence")
        await bus.publish_and_wait(PARTY)
        await anyio.sleep(20)
        (folder / "party_event.yaml").write_text("details: two {{ my_party.host }}")
        (folder / "party_created.yaml").write_text("state: '{{'")
        assert bus.plugins.reload_templates().keys() == {"presence"}
        await anyio.sleep(20)
        (folder / "party_event.yaml").write_text("details: '{{'")
        bus.plugins.reload_templates()
        await anyio.sleep(20)

    assert lines(client.shown) == ["one", "two Ann", "None"]
    assert "party_event.yaml: has errors, so the version that was read before" in caplog.text


async def test_who_is_forgotten_is_shown_no_more(client: Client) -> None:
    async with EventBus() as bus:
        plugin = make(client)
        bus.register(plugin, "presence")
        await bus.publish_and_wait(PARTY)
        await anyio.sleep(20)
        await bus.publish_and_wait(
            PeerJoined(party_id="1", peer_name="Ben", party_name="Friday LAN")
        )
        await anyio.sleep(20)
        [found] = (await forget(bus, "BEN")).found
        assert found == Forgotten("plugin 'presence'", {"parties of Rich Presence": 1})
        assert (await forget(bus, "BEN")).found == []
        await anyio.sleep(20)

    sizes = [a.party_size for a in client.shown if a is not None]
    assert sizes == [(1, 8), (2, 8), (1, 8)]
