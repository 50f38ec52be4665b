"""Cards: messages that each show a party, and are edited in place.

``store`` follows the parties and keeps, on the disk, what each card has shown. ``render`` makes the
messages, and ``reconciler`` brings Discord to what the cards of a webhook should show: ``pace`` says
which card is due, and ``steps`` what is to be done for it; ``sender`` does it, and ``answers`` says what
Discord's answer means. ``cards`` is what the plugin and the API use, and ``report``
says how they are.
"""

from __future__ import annotations

from .card import Card as Card
from .card import CardStatus as CardStatus
from .cards import Cards as Cards
from .cards import forget_person as forget_person
from .cards import opened_store as opened_store
from .render import CardRenderer as CardRenderer
from .report import card_metrics as card_metrics
from .report import cards_problem as cards_problem
from .report import stopped_cards as stopped_cards
from .store import CardStore as CardStore
