from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_discord._embeds import Embed, EmbedField
from lanrage_events_discord._preview import Look, Style, draw_message, write_line
from lanrage_events_discord._preview.spans import Span
from lanrage_events_discord._preview.terminal import draw_embed, draw_meters
from lanrage_events_discord._preview.wrap import display_width, letters, wrap

TIME = datetime(2026, 1, 31, 20, 15, tzinfo=UTC)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PLAIN = Look(columns=60, timezone=UTC)
COLOR = Look(columns=60, colors="full", timezone=UTC)


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8", *, is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding = encoding
        self._is_terminal = is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def lines_of(drawing: str) -> list[str]:
    return drawing.split("\n")


def texts(lines: list[list[Span]]) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
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
    assert display_width(text) == width


@given(st.text())
def test_letters_make_up_the_text(text: str) -> None:
    assert "".join(letters(text)) == text


def test_lines_are_broken_between_words() -> None:
    assert texts(wrap([Span("the quick brown fox\n\njumps")], 10)) == [
        "the quick",
        "brown fox",
        "",
        "jumps",
    ]


def test_a_word_that_is_too_long_is_broken_between_letters() -> None:
    assert texts(wrap([Span("ab" + FAMILY * 3)], 4)) == ["ab" + FAMILY, FAMILY * 2]
    assert texts(wrap([Span("x " + "y" * 9)], 4)) == ["x", "yyyy", "yyyy", "y"]


def test_styles_survive_wrapping() -> None:
    lines = wrap([Span("a bold", Style.BOLD), Span(" end")], 6)

    assert lines == [[Span("a bold", Style.BOLD)], [Span("end")]]


@given(st.text(st.sampled_from("ab 名👋\n\u0301"), max_size=60), st.integers(2, 20))
def test_no_line_is_wider_than_it_may_be_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = texts(wrap([Span(text)], width))

    assert all(display_width(line) <= width for line in lines)
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

    assert lines_of(draw_embed(embed, PLAIN)) == [
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
    embed = Embed(title="Ann", url="https://example.com", description="**x**", color=0x2196F3)

    assert lines_of(draw_embed(embed, COLOR)) == [
        "\x1b[38;2;33;150;243m▌\x1b[0m \x1b[1;34;4mAnn\x1b[0m",
        "\x1b[38;2;33;150;243m▌\x1b[0m \x1b[1mx\x1b[0m",
    ]
    few = Look(colors="256")
    assert draw_embed(Embed(title="Ann", color=0xFF0000), few).startswith("\x1b[38;5;196m▌")
    assert draw_embed(Embed(title="Ann", color=0), few).startswith("\x1b[38;5;16m▌")
    assert draw_embed(Embed(title="Ann"), few).startswith("\x1b[38;5;102m▌")


def test_inline_fields_stand_beside_each_other() -> None:
    fields = (
        *(EmbedField(f"名{number}", "x y", inline=True) for number in range(4)),
        EmbedField("Wide", "z"),
        EmbedField("Last", "w", inline=True),
    )

    assert lines_of(draw_embed(Embed(fields=fields), PLAIN)) == [
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

    drawing = draw_embed(Embed(fields=fields), Look(columns=10))

    assert lines_of(drawing) == ["▌", "▌ n0", "▌ v", "▌", "▌ n1", "▌ v"]


def test_a_message_is_drawn_with_its_name_its_content_and_all_embeds() -> None:
    body = {
        "username": "Events",
        "content": "<@123> look",
        "embeds": [Embed(title="one").to_dict(), Embed(title="two").to_dict()],
    }

    assert lines_of(draw_message(body, PLAIN)) == [
        "Events  APP ",
        "<@123> look",
        "▌ one",
        "▌ two",
    ]
    assert draw_message({}, PLAIN) == "LANrage  APP "


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
    body = {"username": hostile, "content": hostile, "embeds": [embed.to_dict()]}

    drawing = draw_message(body, COLOR)

    rest = re.sub(r"\x1b\[[0-9;]+m", "", drawing)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rest)


@pytest.mark.parametrize("columns", [1, 24, 40, 200])
def test_drawings_keep_to_the_width_of_the_terminal(columns: int) -> None:
    embed = Embed(title="名" * 100, description="word " * 100, footer="f" * 200)

    widths = [display_width(line) for line in lines_of(draw_embed(embed, Look(columns=columns)))]

    assert max(widths) <= min(72, max(24, columns))


def test_meters_show_how_full_each_limit_is() -> None:
    embed = Embed(
        title="x" * 128,
        description="y" * 4096,
        author="a",
        footer="LANrage",
        fields=(EmbedField("name", "value"), EmbedField("n", "v")),
    )

    assert lines_of(draw_meters([embed, Embed(title="short")], PLAIN)) == [
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
    assert lines_of(draw_meters([Embed()], Look(is_unicode=False))) == [
        "title        .................... 0/256",
        "description  .................... 0/4096",
        "message      .................... 0/6000",
    ]


@pytest.mark.parametrize(("size", "code"), [(10, "32"), (240, "33"), (300, "31")])
def test_a_meter_turns_yellow_and_red(size: int, code: str) -> None:
    assert f"\x1b[{code}m█" in lines_of(draw_meters([Embed(title="x" * size)], COLOR))[0]


@pytest.mark.parametrize(
    ("environ", "is_terminal", "colors"),
    [
        ({"TERM": "xterm"}, True, "256"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, True, "full"),
        ({"TERM": "xterm"}, False, "none"),
        ({"TERM": "dumb"}, True, "none"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, "none"),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, "none"),
        ({"FORCE_COLOR": "1"}, False, "256"),
    ],
)
def test_colours_are_used_where_they_are_wanted(
    environ: dict[str, str], is_terminal: bool, colors: str
) -> None:
    assert Look.of(Screen(is_terminal=is_terminal), environ).colors == colors


def test_old_consoles_of_windows_get_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")

    assert Look.of(Screen(), {}).colors == "none"
    assert Look.of(Screen(), {"WT_SESSION": "x"}).colors == "full"


def test_a_stream_without_unicode_gets_ascii() -> None:
    screen = Screen("cp1252")
    look = Look.of(screen, {"NO_COLOR": "1"})

    write_line(screen, draw_embed(Embed(title="👋 Zoë", footer="f", timestamp=TIME), look))

    assert not look.is_unicode
    assert screen.getvalue().startswith("| ? Zoë\n|\n| f - 20")


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")

    assert Look.of(Screen(), {}).columns == 33
