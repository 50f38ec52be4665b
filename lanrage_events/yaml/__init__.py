"""Reading YAML: one dialect, with the position of each value and errors that name it."""

from __future__ import annotations

from ._document import Document as Document
from ._document import KeyPath as KeyPath
from ._document import YAMLValue as YAMLValue
from ._document import about as about
from ._document import parse as parse
from ._nodes import Problem as Problem

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
