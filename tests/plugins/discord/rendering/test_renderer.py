from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event, GameEnded, GameStarted, Notification, PeerJoined
from lanrage_events.templates import TemplateError, utf16_units
from lanrage_events_discord._embeds import EmbedField, embed_size
from lanrage_events_discord._rendering import COUNT, Entry, Renderer

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
ANN = PeerJoined(id="7", time=TIME, peer_name="Ann", party_name="Friday LAN")
BUNDLED = files("lanrage_events_templates")


@dataclass(frozen=True, kw_only=True, slots=True)
class Anything(Event):
    value: object = None


class Rude:
    """A value that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("never")


Render = Callable[..., Entry]
BrokenLimits = Callable[[list[Any]], list[str]]


@pytest.fixture
def faults() -> list[TemplateError]:
    return []


@pytest.fixture
def render(tmp_path: Path, faults: list[TemplateError]) -> Render:
    """Render an event by a template of the user's, above those that come along."""

    def render(text: str, event: Event = ANN, *, invite: str | None = None) -> Entry:
        path = tmp_path / "discord" / f"{event.type}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        renderer = Renderer([tmp_path, BUNDLED], invite_url=lambda: invite, report=faults.append)
        return renderer.render(event)

    return render


def test_every_part_of_an_embed_can_come_from_a_template(
    render: Render, faults: list[TemplateError]
) -> None:
    embed = render(
        """
        title: "{{ peer_name }}"
        url: "https://example.com/players/{{ peer_name }}"
        description: "In **{{ party_name }}**"
        color: "#fa0"
        footer: {text: "LAN {{ time.year }}", icon_url: https://example.com/f.png}
        author: {name: "{{ party_name }}", url: https://example.com/, icon_url: https://example.com/a.png}
        thumbnail: {url: https://example.com/t.png}
        image: {url: "https://example.com/{{ peer_name }}.png"}
        fields:
          - {name: Player, value: "{{ peer_name }}", inline: true}
          - {name: Empty, value: "{{ party_id }}"}
          - {name: Party, value: "{{ party_name }}", inline: no}
        """
    ).embed

    assert faults == []
    assert embed.to_dict() == {
        "title": "Ann",
        "url": "https://example.com/players/Ann",
        "description": "In **Friday LAN**",
        "color": 0xFFAA00,
        "timestamp": "2026-01-31T20:15:00+00:00",
        "footer": {"text": "LAN 2026", "icon_url": "https://example.com/f.png"},
        "author": {
            "name": "Friday LAN",
            "url": "https://example.com/",
            "icon_url": "https://example.com/a.png",
        },
        "thumbnail": {"url": "https://example.com/t.png"},
        "image": {"url": "https://example.com/Ann.png"},
        "fields": [
            {"name": "Player", "value": "Ann", "inline": True},
            {"name": "Party", "value": "Friday LAN", "inline": False},
        ],
    }


def test_a_text_stands_for_the_main_part_of_an_object(render: Render) -> None:
    embed = render(
        "footer: x\nauthor: y\nthumbnail: https://example.com/t\nimage: https://example.com/i"
    ).embed

    assert (embed.footer, embed.author) == ("x", "y")
    assert (embed.thumbnail, embed.image) == ("https://example.com/t", "https://example.com/i")


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        ("color: teal", 0x009688),
        ("color: 0x4CAF50", 0x4CAF50),
        ('color: "#4CAF50"', 0x4CAF50),
        ("color: '{{ 255 }}'", 255),
        ('color: \'{{ "red" if peer_name == "Ann" else "blue" }}\'', 0xF44336),
        ("color: ''", None),
    ],
)
def test_colours_of_templates(render: Render, leaf: str, expected: int | None) -> None:
    assert render(leaf).embed.color == expected


def test_a_colour_that_is_none_falls_back(render: Render, faults: list[TemplateError]) -> None:
    assert render("color: grene").embed.color == 0x2196F3
    assert str(faults[0]).endswith(
        "peer_joined.yaml:1: color: expected a colour such as green or \"#4CAF50\", not 'grene', "
        "did you mean 'green'?"
    )


def test_a_colour_of_an_event_that_is_none_falls_back() -> None:
    faults: list[TemplateError] = []
    renderer = Renderer([BUNDLED], invite_url=lambda: None, report=faults.append)

    for color in (0x1000000, -1):
        entry = renderer.render(Notification(title="x", message="y", color=color))
        assert entry.embed.color == 0x5865F2
        assert entry.embed.title == "x"

    assert len(faults) == 1


@pytest.mark.parametrize(
    ("leaf", "fault"),
    [
        ("url: javascript:alert(1)", "url: expected an address"),
        ("image: '{{ peer_name }}'", "image.url: expected an address"),
        ("fields: [{name: a, value: b, inline: maybe}]", "fields[].inline: expected true or false"),
        ("description: '[x]({{ peer_name }})'", "description: expected an address"),
        ("timestamp: soon", "timestamp: a time was expected"),
        ("timestamp: '0001-01-01T00:00:00+01:00'", "timestamp: a time from 0001-01-02 to"),
    ],
)
def test_what_a_leaf_cannot_be_is_shown(
    broken_limits: BrokenLimits, render: Render, faults: list[TemplateError], leaf: str, fault: str
) -> None:
    entry = render(leaf)

    assert entry.embed.title == "👋 Ann joined"
    assert entry.embed.description == "Welcome to **Friday LAN**!"
    assert entry.embed.timestamp == TIME
    assert broken_limits([entry.embed.to_dict()]) == []
    assert f"peer_joined.yaml:1: {fault}" in str(faults[0])


def test_values_are_written_by_where_they_stand(render: Render) -> None:
    event = PeerJoined(peer_name="_A`[n]*", party_name="x/y z")

    embed = render(
        """
        title: "{{ peer_name }}"
        description: |
          `{{ peer_name }}` and {{ peer_name | code }}
          [{{ peer_name }}](https://example.com/{{ party_name }})
          [join]({{ invite }}) {{ peer_name }}
          {{ "**bold**" | markdown }} {{ "**plain**" }}
        footer: "{{ peer_name }}"
        author: "{{ peer_name }}"
        """,
        event,
        invite="https://discord.gg/a_(b)",
    ).embed

    assert embed.title == r"\_A\`\[n]\*"
    assert embed.footer == embed.author == "_A`[n]*"
    assert embed.description.splitlines() == [
        "`_Aˋ[n]*` and ``_A`[n]*``",
        "[＿A'(n)∗](https://example.com/x%2Fy%20z)",
        r"[join](https://discord.gg/a_%28b%29) \_A\`\[n]\*",
        r"**bold** \*\*plain\*\*",
    ]


def test_lines_of_a_message_are_kept_where_the_template_says_so(render: Render) -> None:
    event = Notification(title="a\nb", message="one\n- two\n\n\n\nthree")

    embed = render("footer: '{{ message | lines }}'", event).embed

    assert embed.title == "a b"
    assert embed.description == "one\n\\- two\n\nthree"
    assert embed.footer == "one - two three"


def test_times_of_discord_can_be_written(render: Render) -> None:
    assert (
        render("description: '<t:{{ time.timestamp() | int }}:R>'").embed.description
        == "<t:1769890500:R>"
    )


def test_a_long_value_is_shortened_so_that_its_sentence_stays(
    broken_limits: BrokenLimits, render: Render
) -> None:
    event = PeerJoined(peer_name="*" * 5000, party_name="B" * 5000)
    entry = render("footer: 'by {{ peer_name }}!'", event)

    assert entry.embed.title == "👋 " + r"\*" * 122 + "… joined"
    assert entry.embed.description.startswith("Welcome to **BBB")
    assert entry.embed.description.endswith("B…**!")
    assert entry.embed.footer.endswith("*…!")
    assert len(entry.embed.title) <= 256
    assert embed_size(entry.embed) <= 6000
    assert broken_limits([entry.embed.to_dict()]) == []
    assert entry.digest.heading.startswith(f"👋 **{COUNT} joined** BBB")
    assert utf16_units(entry.digest.heading) == 256
    assert len(entry.digest.item) <= 512


def test_a_text_that_is_too_long_by_itself_is_cut(render: Render) -> None:
    entry = render(f"title: {'x' * 4100}\ndigest: {{heading: {'y' * 1100}, group: {'z' * 300}}}")

    assert entry.embed.title == "x" * 255 + "…"
    assert entry.digest.heading == "y" * 1023 + "…"
    assert entry.digest.group == "z" * 256


def test_fields_are_made_to_fit(broken_limits: BrokenLimits, render: Render) -> None:
    event = PeerJoined(peer_name="A" * 5000, party_name="B")
    items = "\n".join("- {name: n, value: '{{ peer_name }}'}" for _ in range(30))

    entry = render(f"fields:\n{items}", event)

    assert broken_limits([entry.embed.to_dict()]) == []
    assert len(entry.embed.fields) == 25
    # The same for each of the texts.
    assert entry.embed.title.startswith("👋 " + "A" * 200)
    assert entry.embed.title.endswith("A… joined")
    assert 5900 < embed_size(entry.embed) <= 6000


def test_a_template_that_leaves_nothing_gets_the_name_of_the_event(
    broken_limits: BrokenLimits, render: Render
) -> None:
    entry = render("title:\ndescription:\nfooter:")

    assert entry.embed.title == "Peer Joined"
    assert broken_limits([entry.embed.to_dict()]) == []


def test_a_template_may_consist_of_a_picture(broken_limits: BrokenLimits, render: Render) -> None:
    embed = render("title:\ndescription:\nimage: https://example.com/x.png").embed

    assert embed.title == ""
    assert broken_limits([embed.to_dict()]) == []


def test_a_template_may_consist_of_fields(render: Render) -> None:
    embed = render("title:\ndescription:\nfields: [{name: a, value: b}]").embed

    assert embed.title == ""
    assert embed.fields == (EmbedField("a", "b"),)


def test_a_digest_without_heading_or_item_gets_the_name_of_the_event(render: Render) -> None:
    digest = render("digest: {group: '', heading: '', item: ''}").digest

    assert digest.group == "peer_joined"
    assert digest.heading == f"**Peer Joined** × {COUNT}"
    assert digest.item == ""


def test_the_number_of_items_is_not_an_ordinary_value(
    render: Render, faults: list[TemplateError]
) -> None:
    digest = render("digest: {heading: '{{ count + 1 }}'}").digest

    assert digest.heading == f"👋 **{COUNT} joined** Friday LAN"
    assert faults[0].leaf == "digest.heading"


@pytest.mark.slow
@given(
    name=st.text(st.one_of(st.characters(), st.sampled_from("\ue000*`\n\u202e"))),
    party=st.text(),
)
def test_no_value_can_stand_for_the_number_of_items(name: str, party: str) -> None:
    entry = Renderer([BUNDLED], invite_url=lambda: None).render(
        PeerJoined(peer_name=name, party_name=party)
    )

    assert entry.digest.heading.count(COUNT) == 1
    assert COUNT not in entry.digest.item + entry.embed.title + entry.embed.description


def test_times_are_shown_in_utc() -> None:
    renderer = Renderer([BUNDLED], invite_url=lambda: None)
    local = datetime(2026, 1, 31, 22, 15, tzinfo=timezone(timedelta(hours=2)))

    for time in (local, TIME.replace(tzinfo=None)):
        entry = renderer.render(Anything(time=time))
        assert entry.time == entry.embed.timestamp == TIME
        assert entry.time.tzinfo is UTC


@pytest.mark.parametrize(
    "event",
    [
        Anything(value=Rude()),
        Anything(time=datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))),
        Anything(time="yesterday"),  # type: ignore[arg-type]
        Anything(id=7),  # type: ignore[arg-type]
        GameEnded(game_name="x", duration=float("nan"), avg_latency=float("inf")),
        GameEnded(game_name=None, duration="long", avg_latency=Rude()),  # type: ignore[arg-type]
        PeerJoined(peer_name=None, party_name=None),  # type: ignore[arg-type]
        PeerJoined(peer_name="", party_name="\ud800"),
        Notification(title="", message=""),
    ],
)
def test_no_event_is_lost_whatever_its_values_are(
    broken_limits: BrokenLimits, event: Event
) -> None:
    renderer = Renderer([BUNDLED], invite_url=lambda: None, report=lambda problem: None)

    entry = renderer.render(event)

    assert broken_limits([entry.embed.to_dict()]) == []
    assert entry.type == event.type
    assert Entry.from_json(entry.to_json()).event_id == str(event.id)


def test_an_event_that_cannot_be_rendered_at_all_is_shown_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> str | None:
        raise LookupError("no invite")

    renderer = Renderer([BUNDLED], invite_url=fail)

    with caplog.at_level(logging.ERROR):
        entries = [renderer.render(ANN) for _ in range(3)]

    assert [entry.embed.to_dict() for entry in entries] == 3 * [
        {
            "title": "Peer Joined",
            "color": 0x5865F2,
            "timestamp": "2026-01-31T20:15:00+00:00",
            "footer": {"text": "LANrage"},
        }
    ]
    assert len(caplog.records) == 1
    assert "peer_joined" in caplog.text


def test_without_any_template_an_event_is_shown_by_its_name(tmp_path: Path) -> None:
    entry = Renderer([tmp_path], invite_url=lambda: None).render(ANN)

    assert entry.embed.title == "Peer Joined"
    assert entry.digest.heading == f"**Peer Joined** × {COUNT}"


def test_check_shows_errors_before_the_first_event(
    tmp_path: Path, faults: list[TemplateError]
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "peer_joined.yaml").write_text("titel: x", encoding="utf-8")

    renderer = Renderer([tmp_path, BUNDLED], invite_url=lambda: None, report=faults.append)
    renderer.check([PeerJoined])

    assert str(faults[0]).endswith(
        "peer_joined.yaml:1:1: titel: unknown key, did you mean 'title'?"
    )


@pytest.mark.slow
@pytest.mark.parametrize("leaf", ["description", "title"])
def test_an_emoji_in_trusted_markdown_is_not_split(render: Render, leaf: str) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    event = Anything(value="**" + "👍\U0001f3fd" * 20 + "** " + family * 1000)
    entry = render(f"{leaf}: '{{{{ value | markdown }}}}'", event)
    shown = str(entry.embed.to_dict()[leaf])

    rest = shown.removeprefix("**" + "👍\U0001f3fd" * 20 + "** ")
    assert rest == family * (rest.count(family)) + "…"
    assert rest.count(family) > 20


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://lanserver/maps/{{ game_name }}.png", "Discord does not accept"),
        ("http://192.168.1.2/{{ game_name }}.png", "Discord cannot load this picture"),
        ("https://example.com/{{ game_name }}.png", ""),
        ("https://{{ game_name }}.example.com/x.png", ""),
        ("https://lan{{ game_name }}/x.png", ""),
    ],
)
def test_the_host_of_an_address_is_checked_whatever_follows(
    tmp_path: Path, address: str, problem: str
) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "game_started.yaml").write_text(f'thumbnail: "{address}"\n')
    problems: list[str] = []
    made = Renderer(
        [tmp_path],
        invite_url=lambda: None,
        report=lambda error: problems.append(str(error)),
    )
    made.check([GameStarted])
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)
