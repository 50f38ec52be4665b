"""Rules, which change, hide or drop events before any plugin receives them."""

from __future__ import annotations

from .assignment import Assignment, AssignmentProblem
from .conditions import Condition, condition
from .effects import Effect, drop, hide, redact
from .fields import can_have, field_names, has_field, kinds_of
from .hiding import PSEUDONYM, Hiding, without_addresses
from .key import HidingKey
from .patterns import WILDCARD, Pattern, fold
from .person import NamedPerson
from .rule import Action, Rule, RuleSet, RuleStep
from .texts import replace_names
