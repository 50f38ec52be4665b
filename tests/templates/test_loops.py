"""Items of lists that are repeated, by ``for``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lanrage_events import Event
from lanrage_events.templates import TemplateError, TemplateLeaf, Templates


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster(Event):
    players: list[str]
    scores: dict[str, int] = field(default_factory=dict)
    game: str = "Quake"


def braced(text: str) -> str:
    return text.replace("*", "(*)")


def number(value: object) -> int:
    return int(str(value))


LEAVES = {
    "title": TemplateLeaf(),
    "rows[].name": TemplateLeaf(write=braced, limit=40),
    "rows[].number": TemplateLeaf(parse=number),
}


class Tool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[TemplateError] = []

    def templates(self, *texts: str, **options: Any) -> Templates:
        folders = []
        for position, text in enumerate(texts):
            path = self.folder / str(position) / "toy" / "roster.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            folders.append(self.folder / str(position))

        return Templates("toy", folders, LEAVES, report=self.problems.append, context=(), **options)

    def rows(self, *texts: str, **fields: Any) -> list[dict[str, Any]]:
        event = Roster(**{"players": ["Ann", "Bob"], **fields})
        found: list[dict[str, Any]] = self.templates(*texts).render(event).get("rows", [])
        return found

    def messages(self) -> list[str]:
        return [str(problem).replace(f"{self.folder}/", "") for problem in self.problems]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def test_item_is_there_for_each_value_between_the_others(tool: Tool) -> None:
    rows = tool.rows(
        "rows:\n"
        "- name: before\n"
        "- {for: player in players, name: '{{ player }} plays {{ game }}'}\n"
        "- name: after\n"
    )
    assert rows == [
        {"name": "before"},
        {"name": "Ann plays Quake"},
        {"name": "Bob plays Quake"},
        {"name": "after"},
    ]
    assert tool.messages() == []


def test_loop_has_several_variables_a_condition_and_loop(tool: Tool) -> None:
    text = (
        "rows:\n- for: name, points in scores.items() if points > 0\n"
        "  name: '{{ loop.index }}/{{ loop.length }} {{ name }}'\n  number: '{{ points }}'"
    )
    scores = {"Ann": 3, "Bob": 0, "Cy": 7}
    assert tool.rows(text, scores=scores) == [
        {"name": "1/2 Ann", "number": 3},
        {"name": "2/2 Cy", "number": 7},
    ]
    assert tool.messages() == []


def test_values_of_a_loop_are_written_as_all_others(tool: Tool) -> None:
    rows = tool.rows(
        "rows: [{for: player in players, name: '{{ player }}'}]",
        players=["A*n", "\u202eevil", "  ", "x" * 90],
    )
    assert [row["name"] for row in rows] == ["A(*)n", "evil", "?", "x" * 39 + "…"]


def test_nothing_to_repeat_is_no_item(tool: Tool) -> None:
    assert tool.rows("rows: [{for: player in players, name: a}]", players=[]) == []
    assert (
        tool.rows("rows: [{for: player in players, name: a}]", "rows: [{name: other}]", players=[])
        == []
    )
    assert tool.messages() == []


def test_variable_hides_a_field_in_its_item_only(tool: Tool) -> None:
    rows = tool.rows("rows:\n- {for: game in players, name: '{{ game }}'}\n- {name: '{{ game }}'}")
    assert [row["name"] for row in rows] == ["Ann", "Bob", "Quake"]


def test_loop_makes_no_more_than_a_hundred_items(tool: Tool) -> None:
    templates = tool.templates("rows:\n- {for: p in players, name: '{{ p }}'}\n- {name: end}")
    leaves = templates.render(Roster(players=[f"p{n}" for n in range(100)]))
    assert (len(leaves["rows"]), leaves.shortened) == (101, set())
    leaves = templates.render(Roster(players=[f"p{n}" for n in range(5000)]))
    assert [row["name"] for row in leaves["rows"][98:]] == ["p98", "p99", "end"]
    assert leaves.shortened == {"rows[].for"}


def test_loop_ends_after_a_hundred_values_though_they_fail(tool: Tool) -> None:
    templates = tool.templates("rows:\n- {for: p in players, name: '{{ 1 // (p | int // 100) }}'}")
    leaves = templates.render(Roster(players=[str(n) for n in range(5000)]))
    assert leaves.get("rows", []) == []


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        ("player in playrs", "'playrs' is undefined, did you mean 'players'?"),
        (
            "'{{ players }}'",
            "expected a loop such as 'player in players' (expected token ':', got '}')",
        ),
        (
            "players",
            "expected a loop such as 'player in players' (expected token 'in', got 'end of statement block')",
        ),
        (
            "''",
            (
                "expected a loop such as 'player in players' (Expected an expression, got 'end of statement"
                " block')"
            ),
        ),
        (
            "a in players %}{% endfor %}{% for b in players",
            "expected a loop such as 'player in players'",
        ),
        ("a in players %}{{ a }}", "expected a loop such as 'player in players'"),
        ("a in players recursive", "expected a loop such as 'player in players'"),
        ("event in players", "'event' means something already: give the variable another name"),
        ("a, loop in players", "'loop' means something already: give the variable another name"),
        ("p in players | sav", "No filter named 'sav'."),
    ],
)
def test_wrong_loop_is_found_by_check_with_its_line(tool: Tool, loop: str, message: str) -> None:
    templates = tool.templates(f"title: a\nrows:\n- name: x\n  for: {loop}\n", "rows: [{name: b}]")
    templates.check([Roster])
    [found] = tool.messages()
    assert found == f"0/toy/roster.yaml:4: rows[].for: {message}"
    assert templates.render(Roster(players=["Ann"])).get("rows") == [{"name": "b"}]


def test_check_knows_the_variables_in_their_item_only(tool: Tool) -> None:
    templates = tool.templates(
        "rows:\n- {for: 'player, x in players', name: '{{ player }}{{ x }}{{ plyer }}'}\n"
        "- {name: '{{ player }}'}"
    )
    templates.check([Roster])
    assert tool.messages() == [
        "0/toy/roster.yaml:2: rows[].name: 'plyer' is undefined, did you mean 'player'?",
        "0/toy/roster.yaml:3: rows[].name: 'player' is undefined, did you mean 'players'?",
    ]


def test_reload_reads_another_variable(tool: Tool) -> None:
    templates = tool.templates("rows:\n- name: '{{ p }}'\n  for: p in players")
    event = Roster(players=["Ann"])
    assert templates.render(event)["rows"] == [{"name": "Ann"}]
    path = tool.folder / "0/toy/roster.yaml"
    path.write_text("rows:\n- name: '{{ p }}'\n  for: p in [game]", encoding="utf-8")
    assert templates.reload([tool.folder / "0"], [Roster]) == []
    assert templates.render(event)["rows"] == [{"name": "Quake"}]
    path.write_text("rows:\n- name: '{{ p }}'\n  for: q in [game]", encoding="utf-8")
    [problem] = templates.reload([tool.folder / "0"], [Roster])
    assert "'p' is undefined" in str(problem)


def test_error_of_one_value_loses_no_other(tool: Tool) -> None:
    rows = tool.rows(
        "rows: [{for: player in players, number: '{{ player }}'}]", players=["1", "two", "3"]
    )
    assert rows == [{"number": 1}, {"number": 3}]
    [message] = tool.messages()
    assert message.startswith("0/toy/roster.yaml:1: rows[].number: invalid literal")


def test_error_of_a_loop_uses_the_next_list(tool: Tool) -> None:
    first = "rows: [{for: 'a, b in players', name: '{{ a }}'}]"
    assert tool.rows(first, "rows: [{name: other}]", players=["abc"]) == [{"name": "other"}]
    [message] = tool.messages()
    assert message == "0/toy/roster.yaml:1: rows[].for: too many values to unpack (expected 2)"


def test_more_items_than_are_shown_are_a_problem(tool: Tool) -> None:
    items = "\n".join(f"- name: '{n}'" for n in range(4))
    templates = tool.templates(
        f"rows:\n{items}\n- {{for: p in players, name: x}}", list_limits={"rows": 3}
    )
    templates.check([Roster])
    assert tool.messages() == [
        "0/toy/roster.yaml:5: rows: has 4 items, of which at most 3 can be shown"
    ]
    assert tool.problems[0].is_warning
    tool.problems.clear()
    tool.templates("rows: [{name: a}, {name: b}, {name: c}]", list_limits={"rows": 3}).check(
        [Roster]
    )
    assert tool.messages() == []
