from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events._redaction import SecretIndex


def of(values: list[str], others: int = 0) -> SecretIndex:
    index = SecretIndex()
    for value in [*(f"somebody-elses-{number:06}" for number in range(others)), *values]:
        index.add(value)

    return index


def found(index: SecretIndex, text: str) -> list[str]:
    return [text[start:end] for start, end in index.find(text)]


@pytest.mark.slow
@given(
    st.lists(st.text(min_size=6), min_size=1, max_size=4),
    st.lists(st.one_of(st.integers(0, 3), st.text()), max_size=8),
)
def test_many_others_change_nothing(secrets: list[str], parts: list[int | str]) -> None:
    text = "".join(
        secrets[part % len(secrets)] if isinstance(part, int) else part for part in parts
    )

    assert of(secrets, others=200).find(text) == of(secrets).find(text)


def test_each_of_many_is_found_in_one_text() -> None:
    tokens = [f"{number:05}-token-{number:05}" for number in range(1000)]

    assert found(of(tokens), " ".join(tokens)) == tokens


def test_secrets_with_the_same_end_are_distinguished() -> None:
    index = of(["first-of-the-house", "second-of-the-house"], others=200)

    assert found(index, "a third-of-the-house, the second-of-the-house") == ["second-of-the-house"]


def test_a_secret_is_found_as_it_is_written_in_urls_and_json() -> None:
    secret = 'p\u00e4ss "w\u00f6rd"/tail'
    index = of([secret], others=200)

    for text in (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert found(index, f"<{text}>") == [text]


def test_a_part_that_never_changes_is_no_secret_by_itself() -> None:
    assert found(of(["word with spaces, unchanging"]), "an unchanging word") == []


def test_a_secret_without_such_a_part_is_found_too() -> None:
    secret = "\u00e4\u00f6\u00fc\u00df\u00e4\u00f6\u00fc"
    index = of([secret], others=200)

    assert found(index, secret) == [secret]
    assert found(index, quote(secret)) == [quote(secret)]
    assert found(index, quote(secret).lower()) == [quote(secret).lower()]


def test_a_value_that_is_added_again_is_known_once() -> None:
    index = of(["made-up-token", "made-up-token"])

    assert len(index) == 1
