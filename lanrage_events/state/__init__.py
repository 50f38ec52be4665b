"""State folders: small files that are replaced as a whole, and the stores and databases of plugins."""

from __future__ import annotations

from .._files import open_regular as open_regular
from .._files import reject_link as reject_link
from ._database import Database as Database
from ._file import StateFile as StateFile
from ._file import replace_file as replace_file
from ._file import warn_of_other_writers as warn_of_other_writers
from ._store import Store as Store

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith((f"{__name__}.", "lanrage_events._files")):
        _value.__module__ = __name__
