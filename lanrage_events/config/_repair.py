"""Models of data with errors, made of the rest of the data, to check that, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from ..yaml import KeyPath
from ._validation import locate, value_at

_MAX_ROUNDS = 20
"""since what is left out may be required by something else"""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A model of the data without what is wrong, which must not run."""

    config: BaseModel | None
    data: Any
    """the whole data"""
    omitted: frozenset[KeyPath] = field(default_factory=frozenset)
    """what is left out of the data"""
    wrong: frozenset[KeyPath] = field(default_factory=frozenset)
    """what of it is wrong by itself, rather than because of something else that is left out"""

    def original(self, path: KeyPath) -> KeyPath:
        """Return where in the whole data the value at a path stands."""
        data = self.data
        found: KeyPath = ()
        for key in path:
            if isinstance(data, list) and isinstance(key, int):
                kept = [i for i in range(len(data)) if (*found, i) not in self.omitted]
                key = kept[key] if key < len(kept) else len(data)
            elif isinstance(data, dict) and isinstance(key, int):
                names = [name for name in data if (*found, name) not in self.omitted]
                key = names[key] if key < len(names) else key

            found = (*found, key)
            data = value_at(data, (key,))

        return found

    def omits(self, path: KeyPath) -> bool:
        """Return whether a value of the whole data, or one that it is in, is left out."""
        return any(path[:length] in self.omitted for length in range(len(path) + 1))

    def omits_part(self, path: KeyPath) -> bool:
        """Return whether something in a value of the whole data is left out."""
        return any(omitted[: len(path)] == path for omitted in self.omitted)

    def is_in_wrong(self, path: KeyPath) -> bool:
        """Return whether a value of the whole data is part of one that is wrong by itself."""
        return any(path[:length] in self.wrong for length in range(len(path)))


@dataclass(frozen=True, slots=True)
class Repair:
    """Leaves out of data what its model rejects.

    :param validate: makes the model, or raises pydantic's error
    :param example: returns an example of the value at a path, None if there is none
    """

    validate: Callable[[Any], BaseModel]
    example: Callable[[KeyPath], Any]
    data: Any
    omitted: frozenset[KeyPath] = field(default_factory=frozenset)
    """what is left out in any case"""

    def values(self) -> Repaired | None:
        """Leave out the wrong values, so that their defaults count; None if that is not enough."""
        return self._run(_value)

    def items(self) -> Repaired | None:
        """Leave out each item of a list that has a wrong value; None if that is not enough."""
        return self._run(_item)

    def _run(self, widen: Callable[[Any, KeyPath], KeyPath]) -> Repaired | None:
        omitted = wrong = frozenset(widen(self.data, path) for path in self.omitted)
        examples: dict[KeyPath, Any] = {}
        for number in range(_MAX_ROUNDS):
            found = Repaired(None, self.data, omitted, wrong)
            data = _without(self.data, omitted, examples)
            try:
                return replace(found, config=self.validate(data))
            except ValidationError as error:
                located = [locate(one, data) for one in error.errors(include_url=False)]
            except Exception:  # noqa: BLE001 - what a plugin's validator raises is reported already
                return None

            for path in located:
                original = found.original(path)
                is_missing = original in omitted or _existing(path, data) != path
                # Without what is required, all that depends on it would be left out, too.
                if (
                    is_missing
                    and original not in examples
                    and widen(self.data, original) == original
                ):
                    examples[original] = self.example(original)
                    if examples[original] is not None:
                        continue

                omitted |= {widen(self.data, found.original(_existing(path, data)))}

            wrong = omitted if number == 0 else wrong
            if () in omitted:
                return None

        return None


def _existing(path: KeyPath, data: Any) -> KeyPath:
    """Return the path of a value, of what it is missing from if there is none."""
    while path and path[-1] not in _keys(value_at(data, path[:-1])):
        path = path[:-1]

    return path


def _keys(value: Any) -> Iterable[str | int]:
    if isinstance(value, list):
        return range(len(value))

    return value if isinstance(value, dict) else ()


def _value(data: Any, path: KeyPath) -> KeyPath:
    # One of a list of texts would leave an empty list, which may mean something else.
    while path and isinstance(path[-1], int) and not isinstance(value_at(data, path), dict):
        path = path[:-1]

    return path


def _item(data: Any, path: KeyPath) -> KeyPath:
    indices = [number for number, key in enumerate(path) if isinstance(key, int)]
    return path[: indices[0] + 1] if indices else path


def _without(
    value: Any, omitted: frozenset[KeyPath], examples: Mapping[KeyPath, Any], path: KeyPath = ()
) -> Any:
    """Return the data without what is omitted, and with examples of what is required."""
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if (*path, key) not in omitted}
        there = {key: _without(one, omitted, examples, (*path, key)) for key, one in kept.items()}
        added = {p[-1]: e for p, e in examples.items() if p[:-1] == path and e is not None}
        return there | added

    if isinstance(value, list):
        return [
            _without(one, omitted, examples, (*path, index))
            for index, one in enumerate(value)
            if (*path, index) not in omitted
        ]

    return value
