"""Which addresses Discord accepts, and which pictures it cannot load."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanrage_events.templates import LeafWarning
from lanrage_events_discord._embeds import Embed, explain_picture, explain_url, parse_url, url
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_discord.testing._form import Form

ACCEPTED = [
    "https://example.com",
    "http://example.com/a/b.png?x=1&y=[2]#z",
    "HTTPS://EXAMPLE.COM/A",
    "https://example.com.",
    "https://example.com:8443/x",
    "https://example.com:65535",
    "https://example.com?x=1",
    "https://sub-domain.example.co.uk/a_b/c_d.png",
    "https://xn--mller-kva.example/",
    "https://müller.example/ü.png",
    "https://example.xn--p1ai/",
    "http://192.168.1.5/logo.png",
    "http://203.0.113.7:8080/x",
    "http://[2001:db8::1]/x",
    "http://lanserver.local/logo.png",
    "https://example.com/%7Bid%7D",
    "https://example.com/" + "a" * (2048 - 20),
]
REJECTED = [
    "http://lanserver/logo.png",
    "http://localhost:8080/x",
    "http://localhost./x",
    "https://llama_punk.example.org/x",
    "https://example..com/",
    "https://.example.com/",
    "https://example.com../",
    "https://ann:secret@example.com/",
    "https://ann@example.com/",
    "https://example.com:65536/",
    "https://example.com:0/",
    "https://example.com:/x",
    "https://example.com:99999999/",
    "https://-example.com/",
    "https://example-.com/",
    "https://256.1.1.1/",
    "https://1.2.3/",
    "https://example.c/",
    "https://example.123/",
    "https://exa!mple.com/",
    "https://example.com/" + "a" * (2048 - 19),
]


@pytest.mark.parametrize("address", ACCEPTED)
def test_an_address_that_discord_accepts(address: str) -> None:
    assert not explain_url(address)
    assert parse_url(f" {address} ") == address
    assert Embed(title="t", thumbnail=address).thumbnail == address


@pytest.mark.parametrize("address", REJECTED)
def test_an_address_that_discord_rejects_is_left_out(address: str) -> None:
    assert explain_url(address)
    embed = Embed(
        title="t",
        url=address,
        thumbnail=address,
        image=address,
        author="a",
        author_url=address,
        author_icon=address,
        footer="f",
        footer_icon=address,
    )
    assert "http" not in str(embed.to_dict())
    with pytest.raises(ValueError, match=r"Discord does not accept|expected an address"):
        parse_url(address)


@pytest.mark.parametrize("address", [*ACCEPTED, *REJECTED])
async def test_the_stand_in_agrees(address: str) -> None:
    discord = StandInDiscord(limit=None)
    embed: dict[str, Any] = {"title": "t", "thumbnail": {"url": address}}
    status, errors = await post(discord, {"embeds": [embed], "avatar_url": address})
    assert status == (200 if address in ACCEPTED else 400)
    if address in REJECTED and len(address) <= 2048:
        found = errors["embeds"]["0"]["thumbnail"]["url"]["_errors"]
        assert found == [{"code": "URL_TYPE_INVALID_URL", "message": "Not a well formed URL."}]
        assert errors["avatar_url"]["_errors"] == found


async def post(discord: StandInDiscord, body: dict[str, Any]) -> tuple[int, Any]:
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        url = webhook.url.replace("/api/", "/api/v10/")
        answer = await client.post(f"{url}?wait=true", json=body)

    return answer.status_code, answer.json().get("errors", {})


# Parts that make many addresses near the border of what is one.
_HOSTS = st.from_regex(r"\A[a-z0-9._-]{1,12}(\.(com|c|xn--p1ai|12|org\.))?\Z")
_TAILS = st.from_regex(r"\A(:[0-9]{0,6})?([/?#][a-z{}<|^/?#%.]{0,6})?\Z")


@pytest.mark.slow
@given(host=_HOSTS, tail=_TAILS)
def test_what_is_read_as_an_address_is_one_for_the_stand_in(host: str, tail: str) -> None:
    address = f"https://{host}{tail}"
    form = Form()
    try:
        form.url(("url",), parse_url(address))
    except LeafWarning:
        form.url(("url",), address)
        assert form.errors
    else:
        assert not form.errors


def test_what_no_address_may_contain_is_escaped() -> None:
    assert parse_url('https://example.com/{a}|"b"^<c>`\\') == (
        "https://example.com/%7Ba%7D%7C%22b%22%5E%3Cc%3E%60%5C"
    )


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://lanserver/logo.png", "its host 'lanserver' has no dot"),
        ("https://a_b.example/", "underscore"),
        ("https://example..com/", "a part of its host is empty"),
        ("https://ann:x@example.com/", "user name"),
        ("https://example.com:65536/", "its port must be a number from 1 to 65535"),
    ],
)
def test_the_warning_says_why(address: str, reason: str) -> None:
    with pytest.raises(LeafWarning, match=reason) as caught:
        parse_url(address)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "address",
    [
        "http://192.168.1.5/logo.png",
        "http://10.0.0.1:8080/x",
        "http://127.0.0.1/x",
        "http://169.254.1.1/x",
        "http://[fd00::1]/x",
        "http://[::1]/x",
        "http://lanserver.local/x",
        "http://lanserver.lan./x",
        "http://nas.home.arpa/x",
    ],
)
def test_a_picture_in_the_own_network_is_worth_a_warning(address: str) -> None:
    assert not explain_url(address)
    assert explain_picture(address).startswith("Discord cannot load this picture")


@pytest.mark.parametrize("address", ["https://example.com/a.png", "http://8.8.8.8/", "not one"])
def test_other_pictures_are_not(address: str) -> None:
    assert not explain_picture(address)


def test_a_link_in_a_text_may_lead_into_the_lan() -> None:
    assert url("http://lanserver:8080/(x)") == "http://lanserver:8080/%28x%29"
