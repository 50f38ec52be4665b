"""Players who are mentioned: who is found, and how that is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameStarted, PeerJoined
from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError
from lanrage_events_discord._embeds import markdown
from lanrage_events_discord._rendering import Entry, Players, Renderer
from tests.plugins.discord.rendering.test_renderer import BUNDLED

ANN, BEN = "111111111111111111", "222222222222222222"
USERS = {"Ann": ANN, "Ben B.": BEN, "STEAM_0:1:7": ANN, "0e2f6a7c-1111-4a4a-9b9b-123456789abc": BEN}


def renderer_of(
    folder: Path, content: str, players: Players | None = None, type: str = "peer_joined"
) -> Renderer:
    (folder / "discord").mkdir(exist_ok=True)
    text = "content: " + repr(content)
    (folder / "discord" / f"{type}.yaml").write_text(text, encoding="utf-8")
    renderer = Renderer(
        [folder, BUNDLED], invite_url=lambda: None, players=players or Players(USERS)
    )
    renderer.check(EventRegistry().types())
    return renderer


def joined(name: str, id: str | None = None) -> PeerJoined:
    return PeerJoined(peer_name=name, party_name="LAN", peer_id=id)


@pytest.fixture
def renderer(tmp_path: Path) -> Renderer:
    return renderer_of(tmp_path, "{{ peer_name | mention_player }} is here")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "id", "user"),
    [
        ("Ann", None, ANN),
        (" Ann ", None, ANN),
        ("Ben  B.", None, BEN),
        ("ann", None, None),
        ("Annabel", None, None),
        ("Somebody", "STEAM_0:1:7", ANN),
        ("Ann", "STEAM_0:1:8", ANN),
        ("Ben B.", "STEAM_0:1:7", ANN),
        ("STEAM_0:1:7", None, None),
        ("STEAM_0:1:7", "STEAM_0:1:8", None),
        ("0e2f6a7c-1111-4a4a-9b9b-123456789abc", None, None),
        ("Cy", "0e2f6a7c-1111-4a4a-9b9b-123456789abc", BEN),
    ],
)
def test_a_player_is_found_by_id_or_by_name(
    renderer: Renderer, name: str, id: str | None, user: str | None
) -> None:
    extras = renderer.render(joined(name, id)).extras

    shown = f"<@{user}>" if user else markdown(name)
    assert extras.content == f"{shown} is here"
    assert extras.players == ((user,) if user else ())


@given(
    st.text(
        st.sampled_from("Ann<@!&>123456789 #:*_`[](){}|\\\n\ue001\ue002\u202e@everyone"),
        max_size=40,
    )
)
def test_a_name_never_writes_a_mention(name: str) -> None:
    text = Players({"Ann": ANN}).mention(
        f"\ue001{name.translate({0xE001: None, 0xE002: None})}\ue002", joined("x")
    )
    content, players = text
    if players:
        assert (content, players) == (f"<@{ANN}>", (ANN,))
    else:
        assert "<@" not in content.replace("\\<@", "").replace("<\\@", "").replace("\\<", "")


def test_several_players_are_written_each_in_its_way(tmp_path: Path) -> None:
    content = "{{ players | map('mention_player') | join(', ') }} play"
    renderer = renderer_of(tmp_path, content, type="game_started")

    event = GameStarted(game_name="Doom", players=("Ann", "*Cy*", "Ben B.", "Ann"))
    extras = renderer.render(event).extras

    assert extras.content == f"<@{ANN}>, \\*Cy\\*, <@{BEN}>, <@{ANN}> play"
    assert extras.players == (ANN, BEN)


def test_a_text_of_a_template_alone_mentions_nobody(tmp_path: Path) -> None:
    renderer = renderer_of(tmp_path, f"<@{ANN}> <@999> {{{{ peer_name }}}} is here")

    assert renderer.render(joined("Ann")).extras.players == ()


def test_a_long_content_mentions_only_who_is_in_it(tmp_path: Path) -> None:
    content = "x" * 1990 + " {{ peer_name | mention_player }}"
    extras = renderer_of(tmp_path, content).render(joined("Ann")).extras

    assert len(extras.content) <= 2000
    assert (f"<@{ANN}>" in extras.content) is bool(extras.players)
    assert extras.players == ()


def test_a_plugin_knows_whom_the_configuration_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[str, Event]] = []

    def ask(player: str, event: Event) -> Mapping[str, str | None]:
        asked.append((player, event))
        return {"none": None, "wrong": "<@1>", "seats": BEN if player == "Cy" else None}

    renderer = renderer_of(tmp_path, "{{ peer_name | mention_player }}", Players({"Ann": ANN}, ask))
    event = joined("Cy")

    assert renderer.render(event).extras.content == f"<@{BEN}>"
    assert asked == [("Cy", event)]
    assert renderer.render(joined("Ann")).extras.content == f"<@{ANN}>"
    assert renderer.render(joined("Dan")).extras.content == "Dan"
    assert len(asked) == 2
    assert caplog.text.count("plugin 'wrong': mention_player returned no id of a user") == 1


@pytest.mark.parametrize(
    ("leaf", "problem"),
    [
        (
            "title: '{{ peer_name | mention_player }}'",
            "title: 'mention_player' is only for content",
        ),
        (
            "content: '{{ peer_name | mention_player | code }}'",
            "content: 'code' and 'mention_player' make no sense together: a mention has no other",
        ),
    ],
)
def test_where_nobody_can_be_mentioned_it_is_an_error(
    tmp_path: Path, leaf: str, problem: str
) -> None:
    problems: list[TemplateError] = []
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "peer_joined.yaml").write_text(leaf, encoding="utf-8")
    renderer = Renderer([tmp_path, BUNDLED], invite_url=lambda: None, report=problems.append)
    renderer.check(EventRegistry().types())

    assert f"peer_joined.yaml:1: {problem}" in "".join(map(str, problems)) or problem.replace(
        "'code' and 'mention_player'", "'mention_player' and 'code'"
    ) in "".join(map(str, problems))


def test_who_is_mentioned_waits_in_the_outbox(renderer: Renderer) -> None:
    entry = renderer.render(joined("Ann"))

    assert Entry.from_json(entry.to_json()) == entry
    assert entry.extras.players == (ANN,)
