"""A stand-in for Discord's webhook API, for tests of code that posts to it."""

from __future__ import annotations

from .. import _lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
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
else:  # type checkers would otherwise accept any name
    # So that the program handles Ctrl-C before anything else is imported.
    __getattr__, __dir__ = _lazy.lazy_names(
        __name__,
        {
            **dict.fromkeys(("StandInDiscord",), "_discord"),
            **dict.fromkeys(
                ("Drip", "Fail", "Fault", "Faults", "Hang", "Reset", "Script", "When"), "_faults"
            ),
            **dict.fromkeys(("Action", "Journal", "Record", "Scope", "StandInRequest"), "_journal"),
            **dict.fromkeys(("Message", "StandInWebhook"), "_webhooks"),
        },
    )
