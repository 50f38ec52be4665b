"""A form: checks single values, and collects Discord's nested errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from lanrage_events.templates import utf16_units

Path: TypeAlias = tuple[str | int, ...]

_URL_MAX_CHARACTERS = 2048
# Not documented. Seen rejected: a host without a dot (bugsink#280, grafana#65270), with an
# underscore (discord.js#7438) or with an empty part; user names; ports that are none.
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_URL = re.compile(
    rf"""
    https?://
    (?: (?:{_OCTET}\.){{3}}{_OCTET}
      | \[[0-9a-f:.]+\]
      | (?:(?!-)[^\W_-](?:[^\W_]|-)*(?<!-)\.)+ (?:[^\W\d_]{{2,}} | xn--[0-9a-z-]{{4,}}) \.? )
    (?: :0*(?:[1-9]\d{{0,3}}|[1-5]\d{{4}}|6[0-4]\d{{3}}|65[0-4]\d\d|655[0-2]\d|6553[0-5]) )?
    (?: [/?\#] [^\s<>{{}}|"`\\^]* )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_PICTURE = re.compile(r"data:image/(?:jpeg|png|gif|webp|avif);base64,", re.IGNORECASE)
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_SCHEMES = ("http", "https")
_REQUIRED = ("BASE_TYPE_REQUIRED", "This field is required")


class Form:
    """Checks the values of one body and gathers what is wrong with them.

    Null means absent, as it does to Discord. Each check returns the value if it is right.
    """

    def __init__(self) -> None:
        self.errors: dict[str, Any] = {}
        """what is wrong, nested as Discord nests it"""

    def add(self, path: Path, code: str, message: str) -> None:
        """Note that the value at a path is wrong."""
        node = self.errors
        for key in path:
            node = node.setdefault(str(key), {})

        node.setdefault("_errors", []).append({"code": code, "message": message})

    def text(
        self, path: Path, value: object, maximum: int, *, minimum: int = 0, required: bool = False
    ) -> str:
        """Check a text's length, without white space at its ends.

        Discord does not say whether it counts code points or UTF-16 units, so both must fit.
        """
        if value is None:
            if required:
                self.add(path, *_REQUIRED)

            return ""

        if not isinstance(value, str):
            self.add(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
            return ""

        # https://docs.discord.com/developers/resources/message#embed-object-embed-limits
        text = value.strip()
        if minimum and not (minimum <= len(text) and utf16_units(text) <= maximum):
            message = f"Must be between {minimum} and {maximum} in length."
            self.add(path, "BASE_TYPE_BAD_LENGTH", message)
        elif required and not text:
            self.add(path, *_REQUIRED)
        elif utf16_units(text) > maximum:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {maximum} or fewer in length.")

        return text

    def items(
        self, path: Path, value: object, maximum: int, *, required: bool = False
    ) -> Sequence[object]:
        """Check a list's length."""
        if value is None:
            value = []

        if not isinstance(value, list):
            self.add(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
            return []

        if not value and required:
            self.add(path, *_REQUIRED)
        elif len(value) > maximum:
            self.add(path, "BASE_TYPE_MAX_LENGTH", f"Must be {maximum} or fewer in length.")

        return value

    def mapping(
        self, path: Path, value: object, *, required: bool = False
    ) -> Mapping[str, object] | None:
        """Check that a value is an object."""
        if value is None:
            if required:
                self.add(path, *_REQUIRED)

            return None

        if not isinstance(value, dict):
            message = "Only dictionaries may be used in a DictType"
            self.add(path, "DICT_TYPE_CONVERT", message)
            return None

        return value

    def mappings(
        self, path: Path, value: object, maximum: int, *, required: bool = False
    ) -> Iterator[tuple[Path, Mapping[str, object]]]:
        """Check a list's length and that it holds objects; yield these with their paths."""
        for index, item in enumerate(self.items(path, value, maximum, required=required)):
            place = (*path, index)
            mapping = self.mapping(place, item, required=True)
            if mapping is not None:
                yield place, mapping

    def require(self, path: Path) -> None:
        """Note that a value is missing."""
        self.add(path, *_REQUIRED)

    def integer(self, path: Path, value: object, minimum: int, maximum: int) -> int | None:
        """Check a whole number's range; a text or a fraction that says one will do."""
        if value is None:
            return None

        number = _whole(value)
        if number is None:
            self.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
            return None

        if number < minimum:
            message = f"int value should be greater than or equal to {minimum}."
            self.add(path, "NUMBER_TYPE_MIN", message)
        elif number > maximum:
            message = f"int value should be less than or equal to {maximum}."
            self.add(path, "NUMBER_TYPE_MAX", message)

        return number

    def choice(
        self, path: Path, value: object, choices: Sequence[int], *, required: bool = False
    ) -> int | None:
        """Check that a number is one of a few."""
        if value is None:
            if required:
                self.require(path)

            return None

        number = _whole(value)
        if number not in choices:
            message = f"Value must be one of {{{', '.join(map(str, choices))}}}."
            self.add(path, "BASE_TYPE_CHOICES", message)
            return None

        return number

    def boolean(self, path: Path, value: object) -> bool:
        """Check a boolean; a text that says one, as fields of a form do, will do."""
        if value is None or isinstance(value, bool):
            return bool(value)

        return self.switch(path, str(value))

    def switch(self, path: Path, value: str | None) -> bool:
        """Check a boolean of the query."""
        # https://docs.discord.com/developers/reference#boolean-query-strings
        if value in ("True", "true", "1"):
            return True

        if value not in (None, "False", "false", "0"):
            self.add(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")

        return False

    def url(
        self, path: Path, value: object, *, attachment: bool = False, required: bool = False
    ) -> str:
        """Check an address.

        :param attachment: whether the name of an attached file will do
        """
        text = self.text(path, value, _URL_MAX_CHARACTERS, required=required)
        if not text:
            return ""

        schemes = (*_SCHEMES, "attachment") if attachment else _SCHEMES
        try:
            parts = urlsplit(text)
        except ValueError:
            self.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
            return ""

        if parts.scheme not in schemes:
            message = f'Scheme "{parts.scheme}" is not supported. Scheme must be one of {_SCHEMES}.'
            self.add(path, "URL_TYPE_INVALID_SCHEME", message)
        elif parts.scheme in _SCHEMES and not _URL.fullmatch(text):
            self.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")

        return text

    def picture(self, path: Path, value: object) -> str:
        """Check image data: a ``data:`` address with the picture in base64."""
        # https://docs.discord.com/developers/reference#image-data
        if value is not None and not (isinstance(value, str) and _PICTURE.match(value)):
            self.add(path, "IMAGE_INVALID", "Invalid image data")
            return ""

        return value or ""

    def time(self, path: Path, value: object) -> None:
        """Check an ISO 8601 time."""
        if value is None:
            return

        try:
            datetime.fromisoformat(str(value))
        except ValueError:
            message = f"Could not parse {value}. Should be ISO8601."
            self.add(path, "DATE_TIME_TYPE_PARSE", message)

    def snowflakes(self, path: Path, value: object, maximum: int) -> Sequence[str]:
        """Check a list of ids."""
        ids = []
        for index, item in enumerate(self.items(path, value, maximum)):
            text = str(item)
            if isinstance(item, bool) or not (text.isascii() and text.isdecimal()):
                message = f'Value "{item}" is not snowflake.'
                self.add((*path, index), "NUMBER_TYPE_COERCE", message)
            elif text in ids:
                message = "The set already contains this value"
                self.add((*path, index), "SET_TYPE_ALREADY_CONTAINS_VALUE", message)
            else:
                ids.append(text)

        return ids


def _whole(value: object) -> int | None:
    """Return the whole number that a value says, None if it says none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)

    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)

    return value if isinstance(value, int) and not isinstance(value, bool) else None
