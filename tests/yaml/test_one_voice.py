"""The same mistakes in a configuration, a preset and a template get the same answers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest

from lanrage_events import PeerJoined
from lanrage_events._daemon import check
from lanrage_events.config import ConfigError
from lanrage_events.templates import TemplateError, TemplateLeaf, Templates
from lanrage_events_logfile._dry_run import try_file

ANN = PeerJoined(peer_name="Ann", party_name="x")
ABOVE = "plugins:\n  logfile:\n    path: a.log\n    preset: minecraft\n"
MARGIN = 4

Answers = list[str]
Ask = Callable[[Path, str], Answers]


def configuration(folder: Path, text: str) -> Answers:
    file = folder / "lanrage.yaml"
    file.write_text(ABOVE + indent(text, " " * MARGIN), "latin-1")
    try:
        check(file).draft.config()
    except ConfigError as error:
        return [
            re.sub(r"(\d+):(\d+)", _without_margin, problem).replace("plugins.logfile.", "")
            for problem in error.problems
        ]

    return []


def _without_margin(match: re.Match[str]) -> str:
    return f"{int(match[1]) - ABOVE.count(chr(10))}:{max(1, int(match[2]) - MARGIN)}"


def preset(folder: Path, text: str) -> Answers:
    file, log = folder / "mine.yaml", folder / "a.log"
    file.write_text(text, "latin-1")
    log.write_text("", "utf-8")
    errors = io.StringIO()
    # With a pattern, so that what is right is enough.
    try_file(str(file), log, ["peer_joined=(?P<peer_name>.+)"], out=io.StringIO(), err=errors)
    return errors.getvalue().splitlines()


def template(folder: Path, text: str) -> Answers:
    file = folder / "toy" / "event.yaml"
    file.parent.mkdir()
    file.write_text(text, "latin-1")
    found: list[TemplateError] = []
    leaves = {"party_name": TemplateLeaf(), "game_name": TemplateLeaf()}
    Templates("toy", [folder], leaves, report=found.append).render(ANN)
    return [str(problem) for problem in found]


@pytest.mark.parametrize("ask", [configuration, preset, template])
@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("party_name: on", []),
        ("party_name: No", []),
        ("party_name: 10:30", []),
        ("party_name: 0600", []),
        ("party_name: 2026-01-31", []),
        ("party_name: &name x\ngame_name: *name", []),
        ("party_name: x # a comment", []),
        ("party_name: a\nparty_name: b", ["2:1: duplicate key 'party_name', first at 1:1"]),
        ("prty_name: a", ["1:1: prty_name: unknown key, did you mean 'party_name'?"]),
        ("party_name: [a]", ["1:13: party_name: expected a text, found a list"]),
        ("game_name: {a: b}", ["1:1: game_name: expected a text, found keys with values"]),
        ('party_name: "a\ngame_name: b', ["1:13: the quote that opens here is not closed"]),
        ("party_name: 'a", ["1:13: the quote that opens here is not closed"]),
        (
            "party_name: 'a' b",
            ["1:17: text after the end of a value: put the whole value in quotes"],
        ),
        (
            "party_name: {{ a }} b",
            ["1:21: text after the end of a value: put the whole value in quotes"],
        ),
        (
            "party_name: {{ a }}",
            ["1:14: a key must be text, not a list or a mapping: if it is text, put it in quotes"],
        ),
        ("party_name: LAN: a", ["1:16: a second ': ' in one value: put the value in quotes"]),
        ("party_name: @a", ["1:13: a value cannot start with '@': put the value in quotes"]),
        ("party_name: **a**", ["1:13: a value cannot start with '*' unless it is in quotes"]),
        (
            "party_name: *a",
            ["1:13: '*a' has no anchor '&a' above it (put it in quotes if it is text)"],
        ),
        ("party_name: !env A", ["1:13: the tag '!env' is not supported"]),
        (
            "party_name: a\n  game_name: b",
            ["2:12: the line above has a value already: check the indentation"],
        ),
        ("party_name: a\x07", ["1:14: the control character U+0007 is not allowed"]),
        (
            "party_name: !x a\nzzz: b\nparty_name: c",
            [
                "1:13: the tag '!x' is not supported",
                "2:1: zzz: unknown key",
                "3:1: duplicate key 'party_name', first at 1:1",
            ],
        ),
        (
            "party_name: J\u00fcrgen",
            ["1:14: this is not UTF-8 (byte 0xFC): save the file as UTF-8"],
        ),
    ],
)
def test_a_mistake_is_answered_alike_wherever_it_is_made(
    tmp_path: Path, ask: Ask, text: str, answers: Answers
) -> None:
    found = [_without_file(tmp_path, answer) for answer in ask(tmp_path, text)]

    assert sorted(found) == answers


def _without_file(folder: Path, answer: str) -> str:
    file, position, rest = re.fullmatch(r"(.+?\.yaml):(\d+:\d+): (.*)", answer).groups()  # type: ignore[union-attr]
    assert Path(file).is_relative_to(folder)
    rest = re.sub(r" \(noticed at .*| \(there are .*", "", rest)
    return f"{position}: {rest}"
