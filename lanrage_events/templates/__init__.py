"""Templates that render events, one YAML file per event type."""

from __future__ import annotations

from .._exceptions import TemplateError as TemplateError
from .._own_file import OwnFile as OwnFile
from .._own_file import read_in_thread as read_in_thread
from ._clusters import character_boundary as character_boundary
from ._clusters import utf16_units as utf16_units
from ._filters import TemplateFilter as TemplateFilter
from ._json import WHOLE_EVENT as WHOLE_EVENT
from ._json import JSONTemplates as JSONTemplates
from ._leaf import Continuation as Continuation
from ._leaf import LeafWarning as LeafWarning
from ._leaf import SafeString as SafeString
from ._leaf import TemplateLeaf as TemplateLeaf
from ._sets import builtin_sets as builtin_sets
from ._sets import template_folder as template_folder
from ._templates import RenderedLeaves as RenderedLeaves
from ._templates import Templates as Templates
from ._words import Words as Words

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = __name__
