"""The configuration of the Rich Presence plugin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from lanrage_events.config import ConfigModel, ConfigPath

from ._activity import IMAGE_MAX_CHARACTERS, PARTY_MAX_SIZE, TEXT_MAX_UNITS
from ._links import parse_image, parse_link
from ._sockets import NUMBERS, SOCKET_NAME

# https://docs.discord.com/developers/reference#snowflakes: an unsigned number of 64 bits.
_CLIENT_ID_PATTERN = "^[0-9]{15,20}$"
_ClientId = Annotated[str, Field(pattern=_CLIENT_ID_PATTERN, examples=["123456789012345678"])]
_WrittenClientId = (
    Annotated[str, Field(pattern=r"^\s*([0-9]{15,20})?\s*$", examples=["123456789012345678"])]
    | int
    | None
)
_SocketNumber = Annotated[int, Field(ge=NUMBERS[0], le=NUMBERS[-1])]
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class PresenceConfig(ConfigModel):
    """What Rich Presence shows, and of which player and party."""

    client_id: _ClientId | None = None
    """the id of your application, from General Information in Discord's developer portal"""
    player: _Name | None = None
    """your own name as in the events: shows only parties that you are in, and nothing after you
    leave; by default, the party that began last is shown"""
    party: _Name | None = None
    """the id or the name of the only party to show"""
    max_party_size: Annotated[int, Field(ge=1, le=PARTY_MAX_SIZE)] = 8
    """how many players a party can have, the 8 of "3 of 8" on your profile"""
    invite_url: str | None = None
    """an invite, such as to the voice channel, shown as a button"""
    large_image: Annotated[str, Field(max_length=IMAGE_MAX_CHARACTERS)] = "lanrage_logo"
    """the picture: the name of one that you uploaded in Discord's developer portal, under Rich
    Presence, Art Assets, or the address of one"""
    large_text: Annotated[str, Field(max_length=TEXT_MAX_UNITS)] = "LANrage"
    """the text shown next to the picture"""
    socket: _SocketNumber | ConfigPath | None = None
    """the only socket of a Discord client to try: its number, the 1 of discord-ipc-1, or its path;
    by default, all that this computer has are tried in turn"""

    @field_validator("client_id", mode="before", json_schema_input_type=_WrittenClientId)
    @classmethod
    def _check_client_id(cls, value: object) -> object:
        if isinstance(value, int):
            value = str(value)  # without quotes, YAML reads a number

        if isinstance(value, str):
            value = value.strip()
            if value and not re.fullmatch(_CLIENT_ID_PATTERN, value):
                raise ValueError(
                    "expected the id of your application, a number of 15 to 20 digits: copy it "
                    "from General Information, Application ID, in Discord's developer portal"
                )

        return None if value == "" else value

    @field_validator(
        "socket", mode="before", json_schema_input_type=_SocketNumber | ConfigPath | None
    )
    @classmethod
    def _check_socket(cls, value: object) -> object:
        name = str(value).strip().removeprefix(SOCKET_NAME)
        if value in (None, ""):
            return None

        if re.fullmatch("-?[0-9]+", name) and not isinstance(value, Path):
            value = int(name)

        is_number = isinstance(value, int) and not isinstance(value, bool) and value in NUMBERS
        if not is_number and not isinstance(value, str | Path):
            raise ValueError("expected the number of a socket, from 0 to 9, or the path of one")

        return value

    @field_validator("invite_url")
    @classmethod
    def _check_invite_url(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None

        link = parse_link(value)
        if not link.startswith("https://"):
            raise ValueError("an invite begins with https://, as in https://discord.gg/abc123")

        return link

    @field_validator("large_image")
    @classmethod
    def _check_large_image(cls, value: str) -> str:
        return parse_image(value) if value.strip() else ""
