from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import escape_controls
from lanrage_events.cli import LiveLine, counted, table, write_errors, write_json, write_lines


@given(st.text())
def test_escaped_text_is_one_line_that_steers_nothing(text: str) -> None:
    escaped = escape_controls(text)
    assert len(escaped.splitlines()) <= 1
    assert not set(escaped) & set("\x1b\r\n\x07\x08\x9b\u2028\u202e\u200b")


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_text_that_can_be_seen_stays_as_it_is(text: str) -> None:
    assert escape_controls(text) == text


def test_emoji_and_scripts_that_need_joiners_stay_as_they_are() -> None:
    assert escape_controls("👩\u200d🚀 نامه\u200cای") == "👩\u200d🚀 نامه\u200cای"
    assert escape_controls("👩\u200d🚀\n") == "👩\u200d🚀\\n"


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


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 events"), (1, "1 event"), (1000, "1,000 events")]
)
def test_a_number_has_its_noun(count: int, text: str) -> None:
    assert counted(count, "event") == text


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
def test_a_live_line_shows_the_last_text_alone(texts: list[str]) -> None:
    stream = io.StringIO()
    line = LiveLine(stream)
    for text in texts:
        line.show(text)

    width = len(texts[-1])
    assert screen(stream.getvalue()).rstrip() == texts[-1][: min(width, 79)]
    line.clear()
    assert not screen(stream.getvalue()).strip()


def test_a_live_line_is_cut_to_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((10, 24)))
    stream = io.StringIO()
    LiveLine(stream).show("x" * 20)
    assert stream.getvalue() == "\r" + "x" * 9


def test_clearing_a_live_line_that_shows_nothing_writes_nothing() -> None:
    stream = io.StringIO()
    LiveLine(stream).clear()
    assert stream.getvalue() == ""
