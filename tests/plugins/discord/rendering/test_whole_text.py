"""Whether all text of the events of a batch is in the messages, or is counted as shortened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanrage_events import Event, GameStarted, Notification, PeerJoined
from lanrage_events.events import EventRegistry
from lanrage_events_discord._embeds import Embed, Message, embed_size
from lanrage_events_discord._rendering import Digest, Entry, Renderer, compose

START = datetime(2026, 5, 1, 20, 15, tzinfo=UTC)
BUNDLED = files("lanrage_events_templates")
BrokenLimits = Callable[[list[Any]], list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatLine(Event):
    """A plugin's event, without a template of its own."""

    author: str
    text: str


def renderer(*folders: Path) -> Renderer:
    made = Renderer([*folders, BUNDLED], invite_url=lambda: None)
    made.check([*EventRegistry().types(), ChatLine])
    return made


RENDERER = renderer()


def messages(events: Iterable[Event], made: Renderer = RENDERER, **options: Any) -> list[Message]:
    return list(compose([*map(made.render, events)], wording=made.wording, **options))


def text_of(embed: Embed) -> str:
    return "\n".join(embed.texts())


def joined(name: str) -> PeerJoined:
    return PeerJoined(time=START, peer_name=name, party_name="Friday LAN")


def note(title: str, message: str) -> Notification:
    return Notification(time=START, title=title, message=message)


def played(count: int) -> GameStarted:
    names = tuple(f"player number {index}" for index in range(count))
    return GameStarted(time=START, game_name="Quake", players=names)


def test_two_notifications_of_fourteen_lines_are_two_embeds_of_one_message() -> None:
    rules = [f"{number}. rule of the house" for number in range(14)]
    [message] = messages([note("Rules", "\n".join(rules)), note("Menu", "\n".join(rules[::-1]))])

    assert (message.entries, message.shortened) == (2, 0)
    assert [embed.title for embed in message.embeds] == ["Rules", "Menu"]
    shown = [embed.description.replace("\\", "").split("\n") for embed in message.embeds]
    assert shown == [rules, rules[::-1]]


def test_of_two_notifications_with_three_thousand_characters_all_arrive() -> None:
    made = messages([note("A", "a" * 3000), note("B", "b" * 3000)])

    assert [(message.entries, message.shortened) for message in made] == [(1, 0), (1, 0)]
    shown = "".join(embed.description for message in made for embed in message.embeds)
    assert shown == "a" * 3000 + "b" * 3000


def test_of_a_game_with_forty_players_all_are_named() -> None:
    [message] = messages([joined("Ann"), played(40), joined("Bob")])

    assert (message.entries, message.shortened) == (3, 0)
    assert message.embeds[1].description == "**Players**: " + ", ".join(played(40).players)


def whole_description(embed: Embed) -> str:
    """Return a description with what goes on in the fields below it."""
    return " ".join([embed.description, *(f.value for f in embed.fields if f.name == "\u200b")])


@pytest.mark.parametrize("before", [0, 2])
def test_of_five_hundred_players_the_embed_counts_those_that_do_not_fit(before: int) -> None:
    names = [f"player number {index}" for index in range(500)]
    *_, message = messages([joined("Ann")] * before + [played(500)])

    assert message.shortened == 1
    text = whole_description(message.embeds[-1])
    assert 5900 < len(text) <= 6000
    shown, _, rest = text.removeprefix("**Players**: ").partition(" and ")
    kept = shown.split(", ")
    assert kept == names[: len(kept)]
    assert rest == f"{500 - len(kept)} more"


def test_of_three_hundred_players_all_are_named_since_the_message_has_room() -> None:
    [message] = messages([played(300)])

    assert (message.entries, message.shortened) == (1, 0)
    [embed] = message.embeds
    assert 4050 < len(embed.description) <= 4096
    assert whole_description(embed) == "**Players**: " + ", ".join(played(300).players)


@pytest.mark.parametrize("separator", [" ", "\n", "\n\n"])
def test_what_a_description_cannot_hold_goes_on_in_fields(separator: str) -> None:
    text = separator.join(f"word{number:04}" for number in range(550))
    [message] = messages([note("News", text)])

    assert message.shortened == 0
    [embed] = message.embeds
    assert 4050 < len(embed.description) <= 4096
    assert whole_description(embed).split() == text.split()


def test_a_text_without_spaces_goes_on_in_fields_and_its_characters_stay_whole() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    [message] = messages([note("News", family * 700)])

    assert message.shortened == 0
    [embed] = message.embeds
    parts = [embed.description, *(field.value for field in embed.fields)]
    assert len(parts) > 2
    assert all(part.startswith(family) and part.endswith(family) for part in parts)
    assert "".join(parts) == family * 700


def test_a_block_of_code_is_not_broken_but_shortened_within(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "notification.yaml").write_text(
        "description: '{{ message | lines | code }}'", encoding="utf-8"
    )
    trace = "\n".join(f"line {number} of a trace" for number in range(250))
    entry = renderer(tmp_path).render(note("Crash", trace))

    assert entry.shortened
    assert entry.embed.fields == ()
    assert 4000 < len(entry.embed.description) <= 4096
    assert entry.embed.description.startswith("```")
    assert entry.embed.description.endswith("```")


def test_fields_that_are_too_long_count_the_names_that_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "game_started.yaml").write_text(
        "fields: [{name: Players, value: \"{{ players | join(', ') }}\"}]", encoding="utf-8"
    )
    entry = renderer(tmp_path).render(played(300))

    field = entry.embed.fields[-1]
    kept = field.value.partition(" and ")[0].split(", ")
    assert field.value.endswith(f" {kept[-1]} and {300 - len(kept)} more")
    assert len(field.value) > 990
    assert entry.shortened


def test_three_hundred_joins_are_one_message() -> None:
    [message] = messages(joined(f"player {index}") for index in range(300))

    assert (message.entries, message.shortened) == (300, 0)
    assert len(message.embeds) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Come!\nNow!", "Come! / Now!"),
        ("Round 2\n\non de_dust2\nnow", "Round 2 / on de\\_dust2 / now"),
        ("- pizza\n- cola", "\\- pizza / \\- cola"),
    ],
)
def test_few_short_lines_are_one_line_with_their_breaks(text: str, shown: str) -> None:
    [message] = messages([note("Hey", text), joined("Ann")])

    assert message.embeds[0].description.split("\n")[0] == f"📢 **Hey**: {shown}"
    assert message.shortened == 0


@pytest.mark.parametrize(
    "text",
    ["one\ntwo\nthree\nfour", "long\n" + "x" * 160, "x" * 513, "word " * 103],
)
def test_text_that_does_not_fit_a_line_is_an_embed_in_its_place(text: str) -> None:
    [message] = messages(
        [joined("Ann"), joined("Bob"), note("Hey", text), joined("Cy"), joined("Dan")]
    )

    first, embed, last = message.embeds
    assert (first.title, last.title) == ("📋 2 events", "📋 2 events")
    assert first.description == "👋 **2 joined** Friday LAN: Ann, Bob"
    assert (embed.title, embed.description) == ("Hey", text.strip())
    assert last.description == "👋 **2 joined** Friday LAN: Cy, Dan"
    assert {first.footer, embed.footer, last.footer} == {"LANrage"}


def test_lines_of_an_event_without_a_template_are_kept() -> None:
    [message] = messages([ChatLine(author="Ann", text="x\n" * 9), joined("Bob")])

    assert message.embeds[0].description == "**Author**: Ann\n**Text**: " + "\n".join("x" * 9)


def test_an_entry_between_embeds_is_its_own_embed() -> None:
    [message] = messages([note("1", "x\n" * 9), joined("Ann"), note("2", "y\n" * 9)])

    assert [embed.title for embed in message.embeds] == ["1", "👋 Ann joined", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("item", "message", "line"),
    [
        ("{{ title }}:\n{% if message %}\n{{ message | lines }}\n{% endif %}", "a\nb", "t: a / b"),
        ("{{ title }}:\n{{ message }}", "a\nb", "t: a b"),
        ("> {{ message | lines }}", "a\nb", None),
        ("### {{ message | lines }}", "a\nb", None),
        ("> {{ message | lines }}", "a", "> a"),
    ],
)
def test_lines_of_a_template_are_one_and_those_of_values_are_kept(
    tmp_path: Path, item: str, message: str, line: str | None
) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    lines = "".join(f"\n    {part}" for part in item.split("\n"))
    (folder / "notification.yaml").write_text(f"digest:\n  item: |{lines}\n", encoding="utf-8")
    digest = renderer(tmp_path).render(note("t", message)).digest

    assert digest.use_embed == (line is None)
    assert line is None or digest.item == line


def test_a_name_that_is_too_long_everywhere_stays_in_its_line() -> None:
    [message] = messages([joined("A" * 5000), joined("Bob")])

    assert (message.entries, message.shortened) == (2, 1)
    assert message.embeds[0].description.endswith("A…, Bob")


@pytest.mark.slow
def test_a_party_with_an_endless_name_does_not_make_an_embed_of_each_join() -> None:
    events = [replace(joined(f"p{index}"), party_name="B" * 5000) for index in range(100)]
    [message] = messages(events)

    assert (message.entries, message.shortened) == (100, 100)


def test_embeds_that_do_not_fit_make_more_messages() -> None:
    made = messages([note(f"n{index}", "x\n" * 9) for index in range(25)])

    assert [message.entries for message in made] == [10, 10, 5]
    titles = [embed.title for message in made for embed in message.embeds]
    assert titles == [f"n{index}" for index in range(25)]


def test_no_message_has_more_than_ten_embeds(broken_limits: BrokenLimits) -> None:
    events = [
        event
        for index in range(40)
        for event in (
            note(f"n{index}", "x\n" * 9),
            *(joined(f"p{index} {number} " + "y" * 400) for number in range(index % 12)),
        )
    ]
    made = messages(events)

    assert sum(message.entries for message in made) == len(events)
    for message in made:
        assert broken_limits(message.body()["embeds"]) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("lines", [0, 1, 5])
def test_events_beyond_max_messages_are_counted_below_an_embed_too(
    broken_limits: BrokenLimits, lines: int
) -> None:
    events = [note(f"n{index}", "x\n" * 9) for index in range(9)]
    events += [joined(f"p{index}") for index in range(lines)]  # type: ignore[misc]
    events += [note(f"m{index}", "x\n" * 9) for index in range(9)]
    [message] = messages(events, max_messages=1)

    assert message.entries == len(events)
    assert broken_limits(message.body()["embeds"]) == []  # type: ignore[arg-type]
    named = [embed.title for embed in message.embeds if embed.title.startswith("n")]
    more = re.search(r"… and (\d+) more events", message.embeds[-1].description)
    assert more is not None
    assert len(named) + int(more[1]) == len(events)


def test_backlog_keeps_the_embeds_that_no_line_can_hold() -> None:
    events = [joined("Ann"), joined("Bob"), note("Hey", "x\n" * 9)]
    [message] = messages(events, catch_up=True)

    digest, embed = message.embeds
    assert digest.title == "📋 Catching up: 2 events"
    assert (embed.title, embed.timestamp) == ("Hey", START)


def test_a_link_that_two_embeds_of_a_message_have_stays_on_the_first() -> None:
    def linked(index: int) -> Entry:
        return Entry(
            str(index),
            "chat_line",
            START,
            Embed(title=f"n{index}", url="https://example.com"),
            Digest("g", "h", "i", shortened=True, use_embed=True),
        )

    [message] = compose([linked(0), linked(1)], wording=RENDERER.wording)
    assert [embed.url for embed in message.embeds] == ["https://example.com", ""]


def test_long_values_share_the_room_of_an_embed(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "chat_line.yaml").write_text(
        "title: '{{ author }}'\ndescription: '{{ text }}'\n"
        "fields:\n" + "- {name: n, value: '{{ text[:1000] }}'}\n" * 2,
        encoding="utf-8",
    )
    entry = renderer(tmp_path).render(ChatLine(author="Ann", text="x" * 4050))

    assert 5990 <= embed_size(entry.embed) <= 6000
    assert [len(field.value) for field in entry.embed.fields] == [1000, 1000]
    assert entry.shortened


def test_a_title_that_discord_would_not_take_stands_above_the_description(tmp_path: Path) -> None:
    title = ("word " * 60).strip()
    entry = RENDERER.render(note(title, "m"))
    assert (entry.embed.title, entry.embed.description) == ("", f"**{title}**\nm")
    assert not entry.shortened

    folder = tmp_path / "discord"
    folder.mkdir()
    (folder / "notification.yaml").write_text("url: https://example.com", encoding="utf-8")
    linked = renderer(tmp_path).render(note(title, "")).embed
    assert linked.title == ("word " * 51).strip() + "…"
    assert linked.description == f"**{title}**"


def test_a_long_title_is_whole_in_a_digest_too() -> None:
    title = ("word " * 60).strip()
    [message] = messages([note(title, "m"), joined("Ann")])

    assert message.embeds[0].description.startswith(f"📢 **{title}**: m\n")
    assert message.shortened == 0


@pytest.mark.parametrize(
    ("title", "message"), [("t" * 1001, "m"), ("t" * 300, "m" * 4000)], ids=["endless", "no room"]
)
def test_a_title_without_room_elsewhere_is_shortened(title: str, message: str) -> None:
    entry = RENDERER.render(note(title, message))

    assert entry.embed.title == "t" * 255 + "…"
    assert entry.embed.description == message
    assert entry.shortened


def test_three_hundred_joins_of_a_party_with_a_long_name_are_one_message() -> None:
    events = [replace(joined(f"p{index}"), party_name="B" * 900) for index in range(300)]
    [message] = messages(events)

    assert (message.entries, message.shortened) == (300, 0)


def test_entries_remember_what_they_lack(tmp_path: Path) -> None:
    entries = [RENDERER.render(event) for event in (joined("Ann"), played(40), played(500))]
    flags = [(e.shortened, e.digest.shortened, e.digest.use_embed) for e in entries]

    assert flags == [(False, False, False), (False, True, True), (True, True, True)]
    assert [Entry.from_json(entry.to_json()) for entry in entries] == entries
    assert "shortened" not in entries[0].to_json()


words = st.text("abcdefgh0123456789", min_size=1, max_size=12)
texts = st.one_of(
    words,
    st.lists(words, max_size=400).map(" ".join),
    st.lists(st.lists(words, min_size=1, max_size=8).map(" ".join), max_size=20).map("\n".join),
)
titles = st.lists(words, min_size=1, max_size=120).map(" ".join)
events = st.lists(
    st.one_of(
        st.builds(joined, words),
        st.builds(joined, texts),
        st.builds(note, titles, texts),
        st.builds(ChatLine, author=words, text=texts),
        st.builds(GameStarted, game_name=words, players=st.lists(words, max_size=120).map(tuple)),
    ),
    max_size=25,
)


def words_of(event: Event) -> list[str]:
    match event:
        case PeerJoined():
            return event.peer_name.split()
        case Notification():
            return event.title.split() + event.message.split()
        case ChatLine():
            return event.author.split() + event.text.split()
        case GameStarted():
            return [event.game_name, *event.players]

    raise AssertionError


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(events, st.sampled_from(["digest", "embeds"]), st.booleans())
def test_each_word_of_each_event_is_posted_or_counted(
    broken_limits: BrokenLimits, batch: list[Event], style: str, catch_up: bool
) -> None:
    made = messages(batch, style=style, catch_up=catch_up)
    assert sum(message.entries for message in made) == len(batch)
    left = iter(batch)
    for message in made:
        assert broken_limits(message.body()["embeds"]) == []  # type: ignore[arg-type]
        shown = list(islice(left, message.entries))
        text = "\n".join(map(text_of, message.embeds))
        posted = set(re.findall(r"\w+", text))
        lacking = [event for event in shown if not posted.issuperset(words_of(event))]
        assert len(lacking) <= message.shortened <= message.entries
        assert_order(shown, message.embeds)


def assert_order(shown: Sequence[Event], embeds: Sequence[Embed]) -> None:
    """Check that each embed of a single event stands where the event does."""
    if len(shown) == 1:
        return

    position = 0
    for embed in embeds:
        title = re.match(r"📋 (?:Catching up: )?(\d+) events?$", embed.title)
        if title is not None:
            position += int(title[1])
        elif position < len(shown):
            alone = RENDERER.render(shown[position]).embed
            position += embed == replace(alone, url=embed.url)

    assert position == len(shown)


def test_an_entry_whose_embed_does_not_fit_is_left_for_the_next_message() -> None:
    long = note("Rules", "\n".join("a rule of the house " * 5 for _ in range(40)))
    pair = [long, note("Menu", "pizza")]
    entries = [RENDERER.render(event) for event in pair]
    entries[0].embed = replace(entries[0].embed, footer="")
    entries[1].embed = replace(entries[1].embed, author="y" * 200)
    room = 6000 - embed_size(entries[0].embed) - embed_size(entries[1].embed)
    filler = "x" * (room + 1)
    entries[0].embed = replace(entries[0].embed, author=filler[:256])
    entries[0].embed = replace(entries[0].embed, footer=filler[256:2048])
    assert sum(embed_size(one.embed) for one in entries) == 6001

    made = list(compose(entries, wording=RENDERER.wording))
    assert [message.embeds for message in made] == [(entries[0].embed,), (entries[1].embed,)]

    [message] = compose(entries, wording=RENDERER.wording, max_messages=1)
    assert (message.entries, len(message.embeds)) == (2, 2)


def test_a_line_with_fewer_texts_than_events_counts_them() -> None:
    [message] = messages([note("Pizza", ""), note("Pizza", "")])
    assert message.embeds[0].description == "📢 **Pizza** × 2"

    [message] = messages([note("Pizza", ""), note("Pizza", "now"), note("Menu", ""), joined("Ann")])
    assert message.embeds[0].description.split("\n")[:2] == ["📢 **Pizza** × 2: now", "📢 **Menu**"]


def test_an_empty_message_is_no_value_in_templates_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "discord").mkdir()
    text = 'digest:\n  heading: "{{ title }}"\n  item: "{{ message }}"\n'
    (tmp_path / "discord" / "notification.yaml").write_text(
        text + 'description: "> {{ message }}"\n'
    )
    made = renderer(tmp_path)

    [message] = messages([note("Pizza", ""), joined("")], made)
    assert message.embeds[0].description == "Pizza\n👋 **1 joined** Friday LAN: ?"
    assert "?" not in text_of(made.render(note("", "")).embed)
