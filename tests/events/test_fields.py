from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events import Event
from lanrage_events.events import EventRegistry, format_event, parse_event_fields


@dataclass(frozen=True)
class Seat:
    row: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundEnded(Event):
    """A round of a tournament ended."""

    winner: str
    scores: tuple[int, ...] = ()
    is_final: bool = False
    seat: Seat | None = None
    share: float | None = None


REGISTRY = EventRegistry()
REGISTRY.register(RoundEnded)


def parse(event_type: str, *words: str) -> dict[str, Any]:
    return parse_event_fields(REGISTRY.json_schema(event_type), words)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("winner=Ann", "Ann"),
        ("winner=", ""),
        ("winner=7", "7"),
        ("winner=a=b", "a=b"),
        (" winner =Ann", "Ann"),
        ("scores=3,2, 1", [3, 2, 1]),
        ("scores=", []),
        ("scores=[3, 2]", [3, 2]),
        ("scores=[3", "[3"),
        ("scores=three", ["three"]),
        ("is_final=yes", True),
        ("is_final=No", False),
        ("is_final=true", True),
        ("is_final=maybe", "maybe"),
        ("share=0.5", 0.5),
        ("share=null", None),
        ("share=", None),
        ("share=half", "half"),
        ('seat={"row": "A", "number": 7}', {"row": "A", "number": 7}),
        ("seat=" + "[" * 100_000, "[" * 100_000),
        ("unknown=text", "text"),
    ],
)
def test_a_word_becomes_what_its_field_wants(word: str, value: object) -> None:
    assert list(parse("round_ended", word).values()) == [value]


@pytest.mark.parametrize("text", ["#4CAF50", "0x4CAF50", "0X4caf50", "5025616"])
def test_a_whole_number_may_be_hexadecimal(text: str) -> None:
    assert parse("notification", f"color={text}") == {"color": 0x4CAF50}


def test_a_reader_takes_the_place_of_the_schema() -> None:
    schema = REGISTRY.json_schema("notification")
    readers = {"color": lambda text: {"red": 255}.get(text) or int(text)}
    assert parse_event_fields(schema, ["color=red"], readers) == {"color": 255}
    assert parse_event_fields(schema, ["color=rde"], readers) == {"color": "rde"}
    assert parse_event_fields(schema, ["color=null"], readers) == {"color": None}


@pytest.mark.parametrize("word", ["Ann", "=Ann", " =Ann", ""])
def test_a_word_without_a_name_is_reported(word: str) -> None:
    with pytest.raises(ValueError, match="expected name=value, such as peer_name=Ann"):
        parse("peer_joined", word)


def test_a_name_that_is_given_twice_is_reported() -> None:
    with pytest.raises(ValueError, match="'winner' is given twice"):
        parse("round_ended", "winner=Ann", "winner=Bob")


def test_a_reference_to_itself_ends() -> None:
    loop = {"$ref": "#/$defs/Loop"}
    schema = {"properties": {"loop": loop}, "$defs": {"Loop": loop}}
    assert parse_event_fields(schema, ["loop=1"]) == {"loop": "1"}


@pytest.mark.slow
@given(
    st.text(),
    st.lists(st.integers()),
    st.booleans(),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_what_is_written_as_json_is_read_as_it_was(
    winner: str, scores: list[int], is_final: bool, share: float | None
) -> None:
    fields = {"winner": winner, "scores": scores, "is_final": is_final, "share": share}
    words = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in fields.items()
    ]
    assert parse("round_ended", *words) == fields


@pytest.mark.slow
@given(st.lists(st.text()))
def test_any_words_are_read_or_rejected(words: list[str]) -> None:
    try:
        parse("round_ended", *words)
    except ValueError:
        pass


@pytest.mark.parametrize("blank", ["", " ", "\u2003", "\u3164", "\u17b4", "\u2800", "\u200b"])
def test_a_value_without_ink_is_in_quotes(blank: str) -> None:
    line = format_event({"type": "said", "time": "x", "id": "1", "text": blank})

    assert line == f'x said text="{blank}" id=1'
