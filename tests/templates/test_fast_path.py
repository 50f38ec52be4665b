"""Leaves that only name values are filled in without Jinja, with the same result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event
from lanrage_events.templates import SafeString, TemplateError, TemplateLeaf, Templates

LEAVES = {
    "title": TemplateLeaf(write=str.upper, limit=50),
    "lines": TemplateLeaf(lines=True),
    "parsed": TemplateLeaf(parse=lambda value: value),
    "count": TemplateLeaf(context={"count": SafeString("\ue000")}),
}
# Jinja runs for a leaf that does anything but name values.
NOTHING = "{% if true %}{% endif %}"
VALUES = (
    st.text()
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas(min_value=timedelta())
    | st.lists(st.text())
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ThingSaid(Event):
    first: object = None
    second: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldsNamed(Event):
    fields: object = None
    count: object = None


def templates(
    folder: Path, text: str, problems: list[TemplateError], leaf: str = "lines"
) -> Templates:
    path = folder / "toy" / "event.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if "\n" in text else f"{leaf}: '{text}'", encoding="utf-8")
    return Templates("toy", [folder], LEAVES, report=problems.append)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["a {{ first }} b {{ second }}{{ type }}", "{{ first or second }}"]
)
@given(first=VALUES, second=VALUES, leaf=st.sampled_from(["title", "lines"]))
def test_a_leaf_that_only_names_values_says_what_it_says_in_jinja(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    first: object,
    second: object,
    leaf: str,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "parts"
    event = ThingSaid(first=first, second=second)
    problems: list[TemplateError] = []
    simple = templates(folder, text, problems, leaf).render(event)
    by_jinja = templates(folder, text + NOTHING, problems, leaf).render(event)

    assert simple == by_jinja
    assert problems == []


@pytest.mark.slow
@given(value=VALUES)
def test_a_parsed_leaf_gets_the_same_value_as_by_jinja(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "parts"
    event = ThingSaid(first=value)
    problems: list[TemplateError] = []

    simple = templates(folder, "{{ first }}", problems, "parsed").render(event)
    by_jinja = templates(folder, "{{ first | default }}", problems, "parsed").render(event)

    # A float that is no number is not equal to itself.
    assert repr(simple) == repr(by_jinja)
    assert problems == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ fields }}", "fields: a, count: 3"),
        ("{{ namespace }}", "<class 'jinja2.utils.Namespace'>"),
        ("{{ type }}", "fields_named"),
        ("{{ self }}", "<TemplateReference None>"),
        ("{{ id }}{{ missing_too }}", None),
        ("{{ missing_too or id }}", None),
        ("{{ id or missing_too }}", "1"),
        ("{{ parent_id or id }}", "1"),
        ("{{ fields or id }}", "fields: a, count: 3"),
        ("{{ parent_id or 3 }}", "3"),
    ],
)
def test_names_that_are_no_fields_mean_what_they_mean_in_jinja(
    tmp_path: Path, text: str, expected: str | None
) -> None:
    problems: list[TemplateError] = []
    event = FieldsNamed(id="1", fields="a", count=3)

    assert templates(tmp_path, text, problems).render(event).get("lines") == expected


def test_names_of_one_leaf_alone_hide_fields(tmp_path: Path) -> None:
    problems: list[TemplateError] = []
    event = FieldsNamed(count=3)

    leaves = templates(tmp_path, "{{ count }} × {{ type }}", problems, "count").render(event)

    assert leaves == {"count": "\ue000 × fields_named"}


def test_a_name_that_there_is_not_is_reported_with_its_line_and_the_nearest_name(
    tmp_path: Path,
) -> None:
    problems: list[TemplateError] = []
    text = "lines: |\n  {{ first }}\n  and\n  {{ secnd }}\n"

    leaves = templates(tmp_path, text, problems).render(ThingSaid(first="a", second="b"))

    assert leaves == {}
    assert [(problem.line, problem.leaf) for problem in problems] == [(4, "lines")]
    assert "did you mean 'second'?" in str(problems[0])


def test_a_value_that_cannot_be_shown_is_reported_with_its_line(tmp_path: Path) -> None:
    class Bad:
        def __str__(self) -> str:
            raise OverflowError("too much")

    problems: list[TemplateError] = []
    text = "lines: |\n  {{ first }}\n  {{ second }}\n"

    leaves = templates(tmp_path, text, problems).render(ThingSaid(first="a", second=Bad()))

    assert leaves == {}
    assert [problem.line for problem in problems] == [3]
    assert "OverflowError: too much" in str(problems[0])


def test_a_time_is_parsed_as_it_is(tmp_path: Path) -> None:
    time = datetime(2026, 1, 31, 20, 15, 30, 123, tzinfo=UTC)
    problems: list[TemplateError] = []

    leaves = templates(tmp_path, "{{ time }}", problems, "parsed").render(ThingSaid(time=time))

    assert leaves == {"parsed": time}
