"""Lists in templates, which are shortened between two of their items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lanrage_events import Event, Notification
from lanrage_events.templates import TemplateFilter, TemplateLeaf, Templates, utf16_units

LIMIT = 80
ENDING = re.compile(r" ?(?:and )?([\d,]+) more$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Roster(Event):
    players: list[str]
    game: str = "Quake"


def braced(text: str) -> str:
    return text.replace("*", "(*)")


LEAVES = {
    "text": TemplateLeaf(write=braced, limit=LIMIT, measure=utf16_units),
    "lines": TemplateLeaf(limit=LIMIT, lines=True),
    "item": TemplateLeaf(lines=True, own_lines=False),
}


def templates(folder: Path, text: str, **options: object) -> Templates:
    path = folder / "toy" / "event.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    filters = {"code": TemplateFilter(lambda value: f"`{value}`")}
    return Templates("toy", [folder], LEAVES, filters=filters, **options)  # type: ignore[arg-type]


NAMES = [f"player {number}" for number in range(40)]


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (
            "{{ players | join(', ') }}",
            "player 0, player 1, player 2, player 3, player 4, player 5, player 6 and 33 more",
        ),
        (
            "{{ players }}",
            "player 0, player 1, player 2, player 3, player 4, player 5, player 6 and 33 more",
        ),
        (
            "{{ game }} ({{ players | join(' · ') }})",
            "Quake (player 0 · player 1 · player 2 · player 3 · player 4 · … and 35 more)",
        ),
        (
            "{{ players | join(' or ') }}",
            "player 0 or player 1 or player 2 or player 3 or player 4 or player 5 and 34 more",
        ),
        (
            "{{ players | join(', ') | code }}",
            "`player 0, player 1, player 2, player 3, player 4, player 5` and 34 more",
        ),
        (
            "{{ players | code }}!",
            "`player 0, player 1, player 2, player 3, player 4, player 5` and 34 more!",
        ),
    ],
)
def test_list_that_is_too_long_ends_with_the_number_of_the_others(
    tmp_path: Path, leaf: str, expected: str
) -> None:
    leaves = templates(tmp_path, f'text: "{leaf}"').render(Roster(players=NAMES))

    assert leaves == {"text": expected}
    assert leaves.shortened == {"text"}


def test_list_in_lines_ends_with_a_line(tmp_path: Path) -> None:
    text = "lines: \"{{ players | join('\\n') | lines }}\""
    leaves = templates(tmp_path, text).render(Roster(players=NAMES))

    assert leaves["lines"].split("\n") == [*NAMES[:7], "… and 33 more"]


def test_list_that_fits_is_whole(tmp_path: Path) -> None:
    players = [*NAMES[:7], "Ann"]
    leaves = templates(tmp_path, "text: \"{{ players | join(', ') }}\"").render(
        Roster(players=players)
    )

    assert leaves["text"] == ", ".join(players)
    assert leaves.shortened == set()


def test_the_number_of_the_others_counts_what_no_text_could_hold(tmp_path: Path) -> None:
    players = [f"player {number:,}" for number in range(10_000)]
    leaves = templates(tmp_path, "text: \"{{ players | join(', ') }}\"").render(
        Roster(players=players)
    )

    assert leaves["text"].endswith("player 5 and 9,994 more")


def test_an_item_that_is_no_name_is_cut_like_a_text(tmp_path: Path) -> None:
    render = templates(tmp_path, "text: \"{{ players | join(', ') }}\"").render

    assert render(Roster(players=["Ann", "x" * 200, "Bob"]))["text"] == (
        f"Ann, {'x' * 63}… and 1 more"
    )
    assert render(Roster(players=["x" * 200, "Bob"]))["text"] == f"{'x' * 68}… and 1 more"
    assert render(Roster(players=["Ann", "x" * 200]))["text"] == f"Ann, {'x' * 74}…"
    assert render(Roster(players=["x" * 200]))["text"] == f"{'x' * 79}…"


def test_how_a_list_ends_can_be_in_other_words(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("rest: und {{ count }} *weitere*", "utf-8")
    made = templates(tmp_path, 'text: "{{ players }}"')

    assert made.render(Roster(players=NAMES))["text"].endswith("player 5 und 34 *weitere*")


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(
        st.text("ab*🎮é\u200b", min_size=1, max_size=60).filter(lambda name: name.strip("\u200b"))
    ),
    st.sampled_from([None, 40]),
)
@example(names=["a*", "a*", "aa*", "🎮🎮🎮", "🎮🎮🎮", "🎮🎮🎮"], value_limit=40)
def test_every_name_of_a_list_is_whole_or_counted(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], value_limit: int | None
) -> None:
    made = templates(tmp_path_factory.mktemp("t"), "text: \"{{ players | join(', ') }}\"")
    leaves = made.render(Roster(players=names), value_limit=value_limit)
    text = leaves.get("text", "")
    shown = [braced(name.replace("\u200b", "")) for name in names]

    # Values of so few characters are not worth shortening.
    assert utf16_units(text) <= (value_limit or LIMIT) or (value_limit and len(text) <= 32)
    if not leaves.shortened:
        assert text == ", ".join(shown)
        return

    ending = ENDING.search(text)
    if ending is None:
        assert text.endswith("…")
        return

    kept = text[: ending.start()].split(", ") if ending.start() else []
    assert kept == shown[: len(kept)]
    assert len(kept) + int(ending[1]) == len(names)


def test_leaves_say_which_of_them_were_shortened(tmp_path: Path) -> None:
    made = templates(tmp_path, 'text: "{{ title }}"\nlines: "{{ message }}"')

    assert made.render(Notification(title="t", message="m")).shortened == set()
    assert made.render(Notification(title="t", message="m" * 90)).shortened == {"lines"}
    assert made.render(Notification(title="t" * 50, message="m"), value_limit=40).shortened == {
        "text"
    }


@pytest.mark.parametrize(("size", "shown"), [(40, 40), (60, 60), (61, 40)])
def test_a_text_with_another_place_is_shortened_only_beyond_that(
    tmp_path: Path, size: int, shown: int
) -> None:
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "event.yaml").write_text('text: "{{ title }}"', encoding="utf-8")
    made = Templates("toy", [tmp_path], {"text": TemplateLeaf(limit=40, overflow=60)})
    leaves = made.render(Notification(title="t" * size, message=""))

    assert len(leaves["text"]) == shown
    assert bool(leaves.shortened) == (shown < size)


def test_lines_of_the_template_itself_are_joined_where_only_those_of_values_count(
    tmp_path: Path,
) -> None:
    event = Notification(title="a\nb", message="c\nd")
    for own, expected in (
        ('"{{ title }}"', "a b"),
        ('"{{ message | lines }}"', "c\nd"),
        (
            "|\n  {{ title }}\n  {% if message %}\n  and {{ message | lines }}\n  {% endif %}",
            "a b and c\nd",
        ),
        ("|\n  one\n  two", "one two"),
    ):
        assert templates(tmp_path, f"item: {own}").render(event) == {"item": expected}
