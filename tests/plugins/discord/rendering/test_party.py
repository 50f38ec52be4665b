"""What the card of a party looks like, and its recap, whatever its players are called."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Member, Party
from lanrage_events.events import EventRegistry
from lanrage_events.templates import builtin_sets
from lanrage_events_discord import limits
from lanrage_events_discord._embeds import Embed, embed_size, length
from lanrage_events_discord._preview import Style, parse_markdown
from lanrage_events_discord._rendering import Entry, PartyCard, PartyRecap, PlainCard, Renderer

SINCE = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)
SETS = builtin_sets()
GAMES = ("Quake III Arena", "Trackmania", "Factorio")
MORE = re.compile(r"… (?:and ([\d,]+) more|und ([\d.]+) weiterer?)$")
Shown: TypeAlias = PartyCard | PartyRecap | PlainCard
TIME = re.compile(r"<t:\d+:R>")


def renderer(language: str = "en", folder: Path | None = None) -> tuple[Renderer, list[str]]:
    problems: list[str] = []
    folders = [*([folder] if folder else []), SETS[language], SETS["en"]]
    made = Renderer(folders, invite_url=lambda: None, report=lambda e: problems.append(str(e)))
    made.check(EventRegistry().types())
    return made, problems


ENGLISH, _ = renderer()
GERMAN, _ = renderer("de")


def party(*names: str, name: str | None = "Friday LAN", game: str | None = "Quake") -> Party:
    """Return a party whose members came one a minute."""
    return Party(
        key="id:lan-42",
        id=None,
        name=name,
        host=None,
        since=SINCE,
        members=tuple(
            Member(name=name, since=SINCE + timedelta(minutes=number))
            for number, name in enumerate(names)
        ),
        peak=max(len(names), 3),
        game=game,
        game_since=None if game is None else SINCE + timedelta(hours=1),
        players=(),
        games=tuple((one, 3661.0, 2) for one in GAMES),
        visitors=14,
        loyal=tuple((one, 7_200.0) for one in names[:3]),
        last_change=SINCE + timedelta(hours=5, minutes=27),
        is_empty=not names,
        is_idle=False,
    )


def render(
    party: Party,
    cls: type[PartyCard | PartyRecap | PlainCard] = PartyCard,
    made: Renderer = ENGLISH,
) -> Entry:
    return made.render(cls(id=party.key, time=party.last_change, party=party))


def seen(text: str) -> str:
    """Return what readers see, with each time as it is written."""
    parts = re.split(f"({TIME.pattern})", text)
    return "".join(
        part if TIME.fullmatch(part) else "".join(span.text for span in parse_markdown(part))
        for part in parts
    )


def at(time: datetime) -> str:
    return f"<t:{int(time.timestamp())}:R>"


def test_a_card_shows_name_game_count_and_since_when_each_is_there() -> None:
    embed = render(party("Ann", "Ben")).embed
    [names] = embed.fields

    assert embed.title == "🟢 Friday LAN"
    assert embed.description.splitlines() == [
        f"🎮 **Quake** · started {at(SINCE + timedelta(hours=1))}",
        f"🕒 Began {at(SINCE)}",
    ]
    assert names.name == "👥 2 here"
    assert names.value.splitlines() == [
        f"**Ann** · {at(SINCE)}",
        f"**Ben** · {at(SINCE + timedelta(minutes=1))}",
    ]
    assert embed.timestamp is None


def test_a_card_of_a_party_that_everyone_left_says_so() -> None:
    embed = render(party(game=None)).embed

    assert embed.title == "⚪ Friday LAN"
    assert embed.description.splitlines() == [
        f"🕒 Began {at(SINCE)}",
        "🛋️ Nobody is here right now",
    ]
    assert embed.fields == ()


@pytest.mark.parametrize("made", [ENGLISH, GERMAN], ids=["en", "de"])
@pytest.mark.parametrize("size", [1, 5, 10, 11, 40, 500])
def test_a_card_names_as_many_as_fit_and_counts_the_others(size: int, made: Renderer) -> None:
    names = [f"Player {number}" for number in range(size)]
    [field] = render(party(*names), made=made).embed.fields

    assert re.search(rf"\b{size}\b", field.name)
    if size <= 10:
        assert [line.split("**")[1] for line in field.value.splitlines()] == names
        return

    shown = field.value.split("\u00a0· ")
    more = MORE.match(shown[-1])
    named = shown if more is None else shown[:-1]
    assert named == names[: len(named)]
    assert size - len(named) == (int(more[1] or more[2]) if more else 0)
    # A longer name would not fit.
    assert more is None or length(field.value) > limits.FIELD_VALUE_MAX_CHARACTERS - 40


@pytest.mark.parametrize("cls", [PartyCard, PartyRecap, PlainCard])
@pytest.mark.parametrize("count", [1, 12])
def test_very_long_names_fit(cls: type[Shown], count: int) -> None:
    names = [f"{number}{'x' * 5_000}" for number in range(count)]
    one = replace(
        party(*names, name="n" * 5_000, game="g" * 5_000),
        games=tuple((name, 60.0, 1) for name in names),
    )
    embed = render(one, cls).embed

    assert embed_size(embed) <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS
    assert embed.title.endswith("…")
    if cls is PlainCard:
        assert f"{count} here · ggg" in embed.description
    elif cls is PartyCard:
        assert "🕒 Began <t:" in embed.description
        assert embed.fields[0].name == f"👥 {count} here"
    else:
        assert [field.value for field in embed.fields[:3]] == ["5h 27m", "14", f"{one.peak}"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "**@here** [free](https://evil.example)",
            "**@here** [free](https://evil.example)",
        ),
        ("```", "```"),
        ("<@1> <t:1:R> <#2>", "<@1> <t:1:R> <#2>"),
        ("# big\n> quote\n- item", "# big > quote - item"),
        ("\u202egnp.exe\u200b\u2066", "gnp.exe"),
        ("\u200b", "?"),
        ("", "?"),
        ("   ", "?"),
    ],
)
def test_names_are_shown_as_they_are_written(name: str, shown: str) -> None:
    one = party(name, "Ben", name=name or "x", game=name or "x")
    embed = render(one).embed

    assert seen(embed.fields[0].value).startswith(f"{shown} · <t:")
    assert seen(embed.title) == f"🟢 {shown if name else 'x'}"
    if name.strip():
        many = render(party(*[name] * 11)).embed.fields[0].value
        assert seen(many) == "\u00a0· ".join([shown] * 11)


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("*_~|`<>[]()@#:-\\/ \n\t\r\u200b\u202e\u2066\u0301\u2028\ufeff"),
        st.characters(),
    ),
    max_size=40,
) | st.sampled_from(
    [
        "@everyone",
        "<@&1>",
        "<t:1:R>",
        "[a](https://b.example)",
        "https://b.example",
        "||",
        "```x```",
    ]
)


@pytest.mark.slow
@given(
    members=st.lists(HOSTILE, max_size=14),
    name=HOSTILE | st.none() | st.integers(0, 5_000).map("n".__mul__),
    game=HOSTILE | st.none(),
    size=st.sampled_from([1, 1, 1, 40]),
    made=st.sampled_from([ENGLISH, GERMAN]),
)
def test_no_name_is_markup_or_breaks_a_card(
    members: list[str], name: str | None, game: str | None, size: int, made: Renderer
) -> None:
    one = party(*members * size, name=name, game=game)
    for cls in (PartyCard, PartyRecap, PlainCard):
        embed = render(one, cls, made).embed
        assert render(one, cls, made).embed == embed
        assert Embed.from_dict(embed.to_dict()) == embed
        assert embed_size(embed) <= limits.MESSAGE_EMBEDS_MAX_CHARACTERS
        assert embed.title
        assert embed.title.strip("🟢⚪🌙 ")
        texts = [embed.description, *(field.value for field in embed.fields)]
        for span in (span for text in texts for span in parse_markdown(TIME.sub("", text))):
            assert span.style in (Style.PLAIN, Style.BOLD)
            assert not span.url

    card = render(one, made=made).embed
    assert len(card.fields) == bool(members)
    if 0 < len(one.members) <= 10:
        assert len(card.fields[0].value.splitlines()) == len(one.members)


def test_a_recap_says_how_long_how_many_and_what_was_played() -> None:
    embed = render(party("Ann", "Ben", "Cy", "Dee"), PartyRecap).embed
    values = {field.name[2:].strip("\ufe0f "): field.value for field in embed.fields}

    assert embed.title == "🌙 Party Over: Friday LAN"
    assert embed.timestamp == SINCE + timedelta(hours=5, minutes=27)
    assert values == {
        "Duration": "5h 27m",
        "Players": "14",
        "At once": "4",
        "Games": "\n".join(f"**{game}** · 1h 1m · 2 rounds" for game in GAMES),
        "Longest here": "🥇 **Ann** · 2h 0m\n🥈 **Ben** · 2h 0m\n🥉 **Cy** · 2h 0m",
    }


def test_a_recap_of_many_games_counts_the_last_ones() -> None:
    games = tuple((f"Game {number}", 60.0, 1) for number in range(13))
    embed = render(replace(party(), games=games), PartyRecap).embed
    lines = embed.fields[3].value.splitlines()

    assert lines[0] == "**Game 0** · 1m 0s"
    assert lines[10:] == ["… and 3 more"]


def test_a_plain_card_takes_nothing_from_the_users_other_templates(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "event.yaml").write_text("image: https://lan.example/x.png\nfooter: F")
    made, problems = renderer(folder=tmp_path)
    one = party("Ann")

    assert render(one, made=made).embed.image
    assert render(one, PlainCard, made).embed == Embed(
        title="Friday LAN", description="1 here · Quake"
    )
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('footer: "as of {{ time.now() }}"', "'now()'"),
        ('footer: "in {{ party.since.utcnow().year }}"', "'utcnow()'"),
        ('title: "{{ party.since.today() }}"', "'today()'"),
        ('description: "{{ [1, 2] | random }}"', "'random'"),
        ('fields: [{name: a, value: "{{ time.now() }}"}]', "'now()'"),
    ],
)
@pytest.mark.parametrize("file", ["party_card", "party_recap"])
def test_a_card_that_would_change_without_an_event_is_a_warning(
    tmp_path: Path, file: str, text: str, cause: str
) -> None:
    (tmp_path / "discord").mkdir()
    path = tmp_path / "discord" / f"{file}.yaml"
    path.write_text(f"color: red\n{text}\n")
    made, problems = renderer(folder=tmp_path)

    [problem] = problems
    assert problem.startswith(f"{path}:2: ")
    assert f"{cause} changes the text without an event" in problem
    assert [one.is_warning for one in made.problems] == [True]


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("party_card", 'title: "{{ party.nam }}"', "'nam' is undefined, did you mean 'name'?"),
        (
            "party_recap",
            'title: "{{ partys.name }}"',
            "'partys' is undefined, did you mean 'party'",
        ),
        ("plain_card", "footer: LAN", "footer: unknown key (there are description, title)"),
    ],
)
def test_a_wrong_name_in_the_template_of_a_card_is_found_before_there_is_one(
    tmp_path: Path, file: str, text: str, problem: str
) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / f"{file}.yaml").write_text(text)

    [found] = renderer(folder=tmp_path)[1]
    assert f"{file}.yaml:1" in found
    assert problem in found


def test_the_clock_in_another_template_is_no_problem_of_cards(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "peer_joined.yaml").write_text('footer: "{{ time.now() }}"')

    assert renderer(folder=tmp_path)[1] == []
    (tmp_path / "discord" / "event.yaml").write_text('footer: "{{ time.now() }}"')
    [problem] = renderer(folder=tmp_path)[1]
    assert "event.yaml:1: footer.text: 'now()'" in problem


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ party.since | relative }}", f"{at(SINCE)}"),
        ("{{ time | relative }}", at(SINCE + timedelta(hours=5, minutes=27))),
        ("a{{ party.ended | relative }}", "a"),
    ],
)
def test_relative_times_are_counted_by_discord(tmp_path: Path, text: str, shown: str) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "party_card.yaml").write_text(f'description: "{text}"')
    made, problems = renderer(folder=tmp_path)

    assert render(party(), made=made).embed.description == shown
    assert problems == []


def test_a_name_is_no_relative_time(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    (tmp_path / "discord" / "party_card.yaml").write_text('title: "{{ party.name | relative }}"')
    made, problems = renderer(folder=tmp_path)

    assert render(party(), made=made).embed.title == "⚪ Friday LAN"
    assert "'relative' needs a time" in problems[0]
