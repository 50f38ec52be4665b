from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events_presence._links import parse_image, parse_link, place_in_url, url_part


@pytest.mark.parametrize(
    "url", ["https://discord.gg/abc123", " http://lan.example:8080/?q=1#x ", "https://[::1]/"]
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert parse_link(url) == url.strip()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("discord.gg/abc", "expected an address such as"),
        ("javascript://x/%0aalert(1)", "expected an address such as"),
        ("https:///path", "expected an address such as"),
        ("https://a.example/ b", "white space"),
        ("https://ä.example/", "invalid characters"),
        ("https://a.example/\\b", "invalid characters"),
        ("https://[::1/", "no valid host"),
        ("https://a.example:port/", "no valid host"),
        ("https://ann:secret@a.example/", "user name"),
        ("https://a.example/" + "x" * 512, "530 characters, Discord allows 512"),
    ],
)
def test_an_invalid_address_is_rejected_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_link(url)

    assert "secret" not in str(caught.value)


def test_a_picture_is_an_address_or_a_name_in_lower_case() -> None:
    assert parse_image("https://a.example/A.png") == "https://a.example/A.png"
    assert parse_image(" LANrage_Logo ") == "lanrage_logo"
    with pytest.raises(ValueError, match="257 characters, Discord allows 256"):
        parse_image("x" * 257)

    with pytest.raises(ValueError, match="expected an address"):
        parse_image("ftp://a.example/a.png")


@given(st.text())
def test_a_part_of_an_address_has_no_meaning_in_it(value: str) -> None:
    part = url_part(value)

    assert not set(part) & set("/?#&=:@ \\")
    assert parse_link("https://a.example/" + part[:400])


def test_a_value_is_escaped_where_something_stands_before_it() -> None:
    assert place_in_url("", "/x") is None
    assert place_in_url(" \n", "") is None
    assert place_in_url("https://a.example/", "") == "urlencode"
