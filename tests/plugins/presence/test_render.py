from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lanrage_events import (
    EventBus,
    GameEnded,
    GameStarted,
    Notification,
    PartyCreated,
    PartyEvent,
    PeerJoined,
)
from lanrage_events.templates import TemplateError
from lanrage_events_presence import Activity, Button, PresenceConfig, PresenceView
from lanrage_events_presence._activity import utf8_bytes, utf16_units

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
SECONDS = int(TIME.timestamp())
BUNDLED = files("lanrage_events_templates")
INVITE = "https://discord.gg/abc123"
PARTY = PartyCreated(time=TIME, party_id="1", party_name="Friday LAN", host="Ann")
BEN = PeerJoined(time=TIME, party_id="1", peer_name="Ben", party_name="Friday LAN")
QUAKE = GameStarted(
    time=TIME + timedelta(minutes=5), party_id="1", game_name="Quake", players=("Ann", "Ben")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundStarted(PartyEvent):
    number: int
    map_name: str = ""


Show = Callable[..., Activity | None]


@pytest.fixture
def errors() -> list[TemplateError]:
    return []


@pytest.fixture
def show(tmp_path: Path, errors: list[TemplateError]) -> Show:
    """Show what is known after some events, by templates of the user's above the bundled ones."""

    def show(
        *events: PartyEvent, config: PresenceConfig | None = None, **templates: str
    ) -> Activity | None:
        folder = tmp_path / "presence"
        folder.mkdir(exist_ok=True)
        for name, text in templates.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")

        view = PresenceView(config, [tmp_path, BUNDLED], report=errors.append)
        for event in events:
            view.follow(event)

        return view.activity

    return show


@pytest.mark.parametrize("invite", [None, INVITE])
def test_a_party_is_shown_by_the_bundled_templates(
    show: Show, errors: list[TemplateError], invite: str | None
) -> None:
    config = PresenceConfig(invite_url=invite)

    assert show(PARTY, BEN, config=config) == Activity(
        details="Friday LAN",
        state="In Party",
        party_size=(2, 8),
        start=SECONDS,
        large_image="lanrage_logo",
        large_text="LANrage",
        buttons=(Button("Join Voice Chat", INVITE),) if invite else (),
    )
    assert not errors


def test_a_game_is_shown_while_it_runs_even_if_players_join(show: Show) -> None:
    running = show(PARTY, QUAKE, BEN)
    over = show(PARTY, QUAKE, BEN, GameEnded(party_id="1", game_name="Quake", duration=1.0))

    assert running is not None
    assert over is not None
    assert (running.details, running.party_size, running.start) == ("Quake", (2, 8), SECONDS + 300)
    assert (over.details, over.party_size, over.start) == ("Friday LAN", (2, 8), SECONDS)


def test_every_part_of_an_activity_can_come_from_a_template(
    show: Show, errors: list[TemplateError]
) -> None:
    activity = show(
        QUAKE,
        config=PresenceConfig(player="Ann", invite_url=INVITE),
        game_started="""
        details: "{{ game_name }} with {{ my_party.members | join(', ') }}"
        state: "{{ player }} plays"
        start: "{{ time }}"
        party: {size: "{{ players | length }}", max: 16}
        large_image: "https://pictures.example/{{ game_name }}.png"
        large_text: "{{ my_party.game }}"
        small_image: "{{ game_name }}"
        small_text: LAN
        buttons:
          - {label: Voice, url: "{{ invite }}"}
          - {label: "About {{ game_name }}", url: "https://games.example/?q={{ game_name }}"}
          - {label: Third, url: "https://games.example/"}
        """,
    )

    assert not errors
    assert activity == Activity(
        details="Quake with Ann, Ben",
        state="Ann plays",
        party_size=(2, 16),
        start=SECONDS + 300,
        large_image="https://pictures.example/Quake.png",
        large_text="Quake",
        small_image="quake",
        small_text="LAN",
        buttons=(Button("Voice", INVITE), Button("About Quake", "https://games.example/?q=Quake")),
    )


def test_a_user_changes_a_single_leaf(show: Show) -> None:
    activity = show(PARTY, BEN, party_event='state: "With {{ my_party.host }}"')

    assert activity is not None
    assert (activity.state, activity.details) == ("With Ann", "Friday LAN")


def test_a_template_for_joins_is_used_until_the_next_event_with_words_of_its_own(
    show: Show,
) -> None:
    template = 'state: "{{ peer_name }} just came"'
    joined = show(PARTY, QUAKE, BEN, peer_joined=template)
    later = show(PARTY, BEN, QUAKE, peer_joined=template)

    assert joined is not None
    assert later is not None
    assert (joined.state, joined.details) == ("Ben just came", "Quake")
    assert (later.state, later.details) == ("In Party", "Quake")


def test_an_event_of_a_plugin_is_shown_by_its_own_template_alone(show: Show) -> None:
    event = RoundStarted(party_id="1", number=3)
    game = 'state: "Fragging"'
    without = show(PARTY, QUAKE, event, game_started=game)
    template = 'state: "Round {{ number }}"'
    own = show(PARTY, QUAKE, event, game_started=game, round_started=template)

    assert without is not None
    assert own is not None
    assert without.state == "Fragging"
    assert (own.state, own.details) == ("Round 3", "Quake")


def test_names_are_shown_as_they_are_in_one_line(show: Show) -> None:
    name = "**Fri\u202eday**\n\t`LAN`\x07  <@1>"
    activity = show(PartyCreated(party_id="1", party_name=name, host="Ann"))

    assert activity is not None
    assert activity.details == "**Friday** `LAN` <@1>"


def test_a_value_in_an_address_is_only_a_part_of_it(
    show: Show, errors: list[TemplateError]
) -> None:
    activity = show(
        PARTY,
        RoundStarted(party_id="1", number=1, map_name="../a?b=c#d&e@f"),
        round_started="""
        buttons:
          - {label: Map, url: "https://maps.example/{{ map_name }}"}
          - {label: Whole, url: "{{ map_name }}"}
        large_image: "https://maps.example/{{ map_name }}.png"
        """,
    )

    assert activity is not None
    assert activity.buttons == (Button("Map", "https://maps.example/..%2Fa%3Fb%3Dc%23d%26e%40f"),)
    assert activity.large_image == "https://maps.example/..%2Fa%3Fb%3Dc%23d%26e%40f.png"
    assert [error.leaf for error in errors] == ["buttons[].url"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('state: "{{ my_party.nmae }}"', "'nmae' is undefined, did you mean 'name'?"),
        ('state: "{{ partyname }}"', "did you mean 'party_name'?"),
        ('start: "{{ party_name }}"', "a time was expected"),
        ("party: {size: many}", "invalid literal"),
        ("party: {size: -1}", "expected a number from 0 to 1000000, found -1"),
        ("large_image: ftp://a.example/a.png", "expected an address"),
        ("buttons: [{label: Voice, url: discord.gg/abc}]", "expected an address"),
        ("stat: In Party", "unknown key, did you mean 'state'?"),
    ],
)
def test_an_error_in_a_template_is_reported_and_the_rest_is_shown(
    show: Show, errors: list[TemplateError], text: str, message: str
) -> None:
    activity = show(PARTY, party_created=text)

    assert activity == show(PARTY, party_created="")
    assert message in str(errors[0])
    assert "party_created.yaml" in errors[0].file


def test_no_size_is_shown_if_it_is_empty(show: Show) -> None:
    activity = show(PARTY, party_created="party: {size: ''}")

    assert activity is not None
    assert activity.party_size is None


def test_a_party_is_never_larger_than_it_can_be(show: Show) -> None:
    small = PresenceConfig(max_party_size=1)
    activity = show(PARTY, BEN, config=small)
    fixed = show(PARTY, BEN, party_created="party: {max: 1}")

    assert activity is not None
    assert fixed is not None
    assert activity.party_size == fixed.party_size == (2, 2)


@pytest.mark.parametrize(
    "time", [TIME.replace(tzinfo=None), TIME.astimezone(timezone(timedelta(hours=5)))]
)
def test_a_time_is_the_same_in_every_time_zone(show: Show, time: datetime) -> None:
    activity = show(PartyCreated(time=time, party_id="1", party_name="LAN", host="Ann"))
    text = show(PARTY, party_created='start: "2026-01-31T20:15:00+00:00"')

    assert activity is not None
    assert text is not None
    assert activity.start == text.start == SECONDS


@pytest.mark.parametrize("blank", ["", "  ", "\u2003", "\u17b4", "\u3164", "\u200b", "\ufe0f"])
def test_a_name_without_ink_is_a_question_mark(
    show: Show, errors: list[TemplateError], blank: str
) -> None:
    party = PartyCreated(party_id="1", party_name=blank, host="Ann")
    game = GameStarted(party_id="1", game_name=blank, players=("Ann",))

    for activity in (show(party), show(party, game)):
        assert activity is not None
        assert activity.details.strip() == "?"

    assert not errors


def test_an_emoji_is_not_split_when_a_line_is_cut(show: Show) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    party = show(PARTY, party_event=f"details: '{family * 30}'\n")

    assert party is not None
    assert party.details == family * (127 // utf16_units(family)) + "…"


def test_nothing_is_shown_of_no_party(show: Show) -> None:
    assert show() is None


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_name_breaks_a_limit_of_discords(show: Show, party: str, game: str) -> None:
    activity = show(
        PartyCreated(party_id="1", party_name=party, host=game),
        GameStarted(party_id="1", game_name=game, players=(party,)),
        game_started="""
        state: "In {{ my_party.name }}"
        large_text: "{{ game_name }}"
        buttons: [{label: "{{ game_name }}", url: "https://a.example/"}]
        """,
    )

    assert activity is not None
    for text in (activity.details, activity.state, activity.large_text):
        assert not text or 2 <= utf16_units(text) <= 128
        assert "Cc" not in {unicodedata.category(character) for character in text}

    for button in activity.buttons:
        assert 1 <= utf8_bytes(button.label) <= 31


async def test_a_bus_can_show_what_would_be_shown() -> None:
    view = PresenceView()
    async with EventBus() as bus:
        bus.subscribe(PartyEvent, view.follow)
        await bus.publish_and_wait(PARTY)
        assert str(view.activity) == "Friday LAN · In Party (1 of 8) · since 20:15 UTC"


def test_a_template_for_an_event_without_a_party_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "presence"
    folder.mkdir()
    for name in ("notification", "peer_joinde", "event"):
        (folder / f"{name}.yaml").write_text("state: Hello\n", encoding="utf-8")

    errors: list[TemplateError] = []
    view = PresenceView(None, [tmp_path, BUNDLED], report=errors.append)
    problems = view.check([PartyCreated, PeerJoined, GameStarted, Notification])

    assert len(problems) == 1
    assert problems[0].place == str(folder / "notification.yaml")
    assert "is not about a party" in problems[0].message
    [error] = errors
    assert str(error) == (
        f"{folder / 'peer_joinde.yaml'}: is not used: there is no event type 'peer_joinde', "
        "did you mean 'peer_joined'?"
    )
