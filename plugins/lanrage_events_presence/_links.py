"""Checks of links and pictures before they are sent to Discord."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from lanrage_events.templates import utf16_units

from ._activity import BUTTON_URL_MAX_CHARACTERS, IMAGE_MAX_CHARACTERS

_SCHEMES = ("https", "http")
_SHOWN_CHARACTERS = 40


def parse_link(value: object) -> str:
    """Check the link of a button.

    :raises ValueError: if Discord would not accept it
    """
    url = str(value).strip()
    if len(url) > BUTTON_URL_MAX_CHARACTERS:
        raise ValueError(
            f"the address has {len(url)} characters, Discord allows {BUTTON_URL_MAX_CHARACTERS}"
        )

    return _check_url(url)


def parse_image(value: object) -> str:
    """Check a picture: an address, or the name of an uploaded picture.

    :raises ValueError: if it is neither
    """
    image = str(value).strip()
    if (count := utf16_units(image)) > IMAGE_MAX_CHARACTERS:
        raise ValueError(
            f"the picture's name or address has {count} characters, Discord allows "
            f"{IMAGE_MAX_CHARACTERS}"
        )

    if "://" in image:
        return _check_url(image)

    # Discord changes names to lower case when they are uploaded:
    # https://docs.discord.com/developers/discord-social-sdk/development-guides/setting-rich-presence
    return image.lower()


def url_part(value: str) -> str:
    """Escape a value as a part of an address."""
    return quote(value, safe="", errors="replace")


def place_in_url(before: str, after: str) -> str | None:
    """Return the filter for a value that is only a part of an address."""
    return "urlencode" if before.strip() else None


def _check_url(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("the address has white space or invalid characters")

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the address has no valid host") from None

    if parts.scheme not in _SCHEMES or not host:
        raise ValueError(
            f"expected an address such as https://discord.gg/abc123, found {url[:_SHOWN_CHARACTERS]!r}"
        )

    if "@" in parts.netloc:
        raise ValueError("the address has a user name before its host: leave it out")

    return url
