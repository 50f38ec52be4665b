from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_http._server import Token, Tokens

FULL = Token("token", "correct-horse-battery")
GAMEBOX = Token("gamebox", "battery-staple-horse", frozenset({"publish"}))
TOKENS = Tokens([FULL, GAMEBOX])


def test_each_token_is_found() -> None:
    assert TOKENS.find(FULL.secret) is FULL
    assert TOKENS.find(GAMEBOX.secret) is GAMEBOX


@given(st.text() | st.text("\ud800\udfff"))
def test_no_other_text_is_a_token(text: str) -> None:
    assert TOKENS.find(text) is None


def test_a_token_is_not_shown() -> None:
    assert FULL.secret not in repr(FULL)
    assert FULL.secret not in FULL.fingerprint
