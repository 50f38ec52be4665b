"""A stand-in for Discord's webhook API, for the tests of whoever posts to it."""

from __future__ import annotations

from ._discord import StandInDiscord as StandInDiscord
from ._faults import Drip as Drip
from ._faults import Fail as Fail
from ._faults import Fault as Fault
from ._faults import Faults as Faults
from ._faults import Hang as Hang
from ._faults import Reset as Reset
from ._faults import Script as Script
from ._faults import When as When
from ._journal import Action as Action
from ._journal import Journal as Journal
from ._journal import Record as Record
from ._journal import Scope as Scope
from ._journal import StandInRequest as StandInRequest
from ._webhooks import Message as Message
from ._webhooks import StandInWebhook as StandInWebhook


def _make_public(value: object) -> None:
    """Let tracebacks, documentation and pickles show the module that a user would write."""
    if getattr(value, "__module__", "").startswith(f"{__name__}."):
        value.__module__ = __name__


for _value in tuple(globals().values()):
    _make_public(_value)
