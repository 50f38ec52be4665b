from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lanrage_events import PeerJoined
from lanrage_events.templates import TemplateFilter, TemplateLeaf, Templates

ANN = PeerJoined(peer_name="Ann", party_name="LAN")
TYPES = [PeerJoined]
LEAVES = {"title": TemplateLeaf(), "fields[].name": TemplateLeaf()}
Write = Callable[[str], None]


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def write(tmp_path: Path) -> Write:
    (tmp_path / "page").mkdir()

    def write(text: str) -> None:
        (tmp_path / "page" / "peer_joined.yaml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def templates(tmp_path: Path, problems: list[str]) -> Templates:
    return Templates("page", [tmp_path], LEAVES, report=lambda error: problems.append(str(error)))


def title(templates: Templates) -> object:
    return templates.render(ANN).get("title")


def test_changed_templates_are_read_again(
    templates: Templates, write: Write, tmp_path: Path, problems: list[str]
) -> None:
    write("title: one {{ peer_name }}")
    assert title(templates) == "one Ann"
    write("title: two {{ peer_name }}")
    assert title(templates) == "one Ann"

    templates.reload([tmp_path], TYPES)

    assert title(templates) == "two Ann"
    assert problems == []


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        ("title: '{{ peer_name'", ":1: title: "),
        ("title: [two]", ":1:8: title: expected a text"),
        ("title: two {{ peer_name }}\nsubtitle: x", ":2:1: subtitle: unknown key"),
        ("title: two\nfields: [{name: '{{'}]", ":2: fields[].name: "),
        ("title: two\ntitle: three", ":2:1: duplicate key"),
        ("title: 'two", ":1:"),
    ],
)
def test_a_file_with_errors_keeps_its_earlier_version_until_it_is_right(
    templates: Templates,
    write: Write,
    tmp_path: Path,
    problems: list[str],
    broken: str,
    place: str,
) -> None:
    write("title: one {{ peer_name }}")
    templates.check(TYPES)
    for _ in range(2):
        problems.clear()
        write(broken)
        templates.reload([tmp_path], TYPES)
        assert title(templates) == "one Ann"
        assert f"peer_joined.yaml{place}" in problems[0]
        assert problems[-1].endswith("so the version that was read before stays in use")

    problems.clear()
    write("title: three")
    templates.reload([tmp_path], TYPES)
    assert title(templates) == "three"
    assert problems == []


def test_a_file_that_never_was_right_is_used_as_far_as_it_can_be(
    templates: Templates, write: Write, tmp_path: Path, problems: list[str]
) -> None:
    write("title: one\nsubtitle: x")
    templates.check(TYPES)
    write("title: two\nsubtitle: x")

    templates.reload([tmp_path], TYPES)

    assert title(templates) == "two"
    assert not any("stays in use" in problem for problem in problems)


def test_a_file_that_is_gone_is_not_used_any_more(
    templates: Templates, write: Write, tmp_path: Path
) -> None:
    write("title: one")
    templates.check(TYPES)
    (tmp_path / "page" / "peer_joined.yaml").unlink()
    templates.reload([tmp_path], TYPES)
    assert title(templates) is None

    write("title: '{{'")
    templates.reload([tmp_path], TYPES)
    assert title(templates) is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_keeps_its_earlier_version(
    templates: Templates, write: Write, tmp_path: Path
) -> None:
    write("title: one")
    templates.check(TYPES)
    (tmp_path / "page" / "peer_joined.yaml").chmod(0)
    templates.reload([tmp_path], TYPES)
    assert title(templates) == "one"


def test_other_folders_are_used_from_then_on(templates: Templates, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "page").mkdir(parents=True)
        (tmp_path / name / "page" / "peer_joined.yaml").write_text(f"title: {name}")

    templates.reload([tmp_path / "a"], TYPES)
    assert title(templates) == "a"
    templates.reload([tmp_path / "b", tmp_path / "a"], TYPES)
    assert title(templates) == "b"


def test_sources_say_whether_an_event_is_rendered_in_the_same_way(
    templates: Templates, write: Write, tmp_path: Path
) -> None:
    write("title: one\nfields: [{name: a}]")
    same = Templates("page", [tmp_path], LEAVES)
    assert templates.sources(PeerJoined) == same.sources(PeerJoined) != []

    write("title: one\nfields: [{name: b}]")
    same.reload([tmp_path], TYPES)
    assert templates.sources(PeerJoined) != same.sources(PeerJoined)


def test_only_what_changed_is_compiled_again(
    tmp_path: Path, write: Write, problems: list[str]
) -> None:
    written: list[str] = []

    def record(text: str) -> str:
        written.append(text)
        return text

    leaves = {**LEAVES, "color": TemplateLeaf(parse=record, warn=lambda value: f"{value} is odd")}
    templates = Templates("page", [tmp_path], leaves, report=lambda e: problems.append(str(e)))
    write("title: one\ncolor: red")
    templates.check(TYPES)
    assert written == ["red"]
    for text, expected in [("title: two\ncolor: red", 1), ("title: two\ncolor: blue", 2)]:
        problems.clear()
        write(text)
        templates.reload([tmp_path], TYPES)
        assert len(written) == expected
        assert title(templates) == "two"
        # What is reported is reported again.
        assert problems[0].endswith(f"{written[-1]} is odd")


LEAF = TemplateLeaf()


def test_two_with_the_same_text_have_each_their_own_filters_and_words(
    write: Write, tmp_path: Path
) -> None:
    """Whatever was compiled for one is not used for another where it would say something else."""
    write("title: '{{ peer_name | loud }} {{ 1.5 | loud }}'")
    said: list[object] = []
    for loud in (str.upper, str.lower, str.upper):
        filters = {"loud": TemplateFilter(loud)}
        templates = Templates("page", [tmp_path], {"title": LEAF}, filters=filters)
        said.append(title(templates))

    assert said == ["ANN 1.5", "ann 1.5", "ANN 1.5"]


def test_filters_that_make_no_sense_together_are_an_error_wherever_they_do_not(
    write: Write, tmp_path: Path, problems: list[str]
) -> None:
    write("title: '{{ peer_name | one | other }}'")
    for excludes in ({}, {"other": "they are the same"}):
        filters = {"one": TemplateFilter(str, excludes=excludes), "other": TemplateFilter(str)}
        Templates(
            "page",
            [tmp_path],
            {"title": LEAF},
            filters=filters,
            report=lambda problem: problems.append(str(problem)),
        ).check([PeerJoined])

    [problem] = problems
    assert "'one' and 'other' make no sense together: they are the same" in problem


def test_a_constant_is_written_in_the_words_of_its_own_templates(
    write: Write, tmp_path: Path
) -> None:
    write("title: '{{ true }} {{ peer_name }}'")
    said: list[object] = []
    for number, yes in enumerate(("aye", "ja")):
        words = tmp_path / f"words{number}"
        words.mkdir()
        (words / "words.yaml").write_text(f"yes: '{yes}'\n", "utf-8")
        said.append(title(Templates("page", [words, tmp_path], {"title": LEAF})))

    assert said == ["aye Ann", "ja Ann"]
