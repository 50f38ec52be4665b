"""Forgetting a person: everything that the plugins of a bus keep of them is removed."""

from __future__ import annotations

from ._forget import ForgetReport as ForgetReport
from ._forget import Forgotten as Forgotten
from ._forget import forget as forget
from ._traces import find_traces as find_traces

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
