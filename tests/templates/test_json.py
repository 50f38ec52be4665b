"""JSON whose texts are templates."""

from __future__ import annotations

from typing import Any

from lanrage_events import ConfigProblem, PeerJoined
from lanrage_events.templates import WHOLE_EVENT, JSONTemplates, TemplateLeaf, template_folder

JOINED = PeerJoined(peer_name="Ann", party_name="Friday LAN")


def render(data: Any, *, problems: list[ConfigProblem] | None = None, **context: object) -> Any:
    found: list[ConfigProblem] = [] if problems is None else problems
    templates = JSONTemplates(
        data,
        TemplateLeaf(write=str.upper),
        [template_folder("builtin:en")],
        path=("body",),
        report=found.append,
    )
    result = templates.render(JOINED, context)
    assert problems is not None or found == []
    return result


def test_texts_are_templates_and_all_else_stays() -> None:
    data = {"a": ["{{ peer_name }} is here", 1, None], "b": {"c": "plain }", "d": True}}

    assert render(data) == {"a": ["ANN is here", 1, None], "b": {"c": "plain }", "d": True}}


def test_one_value_keeps_its_type_and_the_event_is_json() -> None:
    assert render(["{{ number }}", WHOLE_EVENT], number=3) == [3, JOINED.to_dict()]
    assert render(WHOLE_EVENT) == JOINED.to_dict()


def test_what_has_nothing_to_show_is_left_out() -> None:
    assert render({"a": "{{ party_id }}", "b": ["{{ party_id }}"]}) == {"b": []}
    assert render("{{ party_id }}") == ""


def test_a_problem_names_its_place() -> None:
    problems: list[ConfigProblem] = []

    assert render({"a": ["{{ peer_nam }}"], "b": "{{ x"}, problems=problems) == {"a": []}
    assert [(one.path, one.warning) for one in problems] == [
        (("body", "b"), False),
        (("body", "a", 0), True),
    ]
    assert "peer_joined" in problems[1].message
