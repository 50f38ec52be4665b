"""Setting up a webhook: the saved settings, and what is wrong with a URL."""

from __future__ import annotations

from .directory import TURN_MAX_SECONDS, WebhookDirectory
from .errors import (
    InvalidSetting,
    NameTaken,
    SetInConfiguration,
    SetupError,
    SetupUnavailable,
    UnknownWebhook,
)
from .instructions import (
    INVITE_HEADING,
    INVITE_STEPS,
    WEBHOOK_HEADING,
    WEBHOOK_STEPS,
    invite_instructions,
    webhook_instructions,
)
from .rejections import RejectionCache
from .settings import INVITE_URL, WEBHOOK_URL, SavedWebhook, Settings
from .setup import Change, Setup
from .webhooks import (
    ask_for_webhooks,
    find_routes,
    find_webhook_ids,
    find_webhooks,
    state_file,
)
