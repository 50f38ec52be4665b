from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.cli import (
    StatusLine,
    counted,
    did_you_mean,
    progress_bar,
    safe_text,
    table,
    write_errors,
    write_json,
    write_lines,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_escaped_text_is_one_line_that_steers_nothing(text: str) -> None:
    escaped = safe_text(text)
    assert len(escaped.splitlines()) <= 1
    assert not set(escaped) & set("\x1b\r\n\x07\x08\x9b\u2028\u202e\u200b")


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_text_that_can_be_seen_stays_as_it_is(text: str) -> None:
    blank = set("\u115f\u1160\u2800\u3164\uffa0\U0001d159")
    assert safe_text(text) == text or set(text) & blank


def test_letters_without_ink_and_stacked_marks_are_escaped() -> None:
    assert safe_text("Zoë\u3164\u17b4\u2800") == r"Zoë\u3164\u17b4\u2800"
    assert safe_text("Z" + "\u0e49" * 5) == "Z" + "\u0e49" * 3 + r"\u0e49\u0e49"
    assert (
        safe_text("Z" + "\u0301\u200d" * 4)
        == "Z\u0301\u200d\u0301\u200d\u0301" + r"\u200d\u0301\u200d"
    )
    assert safe_text("น้ำ हिन्दी מְשֻׁ") == "น้ำ हिन्दी מְשֻׁ"


def test_emoji_and_scripts_that_need_joiners_stay_as_they_are() -> None:
    assert safe_text("👩\u200d🚀 نامه\u200cای") == "👩\u200d🚀 نامه\u200cای"
    assert safe_text("👩\u200d🚀\n") == "👩\u200d🚀\\n"


def test_data_goes_to_stdout_and_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(["one", "two\x1b[2J"])
    write_json({"name": "Änn"})
    write_errors(["oh\nno"])
    output = capsys.readouterr()
    assert output.out == 'one\ntwo\\u001b[2J\n{\n  "name": "Änn"\n}\n'
    assert output.err == "oh\\nno\n"


def test_a_table_has_its_cells_below_each_other() -> None:
    assert table([("NAME", "HOOKS"), ("discord", "event"), ("log\n", "")]) == [
        "NAME     HOOKS",
        "discord  event",
        "log\\n",
    ]
    assert table([]) == []


def test_a_table_counts_the_columns_that_a_terminal_shows() -> None:
    assert table([("電竜", "one"), ("👩\u200d🚀", "two"), ("e\u0301lan", "three")]) == [
        "電竜  one",
        "👩\u200d🚀    two",
        "e\u0301lan  three",
    ]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 events"), (1, "1 event"), (1000, "1,000 events")]
)
def test_a_number_has_its_noun(count: int, text: str) -> None:
    assert counted(count, "event") == text


@pytest.mark.parametrize(
    ("part", "bar"),
    [
        (0, "[....]"),
        (0.5, "[##..]"),
        (0.99, "[###.]"),
        (1, "[####]"),
        (-1, "[....]"),
        (2, "[####]"),
    ],
)
def test_a_bar_shows_how_much_is_done(part: float, bar: str) -> None:
    assert progress_bar(part, 4) == bar


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("windw", ", did you mean 'window'?"),
        ("STYLE", ", did you mean 'style'?"),
        ("colour", ""),
        ("", ""),
        ("window" + "x" * 1_000_000, ""),
    ],
)
def test_what_is_near_to_a_word_is_suggested(word: str, hint: str) -> None:
    assert did_you_mean(word, ["style", "window", "widow"]) == hint


def test_what_goes_on_where_a_word_ends_is_suggested_together() -> None:
    known = ["party_name", "party_id", "path"]
    assert did_you_mean("party", known) == ", did you mean 'party_id' or 'party_name'?"


def screen(output: str) -> str:
    """Return the last line that a terminal shows."""
    line: list[str] = []
    column = 0
    for character in output:
        if character == "\r":
            column = 0
        else:
            line[column : column + 1] = [character]
            column += 1

    return "".join(line)


@given(st.lists(st.text("ab", max_size=100), min_size=1))
def test_a_status_line_shows_the_last_text_alone(texts: list[str]) -> None:
    stream = Terminal()
    line = StatusLine(stream)
    for text in texts:
        line.show(text)

    width = len(texts[-1])
    assert screen(stream.getvalue()).rstrip() == texts[-1][: min(width, 79)]
    line.clear()
    assert not screen(stream.getvalue()).strip()


@pytest.mark.parametrize(
    ("text", "shown"), [("x" * 20, "x" * 9), ("電" * 20, "電電電電 "), ("a\nb", "a\\nb")]
)
def test_a_status_line_is_one_line_of_the_terminal(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((10, 24)))
    stream = Terminal()
    line = StatusLine(stream)
    line.show(text)
    assert stream.getvalue() == f"\r{shown}"
    line.show("")
    assert stream.getvalue() == f"\r{shown}\r{' ' * (4 if text[0] == 'a' else 9)}"


def test_a_line_that_stays_is_written_above_the_status_line() -> None:
    stream = Terminal()
    line = StatusLine(stream)
    line.write("first\n")
    line.show("12 events")
    line.write("second")
    assert stream.getvalue() == "first\\n\n\r12 events\r         \rsecond\n\r12 events"


def test_without_a_terminal_only_what_stays_is_written() -> None:
    stream = io.StringIO()
    line = StatusLine(stream)
    line.show("12 events")
    line.write("done")
    line.clear()
    assert stream.getvalue() == "done\n"


def test_clearing_a_status_line_that_shows_nothing_writes_nothing() -> None:
    stream = Terminal()
    StatusLine(stream).clear()
    assert stream.getvalue() == ""
