from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from lanrage_events_discord._embeds import Button, Embed, EmbedField, Message
from lanrage_events_discord._preview import measure
from lanrage_events_discord._terminal import (
    EmbedDrawing,
    draw_message,
    draw_meters,
    make_console,
)

Colors = Literal["256", "truecolor"]

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.fixture(autouse=True, scope="module")
def utc() -> Iterator[None]:
    """Have the reader in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield

    time.tzset()


class Screen(io.TextIOWrapper):
    """A stream that may say it is a terminal."""

    def __init__(self, encoding: str = "utf-8", *, is_terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding, errors="replace")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def console_of(columns: int = 60, colors: Colors | None = None, encoding: str = "utf-8") -> Console:
    return Console(file=Screen(encoding), width=columns, color_system=colors)


def drawn(drawing: RenderableType, console: Console | None = None) -> list[str]:
    """Return the lines of a drawing."""
    console = console or console_of()
    with console.capture() as capture:
        console.print(drawing, crop=False)

    return capture.get().removesuffix("\n").split("\n")


def described(text: str, columns: int = 60) -> list[str]:
    """Return the lines that show a description, without the bar."""
    lines = drawn(EmbedDrawing(Embed(description=text)), console_of(columns))
    return [line[2:] for line in lines]


def meters_of(*embeds: Embed, console: Console | None = None) -> list[str]:
    console = console or console_of()
    return drawn(draw_meters(measure(Message(entries=0, embeds=tuple(embeds))), console), console)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("é", 1),
        ("e\u0301", 1),
        ("名前", 4),
        ("👋", 2),
        (FAMILY, 2),
        ("👍\U0001f3fd", 2),
        ("🇩🇪", 2),
        ("❤\ufe0f", 2),
        ("❤", 1),
        ("1\ufe0f\u20e3", 2),
        ("ｱ", 1),
        ("\u200b", 0),
    ],
)
def test_the_columns_of_a_text_are_counted_as_terminals_do(text: str, width: int) -> None:
    fields = (EmbedField(f"{text}x", "y", inline=True), EmbedField("z", "y", inline=True))

    assert drawn(EmbedDrawing(Embed(fields=fields)))[1] == f"▌ {text}x{' ' * (28 - width)}z"


def test_lines_are_broken_between_words() -> None:
    assert described("the quick brown fox jumps\n\nover", 24) == [
        "the quick brown fox",
        "jumps",
        "",
        "over",
    ]


def test_a_word_that_is_too_long_is_broken_between_letters() -> None:
    assert described("ab" + FAMILY * 11, 24) == ["ab" + FAMILY * 10, FAMILY]
    assert described("x " + "y" * 45, 24) == ["x", "y" * 22, "y" * 22, "y"]


def test_styles_survive_wrapping() -> None:
    embed = Embed(description="**some bold words that go on** end", color=0)

    assert drawn(EmbedDrawing(embed), console_of(24, "256")) == [
        "\x1b[38;5;16m▌\x1b[0m \x1b[1msome bold words that\x1b[0m",
        "\x1b[38;5;16m▌\x1b[0m \x1b[1mgo on\x1b[0m end",
    ]


@given(
    st.text(st.sampled_from("ab 名👋\n\u0301"), max_size=200).map("a".__add__), st.integers(2, 40)
)
def test_no_line_is_wider_than_it_may_be_and_no_letter_is_lost(text: str, columns: int) -> None:
    lines = described(text, columns)

    assert all(cell_len(line) <= max(24, columns) - 2 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_an_embed_is_drawn_as_discord_lays_it_out() -> None:
    embed = Embed(
        title="👋 Ann joined",
        description="Welcome to **Friday LAN**!\n`id` [Join](https://discord.gg/abc)",
        color=0x2196F3,
        timestamp=TIME,
        footer="LANrage",
        author="The host",
        thumbnail="https://example.com/t.png",
        image="https://example.com/i.png",
        fields=(EmbedField("Map", "dust"),),
    )

    assert drawn(EmbedDrawing(embed)) == [
        "▌ The host",
        "▌ 👋 Ann joined",
        "▌ Welcome to Friday LAN!",
        "▌ id Join",
        "▌",
        "▌ Map",
        "▌ dust",
        "▌ [image: https://example.com/i.png]",
        "▌ [thumbnail: https://example.com/t.png]",
        "▌",
        "▌ LANrage • 2026-01-31 20:15",
    ]


def test_colours_and_styles_are_drawn_where_the_terminal_has_them() -> None:
    # Rich remembers how it wrote a colour first, so no other test may have drawn this one.
    embed = Embed(title="Ann", url="https://example.com", description="**x**", color=0x2196F1)

    assert drawn(EmbedDrawing(embed), console_of(colors="truecolor")) == [
        "\x1b[38;2;33;150;241m▌\x1b[0m \x1b[1;4;34mAnn\x1b[0m",
        "\x1b[38;2;33;150;241m▌\x1b[0m \x1b[1mx\x1b[0m",
    ]
    for color, code in ((0xFF0000, 196), (0, 16), (None, 239)):
        [line] = drawn(EmbedDrawing(Embed(title="Ann", color=color)), console_of(colors="256"))
        assert line.startswith(f"\x1b[38;5;{code}m▌")


def test_inline_fields_stand_beside_each_other() -> None:
    fields = (
        *(EmbedField(f"名{number}", "x y", inline=True) for number in range(4)),
        EmbedField("Wide", "z"),
        EmbedField("Last", "w", inline=True),
    )

    assert drawn(EmbedDrawing(Embed(fields=fields))) == [
        "▌",
        "▌ 名0                名1                名2",
        "▌ x y                x y                x y",
        "▌",
        "▌ 名3",
        "▌ x y",
        "▌",
        "▌ Wide",
        "▌ z",
        "▌",
        "▌ Last",
        "▌ w",
    ]


def test_in_a_narrow_terminal_fields_stand_below_each_other() -> None:
    fields = tuple(EmbedField(f"n{number}", "v", inline=True) for number in range(2))

    lines = drawn(EmbedDrawing(Embed(fields=fields)), console_of(10))

    assert lines == ["▌", "▌ n0", "▌ v", "▌", "▌ n1", "▌ v"]


def test_a_message_is_drawn_with_its_name_its_content_and_all_embeds() -> None:
    body = {
        "username": "Events",
        "thread_name": "Friday\x1b[2J",
        "content": "<@123> look",
        "embeds": [Embed(title="one").to_dict(), Embed(title="two").to_dict()],
    }

    assert drawn(draw_message(body)) == [
        "Events  APP  in Friday[2J",
        "<@123> look",
        "▌ one",
        "▌ two",
    ]
    assert drawn(draw_message({})) == ["LANrage  APP "]


def test_a_message_is_drawn_with_its_picture_and_its_buttons() -> None:
    message = Message(
        entries=1,
        embeds=(Embed(title="one"),),
        avatar_url="https://example.org/a.png",
        buttons=tuple(Button(f"Seat {n}", f"https://example.org/{n}") for n in range(6)),
    )

    assert drawn(draw_message(message.body())) == [
        "LANrage  APP ",
        "[avatar: https://example.org/a.png]",
        "▌ one",
        *(f"[Seat {n}] https://example.org/{n}" for n in range(6)),
    ]
    labels = [meter.label for meter in measure(message)]
    assert labels == ["title", "description", "button label", "button url", "buttons", "message"]


@pytest.mark.slow
@given(st.text())
def test_nothing_in_a_message_commands_the_terminal(text: str) -> None:
    hostile = f"\x1b[2J\x9b31m\x07{text}\u202e"
    embed = Embed(
        title=hostile,
        description=hostile,
        footer=hostile,
        author=hostile,
        fields=(EmbedField(hostile, hostile),),
    )
    button = {"label": hostile, "url": hostile}
    body = {
        "username": hostile,
        "avatar_url": hostile,
        "content": hostile,
        "embeds": [embed.to_dict()],
        "components": [{"components": [button]}],
    }

    drawing = drawn(draw_message(body), console_of(colors="truecolor"))

    rest = re.sub(r"\x1b\[[0-9;]+m", "", "\n".join(drawing))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rest)


@pytest.mark.parametrize("columns", [1, 24, 40, 200])
def test_drawings_keep_to_the_width_of_the_terminal(columns: int) -> None:
    embed = Embed(title="名" * 100, description="word " * 100, footer="f" * 200)

    widths = map(cell_len, drawn(EmbedDrawing(embed), console_of(columns)))

    assert max(widths) <= min(72, max(24, columns))


def test_meters_show_how_full_each_limit_is() -> None:
    embed = Embed(
        title="x" * 128,
        description="y" * 4096,
        author="a",
        footer="LANrage",
        fields=(EmbedField("name", "value"), EmbedField("n", "v")),
    )

    assert meters_of(embed, Embed(title="short")) == [
        "title        ██████████░░░░░░░░░░ 128/256",
        "description  ████████████████████ 4096/4096",
        "author       █░░░░░░░░░░░░░░░░░░░ 1/256",
        "field name   █░░░░░░░░░░░░░░░░░░░ 4/256",
        "field value  █░░░░░░░░░░░░░░░░░░░ 5/1024",
        "footer       █░░░░░░░░░░░░░░░░░░░ 7/2048",
        "fields       ██░░░░░░░░░░░░░░░░░░ 2/25",
        "message      ███████████████░░░░░ 4248/6000",
    ]


def test_meters_of_nothing_are_empty() -> None:
    assert meters_of(
        Embed(image="https://example.org/a.png"), console=console_of(encoding="cp1252")
    ) == [
        "title        .................... 0/256",
        "description  .................... 0/4096",
        "message      .................... 0/6000",
    ]


@pytest.mark.parametrize(("size", "code"), [(10, "32"), (230, "32"), (231, "33"), (256, "33")])
def test_a_meter_turns_yellow_close_to_the_limit(size: int, code: str) -> None:
    embed = Embed(title="x" * size)
    assert f"\x1b[{code}m█" in meters_of(embed, console=console_of(colors="256"))[0]


@pytest.mark.parametrize("columns", [10, 24, 40])
def test_a_meter_is_never_broken(columns: int) -> None:
    assert len(meters_of(Embed(), console=console_of(columns))) == 3


@pytest.mark.parametrize(
    ("environ", "is_terminal", "colors"),
    [
        ({"TERM": "xterm"}, True, "256"),
        ({"TERM": "xterm-256color"}, True, "256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True, "truecolor"),
        ({"TERM": "xterm"}, False, None),
        ({"TERM": "dumb"}, True, None),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, None),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, False, "256"),
    ],
)
def test_colours_are_used_where_they_are_wanted(
    environ: dict[str, str],
    is_terminal: bool,
    colors: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)

    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    screen = Screen(is_terminal=is_terminal)
    console = make_console(screen)
    console.print(draw_message({"embeds": [Embed(title="Ann").to_dict()]}))
    screen.seek(0)

    assert console.color_system == colors
    assert ("\x1b" in screen.read()) == (colors is not None)


def test_a_stream_without_unicode_gets_ascii() -> None:
    screen = Screen("cp1252", is_terminal=False)

    make_console(screen).print(EmbedDrawing(Embed(title="👋 Zoë", footer="f", timestamp=TIME)))

    screen.seek(0)
    assert screen.read() == "| ? Zoë\n|\n| f - 2026-01-31 20:15\n"


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_the_width_is_the_terminals(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "33")

    assert make_console(Screen()).width == 33
