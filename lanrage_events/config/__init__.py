"""The configuration: the YAML file, its models, its errors and the types of its values."""

from __future__ import annotations

from .._exceptions import ConfigError as ConfigError
from ._build import load_bus as load_bus
from ._event_filter import EventFilter as EventFilter
from ._event_types import EventTypes as EventTypes
from ._process import is_running as is_running
from ._rules import RuleStep as RuleStep
from ._rules import explain_rules as explain_rules
from ._types import ConfigModel as ConfigModel
from ._types import ConfigPath as ConfigPath
from ._types import Duration as Duration
from ._types import Names as Names
from ._types import SecretStr as SecretStr
from ._types import secrets_of as secrets_of
from ._validation import validate as validate
from ._where import Where as Where

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = __name__
