"""Conditions: the values that an event's fields must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .patterns import WILDCARD, Pattern

MANY = (tuple, list, set, frozenset)
Condition: TypeAlias = Callable[[object], bool]
"""returns whether a value is one that is wanted"""


def condition(wanted: Any) -> Condition:
    """Return whether values are the wanted one, or one of several; of many, one is enough.

    :param wanted: a text, in which ``*`` stands for any characters, a number or a truth value; a
        list of these, or ``{"not": …}`` with one of these
    """
    if isinstance(wanted, Mapping):
        excluded = condition(wanted["not"])
        return lambda value: not excluded(value)

    if isinstance(wanted, list):
        tests = [condition(one) for one in wanted]
        return lambda value: any(test(value) for test in tests)

    if isinstance(wanted, str) and WILDCARD in wanted:
        return _like(Pattern(wanted))

    return _equal(wanted)


def _like(pattern: Pattern) -> Condition:
    matches = pattern.matches

    def test(value: object) -> bool:
        if isinstance(value, str):
            return matches(value)

        if isinstance(value, MANY):
            return any(map(test, value))

        return value is not None and matches(str(value))

    return test


def _equal(wanted: object) -> Condition:
    text = None if isinstance(wanted, bool) else str(wanted)

    def test(value: object) -> bool:
        if value == wanted:
            return True

        if type(value) is str:
            return value == text

        if isinstance(value, MANY):
            return any(map(test, value))

        # YAML reads some names as numbers, such as a party called 2026.
        return text is not None and str(value) == text

    return test
