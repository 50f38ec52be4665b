from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lanrage_events_presence import PresenceConfig

CLIENT_ID = "123456789012345678"


def problem(**keys: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        PresenceConfig(**keys)

    [error] = caught.value.errors()
    return f"{error['loc'][0]}: {error['msg']}"


@pytest.mark.parametrize("client_id", [CLIENT_ID, f" {CLIENT_ID} ", int(CLIENT_ID)])
def test_an_id_is_taken_with_and_without_quotes(client_id: Any) -> None:
    assert PresenceConfig(client_id=client_id).client_id == CLIENT_ID


@pytest.mark.parametrize("client_id", [None, "", "  "])
def test_an_id_is_not_required(client_id: str | None) -> None:
    assert PresenceConfig(client_id=client_id).client_id is None


@pytest.mark.parametrize("client_id", ["12345", "1" * 21, "abc", 12.5, True])
def test_an_invalid_id_is_rejected_with_the_place_to_find_it(client_id: Any) -> None:
    message = problem(client_id=client_id)

    assert message.startswith("client_id: ")
    assert "Application ID" in message or "string" in message


def test_an_invite_is_an_https_address() -> None:
    invite = " https://discord.gg/abc123 "

    assert PresenceConfig(invite_url=invite).invite_url == invite.strip()
    assert PresenceConfig(invite_url="").invite_url is None
    assert "begins with https://" in problem(invite_url="http://discord.gg/abc123")
    assert "expected an address such as https://" in problem(invite_url="discord.gg/abc123")


def test_a_picture_is_a_name_or_an_address_or_none() -> None:
    assert PresenceConfig(large_image="Logo").large_image == "logo"
    assert PresenceConfig(large_image=" ").large_image == ""
    assert "expected an address" in problem(large_image="ftp://a.example/a.png")


@pytest.mark.parametrize("size", [0, -1, 10_000_000, "many"])
def test_a_party_size_is_a_positive_number(size: Any) -> None:
    assert problem(max_party_size=size).startswith("max_party_size: ")


@pytest.mark.parametrize("socket", [1, "1", " 1 ", "discord-ipc-1"])
def test_a_socket_is_chosen_by_its_number(socket: Any) -> None:
    assert PresenceConfig(socket=socket).socket == 1


def test_a_socket_is_chosen_by_its_path() -> None:
    written: dict[Any, Path | None] = {"/a/b": Path("/a/b"), Path("1"): Path("1"), "": None}
    for socket, expected in written.items():
        assert PresenceConfig(socket=socket).socket == expected


@pytest.mark.parametrize("socket", [10, -1, "10", "discord-ipc-11", True, 1.5, [], {}])
def test_an_invalid_socket_is_explained(socket: Any) -> None:
    message = problem(socket=socket)

    assert message.startswith("socket: ")
    assert "expected the number of a socket, from 0 to 9, or the path of one" in message


@pytest.mark.parametrize("key", ["player", "party"])
def test_a_name_is_not_empty(key: str) -> None:
    assert problem(**{key: ""}).startswith(f"{key}: ")
