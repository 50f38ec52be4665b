"""The key by which hidden names become pseudonyms and opaque ids."""

from __future__ import annotations

import secrets
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from .._exceptions import ConfigError
from ..state import StateFile
from .patterns import fold

FILE = "rules-key.json"
_KEY_BYTES = 32
_ID_PREFIX = "hidden-"
_ID_CHARACTERS = 20
_CHECK_CHARACTERS = 6


def _words(text: str) -> tuple[str, ...]:
    return (*text.split(),)


_QUALITIES = _words(
    "Agile Amber Blue Bold Brave Bright Calm Clever Cosy Curious Daring Eager Early Fair Fast Gentle "
    "Glad Golden Green Happy Honest Jolly Keen Kind Late Light Lively Loud Lucky Merry Mighty Nimble "
    "Noble Patient Polite Proud Quick Quiet Red Rapid Royal Shy Silent Silver Sleepy Small Smart Snowy "
    "Solid Steady Sunny Swift Tall Tidy Tiny Violet Warm White Wild Wise Witty Young Zany Zesty"
)
_ANIMALS = _words(
    "Alpaca Badger Bat Bear Beaver Bee Bison Boar Camel Cat Cheetah Cobra Cougar Cow Crab Crane Deer "
    "Dingo Dolphin Donkey Duck Eagle Eel Elk Falcon Ferret Finch Fox Frog Gecko Gibbon Goat Goose "
    "Hamster Hare Hawk Heron Horse Ibis Ibex Jackal Jaguar Koala Lemur Lion Llama Lynx Magpie Marten "
    "Mole Moose Mouse Newt Otter Owl Panda Puffin Rabbit Raven Robin Seal Swan Tiger Wolf"
)


class HidingKey:
    """A secret of one daemon, without which no one can compute whom a pseudonym stands for.

    It is created when it is first needed.

    :param folder: the state folder; None for a key that ends with the process
    :param is_kept: whether a new one is written; otherwise it ends with the process
    """

    def __init__(self, folder: Path | None = None, *, is_kept: bool = True) -> None:
        self._file = StateFile(None if folder is None else folder / FILE)
        self._is_kept = is_kept

    @cached_property
    def _key(self) -> bytes:
        path = self._file.path
        try:
            found = self._file.read(None)
            if found is None:
                found = secrets.token_hex(_KEY_BYTES)
                if self._is_kept:
                    self._file.write(found)

            key = bytes.fromhex(found)
        except OSError as error:
            raise ConfigError([_explain(path, error.strerror or str(error))]) from None
        except (TypeError, ValueError):
            key = b""

        if len(key) != _KEY_BYTES:
            raise ConfigError([_explain(path, "it is damaged")])

        return key

    def open(self) -> None:
        """Read or create the key.

        :raises ConfigError: if that is not possible
        """
        len(self._key)

    def pseudonym(self, name: str) -> str:
        """Return the name that is shown for another, such as ``Quiet Otter``."""
        number = int(self._digest("pseudonym", fold(name)), 16)
        number, animal_index = divmod(number, len(_ANIMALS))
        return f"{_QUALITIES[number % len(_QUALITIES)]} {_ANIMALS[animal_index]}"

    @staticmethod
    def is_pseudonym(name: str) -> bool:
        """Return whether a name is one that is shown for others."""
        quality, _, animal = name.partition(" ")
        return animal in _ANIMALS and quality in _QUALITIES

    @staticmethod
    def is_part(word: str) -> bool:
        """Return whether a word is part of such names."""
        return word in _ANIMALS or word in _QUALITIES

    def opaque_id(self, text: str, purpose: str = "id") -> str:
        """Return an id that stands for a text, and from which no one learns it.

        :param text: if it is such an id already, it stays as it is
        :param purpose: the same texts get other ids for another purpose
        """
        body, check = text[:-_CHECK_CHARACTERS], text[-_CHECK_CHARACTERS:]
        if text.startswith(_ID_PREFIX) and self._check(body) == check:
            return text

        body = f"{_ID_PREFIX}{self._digest(purpose, text)[:_ID_CHARACTERS]}"
        return f"{body}{self._check(body)}"

    def opaque_name(self, name: str) -> str:
        """Return the id of someone of whom only the name is known."""
        return self.opaque_id(fold(name), "name")

    def _check(self, body: str) -> str:
        return self._digest("check", body)[:_CHECK_CHARACTERS]

    def _digest(self, purpose: str, text: str) -> str:
        data = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return blake2b(data, key=self._key, digest_size=16).hexdigest()


def _explain(path: Path | None, reason: str) -> str:
    return (
        f"{path}: the key of the rules that hide names cannot be used: {reason}. Without the file, "
        "a new one is created, and everyone hidden gets another pseudonym"
    )
