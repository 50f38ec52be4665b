"""Objects that an event has: what templates see of their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lanrage_events import Event
from lanrage_events.templates import TemplateError, TemplateLeaf, Templates


@dataclass(frozen=True, slots=True)
class Seat:
    name: str
    label: str = ""
    neighbours: tuple[str, ...] = ()
    row: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class HallOpened(Event):
    seat: Seat
    seats: tuple[Seat, ...] = ()


@dataclass
class Odd:
    """Cannot be created again from its fields."""

    name: str
    made: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("no name")

        self.made, self.name = self.name, "\u200b"


def render(folder: Path, text: str, event: Event) -> object:
    (folder / "toy").mkdir()
    (folder / "toy" / "event.yaml").write_text(f"text: {text!r}", "utf-8")
    problems: list[TemplateError] = []
    made = Templates("toy", [folder], {"text": TemplateLeaf()}, report=problems.append)
    shown = made.render(event).get("text", "")
    assert problems == []
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ seat.name }}", "?"),
        ("{{ event.seat.name }}", "?"),
        ("a{{ seat.label }}b", "ab"),
        ("{{ seat.neighbours | join('/') }}", "Ann/?"),
        ("{{ seats | map(attribute='name') | join(', ') }}", "Bob, ?"),
        ("{% for one in seats %}[{{ one.name }}]{% endfor %}", "[Bob][?]"),
        ("{{ seat.row }}", "1"),
    ],
)
def test_texts_in_objects_are_legible(tmp_path: Path, text: str, shown: str) -> None:
    event = HallOpened(
        seat=Seat("\u200b", neighbours=("Ann", "\u2060")), seats=(Seat("Bob"), Seat(""))
    )

    assert render(tmp_path, text, event) == shown
    assert event.seat.name == "\u200b"


def test_an_object_that_is_legible_stays_the_same(tmp_path: Path) -> None:
    event = HallOpened(seat=Seat("Ann"))

    assert render(tmp_path, "{{ seat is sameas event.seat }}", event) == "yes"


def test_no_object_is_created_again(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class OddOneFound(Event):
        odd: Odd

    assert render(tmp_path, "{{ odd.name }} {{ odd.made }}", OddOneFound(odd=Odd("x"))) == "? x"
