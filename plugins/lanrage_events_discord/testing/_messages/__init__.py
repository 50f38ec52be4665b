"""Discord's message object: what may be in it, how it is made, edited and shown."""

from __future__ import annotations

from .attachments import ATTACHMENTS_MAX as ATTACHMENTS_MAX
from .attachments import UploadedFile as UploadedFile
from .attachments import attach as attach
from .attachments import texts_of as texts_of
from .checks import Checked as Checked
from .checks import check_identity as check_identity
from .checks import check_message as check_message
from .checks import check_webhook_name as check_webhook_name
from .checks import legacy_field as legacy_field
from .message import Sent as Sent
from .message import avatar_hash as avatar_hash
from .message import edited_message as edited_message
from .message import is_empty as is_empty
from .message import new_message as new_message
