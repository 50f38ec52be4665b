"""Discord's limits on embeds and messages."""

from __future__ import annotations

# https://docs.discord.com/developers/resources/message#embed-object-embed-limits
TITLE_MAX_CHARACTERS = 256
DESCRIPTION_MAX_CHARACTERS = 4096
EMBED_MAX_FIELDS = 25
FIELD_NAME_MAX_CHARACTERS = 256
FIELD_VALUE_MAX_CHARACTERS = 1024
FOOTER_MAX_CHARACTERS = 2048
AUTHOR_MAX_CHARACTERS = 256
# The same page: the sum over all embeds of one message.
MESSAGE_EMBEDS_MAX_CHARACTERS = 6000
# https://docs.discord.com/developers/resources/message#embed-object: a colour is a 24 bit number
COLOR_MAX = 0xFFFFFF
# Not documented: the answer to a longer one is "Must be 2048 or fewer in length."
URL_MAX_CHARACTERS = 2048

# https://docs.discord.com/developers/resources/webhook#execute-webhook
MESSAGE_MAX_EMBEDS = 10
CONTENT_MAX_CHARACTERS = 2000
# https://docs.discord.com/developers/resources/webhook#create-webhook: stated for a webhook's own
# name, and taken for the one that a message overrides it with.
USERNAME_MAX_CHARACTERS = 80
USERNAME_MUST_NOT_CONTAIN = ("clyde", "discord")
# https://docs.discord.com/developers/resources/user#usernames-and-nicknames, and seen for webhooks:
# https://github.com/MinnDevelopment/discord-webhooks/issues/100
USERNAMES_RESERVED = ("everyone", "here")
# https://docs.discord.com/developers/resources/channel#start-thread-in-forum-or-media-channel
THREAD_NAME_MAX_CHARACTERS = 100
# https://docs.discord.com/developers/resources/message#allowed-mentions-object
MENTIONS_MAX_IDS = 100
