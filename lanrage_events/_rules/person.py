"""A person by a name or an id, as rules compare them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..abc import Person
from .conditions import MANY
from .hiding import Hiding
from .key import FILE, HidingKey
from .patterns import WILDCARD, fold
from .texts import NAME_FIELDS

_ESCAPE = re.compile(r"\\([\W_])")
# What programs call their fields, such as "silent", says nothing of a player of that name.
_FIELD = re.compile(r"[a-z][a-z0-9_]*")


class NamedPerson(Person):
    """A person by a name or an id, and by the pseudonym that rules may show for it.

    :param name: the name or the id
    :param state_folder: has the key of pseudonyms, if any were made
    :raises ValueError: if the name would be anyone's
    """

    def __init__(self, name: str, state_folder: Path | None = None) -> None:
        if not fold(name).strip(f"{WILDCARD} "):
            raise ValueError("expected the name or the id of a person")

        key = HidingKey(state_folder, is_kept=False)
        self.names: tuple[str, ...] = (name,)
        """what the person is called, as far as it is known"""
        if state_folder is not None and (state_folder / FILE).exists():
            opaque = (key.opaque_id(name), key.opaque_name(name))
            self.names = (name, key.pseudonym(name), *opaque)

        self._hiding = Hiding(self.names, "", key)

    def is_called(self, name: str | None) -> bool:
        return name is not None and self._hiding.hides(name)

    def is_in(self, value: object) -> bool:
        if isinstance(value, str):
            return self._is_in_text(value) or (
                "\\" in value and self._is_in_text(_ESCAPE.sub(r"\1", value))
            )

        if isinstance(value, Mapping):
            keys = () if _has_fields(value) else value
            return any(map(self.is_in, keys)) or any(
                self._is_in_item(key, item) for key, item in value.items() if key != "type"
            )

        return isinstance(value, MANY) and any(map(self.is_in, value))

    def _is_in_item(self, key: object, value: object) -> bool:
        if key in NAME_FIELDS:  # a pattern is for a whole name
            names = value if isinstance(value, (*MANY, Mapping)) else (value,)
            if any(isinstance(name, str) and self.is_called(name) for name in names):
                return True

        return self.is_in(value)

    def _is_in_text(self, text: str) -> bool:
        return self._hiding.replace_in(text) != text


def _has_fields(value: Mapping[object, object]) -> bool:
    """Return whether the keys of an object are fields, and not names with the score of each."""
    are_counts = all(type(item) in (int, float) for item in value.values())
    return not are_counts and all(_FIELD.fullmatch(str(key)) for key in value)
