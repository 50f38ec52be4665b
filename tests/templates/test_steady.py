"""Texts that should not change by themselves, and filters of a consumer that make other values."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events import PeerJoined, PeerLeft
from lanrage_events.templates import SafeString, TemplateError, TemplateLeaf, Templates

LEAVES = {"title": TemplateLeaf(), "lines[].text": TemplateLeaf(), "again": TemplateLeaf()}


def templates(folder: Path, problems: list[TemplateError], **files: str) -> Templates:
    (folder / "toy").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "toy" / f"{name}.yaml").write_text(text, "utf-8")

    made = Templates(
        "toy",
        [folder],
        LEAVES,
        functions={"shout": lambda text: SafeString(f"<b>{text}!</b>")},
        steady=("peer_joined",),
        report=problems.append,
        context=(),
    )
    made.check([PeerJoined, PeerLeft])
    return made


@pytest.mark.parametrize(
    ("text", "line", "cause"),
    [
        ('title: "{{ time.now() }}"', 1, "now()"),
        ("title: |\n  a\n  {{ time.utcnow().year }}", 3, "utcnow()"),
        ('again: "{% if time.today().hour > 12 %}late{% else %}early{% endif %}"', 1, "today()"),
        ("lines:\n  - text: x\n  - text: \"{{ ['a', 'b'] | random }}\"", 3, "random"),
        ("title: \"{{ [['a']] | map('random') | first }}\"", 1, "random"),
    ],
)
@pytest.mark.parametrize("file", ["peer_joined", "party_event", "event"])
def test_what_changes_by_itself_is_a_warning_where_it_matters(
    tmp_path: Path, file: str, text: str, line: int, cause: str
) -> None:
    problems: list[TemplateError] = []
    made = templates(tmp_path, problems, **{file: text})

    [problem] = problems
    assert problem.is_warning
    assert (problem.file, problem.line) == (str(tmp_path / "toy" / f"{file}.yaml"), line)
    assert f"'{cause}' changes the text without an event" in str(problem)
    # It is used all the same, and reported once.
    assert made.render(PeerJoined(peer_name="Ann", party_name="LAN"))
    assert len(problems) == 1
    made.reload([tmp_path], [PeerJoined, PeerLeft])
    assert len(made.problems) == 1


def test_other_types_may_read_the_clock(tmp_path: Path) -> None:
    problems: list[TemplateError] = []
    templates(tmp_path, problems, peer_left='title: "{{ time.now() }}"')

    assert problems == []


def test_a_leaf_that_another_one_replaces_does_not_matter(tmp_path: Path) -> None:
    problems: list[TemplateError] = []
    steady = 'title: "{{ peer_name }}"'
    templates(tmp_path, problems, event='title: "{{ time.now() }}"', peer_joined=steady)

    assert problems == []


def test_a_function_makes_another_value(tmp_path: Path) -> None:
    problems: list[TemplateError] = []
    made = templates(tmp_path, problems, event='title: "{{ peer_name | shout }} {{ type }}"')

    assert made.render(PeerJoined(peer_name="Ann", party_name="LAN"))["title"] == (
        "<b>Ann!</b> peer_joined"
    )
    assert problems == []
