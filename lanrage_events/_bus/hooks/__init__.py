"""The hooks of the plugins on a bus: finding, checking and calling their implementations."""

from __future__ import annotations

from .annotations import parameter_classes as parameter_classes
from .handlers import check_handler as check_handler
from .handlers import check_name as check_name
from .handlers import filtered as filtered
from .handlers import handler_name as handler_name
from .hooks import Hooks as Hooks
from .hooks import RegisteredPlugin as RegisteredPlugin
from .names import BATCH_HOOK as BATCH_HOOK
from .names import LIFESPAN as LIFESPAN
from .names import QUERIES as QUERIES
from .trial import transformed as transformed
