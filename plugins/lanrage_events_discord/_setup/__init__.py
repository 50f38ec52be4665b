"""Setting up a webhook: the saved settings, and what is wrong with a URL."""

from __future__ import annotations

from .instructions import INVITE_HEADING as INVITE_HEADING
from .instructions import INVITE_STEPS as INVITE_STEPS
from .instructions import WEBHOOK_HEADING as WEBHOOK_HEADING
from .instructions import WEBHOOK_STEPS as WEBHOOK_STEPS
from .instructions import invite_instructions as invite_instructions
from .instructions import webhook_instructions as webhook_instructions
from .rejections import RejectionCache as RejectionCache
from .settings import Settings as Settings
from .setup import TURN_MAX_SECONDS as TURN_MAX_SECONDS
from .setup import InvalidSetting as InvalidSetting
from .setup import SetInConfiguration as SetInConfiguration
from .setup import Setup as Setup
from .setup import SetupError as SetupError
from .setup import SetupUnavailable as SetupUnavailable
