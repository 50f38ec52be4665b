"""Which events are meant: the values of their fields, with wildcards."""

from __future__ import annotations

from .conditions import Condition, Not, condition
from .fields import can_have, field_names, has_field, kinds_of
from .patterns import WILDCARD, Pattern, fold
