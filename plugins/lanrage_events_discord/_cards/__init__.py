"""Cards: messages that each show a party, and are edited in place.

``store`` follows the parties and keeps, on the disk, what each card has shown. ``render``
makes the messages.
"""

from __future__ import annotations

from .card import Card as Card
from .render import CardRenderer as CardRenderer
from .store import CardStore as CardStore
