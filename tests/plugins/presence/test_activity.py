from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_presence import Activity, Button
from lanrage_events_presence._activity import (
    BUTTON_LABEL_MAX_BYTES,
    TEXT_MAX_UNITS,
    TEXT_MIN_UNITS,
    fit_label,
    fit_text,
    utf8_bytes,
    utf16_units,
)

FULL = Activity(
    details="Quake",
    state="In Party",
    party_size=(3, 8),
    start=1_769_890_500,
    buttons=(Button("Join Voice Chat", "https://discord.gg/abc123"),),
)


def test_an_activity_is_one_line_for_people() -> None:
    assert str(FULL) == "Quake · In Party (3 of 8) · since 20:15 UTC · [Join Voice Chat]"


@pytest.mark.parametrize(
    ("activity", "text"),
    [
        (Activity(), "the application's name alone"),
        (Activity(details="Q "), "Q"),
        (Activity(state="In Party"), "In Party"),
        (Activity(party_size=(1, 8)), "(1 of 8)"),
    ],
)
def test_what_an_activity_lacks_is_left_out_of_its_line(activity: Activity, text: str) -> None:
    assert str(activity) == text


@pytest.mark.slow
@given(st.text(max_size=400))
def test_a_text_keeps_discords_limits_and_its_beginning(text: str) -> None:
    fitted = fit_text(text)

    assert not text or TEXT_MIN_UNITS <= utf16_units(fitted) <= TEXT_MAX_UNITS
    assert bool(fitted) == bool(text)
    if utf16_units(text) <= TEXT_MAX_UNITS:
        assert fitted.startswith(text)
    else:
        assert text.startswith(fitted.removesuffix("…"))


@given(st.text(max_size=200))
def test_a_label_keeps_discords_limit_and_its_beginning(text: str) -> None:
    fitted = fit_label(text)

    assert utf8_bytes(fitted) <= BUTTON_LABEL_MAX_BYTES
    assert fitted == text or text.startswith(fitted.removesuffix("…"))


def test_a_long_text_is_cut_as_late_as_possible() -> None:
    assert fit_text("x" * 129) == "x" * 127 + "…"
    assert fit_text("x" * 128) == "x" * 128
    assert fit_text("😀" * 65) == "😀" * 63 + "…"
    assert fit_label("x" * 32) == "x" * 28 + "…"


def test_a_single_letter_gets_the_space_that_discord_wants() -> None:
    assert fit_text("Q") == "Q "
    assert fit_text("😀") == "😀 "
    assert fit_text("") == ""
