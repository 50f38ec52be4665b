"""The hooks of the plugins on a bus: finding, checking and calling their implementations."""

from __future__ import annotations

from .annotations import parameter_classes as parameter_classes
from .answers import WrongAnswer as WrongAnswer
from .answers import checked_answer as checked_answer
from .answers import checked_counts as checked_counts
from .answers import checked_event_classes as checked_event_classes
from .answers import checked_health as checked_health
from .answers import checked_previews as checked_previews
from .answers import checked_problems as checked_problems
from .answers import checked_services as checked_services
from .answers import declaration_problems as declaration_problems
from .answers import is_storage as is_storage
from .deliveries import delivery_of as delivery_of
from .field_types import field_type_problem as field_type_problem
from .handlers import check_handler as check_handler
from .handlers import check_name as check_name
from .handlers import filtered as filtered
from .handlers import handler_name as handler_name
from .hooks import Hooks as Hooks
from .hooks import RegisteredPlugin as RegisteredPlugin
from .names import ASKED as ASKED
from .names import BATCH_HOOK as BATCH_HOOK
from .names import LIFESPAN as LIFESPAN
from .names import QUERIES as QUERIES
from .trial import transformed as transformed
