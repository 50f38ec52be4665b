"""From events to messages: ``renderer`` makes embeds, ``compose`` messages, ``wording`` own texts."""

from __future__ import annotations

from .compose import Style, compose, compose_test_message
from .entry import (
    COUNT,
    DEFAULT_PRESENTATION,
    NO_EXTRAS,
    Digest,
    Effect,
    Entry,
    Extras,
    NamedThread,
    Presentation,
)
from .leaves import FILTERS, LEAVES
from .party import PartyCard, PartyRecap, PlainCard
from .players import Players
from .renderer import Renderer
from .wording import (
    ALERT_LEAVES,
    DIGEST_LEAVES,
    OWN_MESSAGES,
    Alert,
    Reconnected,
    Unsteady,
    Wording,
)
from .wording import Digest as DigestMessage
