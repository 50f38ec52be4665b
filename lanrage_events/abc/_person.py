"""A person whom the plugins of a bus forget."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Person(ABC):
    """A person by a name or an id, for the hook ``forget``.

    Names and ids are compared as the rule ``hide`` compares names: case, width and invisible characters
    do not matter, and ``*`` stands for any characters.
    """

    @abstractmethod
    def is_called(self, name: str | None) -> bool:
        """Return whether this is a name or the id of the person; False for None."""

    @abstractmethod
    def is_in(self, value: object) -> bool:
        """Return whether a value names the person.

        :param value: a text, in which the name may stand among other words, and in Discord's markdown;
            or what JSON has, of which every text is searched, and keys of objects that are no fields
        """
