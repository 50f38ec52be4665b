"""What a template adds to the message besides its embed: content, name, picture and buttons."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameStarted, Notification, PeerJoined
from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError, utf16_units
from lanrage_events_discord._embeds import Button
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord._rendering import (
    NO_EXTRAS,
    Alert,
    Entry,
    Extras,
    Renderer,
    compose_test_message,
)

BUNDLED = files("lanrage_events_templates")
ANN = PeerJoined(peer_name="Ann", party_name="Friday LAN")
QUAKE = GameStarted(game_name="Quake", players=("Ann", "Bob"))
HOSTILE = "@everyone <@&111> <#2> **b** https://evil.example discord.gg/x `c` :wave: <t:1:R>"

Render = Callable[..., Entry]


class Tool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[TemplateError] = []

    def write(self, event_type: str, text: str) -> None:
        path = self.folder / "discord" / f"{event_type}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def renderer(self, invite: str | None = None) -> Renderer:
        return Renderer(
            [self.folder, BUNDLED], invite_url=lambda: invite, report=self.problems.append
        )

    def check(self, event_type: str, text: str) -> list[str]:
        """Return what `check` finds, without the folder."""
        self.write(event_type, text)
        self.renderer().check(EventRegistry().types())
        return [str(one).partition(f"{event_type}.yaml:")[2] for one in self.problems]

    def extras(self, text: str, event: Event = ANN, *, invite: str | None = None) -> Extras:
        self.write(event.type, text)
        return self.renderer(invite).render(event).extras


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_all_extras_come_from_a_template(tool: Tool) -> None:
    found = tool.extras(
        "content: '**{{ peer_name }}** is here, look:\n\n  > {{ party_name }}'\n"
        "username: '{{ party_name }} bot'\n"
        "avatar_url: 'https://example.org/{{ peer_name }}.png'\n"
        "buttons:\n"
        "- {label: 'Join {{ party_name }}', url: 'https://example.org/?p={{ party_name }}'}\n"
        "- {label: Voice, url: '{{ invite }}'}\n",
        invite="https://discord.gg/abc",
    )
    assert found == Extras(
        content="**Ann** is here, look:\n> Friday LAN",
        username="Friday LAN bot",
        avatar_url="https://example.org/Ann.png",
        buttons=(
            Button("Join Friday LAN", "https://example.org/?p=Friday%20LAN"),
            Button("Voice", "https://discord.gg/abc"),
        ),
    )
    assert tool.problems == []


def test_without_them_nothing_is_different(tool: Tool) -> None:
    assert tool.extras("title: a") is NO_EXTRAS
    empty = "content: ''\nusername: '{{ fields.nope | default('') }}'\nbuttons: []\navatar_url: ''"
    assert tool.extras(empty) is NO_EXTRAS


def test_content_mentions_nobody_and_shows_values_as_they_are(tool: Tool) -> None:
    content = tool.extras(
        "content: 'It is {{ peer_name }}!'", PeerJoined(peer_name=HOSTILE, party_name="p")
    ).content
    spans = parse_markdown(content)
    assert "".join(span.text for span in spans) == f"It is {HOSTILE}!"
    assert {span.style for span in spans} == {Style.PLAIN}


@pytest.mark.slow
def test_no_value_becomes_markup_of_the_content(tool: Tool) -> None:
    tool.write("notification", "content: '{{ title }}'")
    render = tool.renderer().render

    @given(st.text(alphabet="<@&#!1>*_`:/\\ \n.~|-ä", max_size=30))
    def check(name: str) -> None:
        content = render(Notification(title=name, message="m")).extras.content
        assert all(span.style is Style.PLAIN for span in parse_markdown(content))

    check()


def test_content_that_is_too_long_keeps_its_own_words(tool: Tool) -> None:
    tool.write("notification", "content: 'News: {{ message }} (see below)'")
    entry = tool.renderer().render(Notification(title="t", message="🎮" * 1500))
    assert utf16_units(entry.extras.content) <= 2000
    assert entry.extras.content.startswith("News: 🎮")
    assert entry.extras.content.endswith("🎮… (see below)")
    assert entry.shortened


@pytest.mark.parametrize(
    ("name", "word"), [("My Discord", "discord"), ("CLYDE!", "clyde"), ("Here", "Here")]
)
def test_name_that_discord_does_not_allow_is_left_out(tool: Tool, name: str, word: str) -> None:
    event = PeerJoined(peer_name=name, party_name="p")
    found = tool.extras("username: '{{ peer_name }}'\ncontent: hi", event)
    assert found == Extras(content="hi")
    [problem] = tool.problems
    assert problem.is_warning
    assert f"'{word}'" in str(problem)
    assert "peer_joined.yaml:1: username: Discord does not allow" in str(problem)
    # Another event type's own name comes next.
    tool.write("event", "username: LAN bot")
    assert tool.extras("username: '{{ peer_name }}'", event).username == "LAN bot"


def test_name_is_cut_as_discord_counts(tool: Tool) -> None:
    event = PeerJoined(peer_name="🎮" * 50, party_name="p")
    name = tool.extras("username: '{{ peer_name }} joined'", event).username
    assert name == "🎮" * 36 + "… joined"
    assert utf16_units(name) <= 80


def test_button_without_a_label_or_an_address_is_left_out(tool: Tool) -> None:
    found = tool.extras(
        "buttons:\n"
        "- {label: Voice, url: '{{ invite }}'}\n"
        "- {label: '{{ party_id }}', url: https://example.org}\n"
        "- {url: https://example.org}\n"
        "- {label: Map}\n"
        "- {label: Site, url: https://example.org}\n"
    )
    assert found.buttons == (Button("Site", "https://example.org"),)
    assert all(problem.is_warning for problem in tool.problems)
    assert [str(problem).partition(": buttons: ")[2] for problem in tool.problems] == [
        "an item without 'label' is not shown",
        "an item without 'url' is not shown",
    ]


def test_button_that_discord_would_not_take_is_left_out_with_a_warning(tool: Tool) -> None:
    found = tool.extras(
        "buttons:\n"
        "- {label: a, url: 'https://example.org/{{ peer_name }}'}\n"
        "- {label: b, url: 'http://lanserver/{{ peer_name }}'}\n"
        "- {label: c, url: 'steam://connect/{{ peer_name }}'}\n"
        "- {label: '{{ peer_name }}', url: https://example.org}\n",
        PeerJoined(peer_name="x" * 500, party_name="p"),
    )
    assert found.buttons == (Button("x" * 79 + "…", "https://example.org"),)
    problems = [str(one).partition("buttons[].url: ")[2] for one in tool.problems]
    assert [one.partition(":")[0] for one in problems] == [
        "Discord does not accept 'http",
        "the address of a button has at most 512 characters",
        "expected an address such as https",
    ]


def test_no_more_buttons_than_discord_shows(tool: Tool) -> None:
    event = GameStarted(game_name="g", players=tuple(f"p{n}" for n in range(40)))
    found = tool.extras(
        "buttons:\n- for: p in players\n  label: '{{ p }}'\n  url: 'https://example.org/{{ p }}'",
        event,
    )
    assert [one.label for one in found.buttons] == [f"p{n}" for n in range(25)]


def test_fields_by_a_loop(tool: Tool) -> None:
    tool.write(
        "game_started",
        "fields:\n- {for: player in players, name: 'Seat {{ loop.index }}', value: '{{ player }}',"
        " inline: true}\n- {name: Game, value: '{{ game_name }}'}",
    )
    embed = tool.renderer().render(GameStarted(game_name="g", players=("A*n", "", "Cy"))).embed
    assert [(one.name, one.value, one.inline) for one in embed.fields] == [
        ("Seat 1", "A\\*n", True),
        ("Seat 2", "?", True),
        ("Seat 3", "Cy", True),
        ("Game", "g", False),
    ]
    many = tool.renderer().render(GameStarted(game_name="g", players=("x",) * 40))
    assert len(many.embed.fields) == 25
    assert many.shortened


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "username: discord",
            "1: username: Discord does not allow 'discord' in it: choose another",
        ),
        ("username: Everyone", "1: username: Discord does not allow the name 'Everyone': choose"),
        ("avatar_url: logo.png", "1: avatar_url: expected an address such as https://example.com"),
        (
            "avatar_url: http://nas/a.png",
            "1: avatar_url: Discord does not accept 'http://nas/a.png'",
        ),
        (
            "avatar_url: http://192.168.1.5/a.png",
            "1: avatar_url: ",
        ),
        (
            f"buttons: [{{label: a, url: 'https://a.org/{'x' * 512}'}}]",
            "1: buttons[].url: the address",
        ),
        (
            "buttons:\n- {label: a, url: 'http://nas:80/{{ peer_name }}'}",
            "2: buttons[].url: Discord does not accept 'http://nas:80/'",
        ),
        (
            "buttons: [{label: a, link: x}]",
            "1:22: buttons[].link: unknown key (there are for, label, url)",
        ),
        ("buttons: {label: a}", "1:1: buttons: expected a list, found keys with values"),
        ("content: [a]", "1:10: content: expected a text, found a list"),
        (
            "buttons:\n" + "- {label: a, url: 'https://a.org'}\n" * 26,
            "27: buttons: has 26 items, of which at most 25 can be shown",
        ),
        (
            "fields:\n" + "- {name: a, value: b}\n" * 30,
            "27: fields: has 30 items, of which at most 25 can be shown",
        ),
        (
            "fields: [{for: x in playrs, name: a, value: b}]",
            "1: fields[].for: 'playrs' is undefined",
        ),
        (
            "fields:\n- {name: a, value: b}\n- {for: x in range(30), name: a, value: b}\n",
            "3: fields: has 31 items, of which at most 25 can be shown",
        ),
        (
            "fields: [{for: x in 5, name: a, value: b}]",
            "1: fields[].for: expected a loop over a list, such as 'player in players', found 5",
        ),
        ("buttons: [{url: 'https://a.org'}]", "1: buttons: an item without 'label' is not shown"),
        ("fields: [{name: a}]", "1: fields: an item without 'value' is not shown"),
        (
            "footer: '{{ time | relative }}'",
            "1: footer.text: 'relative' means nothing here: Discord would show it as '<t:…:R>'",
        ),
        ("author: '{{ [time] | map(\"relative\") | join }}'", "1: author.name: 'relative' means"),
        ("username: |\n  a\n  {{ time | relative }}", "3: username: 'relative' means nothing here"),
        (
            "content: '{{ peer_name | mention_playr }}'",
            "1: content: No filter named 'mention_playr', did you mean 'mention_player'?",
        ),
    ],
)
def test_check_says_what_is_wrong(tool: Tool, text: str, message: str) -> None:
    [found] = tool.check("peer_joined", text)
    assert found.startswith(message)


def test_a_card_says_that_its_content_mentions_no_player(tool: Tool) -> None:
    [found] = tool.check("party_card", "content: '{{ party.host | mention_player }}'")
    assert found == (
        "1: content: 'mention_player' means nothing here: a card mentions nobody but whom 'mention' of"
        " its configuration names"
    )
    assert tool.problems[0].is_warning


def test_one_line_for_all_messages_is_for_the_plugins_own_too(tool: Tool) -> None:
    tool.write("event", "username: LAN bot\nbuttons: [{label: Site, url: https://example.org}]")
    renderer = tool.renderer()
    renderer.check(EventRegistry().types())
    for event in (ANN, QUAKE, Alert(begun=1)):
        assert renderer.render(event).extras.username == "LAN bot"

    message = compose_test_message(renderer)
    assert (message.username, message.buttons, message.entries) == (
        "LAN bot",
        (Button("Site", "https://example.org"),),
        0,
    )
    assert tool.problems == []
