"""The YAML reader: one dialect, the position of each value, and problems that name it."""

from __future__ import annotations

from ._document import Document as Document
from ._document import KeyPath as KeyPath
from ._document import Text as Text
from ._document import YAMLValue as YAMLValue
from ._document import kind_of as kind_of
from ._document import parse as parse
from ._document import read as read
from ._document import with_path as with_path
from ._problems import Position as Position
from ._problems import Problem as Problem

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
